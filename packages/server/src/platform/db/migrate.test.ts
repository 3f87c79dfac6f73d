// Migrations: forward only, once each, all or nothing, and never under a database that is ahead of the code.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS_DIR } from '@molecule/server';
import { openTestDatabase } from '@molecule/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Database, migrate } from './index.ts';

let db: Database;
let dir: string;
beforeAll(async () => {
  db = await openTestDatabase();
  await migrate(db, MIGRATIONS_DIR);
});
afterAll(() => db.close());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'molecule-migrations-'));
  cpSync(MIGRATIONS_DIR, dir, { recursive: true });
  return () => rmSync(dir, { recursive: true });
});

const readRecord = async () => (await db.pool.query('select * from schema_migrations order by filename')).rows;
const tableExists = async (name: string) =>
  (await db.pool.query('select to_regclass($1) is not null as there', [name])).rows[0]?.there as boolean;

describe('migrate', () => {
  it('applies nothing a second time', async () => {
    const before = await readRecord();
    expect(before.length).toBeGreaterThan(0);
    expect(await migrate(db, dir)).toEqual({ applied: [] });
    expect(await readRecord()).toEqual(before);
  });

  it('applies what is new, in order of the names; two that start together apply it once', async () => {
    writeFileSync(join(dir, '9002_second.sql'), 'insert into steps values (2);');
    writeFileSync(join(dir, '9001_first.sql'), 'create table steps (n int primary key); insert into steps values (1);');
    const results = await Promise.all([migrate(db, dir), migrate(db, dir)]);
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(['9001_first.sql', '9002_second.sql']);
    expect((await db.pool.query('select n from steps order by n')).rows).toEqual([{ n: 1 }, { n: 2 }]);
    await db.pool.query("drop table steps; delete from schema_migrations where filename like '900%'");
  });

  it('leaves nothing of a file that fails, and says so', async () => {
    writeFileSync(join(dir, '9001_bad.sql'), 'create table half (n int); select nonsense;');
    await expect(migrate(db, dir)).rejects.toMatchObject({ code: '42703' });
    expect(await tableExists('half')).toBe(false);
    expect((await readRecord()).map((row) => row.filename)).not.toContain('9001_bad.sql');
  });

  it('refuses a database that is newer than the code, before it changes anything', async () => {
    writeFileSync(join(dir, '9001_pending.sql'), 'create table pending (n int);');
    await db.pool.query("insert into schema_migrations (filename) values ('9900_from_the_future.sql')");
    await expect(migrate(db, dir)).rejects.toMatchObject({
      code: 'newer_schema',
      message: 'the database was written by a newer Molecule (9900_from_the_future.sql)',
      hint: expect.stringContaining('npm start'),
    });
    expect(await tableExists('pending')).toBe(false);
    await db.pool.query("delete from schema_migrations where filename = '9900_from_the_future.sql'");
  });
});
