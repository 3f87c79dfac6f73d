// `kill -9` at any moment: what was acknowledged is there afterwards, once, and the directory is free again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { chosenStore, createDataDir } from '@molecule/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { createLog } from '../../log.ts';
import { openDatabase } from '../index.ts';
import { seededRandom } from './testing/random.ts';

const WRITER = join(import.meta.dirname, 'testing/writer.ts');
const ROUNDS = 12;
const LONGEST_RUN_MS = 400;

let child: ChildProcess | null = null;
let dataDir: string | null = null;
afterEach(() => {
  child?.kill('SIGKILL');
  if (dataDir) rmSync(dataDir, { recursive: true, force: true });
});

function startWriter(dir: string, round: number): ChildProcess & { lines: AsyncIterableIterator<string> } {
  // As in vitest.config.ts: a database that is about to be killed needs no optimised code.
  const flags = ['--disable-warning=ExperimentalWarning', '--liftoff-only'];
  const started = spawn(process.execPath, [...flags, WRITER, dir, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = started;
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  return Object.assign(started, { lines });
}

async function killAndWait(process: ChildProcess): Promise<void> {
  const gone = once(process, 'exit');
  process.kill('SIGKILL');
  await gone;
}

describe.skipIf(chosenStore() === 'postgres')('a killed process', () => {
  it(`has lost no acknowledged row after ${ROUNDS} kills at random moments, and written none twice`, {
    timeout: 120_000,
  }, async () => {
    const random = seededRandom(20_250_731);
    const dir = await createDataDir();
    dataDir = dir;
    const promised = new Set<string>();
    for (let round = 0; round <= ROUNDS; round += 1) {
      const writer = startWriter(dir, round);
      const found = JSON.parse((await writer.lines.next()).value) as string[];
      const present = new Set(found);
      expect(present.size).toBe(found.length);
      expect([...promised].filter((id) => !present.has(id))).toEqual([]);
      const moment = pause(random() * LONGEST_RUN_MS).then(() => killAndWait(writer));
      // What the pipe still holds was said before the process died, so it counts.
      for await (const line of writer.lines) for (const id of JSON.parse(line) as string[]) promised.add(id);
      await moment;
    }
    expect(promised.size).toBeGreaterThan(ROUNDS * 10);
  });

  it('leaves no half a database behind when it dies while creating one', { timeout: 60_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'molecule-creating-'));
    dataDir = dir;
    const writer = startWriter(dir, 0);
    // The version file is what the engine takes for a database; it is among the first that are copied.
    await expect.poll(() => existsSync(join(dir, 'db/PG_VERSION')), { timeout: 40_000, interval: 1 }).toBe(true);
    await killAndWait(writer);
    expect(existsSync(join(dir, 'db.creating'))).toBe(true);
    const db = await openDatabase({ url: null, dataDir: dir, log: createLog('silent'), minFreeBytes: 0 });
    expect((await db.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await db.close();
    expect(existsSync(join(dir, 'db.creating'))).toBe(false);
  });
});
