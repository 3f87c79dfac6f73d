// Credentials on a real disk.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createFolder, createTestLog } from '../test/test-agent.ts';
import { createCredentials } from './credentials.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** Reads the file over and over until told to stop, and tells what it saw that was no whole token. */
const READER = `
const { readFileSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
let reads = 0, bad = [];
parentPort.on('message', () => { parentPort.postMessage({ reads, bad }); process.exit(0); });
function read() {
  for (let index = 0; index < 200; index += 1) {
    const seen = readFileSync(workerData, 'utf8');
    reads += 1;
    if (!/^token-\\d{4}-x{200}$/.test(seen)) bad.push(seen);
  }
  setImmediate(read);
}
parentPort.postMessage('ready');
read();
`;

it('R05 a reader that loops during 1000 rewrites of the token never sees an empty or partial one', async () => {
  const folder = createFolder();
  const path = join(folder, '.auth_token');
  const credentials = createCredentials(folder, {}, createTestLog().log);
  const tokenOf = (number: number) => `token-${String(number).padStart(4, '0')}-${'x'.repeat(200)}`;
  credentials.saveAuthToken(tokenOf(0));
  const reader = new Worker(READER, { eval: true, workerData: path });
  await new Promise((resolve) => reader.once('message', resolve));
  for (let number = 1; number <= 1_000; number += 1) {
    credentials.saveAuthToken(tokenOf(number));
    // Lets the two take turns.
    if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const seen = await new Promise<{ reads: number; bad: string[] }>((resolve) => {
    reader.once('message', resolve);
    reader.postMessage('stop');
  });
  expect(seen.bad).toEqual([]);
  expect(seen.reads).toBeGreaterThan(1_000);
  expect(readFileSync(path, 'utf8')).toBe(tokenOf(1_000));
  expect(readdirSync(folder)).toEqual(['.auth_token']);
}, 60_000);

it('makes its folder, keeps the file to its owner and writes only what changes', () => {
  const folder = join(createFolder(), 'configs');
  const credentials = createCredentials(folder, {}, createTestLog().log);
  credentials.saveAuthToken('first-token');
  const path = join(folder, '.auth_token');
  expect(modeOf(path)).toBe('600');
  utimesSync(path, 1_000, 1_000);
  credentials.saveAuthToken('first-token');
  expect(statSync(path).mtimeMs).toBe(1_000_000);
  credentials.saveAuthToken('');
  expect(readFileSync(path, 'utf8')).toBe('first-token');
  credentials.saveAuthToken('second-token');
  expect(readFileSync(path, 'utf8')).toBe('second-token');
});

it('reads a rotated file only when told to, and prefers it to the environment', () => {
  const folder = createFolder();
  const credentials = createCredentials(
    folder,
    { MOLECULE_WORKSPACE_TOKEN: 'of-the-environment' },
    createTestLog().log,
  );
  expect(credentials.authHeaders()).toEqual({ authorization: 'Bearer of-the-environment' });
  writeFileSync(join(folder, '.auth_token'), 'of-the-file\n');
  expect(credentials.authToken()).toBe('of-the-environment');
  credentials.refresh();
  expect(credentials.authToken()).toBe('of-the-file');
  expect(createCredentials(createFolder(), {}, createTestLog().log).authHeaders()).toEqual({});
});

it('keeps in memory what the disk refuses, through a refresh, and says so once', () => {
  const folder = createFolder();
  // A folder where the file belongs is refused for everybody, root too.
  mkdirSync(join(folder, '.auth_token', 'x'), { recursive: true });
  chmodSync(folder, 0o755);
  const { log, lines } = createTestLog();
  const credentials = createCredentials(folder, {}, log);
  credentials.saveAuthToken('one');
  credentials.refresh();
  expect(credentials.authToken()).toBe('one');
  credentials.saveAuthToken('two');
  expect(credentials.authToken()).toBe('two');
  expect(lines.filter(({ level }) => level === 40)).toHaveLength(1);
  expect(existsSync(join(folder, '.platform_inbound_secret'))).toBe(false);
  expect(JSON.stringify(lines)).not.toContain('"two"');
});
