// What the checks in JavaScript share: the mails of a folder, the packages, and how a verdict is told.

import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// The packages are not beside the scripts but in the cache, which `run` names.
export const load = createRequire(join(process.env.JOBALERTS_MAIL_CHECK_DIR, 'npm', 'package.json'));

// The name of each mail, and the octets of its file that ends so, by name.
export function mails(folder, ending) {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.eml'))
    .map((file) => file.slice(0, -'.eml'.length))
    .sort()
    .map((name) => [name, readFileSync(join(folder, name + ending))]);
}

// One line for each failure of the mail, or one that it has none.
export function tell(name, failures) {
  for (const failure of failures) {
    console.log(['fail', name, failure.split(/\s+/).join(' ')].join('\t'));
  }
  if (failures.length === 0) {
    console.log(['ok', name].join('\t'));
  }
}
