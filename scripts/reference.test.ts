// What is generated is committed as the code says it, and every variable of the platform is documented.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SETTINGS } from '../packages/server/src/settings.ts';
import { ROOT, renderReference } from './reference.ts';

it('the generated files are what `npm run generate` writes', async () => {
  for (const [path, content] of await renderReference())
    expect(readFileSync(join(ROOT, path), 'utf8'), `${path}: run npm run generate`).toBe(content);
});

it('the settings table names exactly the variables that config.ts reads', () => {
  const source = ['config.ts', 'config-docker.ts']
    .map((file) => readFileSync(join(ROOT, 'packages/server/src', file), 'utf8'))
    .join('\n');
  const read = [...source.matchAll(/\(env, '([A-Z][A-Z0-9_]+)'|env\.([A-Z][A-Z0-9_]{4,})/g)].map(
    ([, quoted, dotted]) => quoted ?? dotted,
  );
  expect(SETTINGS.map(({ name }) => name).sort()).toEqual([...new Set(read)].sort());
});
