// Upkeep of the embedded store, on a real engine: each pass does what is due, and nothing else.

import { chosenStore, openTestDatabase } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../index.ts';
import { createMaintenance, type MaintenanceLimits } from './maintenance.ts';

const NEVER: MaintenanceLimits = {
  checkpointBytes: Number.POSITIVE_INFINITY,
  checkpointMs: Number.POSITIVE_INFINITY,
  hotRows: 1_000_000_000,
  freezeAge: 1_000_000_000,
  tablesPerPass: 3,
};

let db: Database;
beforeAll(async () => {
  if (chosenStore() === 'postgres') return;
  db = await openTestDatabase();
  await db.pool.query('create table "Hot stuff" (id int primary key, n int)');
  await db.pool.query('insert into "Hot stuff" select g, 0 from generate_series(1, 100) g');
});
afterAll(() => db?.close());

const write = (times: number) => db.pool.query(`update "Hot stuff" set n = n + 1 from generate_series(1, ${times})`);
const readCheckpoint = async () =>
  (await db.pool.query<{ lsn: string }>('select checkpoint_lsn::text as lsn from pg_control_checkpoint()')).rows[0]
    ?.lsn;

describe.skipIf(chosenStore() === 'postgres')('a pass of maintenance', () => {
  it('does nothing when nothing is due', async () => {
    const before = await readCheckpoint();
    const { run } = createMaintenance(db.pool, NEVER);
    await write(1);
    expect(await run()).toEqual({ checkpointed: 0, vacuumed: 0, frozen: 0 });
    expect(await readCheckpoint()).toBe(before);
  });

  it('makes a checkpoint after so much log', async () => {
    const { run } = createMaintenance(db.pool, { ...NEVER, checkpointBytes: 20_000 });
    await run();
    const before = await readCheckpoint();
    await write(1);
    expect((await run()).checkpointed).toBe(0);
    for (let round = 0; round < 10; round += 1) await write(1);
    expect((await run()).checkpointed).toBe(1);
    expect(await readCheckpoint()).not.toBe(before);
    expect((await run()).checkpointed).toBe(0);
  });

  it('makes a checkpoint after so much time, unless nothing was written', async () => {
    let time = 0;
    const { run } = createMaintenance(db.pool, { ...NEVER, checkpointMs: 300_000 }, () => time);
    await run();
    await write(1);
    time = 299_000;
    expect((await run()).checkpointed).toBe(0);
    time = 301_000;
    expect((await run()).checkpointed).toBe(1);
    time = 1_000_000;
    expect((await run()).checkpointed).toBe(0);
  });

  it('vacuums and analyzes hot tables', async () => {
    const readStatistics = async () => {
      await db.pool.query('select pg_stat_force_next_flush()');
      const { rows } = await db.pool.query<{ dead: number; vacuums: number; analyzes: number }>(
        `select n_dead_tup as dead, vacuum_count as vacuums, analyze_count as analyzes
         from pg_stat_user_tables where relname = 'Hot stuff'`,
      );
      return rows[0];
    };
    const { run } = createMaintenance(db.pool, { ...NEVER, hotRows: 150 });
    await db.pool.query('vacuum (analyze) "Hot stuff"');
    await write(1);
    expect((await run()).vacuumed).toBe(0);
    const before = await readStatistics();
    expect(before?.dead).toBeGreaterThan(0);
    await write(1);
    expect((await run()).vacuumed).toBe(1);
    expect(await readStatistics()).toEqual({
      dead: 0,
      vacuums: (before?.vacuums ?? 0) + 1,
      analyzes: (before?.analyzes ?? 0) + 1,
    });
    expect((await run()).vacuumed).toBe(0);
  });

  it('freezes the oldest tables, a few per pass, until none is too old', async () => {
    const oldest = async () =>
      (await db.pool.query<{ age: number }>("select max(age(relfrozenxid)) as age from pg_class where relkind = 'r'"))
        .rows[0]?.age ?? 0;
    for (let number = 0; number < 30; number += 1) await write(1);
    const age = await oldest();
    const { run } = createMaintenance(db.pool, { ...NEVER, freezeAge: 20, tablesPerPass: 40 });
    expect((await run()).frozen).toBe(40);
    for (let passes = 0; (await run()).frozen > 0; passes += 1) expect(passes).toBeLessThan(20);
    expect(await oldest()).toBeLessThan(age);
  });
});
