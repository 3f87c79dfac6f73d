// The machine loses power: only what was synced is on the disk afterwards. Everything that is done to the files is written down,
// and for random moments the directory is built as such a loss would leave it.

import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosenStore } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../log.ts';
import { type Database, openDatabase } from '../index.ts';
import { type PowerLoss, rebuildAfter } from './testing/disk-model.ts';
import { seededRandom } from './testing/random.ts';

const ROUNDS = 6;
const CALLERS = 8;
const BATCHES = 60;

let folder: string;
let trace: string;
/** Length of the trace when the database was ready, and at its end. */
let span: { from: number; to: number };
/** Every promised row, with the length of the trace when the promise was made. */
const promises: { id: number; at: number }[] = [];

const traceLength = () => statSync(trace).size;
const open = (dataDir: string) => openDatabase({ url: null, dataDir, log: createLog('silent'), minFreeBytes: 0 });

async function keepPromises(db: Database, caller: number): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const id = caller * BATCHES + batch;
    await db.pool.query('insert into promises values ($1, $2)', [id, 'x'.repeat(800)]);
    promises.push({ id, at: traceLength() });
    if (batch % 20 === 10) await db.pool.query('update promises set body = body where id % 3 = $1', [caller % 3]);
    if (caller === 0 && batch % 25 === 20) await db.pool.query('checkpoint');
    // A new log segment: a file created, filled, synced and renamed.
    if (caller === 1 && batch % 25 === 10) await db.pool.query('select pg_switch_wal()');
  }
}

beforeAll(async () => {
  if (chosenStore() === 'postgres') return;
  folder = mkdtempSync(join(tmpdir(), 'molecule-power-'));
  trace = join(folder, 'trace');
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  process.env.DISK_TRACE_ROOT = dataDir;
  process.env.DISK_TRACE = trace;
  process.env.NODE_OPTIONS = `--import=${new URL('./testing/disk-recorder.ts', import.meta.url).href}`;
  const db = await open(dataDir);
  delete process.env.NODE_OPTIONS;
  await db.pool.query('create table promises (id int primary key, body text)');
  const from = traceLength();
  await Promise.all(Array.from({ length: CALLERS }, (_, caller) => keepPromises(db, caller)));
  span = { from, to: traceLength() };
  await db.close();
}, 120_000);
afterAll(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** @returns the rows found after the loss; null when the database does not open, or no longer has the table. */
async function findAfter(loss: PowerLoss, name: string): Promise<number[] | null> {
  const dataDir = join(folder, name);
  rebuildAfter(trace, loss, dataDir);
  try {
    const db = await open(dataDir);
    try {
      return (await db.pool.query<{ id: number }>('select id from promises')).rows.map((row) => row.id);
    } finally {
      await db.close();
    }
  } catch {
    return null;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const promisedBefore = (moment: number) => promises.filter(({ at }) => at <= moment).map(({ id }) => id);

describe.skipIf(chosenStore() === 'postgres')('a power loss', () => {
  it('is recorded on a run that promised rows all along', () => {
    expect(promises).toHaveLength(CALLERS * BATCHES);
    expect(promisedBefore(span.from)).toEqual([]);
  });

  for (let round = 0; round < ROUNDS; round += 1) {
    it(`leaves every promised row (round ${round})`, { timeout: 60_000 }, async () => {
      const random = seededRandom(1_000 + round);
      const at = Math.floor(span.from + random() * (span.to - span.from));
      // In every other round the disk had written some of what nobody had asked it to.
      const survives = round % 2 === 0 ? () => false : () => random() < 0.5;
      const found = await findAfter({ at, survives, syncs: { honoured: true } }, `round-${round}`);
      expect(found).not.toBeNull();
      const present = new Set(found);
      expect(present.size).toBe(found?.length);
      expect(promisedBefore(at).filter((id) => !present.has(id))).toEqual([]);
    });
  }

  it('loses rows where syncs do nothing, as with PGlite as shipped', { timeout: 60_000 }, async () => {
    const at = Math.floor((span.from + span.to) / 2);
    const syncs = { honoured: false, from: span.from } as const;
    const found = new Set(await findAfter({ at, survives: () => false, syncs }, 'unsynced'));
    expect(promisedBefore(at).filter((id) => !found.has(id)).length).toBeGreaterThan(CALLERS);
  });
});
