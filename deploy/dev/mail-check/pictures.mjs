// Takes pictures of mails, and writes an index of them. Usage: pictures.mjs FOLDER OUT

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { show, withBrowser } from './checks/browser.mjs';
import { mails } from './checks/mails.mjs';

// All mails share their colours and their shapes, so a few are enough to see those of the night, and one
// width those in Welsh.
const BY_NIGHT = ['correction', 'digest', 'open-now', 'vacancy-alert-test'];
const WELSH = /-cy$/;
const INDEX = 'README.md';

const [folder, out] = process.argv.slice(2);

function views(name) {
  const narrow = { file: `${name}-320.png`, width: 320, scheme: 'light' };
  const wide = { file: `${name}-800.png`, width: 800, scheme: 'light' };
  const night = { file: `${name}-dark-320.png`, width: 320, scheme: 'dark' };
  return { narrow, wide: WELSH.test(name) ? null : wide, night: BY_NIGHT.includes(name) ? night : null };
}

// Few colours, so that it stays small among the sources.
function small(picture) {
  return execFileSync('pngquant', ['--strip', '--speed', '1', '16', '-'], { input: picture });
}

function row({ name, subject }) {
  const { narrow, wide, night } = views(name);
  const cells = [narrow, wide, night].map((view) => (view ? `[picture](${view.file})` : ''));
  return `| ${[name, subject.replaceAll('|', '\\|'), ...cells].join(' | ')} |`;
}

function index(subjects) {
  return `# Pictures of the mails

What each mail looks like on a phone (320 px) and on a wide screen (800 px), and some of them by night; those in
Welsh have names that end in -cy. What they tell of is invented. \`make mail-pictures\` takes the pictures and
writes this page.

| mail | subject | 320 px | 800 px | 320 px, by night |
| --- | --- | --- | --- | --- |
${subjects.map(row).join('\n')}
`;
}

mkdirSync(out, { recursive: true });
for (const file of readdirSync(out).filter((file) => file.endsWith('.png'))) {
  rmSync(join(out, file));
}
await withBrowser(async (open) => {
  const subjects = [];
  for (const [name, html] of mails(folder, '.html')) {
    const { page } = await open(html.toString('utf8'));
    for (const view of Object.values(views(name)).filter(Boolean)) {
      await show(page, view);
      writeFileSync(join(out, view.file), small(await page.screenshot({ fullPage: true })));
    }
    subjects.push({ name, subject: await page.title() });
  }
  writeFileSync(join(out, INDEX), index(subjects));
});
