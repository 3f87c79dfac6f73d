// What the two stores have in common: a pool, a way to single clients, upkeep. Everything above is the same code for both.

import pg from 'pg';
import type { Logger } from '../log.ts';
import type { DataLock } from './data-lock.ts';
import { PlanningClient } from './hot-statements.ts';
import { GuardedPool } from './transactions.ts';

export interface DatabaseOptions {
  /** PostgreSQL connection string; null = embedded, in `<dataDir>/db`. */
  url: string | null;
  dataDir: string;
  /** The caller's lock on `dataDir`. Without it the embedded store takes its own. */
  lock?: DataLock;
  /** Embedded without a directory: no lock, no sync. For tests. */
  inMemory?: boolean;
  /** Image of `dump()` to start an in-memory database from: a path or the bytes. */
  loadDump?: Uint8Array | string;
  poolSize?: number;
  log: Logger;
  /** Longest silence of the embedded engine before it is reopened. */
  watchdogMs?: number;
  /** Longest silence inside a transaction before it is rolled back. */
  idleTransactionMs?: number;
  /** Free disk space below which the embedded store refuses writes. */
  minFreeBytes?: number;
}

export interface Connector {
  kind: 'embedded' | 'postgres';
  pool: GuardedPool;
  client(): pg.Client;
  maintain(): Promise<Record<string, number>>;
  trim(): void;
  dump?: () => Promise<Uint8Array>;
  close(): Promise<void>;
}

export const QUERY_TIMEOUT_MS = 30_000;
export const IDLE_TRANSACTION_MS = 30_000;
/** How long a caller waits for a connection: longer than the embedded engine takes to reopen. */
export const ACQUIRE_TIMEOUT_MS = 10_000;

// Cents, sequence numbers and byte counts stay below 2^53, so an int8 fits a number.
export const parsers = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

export function createPool(settings: pg.PoolConfig, log: Logger): GuardedPool {
  const pool = new GuardedPool({
    Client: PlanningClient,
    ...settings,
    query_timeout: QUERY_TIMEOUT_MS,
    connectionTimeoutMillis: ACQUIRE_TIMEOUT_MS,
    types: parsers,
  } as pg.PoolConfig);
  // The pool replaces a connection that dies while idle; without a listener its error would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'));
  // Nor does anybody listen to one that dies in the middle of a transaction; its next statement fails.
  pool.on('connect', (client) =>
    client.on('error', (error) => log.debug({ err: error }, 'a database connection was lost')),
  );
  return pool;
}
