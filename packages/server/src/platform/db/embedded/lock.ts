// One owner per data directory. The lock is an SQLite file held in an exclusive transaction: the kernel frees it when the
// process dies, however it dies, which a pid file does not do. Two engines on one directory corrupt it silently.

import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DatabaseStartError } from '../start-error.ts';

const ownerPath = (dataDir: string) => join(dataDir, 'owner.json');

export interface DataLock {
  release(): void;
}

/** Remembers where the owner serves, so that a second start can say so. */
export function announceOwner(dataDir: string, url: string): void {
  writeFileSync(ownerPath(dataDir), JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
}

function readOwner(dataDir: string): string | null {
  if (!existsSync(ownerPath(dataDir))) return null;
  try {
    return (JSON.parse(readFileSync(ownerPath(dataDir), 'utf8')) as { url?: string }).url ?? null;
  } catch {
    // Half written by a process that was killed: the lock itself still tells the truth.
    return null;
  }
}

function explainFileError(error: unknown, dataDir: string): DatabaseStartError {
  const code = (error as { code?: string }).code;
  if (code === 'ENOSPC')
    return new DatabaseStartError(
      'disk_full',
      `the disk under ${dataDir} is full`,
      'free some space, or choose another folder: MOLECULE_DATA_DIR=/path npm start',
    );
  return new DatabaseStartError(
    'unwritable',
    `${dataDir} cannot be written to`,
    'choose another folder: MOLECULE_DATA_DIR=/path npm start',
  );
}

/** @throws DatabaseStartError disk_full when less than `floor` bytes are free. */
function assertSpace(dataDir: string, floor: number): void {
  const { bavail, bsize } = statfsSync(dataDir);
  if (bavail * bsize < floor)
    throw new DatabaseStartError(
      'disk_full',
      `the disk under ${dataDir} is full (${Math.floor((bavail * bsize) / 1e6)} MB free)`,
      'free some space, or choose another folder: MOLECULE_DATA_DIR=/path npm start',
    );
}

/** @throws DatabaseStartError unwritable, disk_full, already_running */
export function lockDataDir(dataDir: string, minFreeBytes: number): DataLock {
  let database: DatabaseSync;
  const lockPath = join(dataDir, 'lock.sqlite');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    // SQLite opens an existing file read-only without complaint, so writing is tried first.
    writeFileSync(join(dataDir, '.writable'), '');
    rmSync(join(dataDir, '.writable'));
  } catch (error) {
    throw explainFileError(error, dataDir);
  }
  assertSpace(dataDir, minFreeBytes);
  try {
    database = new DatabaseSync(lockPath, { timeout: 0 });
  } catch (error) {
    throw explainFileError(error, dataDir);
  }
  try {
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== 5) throw explainFileError(error, dataDir);
    const owner = readOwner(dataDir);
    throw new DatabaseStartError(
      'already_running',
      owner ? `already running at ${owner}` : `another Molecule is starting on ${dataDir}`,
      owner
        ? `open ${owner}, or start a second one apart: MOLECULE_DATA_DIR=.molecule-2 PORT=8081 npm start`
        : 'wait for it, or choose another folder with MOLECULE_DATA_DIR',
      owner,
    );
  }
  return {
    release() {
      rmSync(ownerPath(dataDir), { force: true });
      database.close();
    },
  };
}
