// The first creation of a database, all or nothing. The engine copies some 950 files without syncing one of them; a process
// killed, or a machine switched off, in the middle would leave a directory that looks like a database and is none.

import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const PARALLEL_SYNCS = 16;

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function listTree(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? [...listTree(path), path] : [path];
  });
}

async function syncTree(dir: string): Promise<void> {
  const paths = [...listTree(dir), dir, dirname(dir), dirname(dirname(dir))].values();
  await Promise.all(
    Array.from({ length: PARALLEL_SYNCS }, async () => {
      for (const path of paths) await syncPath(path);
    }),
  );
}

/**
 * Opens the database in `dir`, creating it when there is none. While it is being created a mark stands beside it; what is found
 * with the mark was never finished, so nobody was promised anything in it, and it is made again.
 */
export async function openOrCreate<T>(dir: string, openEngine: () => Promise<T>): Promise<T> {
  const mark = `${dir}.creating`;
  if (existsSync(mark)) rmSync(dir, { recursive: true, force: true });
  if (existsSync(join(dir, 'PG_VERSION'))) {
    rmSync(mark, { force: true });
    return await openEngine();
  }
  writeFileSync(mark, '', { mode: 0o600 });
  await syncPath(dirname(dir));
  const engine = await openEngine();
  await syncTree(dir);
  rmSync(mark);
  await syncPath(dirname(dir));
  return engine;
}
