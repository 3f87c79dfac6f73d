// The worker that hosts the engine: what its silence, its end and a disk that fails mean for those who were talking to it.

import { readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosenStore, createDataDir } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { createLog } from '../../log.ts';
import { isUnavailable } from '../../store-errors.ts';
import { type Database, openDatabase } from '../index.ts';

const SILENCE_MS = 1_500;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Opened {
  db: Database;
  dataDir: string;
  /** Messages of level info and above. */
  log: string[];
}

/** A database on disk whose engine is given up after a moment of silence. */
async function openWatched(): Promise<Opened> {
  const dataDir = await createDataDir();
  cleanups.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const log: string[] = [];
  const write = (line: string) => {
    const { msg, reason, err } = JSON.parse(line) as { msg: string; reason?: string; err?: { message: string } };
    log.push([msg, reason ?? err?.message].filter(Boolean).join(': '));
  };
  const db = await openDatabase({
    url: null,
    dataDir,
    log: createLog('info', { write }),
    watchdogMs: SILENCE_MS,
    minFreeBytes: 0,
  });
  cleanups.push(() => db.close());
  await db.pool.query('create table notes (id int primary key)');
  return { db, dataDir, log };
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );
const listNotes = async (db: Database) =>
  (await db.pool.query<{ id: number }>('select id from notes order by id')).rows.map((row) => row.id);

describe.skipIf(chosenStore() === 'postgres')('the watchdog', { timeout: 60_000 }, () => {
  it('gives up a silent engine: what is in flight fails as retryable, what was acknowledged is there', async () => {
    const { db, log } = await openWatched();
    const heard: string[] = [];
    await db.listen('news', (payload) => heard.push(payload));
    await db.pool.query('insert into notes values (1)');
    // Checked out and silent: nobody listens to its error event, which must not end the process.
    const held = await db.pool.connect();
    const begun = Promise.withResolvers<void>();
    const stuck = failureOf(
      db.tx(async (trx) => {
        await sql`insert into notes values (2)`.execute(trx);
        begun.resolve();
        await sql`select pg_sleep(3600)`.execute(trx);
      }),
    );
    await begun.promise;
    const waiting = failureOf(db.pool.query('insert into notes values (3)'));
    expect(isUnavailable(await stuck)).toBe(true);
    expect(isUnavailable(await waiting)).toBe(true);
    expect(isUnavailable(await failureOf(held.query('select 1')))).toBe(true);
    held.release();
    expect(log).toContain(`reopening the embedded database: it was silent for ${SILENCE_MS} ms`);
    expect(await listNotes(db)).toEqual([1]);
    await db.pool.query('insert into notes values (4)');
    // The listener comes back by itself and says that it may have missed something.
    await expect.poll(() => heard).toContain('');
    await db.notify('news', 'fresh');
    await expect.poll(() => heard.at(-1)).toBe('fresh');
  });

  it('leaves a busy engine alone that still answers', async () => {
    const { db, log } = await openWatched();
    const until = performance.now() + 2 * SILENCE_MS;
    while (performance.now() < until) await db.pool.query('select count(*) from generate_series(1, 10000)');
    expect(log).toEqual([]);
  });
});

describe.skipIf(chosenStore() === 'postgres')('a disk that fails a sync', { timeout: 60_000 }, () => {
  it('makes the write fail, never acknowledged, and the engine start again from what the disk holds', async () => {
    const request = join(tmpdir(), `fail-sync-${process.pid}`);
    process.env.FAIL_NEXT_SYNC = request;
    process.env.NODE_OPTIONS = `--import=${new URL('./testing/failing-sync.ts', import.meta.url).href}`;
    cleanups.push(() => {
      delete process.env.NODE_OPTIONS;
      rmSync(request, { force: true });
    });
    const { db, log } = await openWatched();
    await db.pool.query('insert into notes values (1)');
    writeFileSync(request, '');
    expect(isUnavailable(await failureOf(db.pool.query('insert into notes values (2)')))).toBe(true);
    await db.pool.query('insert into notes values (3)');
    expect(await listNotes(db)).toEqual(expect.arrayContaining([1, 3]));
    expect(log).toContain('the embedded database failed: the disk failed');
  });
});

it.skipIf(chosenStore() === 'postgres')(
  'collects its garbage when asked, between two answers',
  { timeout: 60_000 },
  async () => {
    const { db, log } = await openWatched();
    const answers = [db.pool.query('insert into notes values (1)')];
    db.trim();
    answers.push(db.pool.query('insert into notes values (2)'));
    await Promise.all(answers);
    expect(await listNotes(db)).toEqual([1, 2]);
    expect(log).toEqual([]);
  },
);

/** Files of the folder that this process holds open; the engine's thread is one of its own. */
const openFilesUnder = (folder: string) =>
  readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(folder);
    } catch {
      // Closed meanwhile, such as the one that read the list.
      return false;
    }
  });

describe.skipIf(chosenStore() === 'postgres')(
  'what the engine keeps as the database grows',
  { timeout: 60_000 },
  () => {
    it('keeps at most so many files open, however many tables were used', async () => {
      const { db, dataDir } = await openWatched();
      const countOpenFiles = () => openFilesUnder(dataDir).length;
      for (let table = 0; table < 250; table += 1) {
        await db.pool.query(`create table t${table} as select ${table} as n`);
        await db.pool.query(`select n from t${table}`);
      }
      expect(countOpenFiles()).toBeGreaterThan(100);
      expect(countOpenFiles()).toBeLessThan(200);
      const { rows } = await db.pool.query('select n from t0');
      expect(rows).toEqual([{ n: 0 }]);
    });

    it('analyzes a table by a sample of a bounded number of rows', async () => {
      const { db } = await openWatched();
      await db.pool.query('insert into notes select generate_series(1, 20000)');
      const client = await db.pool.connect();
      const notices: string[] = [];
      client.on('notice', ({ message }) => notices.push(message ?? ''));
      await client.query('analyze verbose notes');
      client.release();
      const sampled = /(\d+) rows in sample, (\d+) estimated/.exec(notices.join('\n'));
      expect(sampled?.slice(1).map(Number)).toEqual([6_000, 20_000]);
    });
  },
);
