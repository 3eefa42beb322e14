// SPF, DKIM and DMARC as a receiving server sees them, with mailauth. Usage: mailauth.mjs FOLDER DNS.json
//
// The mails come from the address MAIL_CHECK_IP. Their envelope is from MAIL_CHECK_SENDER, else from the
// address in From.

import { readFileSync } from 'node:fs';
import { load, mails, tell } from './mails.mjs';

const { authenticate } = load('mailauth');

const [folder, dns] = process.argv.slice(2);
const records = JSON.parse(readFileSync(dns, 'utf8'));
const ip = process.env.MAIL_CHECK_IP || '192.0.2.25';

async function resolver(name, type) {
  const answer = records[name.toLowerCase()]?.[type];
  if (!answer) {
    throw Object.assign(new Error(`no ${type} record of ${name}`), { code: 'ENOTFOUND' });
  }
  return answer;
}

function address(raw) {
  const [, value] = /^From:((?:.*\r\n[ \t])*.*)/im.exec(raw.toString('latin1')) ?? [];
  return /<?([^\s<>]+@[^\s<>]+)>?\s*$/.exec(value ?? '')?.[1];
}

for (const [name, raw] of mails(folder, '.eml')) {
  const from = address(raw) ?? '';
  const sender = process.env.MAIL_CHECK_SENDER || from;
  const helo = sender.split('@').pop();
  const { spf, dkim, dmarc } = await authenticate(raw, {
    ip, helo, sender, resolver, mta: 'mx.example.net', minBitLength: 2048, disableArc: true, disableBimi: true,
  });
  const failures = [];
  const expect = (what, status, passes = status?.result === 'pass') => {
    if (!passes) {
      failures.push(`${what}: ${status?.result ?? 'none'} ${status?.comment ?? ''}`);
    }
  };
  expect('SPF', spf?.status);
  for (const signature of dkim.results) {
    expect(`DKIM by ${signature.signingDomain} (${signature.algo})`, signature.status);
    expect(`DKIM by ${signature.signingDomain}, aligned`, { result: 'no' }, Boolean(signature.status.aligned));
  }
  expect('DMARC', dmarc?.status);
  // DMARC passes with either of them; some receivers want both.
  for (const by of ['spf', 'dkim']) {
    expect(`DMARC by ${by.toUpperCase()}`, { result: 'not aligned' }, Boolean(dmarc?.alignment?.[by]?.result));
  }
  tell(name, failures);
}
