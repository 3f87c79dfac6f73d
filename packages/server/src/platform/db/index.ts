// The store behind a `pg.Pool`: PGlite in a worker when no URL is given, PostgreSQL otherwise. Nobody above knows which.

import { join } from 'node:path';
import { Kysely, PostgresDialect, type RawBuilder, sql, type Transaction } from 'kysely';
import pg from 'pg';
import type { Logger } from '../log.ts';
import { readDump } from './embedded/dump.ts';
import { type Engine, openEngine } from './embedded/engine.ts';
import { type DataLock, lockDataDir } from './embedded/lock.ts';
import { createMaintenance } from './embedded/maintenance.ts';
import { createListener } from './listener.ts';
import { DatabaseStartError } from './start-error.ts';
import type { Tables } from './tables.ts';
import { createTransactions } from './transactions.ts';

export { type Batcher, createBatcher } from './batcher.ts';
export { announceOwner } from './embedded/lock.ts';
export { acquireLease, type Lease } from './leases.ts';
export { migrate } from './migrate.ts';
export { DatabaseStartError } from './start-error.ts';
export type { Tables } from './tables.ts';
export { PoolInsideTransactionError } from './transactions.ts';

export interface DatabaseOptions {
  /** PostgreSQL connection string; null = embedded, in `<dataDir>/db`. */
  url: string | null;
  dataDir: string;
  /** Embedded without a directory: no lock, no sync. For tests. */
  inMemory?: boolean;
  /** Image of `dump()` to start an in-memory database from: a path or the bytes. */
  loadDump?: Uint8Array | string;
  poolSize?: number;
  log: Logger;
  /** Longest silence of the embedded engine before it is reopened. */
  watchdogMs?: number;
  /** Free disk space below which the embedded store refuses writes. */
  minFreeBytes?: number;
}

export interface Database {
  readonly kind: 'embedded' | 'postgres';
  readonly pool: pg.Pool;
  readonly kysely: Kysely<Tables>;
  /** BEGIN … COMMIT. Inside, the pool and `kysely` throw PoolInsideTransactionError. */
  tx<T>(run: (trx: Transaction<Tables>) => Promise<T>): Promise<T>;
  /** Payload '' = something may have been missed. @returns a function that ends it. */
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>>;
  notify(channel: string, payload: string): Promise<void>;
  /** One bounded pass of what a server would do in the background; nothing on PostgreSQL. */
  maintain(): Promise<Record<string, number>>;
  /** Image of an in-memory database. */
  dump?(): Promise<Uint8Array>;
  close(): Promise<void>;
}

const EMBEDDED_POOL = 16;
const POSTGRES_POOL = 20;
const CONNECT_TIMEOUT_MS = 900;
const QUERY_TIMEOUT_MS = 30_000;
const WATCHDOG_MS = 45_000;
const MIN_FREE_BYTES = 128 * 1024 * 1024;

// int8 and numeric counts fit a double here: cents, sequence numbers and byte counts stay below 2^53.
const parsers = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** A value for a jsonb column; arrays would otherwise be bound as PostgreSQL arrays. */
export function json(value: unknown): RawBuilder<unknown> {
  return sql`${JSON.stringify(value)}::jsonb`;
}

export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const { code, constraint: violated } = (error ?? {}) as { code?: string; constraint?: string };
  return code === '23505' && (constraint === undefined || violated === constraint);
}

const RETRYABLE = new Set(['40001', '40P01', '55P03', '57P01', '57P05', '08006', '08003', 'ECONNRESET']);
/** The statement did not take effect for a passing reason; running it again may succeed. */
export function isRetryable(error: unknown): boolean {
  return RETRYABLE.has(((error ?? {}) as { code?: string }).code ?? '');
}

interface Connector {
  kind: Database['kind'];
  pool: pg.Pool;
  client(): pg.Client;
  maintain(): Promise<Record<string, number>>;
  dump?: () => Promise<Uint8Array>;
  close(): Promise<void>;
}

async function openEmbedded(options: DatabaseOptions): Promise<Connector> {
  const minFree = options.minFreeBytes ?? MIN_FREE_BYTES;
  const lock: DataLock | null = options.inMemory ? null : lockDataDir(options.dataDir, minFree);
  const dir = options.inMemory ? null : join(options.dataDir, 'db');
  let engine: Engine;
  try {
    engine = await openEngine({
      dir,
      dump: readDump(options.loadDump),
      log: options.log,
      watchdogMs: options.watchdogMs ?? WATCHDOG_MS,
    });
  } catch (error) {
    lock?.release();
    throw error;
  }
  // statement_timeout is not enforced by the engine, so the client gives up on its own.
  const settings = {
    user: 'postgres',
    database: 'postgres',
    host: 'embedded',
    stream: () => engine.connect(),
    query_timeout: QUERY_TIMEOUT_MS,
    types: parsers,
  };
  const pool = new pg.Pool({ ...settings, max: options.poolSize ?? EMBEDDED_POOL } as pg.PoolConfig);
  const maintenance = createMaintenance(pool, engine, dir, minFree);
  return {
    kind: 'embedded',
    pool,
    client: () => new pg.Client(settings as pg.ClientConfig),
    maintain: maintenance.run,
    ...(options.inMemory ? { dump: engine.dump } : {}),
    async close() {
      await pool.end();
      await engine.close();
      lock?.release();
    },
  };
}

/** Host and port only: the connection string may hold a password. */
function describeServer(url: string): string {
  try {
    const { hostname, port } = new URL(url);
    return hostname ? `${hostname}:${port || 5432}` : 'the local socket';
  } catch {
    return 'the address in DATABASE_URL';
  }
}

async function openPostgres(options: DatabaseOptions & { url: string }): Promise<Connector> {
  const settings: pg.PoolConfig = {
    connectionString: options.url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    application_name: 'molecule',
    types: parsers,
  };
  const pool = new pg.Pool({ ...settings, max: options.poolSize ?? POSTGRES_POOL });
  try {
    await pool.query('select 1');
  } catch (error) {
    await pool.end();
    options.log.debug({ err: error }, 'PostgreSQL did not answer');
    throw new DatabaseStartError(
      'unreachable',
      `PostgreSQL at ${describeServer(options.url)} does not answer (${(error as { code?: string }).code ?? 'refused'})`,
      'start it or mend DATABASE_URL, or unset DATABASE_URL to use the embedded database',
    );
  }
  return {
    kind: 'postgres',
    pool,
    client: () => new pg.Client(settings),
    maintain: async () => ({}),
    close: () => pool.end(),
  };
}

/** @throws DatabaseStartError before anything is written, with the command that mends it. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const store =
    options.url === null ? await openEmbedded(options) : await openPostgres({ ...options, url: options.url });
  // A connection that dies while idle is replaced by the pool; without a listener it would end the process.
  store.pool.on('error', (error) => options.log.warn({ err: error }, 'an idle database connection was lost'));
  const { guarded, tx } = createTransactions(
    new Kysely<Tables>({ dialect: new PostgresDialect({ pool: store.pool }) }),
  );
  const listener = createListener(store.client, options.log);
  let closing: Promise<void> | null = null;
  return {
    kind: store.kind,
    pool: store.pool,
    kysely: guarded,
    tx,
    listen: listener.listen,
    async notify(channel, payload) {
      await store.pool.query('select pg_notify($1, $2)', [channel, payload]);
    },
    maintain: store.maintain,
    ...(store.dump ? { dump: store.dump } : {}),
    close() {
      closing ??= listener.close().then(() => store.close());
      return closing;
    },
  };
}
