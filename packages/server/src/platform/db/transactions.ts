// Transactions with a guard: a query on the pool inside an open transaction would wait for the session that the transaction
// itself holds on the embedded store, for ever. So it throws, on both stores.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Kysely, KyselyPlugin, Transaction } from 'kysely';
import type { Tables } from './tables.ts';

interface Scope {
  open: boolean;
}

export interface Transactions {
  /** For queries outside transactions; throws inside one. */
  guarded: Kysely<Tables>;
  tx<T>(run: (trx: Transaction<Tables>) => Promise<T>): Promise<T>;
}

export class PoolInsideTransactionError extends Error {
  constructor() {
    super('a query on the pool inside an open transaction; use the transaction that was handed in');
  }
}

export function createTransactions(kysely: Kysely<Tables>): Transactions {
  const scopes = new AsyncLocalStorage<Scope>();
  const guard: KyselyPlugin = {
    transformQuery({ node }) {
      if (scopes.getStore()?.open) throw new PoolInsideTransactionError();
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  return {
    guarded: kysely.withPlugin(guard),
    async tx(run) {
      if (scopes.getStore()?.open) throw new PoolInsideTransactionError();
      const scope: Scope = { open: true };
      return await scopes.run(scope, async () => {
        try {
          return await kysely.transaction().execute(run);
        } finally {
          // Work that was started inside and goes on after the end may use the pool again.
          scope.open = false;
        }
      });
    },
  };
}
