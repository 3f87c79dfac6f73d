// One owner per data directory, held by the kernel for as long as the process lives.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDataDir } from './data-lock.ts';
import type { DatabaseStartError } from './start-error.ts';

let dataDir: string;
let holder: ChildProcess | null = null;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'molecule-lock-'));
});
afterEach(() => {
  holder?.kill('SIGKILL');
  holder = null;
  rmSync(dataDir, { recursive: true, force: true });
});

function refusalOf(dir: string): DatabaseStartError {
  try {
    lockDataDir(dir).release();
  } catch (error) {
    return error as DatabaseStartError;
  }
  throw new Error('the lock was given');
}

/** Another process that takes the lock, and keeps it. */
async function startHolder(announce: string | null): Promise<ChildProcess> {
  const program = `
    import { lockDataDir } from ${JSON.stringify(new URL('./data-lock.ts', import.meta.url).href)};
    let lock = lockDataDir(${JSON.stringify(dataDir)});
    // Whoever holds it need not keep the handle: it is not freed by collecting garbage.
    ${announce ? `lock.announce(${JSON.stringify(announce)});` : ''}
    lock = null;
    gc();
    process.stdout.write('held');
    setInterval(() => {}, 60_000);
  `;
  const started = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--expose-gc', '--input-type=module', '-e', program],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  holder = started;
  await once(started.stdout, 'data');
  return started;
}

describe('the lock of a data directory', () => {
  it('is refused to a second process at once, saying who holds it and what to do', async () => {
    const { pid } = await startHolder('http://127.0.0.1:4711');
    const before = performance.now();
    const refusal = refusalOf(dataDir);
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(refusal).toMatchObject({ code: 'already_running', owner: 'http://127.0.0.1:4711' });
    expect(refusal.message).toBe(`already running at http://127.0.0.1:4711 (process ${pid} holds ${dataDir})`);
    expect(refusal.hint).toContain('open http://127.0.0.1:4711');
  });

  it('names the process while its address is not known yet', async () => {
    // A platform that was killed left its address behind; the new owner's is not known.
    writeFileSync(join(dataDir, 'owner.json'), JSON.stringify({ pid: 1, url: 'http://127.0.0.1:1' }));
    const { pid } = await startHolder(null);
    const refusal = refusalOf(dataDir);
    expect(refusal.message).toContain(`another Molecule (process ${pid}) is just starting`);
    expect(refusal.owner).toBeNull();
  });

  it('is free as soon as its holder is killed, and after a release', async () => {
    const started = await startHolder('http://127.0.0.1:4711');
    const gone = once(started, 'exit');
    started.kill('SIGKILL');
    await gone;
    const lock = lockDataDir(dataDir);
    expect(refusalOf(dataDir).code).toBe('already_running');
    lock.release();
    lockDataDir(dataDir).release();
  });

  it('keeps its files to the owner', () => {
    const dir = join(dataDir, 'new');
    const lock = lockDataDir(dir);
    lock.announce('http://127.0.0.1:4711');
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, 'owner.json')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(dir, 'owner.json'), 'utf8'))).toEqual({
      pid: process.pid,
      url: 'http://127.0.0.1:4711',
    });
    lock.release();
  });

  it('says that a directory cannot be written to', () => {
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    expect(refusalOf(join(file, 'data'))).toMatchObject({
      code: 'unwritable',
      message: `${join(file, 'data')} cannot be written to (ENOTDIR)`,
      hint: expect.stringContaining('MOLECULE_DATA_DIR='),
    });
    mkdirSync(join(dataDir, 'lock.sqlite'));
    expect(refusalOf(dataDir).code).toBe('unwritable');
  });
});
