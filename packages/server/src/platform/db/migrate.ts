// Forward-only migrations: plain .sql files, each in one transaction, recorded by filename. Nothing rolls back by itself.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import type { Database } from './index.ts';
import { DatabaseStartError } from './start-error.ts';

/** Two replicas that start together must not apply one file twice. */
const LOCK_KEY = 7_236_001;

async function locked<T>(client: pg.PoolClient, run: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    await client.query(`select pg_advisory_xact_lock(${LOCK_KEY})`);
    const result = await run();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** Under the lock, too: two sessions that create a table of one name at once do not both find it existing. */
async function createRecord(client: pg.PoolClient): Promise<void> {
  await locked(client, () =>
    client.query(
      'create table if not exists schema_migrations (filename text collate "C" primary key, applied_at timestamptz not null default now())',
    ),
  );
}

/** @returns false when another replica was faster. */
async function applyFile(client: pg.PoolClient, dir: string, file: string): Promise<boolean> {
  return await locked(client, async () => {
    const { rowCount } = await client.query('select 1 from schema_migrations where filename = $1', [file]);
    if (rowCount) return false;
    await client.query(readFileSync(join(dir, file), 'utf8'));
    await client.query('insert into schema_migrations (filename) values ($1)', [file]);
    return true;
  });
}

/**
 * Applies what is missing. @returns the files applied now, in order.
 * @throws DatabaseStartError newer_schema when the database knows a file this code does not.
 */
export async function migrate(db: Database, dir: string): Promise<{ applied: string[] }> {
  const files = readdirSync(dir)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const client = await db.pool.connect();
  try {
    await createRecord(client);
    const { rows } = await client.query<{ filename: string }>('select filename from schema_migrations');
    const unknown = rows.map((row) => row.filename).filter((name) => !files.includes(name));
    if (unknown.length > 0)
      throw new DatabaseStartError(
        'newer_schema',
        `the database was written by a newer Molecule (${unknown.sort().at(-1)})`,
        'update this checkout: git pull && npm start',
      );
    const known = new Set(rows.map((row) => row.filename));
    const applied: string[] = [];
    for (const file of files.filter((name) => !known.has(name)))
      if (await applyFile(client, dir, file)) applied.push(file);
    return { applied };
  } finally {
    client.release();
  }
}
