// The store behind a `pg.Pool`: PGlite in a worker when no URL is given, PostgreSQL otherwise. Nobody above knows which.

import { Kysely, PostgresDialect, type RawBuilder, sql, type Transaction } from 'kysely';
import type pg from 'pg';
import type { DatabaseOptions } from './connector.ts';
import { openEmbedded } from './embedded/index.ts';
import { toJsonText } from './json-text.ts';
import { createListener } from './listener.ts';
import { openPostgres } from './postgres.ts';
import type { Tables } from './tables.ts';
import { runTransaction } from './transactions.ts';

export { type Batcher, createBatcher } from './batcher.ts';
export type { DatabaseOptions } from './connector.ts';
export { type DataLock, lockDataDir } from './data-lock.ts';
export { toJsonText, toPlainText } from './json-text.ts';
export { acquireLease, dropExpiredLeases, type Lease, REPLICA_PREFIX } from './leases.ts';
export { migrate } from './migrate.ts';
export { DatabaseStartError } from './start-error.ts';
export type { Tables } from './tables.ts';
export { PoolInsideTransactionError } from './transactions.ts';

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
  /** Gives back what memory the store of this process can spare; nothing on PostgreSQL. */
  trim(): void;
  /** Image of an in-memory database. */
  dump?(): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A value for a jsonb column; arrays would otherwise be bound as PostgreSQL arrays. */
export function json(value: unknown): RawBuilder<unknown> {
  return sql`${toJsonText(value)}::jsonb`;
}

export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const { code, constraint: violated } = (error ?? {}) as { code?: string; constraint?: string };
  return code === '23505' && (constraint === undefined || violated === constraint);
}

/** @throws DatabaseStartError before anything is written, with the command that mends it. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const store =
    options.url === null ? await openEmbedded(options) : await openPostgres({ ...options, url: options.url });
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: store.pool }) });
  const listener = createListener(store.client, options.log);
  let closing: Promise<void> | null = null;
  return {
    kind: store.kind,
    pool: store.pool,
    kysely,
    tx: (run) => runTransaction(kysely, run),
    listen: listener.listen,
    async notify(channel, payload) {
      await store.pool.query('select pg_notify($1, $2)', [channel, payload]);
    },
    maintain: store.maintain,
    trim: store.trim,
    ...(store.dump ? { dump: store.dump } : {}),
    close() {
      closing ??= listener.close().then(() => store.close());
      return closing;
    },
  };
}
