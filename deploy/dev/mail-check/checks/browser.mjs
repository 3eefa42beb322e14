// Opens mails in Chromium, with nothing else in reach.

import { load } from './mails.mjs';

const puppeteer = load('puppeteer-core');

const ADDRESS = 'https://mail.invalid/';

// Calls `use` with a function that opens a mail, and closes the browser when that is over.
export async function withBrowser(use) {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    // As root it runs without a sandbox or not at all. No name leads anywhere.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND'],
  });
  try {
    const page = await browser.newPage();
    let html = '';
    let asked = [];
    await page.setRequestInterception(true);
    page.on('request', (request) => {
      if (request.url() === ADDRESS) {
        request.respond({ contentType: 'text/html; charset=utf-8', body: html });
      } else if (request.url() === `${ADDRESS}favicon.ico`) {
        request.respond({ status: 404 }); // the browser's own wish
      } else {
        asked.push(request.url());
        request.abort();
      }
    });
    // `asked` is what the mail wanted besides itself.
    const open = async (mail) => {
      [html, asked] = [mail, []];
      await page.goto(ADDRESS, { waitUntil: 'load', timeout: 60_000 });
      return { page, asked };
    };
    await use(open);
  } finally {
    await browser.close();
  }
}

// Shows the page as a screen of this width does, by day or by night.
export async function show(page, { width, scheme }) {
  await page.setViewport({ width, height: 800 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
}
