// Holds HTML against the standard and rules of accessibility, with html-validate. Usage: html-validate.mjs FOLDER

import { readFileSync } from 'node:fs';
import { load, mails, tell } from './mails.mjs';

const { HtmlValidate, StaticConfigLoader } = load('html-validate');

const config = JSON.parse(readFileSync(new URL('../htmlvalidate.json', import.meta.url), 'utf8'));
const validator = new HtmlValidate(new StaticConfigLoader(config));

for (const [name, html] of mails(process.argv[2], '.html')) {
  const { results } = await validator.validateString(html.toString('utf8'), `${name}.html`);
  const messages = results.flatMap((result) => result.messages);
  tell(name, messages.map(({ line, ruleId, message }) => `line ${line}: ${message} (${ruleId})`));
}
