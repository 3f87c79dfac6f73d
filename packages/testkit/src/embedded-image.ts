// A ready, migrated embedded database to copy into a data directory: tests of what happens to a database on disk need not wait
// two seconds of processor time for each to be created.

import { cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS_DIR } from '@molecule/server';
import { migrate, openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import { IMAGES_DIR, makeLean, schemaHash } from './database.ts';

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Makes the image once; test files running at the same time may both make it, and the rename decides. */
async function ensureImage(): Promise<string> {
  const image = join(IMAGES_DIR, `${schemaHash()}-lean-db`);
  if (await exists(image)) return image;
  await mkdir(IMAGES_DIR, { recursive: true });
  const dataDir = await mkdtemp(join(IMAGES_DIR, 'making-'));
  const db = await openDatabase({ url: null, dataDir, log: createLog('silent'), minFreeBytes: 0 });
  await migrate(db, MIGRATIONS_DIR);
  await makeLean(db);
  await db.close();
  await rename(join(dataDir, 'db'), image).catch(async (error: unknown) => {
    if (!(await exists(image))) throw error;
  });
  await rm(dataDir, { recursive: true, force: true });
  return image;
}

/** A new data directory, below `parent`, that holds a migrated, empty database. */
export async function createDataDir(parent = tmpdir()): Promise<string> {
  const image = await ensureImage();
  const dataDir = await mkdtemp(join(parent, 'molecule-data-'));
  await cp(image, join(dataDir, 'db'), { recursive: true });
  return dataDir;
}
