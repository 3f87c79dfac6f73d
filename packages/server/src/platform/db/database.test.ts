// What both stores promise to the domains: transactions that cannot wait for themselves, values as JavaScript expects them.

import { openTestDatabase } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isStoreFull, isUnavailable } from '../store-errors.ts';
import { createBatcher, type Database, isUniqueViolation, json, PoolInsideTransactionError } from './index.ts';

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
  await db.pool.query('create table jars (id int primary key, amount bigint, content jsonb)');
});
afterAll(() => db.close());

const countJars = async () => (await db.pool.query<{ n: number }>('select count(*) as n from jars')).rows[0]?.n;

describe('a transaction', () => {
  it('refuses every query that would wait for a second connection', async () => {
    const batcher = createBatcher<number, number>({ name: 'numbers', flush: async (items) => items });
    await db.tx(async (trx) => {
      await sql`insert into jars (id) values (1)`.execute(trx);
      const attempts: (() => Promise<unknown>)[] = [
        () => db.kysely.selectFrom('workspaces').select('id').execute(),
        async () => db.pool.query('select 1'),
        async () => db.pool.connect(),
        () => db.notify('news', ''),
        () => db.tx(async () => {}),
        () => batcher.add(1),
      ];
      for (const attempt of attempts) await expect(attempt()).rejects.toThrow(PoolInsideTransactionError);
    });
    expect(await countJars()).toBe(1);
  });

  it('leaves nothing behind when it throws, and the next one works', async () => {
    const failing = db.tx(async (trx) => {
      await sql`insert into jars (id) values (2)`.execute(trx);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    await db.tx((trx) => sql`insert into jars (id) values (3)`.execute(trx));
    expect((await db.pool.query('select id from jars where id > 1')).rows).toEqual([{ id: 3 }]);
  });

  it('does not bind work that goes on after its end, nor other callers meanwhile', async () => {
    const started = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let after: Promise<unknown> = Promise.resolve();
    const transaction = db.tx(async () => {
      after = goOn.promise.then(() => db.pool.query('select 1 as one'));
      started.resolve();
    });
    await started.promise;
    await Promise.all([transaction, db.pool.query('select 1')]);
    goOn.resolve();
    expect(await after).toMatchObject({ rows: [{ one: 1 }] });
  });
});

describe('values', () => {
  it('of type int8 are numbers, also as counts and in arrays of rows', async () => {
    const { rows } = await sql<{ cents: number; n: number }>`
      select 9007199254740991::bigint as cents, count(*) as n from generate_series(1, 3)`.execute(db.kysely);
    expect(rows).toEqual([{ cents: Number.MAX_SAFE_INTEGER, n: 3 }]);
  });

  it('bound with json() are jsonb, arrays included', async () => {
    for (const value of [['a', 1, null], { deep: [{ x: "it's" }] }, 'text', 7, null])
      expect((await sql<{ v: unknown }>`select ${json(value)} as v`.execute(db.kysely)).rows).toEqual([{ v: value }]);
  });
});

describe('errors', () => {
  it('are told apart by code', async () => {
    await db.pool.query('insert into jars (id) values (100)');
    const duplicate = await db.pool.query('insert into jars (id) values (100)').catch((error: unknown) => error);
    expect(isUniqueViolation(duplicate)).toBe(true);
    expect(isUniqueViolation(duplicate, 'jars_pkey')).toBe(true);
    expect(isUniqueViolation(duplicate, 'other')).toBe(false);
    expect([isUnavailable(duplicate), isStoreFull(duplicate)]).toEqual([false, false]);
  });
});

describe('listen', () => {
  it('hears every channel it was asked to, until it is told to stop', async () => {
    const heard: string[] = [];
    const stopFruit = await db.listen('fruit', (payload) => heard.push(`fruit ${payload}`));
    const stopTools = await db.listen('tools', (payload) => heard.push(`tools ${payload}`));
    await db.notify('fruit', 'apple');
    await db.notify('tools', 'saw');
    await db.notify('weather', 'rain');
    await expect.poll(() => heard).toEqual(['fruit apple', 'tools saw']);
    await stopFruit();
    await db.notify('fruit', 'pear');
    await db.notify('tools', 'axe');
    await expect.poll(() => heard).toEqual(['fruit apple', 'tools saw', 'tools axe']);
    await stopTools();
  });
});
