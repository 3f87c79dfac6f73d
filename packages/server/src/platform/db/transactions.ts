// Transactions with a guard: a query on the pool inside an open transaction would wait for the session that the transaction
// itself holds on the embedded store, for ever. So it throws, on both stores.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Kysely, Transaction } from 'kysely';
import pg from 'pg';
import type { Tables } from './tables.ts';

interface Scope {
  open: boolean;
}

const scopes = new AsyncLocalStorage<Scope>();

export class PoolInsideTransactionError extends Error {
  constructor() {
    super('a query on the pool inside an open transaction; use the transaction that was handed in');
    this.name = 'PoolInsideTransactionError';
  }
}

/** @throws PoolInsideTransactionError for whoever would wait for another connection inside `tx`. */
export function assertOutsideTransaction(): void {
  if (scopes.getStore()?.open) throw new PoolInsideTransactionError();
}

/** Every way to the database, `query` and Kysely included, goes through `connect`. */
export class GuardedPool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool['connect']>[0]): void;
  override connect(...callback: []) {
    assertOutsideTransaction();
    return super.connect(...callback);
  }
}

/** BEGIN … COMMIT around `run`. Work that it started and that goes on after the end may use the pool again. */
export async function runTransaction<T>(
  kysely: Kysely<Tables>,
  run: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  assertOutsideTransaction();
  const scope: Scope = { open: false };
  return await scopes.run(scope, async () => {
    try {
      return await kysely.transaction().execute((trx) => {
        scope.open = true;
        return run(trx);
      });
    } finally {
      scope.open = false;
    }
  });
}
