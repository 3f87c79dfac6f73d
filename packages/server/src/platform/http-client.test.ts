// What a platform that starts loads of its HTTP client.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const PROGRAM = `
  import { createRequire } from 'node:module';
  await import(${JSON.stringify(new URL('../app.ts', import.meta.url).href)});
  const { cache } = createRequire(import.meta.url);
  const packaged = Object.keys(cache).flatMap((path) => path.split('/undici/lib/')[1] ?? []);
  console.log(JSON.stringify({ packaged, ownFetch: process.moduleLoadList.some((name) => /deps.undici/.test(name)) }));
`;

it('the parts it calls with, and no fetch, neither of undici nor of Node, nor mocks, caches and web sockets', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    PROGRAM,
  ]);
  const { packaged, ownFetch } = JSON.parse(stdout) as { packaged: string[]; ownFetch: boolean };
  expect(packaged).toContain('dispatcher/pool.js');
  expect(packaged.filter((path) => /^(web|mock|cache|interceptor)\//.test(path))).toEqual([]);
  expect(ownFetch).toBe(false);
});
