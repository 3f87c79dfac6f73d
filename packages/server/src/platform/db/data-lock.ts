// One owner per data directory: two engines on one database corrupt it silently, and two platforms would fight over the agents.
// The lock is an SQLite file held in an exclusive transaction: the kernel frees it when the process dies, however it dies, which a
// pid file does not do. Nobody else in the process may open that file: closing it would free the lock.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DatabaseStartError } from './start-error.ts';

export interface DataLock {
  /** Remembers where the owner serves, so that a second start, and the CLI, can say so. */
  announce(url: string): void;
  release(): void;
}

/** What `owner.json` says of the process that holds the directory. */
interface Owner {
  pid: number;
  /** Null until it serves. */
  url: string | null;
}

const SQLITE_BUSY = 5;
/** Nothing but this keeps a lock alive: a handle nobody refers to any more is collected, and closed. */
const held = new Set<DatabaseSync>();
const CHOOSE_ANOTHER = 'choose another folder: MOLECULE_DATA_DIR=/path npm start';

export function diskFull(dataDir: string, space?: { free: number; needed: number }): DatabaseStartError {
  const megabytes = (bytes: number) => `${Math.floor(bytes / 1e6)} MB`;
  return new DatabaseStartError(
    'disk_full',
    space
      ? `the disk under ${dataDir} is full: ${megabytes(space.free)} free, ${megabytes(space.needed)} needed`
      : `the disk under ${dataDir} is full`,
    `free some space, or ${CHOOSE_ANOTHER}`,
  );
}

function explainFileError(error: unknown, dataDir: string): DatabaseStartError {
  const { code, message } = error as { code?: string; message: string };
  if (code === 'ENOSPC') return diskFull(dataDir);
  return new DatabaseStartError('unwritable', `${dataDir} cannot be written to (${code ?? message})`, CHOOSE_ANOTHER);
}

function readOwner(path: string): Owner | null {
  try {
    const { pid, url } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Owner>;
    return typeof pid === 'number' ? { pid, url: url ?? null } : null;
  } catch {
    // Not there yet, or gone again: the lock itself still tells the truth.
    return null;
  }
}

function alreadyRunning(dataDir: string, owner: Owner | null): DatabaseStartError {
  const process = owner ? `process ${owner.pid}` : 'another process';
  const apart = 'MOLECULE_DATA_DIR=.molecule-2 PORT=8081 npm start';
  return owner?.url
    ? new DatabaseStartError(
        'already_running',
        `already running at ${owner.url} (${process} holds ${dataDir})`,
        `open ${owner.url}, or start a second one apart: ${apart}`,
        owner.url,
      )
    : new DatabaseStartError(
        'already_running',
        `another Molecule (${process}) is just starting, or stopping, on ${dataDir}`,
        `wait for it, or start a second one apart: ${apart}`,
      );
}

/** One level after the other: the recursive form of mkdir reports a read-only disk as a missing directory. */
function makeDir(dir: string): void {
  if (existsSync(dir)) return;
  makeDir(dirname(dir));
  mkdirSync(dir, { mode: 0o700 });
}

/** SQLite opens an existing file read-only without complaint, so writing is tried first. */
function assertWritable(dataDir: string): void {
  const trial = join(dataDir, `.writable.${process.pid}`);
  makeDir(dataDir);
  try {
    writeFileSync(trial, 'x');
  } finally {
    rmSync(trial, { force: true });
  }
}

/** @throws DatabaseStartError unwritable, disk_full, already_running; nothing has changed then. */
export function lockDataDir(dataDir: string): DataLock {
  const ownerPath = join(dataDir, 'owner.json');
  let lock: DatabaseSync;
  try {
    assertWritable(dataDir);
    lock = new DatabaseSync(join(dataDir, 'lock.sqlite'), { timeout: 0 });
  } catch (error) {
    throw explainFileError(error, dataDir);
  }
  /** Whole or not at all: others read it at any time. */
  function writeOwner(owner: Owner): void {
    writeFileSync(`${ownerPath}.new`, JSON.stringify(owner), { mode: 0o600 });
    renameSync(`${ownerPath}.new`, ownerPath);
  }
  try {
    lock.exec('begin exclusive');
    writeOwner({ pid: process.pid, url: null });
  } catch (error) {
    lock.close();
    const { errcode } = error as { errcode?: number };
    if (errcode === undefined || (errcode & 0xff) !== SQLITE_BUSY) throw explainFileError(error, dataDir);
    throw alreadyRunning(dataDir, readOwner(ownerPath));
  }
  held.add(lock);
  return {
    announce: (url) => writeOwner({ pid: process.pid, url }),
    release() {
      rmSync(ownerPath, { force: true });
      held.delete(lock);
      lock.close();
    },
  };
}
