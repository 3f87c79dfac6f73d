// A workspace and everything under it as one thing to change. Owns the order of locks, no status.

import type { Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';
import * as store from './store.ts';

/**
 * Children are made and moved under a lock on their parent, so what is locked here gets no more of them.
 * @returns itself and its descendants, tombstones included, parents before their children; empty when there is no such row.
 */
export async function lockSubtree(trx: Transaction<Tables>, id: string): Promise<string[]> {
  await store.lockTree(trx);
  for (let locked = new Set<string>(); ; ) {
    const ids = (await store.listSubtree(trx, id)).map((node) => node.id);
    if (ids.every((node) => locked.has(node))) return ids;
    await store.lockWorkspaces(trx, ids);
    locked = new Set(ids);
  }
}
