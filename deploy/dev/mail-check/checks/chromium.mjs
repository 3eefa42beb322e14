// Shows mails on a narrow and a wide screen, by day and by night, and has axe-core look at them.
// Usage: chromium.mjs FOLDER

import { show, withBrowser } from './browser.mjs';
import { load, mails, tell } from './mails.mjs';

const axe = load('axe-core').source;

const LONGEST = 60_000;
const SCREENS = [320, 800].flatMap((width) => ['light', 'dark'].map((scheme) => ({ width, scheme })));
const RULES = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
  // Off by itself, although it is among the rules above.
  rules: { 'target-size': { enabled: true } },
};

async function seen(page, screen) {
  await show(page, screen);
  const { violations, incomplete } = await page.evaluate((rules) => window.axe.run(document, rules), RULES);
  const needed = await page.evaluate(() => document.scrollingElement.scrollWidth);
  return [
    ...violations.flatMap(sentences),
    ...incomplete.flatMap(sentences).map((sentence) => `axe cannot tell: ${sentence}`),
    ...(needed > screen.width ? [`it is ${needed} px wide and has to be scrolled`] : []),
  ].map((failure) => `${screen.width} px, ${screen.scheme}: ${failure}`);
}

function sentences({ id, nodes }) {
  return nodes.map((node) => {
    const reason = [...node.any, ...node.all, ...node.none].map((check) => check.message).join('; ');
    return `${id} at ${node.target}: ${reason}`;
  });
}

await withBrowser(async (open) => {
  for (const [name, html] of mails(process.argv[2], '.html')) {
    const { page, asked } = await open(html.toString('utf8'));
    const active = await page.$$eval('script, form, iframe, object, embed, link', (all) => all.map((e) => e.localName));
    await page.evaluate(axe);
    const failures = html.length < LONGEST ? [] : [`it has ${html.length} octets`];
    for (const screen of SCREENS) {
      failures.push(...(await seen(page, screen)));
    }
    failures.push(...active.map((element) => `there is an element ${element}`));
    failures.push(...[...new Set(asked)].map((url) => `it wants ${url}`));
    tell(name, failures);
  }
});
