// `npm run generate`: writes what is derived from the code. scripts/reference.test.ts fails when it was forgotten.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, renderReference } from './reference.ts';

for (const [path, content] of await renderReference()) {
  mkdirSync(dirname(join(ROOT, path)), { recursive: true });
  writeFileSync(join(ROOT, path), content);
  process.stdout.write(`wrote ${path}\n`);
}
