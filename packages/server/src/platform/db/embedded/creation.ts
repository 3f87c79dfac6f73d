// The first creation of a database, all or nothing. The engine copies some 950 files without syncing one of them; a process
// killed, or a machine switched off, in the middle would leave a directory that looks like a database and is none.

import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const PARALLEL_SYNCS = 16;

/** Stands beside a database while it is being created. */
const markOf = (dir: string) => `${dir}.creating`;

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

/** False while there is no database in `dir`, or one whose creation never ended. */
export function isCreated(dir: string): boolean {
  return existsSync(join(dir, 'PG_VERSION')) && !existsSync(markOf(dir));
}

/**
 * Creates the database in `dir` and opens it. While it is being created a mark stands beside it; what is found
 * with the mark was never finished, so nobody was promised anything in it, and it is made again.
 */
export async function createDatabase<T>(dir: string, openEngine: () => Promise<T>): Promise<T> {
  const mark = markOf(dir);
  if (existsSync(mark)) rmSync(dir, { recursive: true, force: true });
  writeFileSync(mark, '', { mode: 0o600 });
  await syncPath(dirname(dir));
  const engine = await openEngine();
  await syncTree(dir);
  rmSync(mark);
  await syncPath(dirname(dir));
  return engine;
}
