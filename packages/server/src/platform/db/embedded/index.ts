// The embedded store: PGlite in a worker thread, one owner per directory, upkeep by hand.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import {
  type Connector,
  createPool,
  type DatabaseOptions,
  IDLE_TRANSACTION_MS,
  parsers,
  QUERY_TIMEOUT_MS,
} from '../connector.ts';
import { diskFull, lockDataDir } from '../data-lock.ts';
import { readDump } from './dump.ts';
import { type Engine, openEngine } from './engine.ts';
import { freeBytes } from './free-space.ts';
import { createMaintenance } from './maintenance.ts';

const POOL_SIZE = 16;
const WATCHDOG_MS = 45_000;
const MIN_FREE_BYTES = 128 * 1024 * 1024;
/** A new database with its first log segments. */
const NEW_DATABASE_BYTES = 64 * 1024 * 1024;

/** @throws DatabaseStartError disk_full when writes would be refused from the start. */
function assertSpace(dataDir: string, dir: string, floor: number): void {
  const needed = floor + (existsSync(dir) ? 0 : NEW_DATABASE_BYTES);
  const free = freeBytes(dataDir);
  if (free < needed) throw diskFull(dataDir, { free, needed });
}

async function openLocked(options: DatabaseOptions, dir: string | null): Promise<Engine> {
  const minFreeBytes = options.minFreeBytes ?? MIN_FREE_BYTES;
  if (dir !== null) assertSpace(options.dataDir, dir, minFreeBytes);
  return await openEngine({
    dir,
    dump: readDump(options.loadDump),
    minFreeBytes,
    idleTransactionMs: options.idleTransactionMs ?? IDLE_TRANSACTION_MS,
    watchdogMs: options.watchdogMs ?? WATCHDOG_MS,
    log: options.log,
  });
}

/** @throws DatabaseStartError */
export async function openEmbedded(options: DatabaseOptions): Promise<Connector> {
  const dir = options.inMemory ? null : join(options.dataDir, 'db');
  const ownLock = dir === null || options.lock ? null : lockDataDir(options.dataDir);
  const engine = await openLocked(options, dir).catch((error: unknown) => {
    ownLock?.release();
    throw error;
  });
  const settings = { user: 'postgres', database: 'postgres', host: 'embedded', stream: () => engine.connect() };
  // An idle connection costs nothing here, so none is closed and made again.
  const pool = createPool({ ...settings, max: options.poolSize ?? POOL_SIZE, idleTimeoutMillis: 0 }, options.log);
  const maintenance = createMaintenance(pool);
  return {
    kind: 'embedded',
    pool,
    client: () => new pg.Client({ ...settings, query_timeout: QUERY_TIMEOUT_MS, types: parsers } as pg.ClientConfig),
    maintain: maintenance.run,
    trim: engine.trim,
    ...(options.inMemory ? { dump: engine.dump } : {}),
    async close() {
      await pool.end();
      await engine.close();
      ownLock?.release();
    },
  };
}
