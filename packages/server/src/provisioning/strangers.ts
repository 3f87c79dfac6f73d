// Orphan passes 1 and 2 on an engine that others may use as well (chapter 10 §8): what bears the name of a removed workspace, and
// what bears our label while no row knows it, as after a wiped database. Neither pass can keep the other from its work.

import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Backend } from './backend.ts';
import * as store from './store.ts';

const BATCH = 50;

export interface StrangerDeps {
  db: Database;
  backend: Backend;
  isBusy(id: string): boolean;
  log: Logger;
}

/** @returns one pass over both, with how many workloads were ended; a pass that failed is logged and comes again. */
export function createStrangerSweep({ db, backend, isBusy, log }: StrangerDeps): () => Promise<number> {
  const { listWorkloads } = backend;
  if (!listWorkloads) return async () => 0;

  /** Ids after the listing: a seat made meanwhile has its row before it has a workload. */
  const findRemoved = async () => store.listRemovedNamed(db.kysely, (await listWorkloads()).prefixes, BATCH);
  const findUnknown = async () => {
    const { ids } = await listWorkloads();
    const standings = await store.listStandings(db.kysely, ids);
    return ids.filter((id) => !standings.has(id)).slice(0, BATCH);
  };

  /** Stored files go only once nothing can write to them any more. */
  async function end(id: string): Promise<boolean> {
    if (isBusy(id)) return false;
    try {
      await backend.stop(id);
      await backend.removeVolumes(id);
      log.info({ workspace_id: id }, 'a workload that no workspace has was ended');
      return true;
    } catch (error) {
      log.error({ err: error, workspace_id: id }, 'a workload that no workspace has could not be ended');
      return false;
    }
  }

  async function pass(find: () => Promise<string[]>): Promise<number> {
    let ended = 0;
    try {
      for (const id of await find()) if (await end(id)) ended += 1;
    } catch (error) {
      log.error({ err: error }, 'the workloads on the engine could not be compared with the workspaces');
    }
    return ended;
  }

  return async () => (await pass(findRemoved)) + (await pass(findUnknown));
}
