// A migrated database for one test file, on either store: PGlite from a dump made once per run, PostgreSQL from a template.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS_DIR } from '@molecule/server';
import { type Database, migrate, openDatabase } from '@molecule/server/platform/db/index';
import type { Logger } from '@molecule/server/platform/log';
import { createLog } from '@molecule/server/platform/log';
import { startPostgres } from './postgres.ts';

export type TestStore = 'pglite' | 'postgres';

export function chosenStore(): TestStore {
  return process.env.MOLECULE_TEST_STORE === 'postgres' ? 'postgres' : 'pglite';
}

/** Changes with every migration, so that a stale image is never used. */
export function schemaHash(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(MIGRATIONS_DIR).sort())
    hash.update(file).update(readFileSync(join(MIGRATIONS_DIR, file)));
  return hash.digest('hex').slice(0, 16);
}

export const IMAGES_DIR = join(tmpdir(), 'molecule-test-images');
const dumpPath = () => join(IMAGES_DIR, `${schemaHash()}-lean.tar`);

/** Nothing that a test file would unpack for nothing: two of the three databases are templates that nobody copies. */
export async function makeLean({ pool }: Database): Promise<void> {
  for (const template of ['template0', 'template1']) {
    await pool.query(`alter database ${template} is_template false`);
    await pool.query(`drop database ${template}`);
  }
  await pool.query('checkpoint');
}

/** Makes the migrated image once; test files running at the same time may both make it, and the rename decides. */
async function ensureDump(log: Logger): Promise<string> {
  const path = dumpPath();
  if (existsSync(path)) return path;
  const db = await openDatabase({ url: null, dataDir: tmpdir(), inMemory: true, log });
  await migrate(db, MIGRATIONS_DIR);
  await makeLean(db);
  const image = await db.dump?.();
  await db.close();
  if (!image) throw new Error('the embedded store gave no image');
  await mkdir(IMAGES_DIR, { recursive: true });
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, image);
  await rename(partial, path);
  return path;
}

export interface TestDatabase extends Database {
  /** The same database through connections of their own, as another replica has them; only on PostgreSQL. Closed by the caller. */
  openAnother?(): Promise<Database>;
}

async function migrateAt(url: string): Promise<void> {
  const db = await openDatabase({ url, dataDir: tmpdir(), log: createLog('silent') });
  await migrate(db, MIGRATIONS_DIR);
  await db.close();
}

async function openPostgresDatabase(log: Logger, empty: boolean): Promise<TestDatabase> {
  const server = await startPostgres();
  const template = empty ? undefined : await server.ensureTemplate(`molecule_test_${schemaHash()}`, migrateAt);
  const url = await server.createDatabase(template);
  const db = await openDatabase({ url, dataDir: tmpdir(), log });
  let closing: Promise<void> | null = null;
  async function closeAll(): Promise<void> {
    await db.close();
    await server.dropDatabase(url);
    await server.stop();
  }
  return {
    ...db,
    openAnother: () => openDatabase({ url, dataDir: tmpdir(), log }),
    // A test may take the database away from under its platform, and close it once more in the end.
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}

/** Opens a fresh database, migrated unless `empty`; closing it removes it. */
export async function openTestDatabase(
  options: { store?: TestStore | undefined; log?: Logger; empty?: boolean } = {},
): Promise<TestDatabase> {
  const log = options.log ?? createLog('silent');
  if ((options.store ?? chosenStore()) === 'postgres') return await openPostgresDatabase(log, options.empty === true);
  const image = options.empty ? {} : { loadDump: await ensureDump(log) };
  return await openDatabase({ url: null, dataDir: tmpdir(), inMemory: true, ...image, log });
}
