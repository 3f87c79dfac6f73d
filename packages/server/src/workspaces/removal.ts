// Deleting a workspace and everything under it, in the order of chapter 10 §2.9: marked first, stopped after.
// A repeat is safe: it collects the tombstones too and replays the stops that failed.

import type { Transaction } from 'kysely';
import type { Database, Tables } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { FactsCache } from './facts.ts';
import type { WorkspacePorts, WorkspaceService } from './service.ts';
import * as store from './store.ts';

const STOP_LIMIT_MS = 30_000;

export interface RemovalDeps {
  db: Database;
  facts: FactsCache;
  ports: WorkspacePorts;
  service: WorkspaceService;
  log: Logger;
}

export interface Removal {
  /** @throws confirmation_required, not_found, stop_failures */
  remove(
    id: string,
    options: { confirm: boolean; purge: boolean },
  ): Promise<{ status: 'removed' | 'purged'; cascade_deleted: number }>;
}

export function createRemoval({ db, facts, ports, service, log }: RemovalDeps): Removal {
  /** Children are made and moved under a lock on their parent, so what is locked here gets no more of them. */
  async function lockSubtree(trx: Transaction<Tables>, id: string): Promise<string[]> {
    await store.lockTree(trx);
    for (let locked = new Set<string>(); ; ) {
      const ids = (await store.listSubtree(trx, id)).map((node) => node.id);
      if (ids.every((node) => locked.has(node))) return ids;
      await store.lockWorkspaces(trx, ids);
      locked = new Set(ids);
    }
  }

  /** Marks the whole subtree in one transaction, leaves first, itself last: nothing is half deleted, and each says so once. */
  async function markRemoved(id: string): Promise<{ ids: string[]; cascadeDeleted: number }> {
    const marked = await db.tx(async (trx) => {
      const ids = await lockSubtree(trx, id);
      // Their messages end before the first event is appended: whoever moves a delegation locks its row before the log.
      await ports.endMessaging(trx, ids, 'workspace removed');
      let cascadeDeleted = 0;
      for (const node of ids.toReversed()) {
        const changed = await service.transitionIn(trx, 'remove', node, {
          patch: { url: null, current_task: '', active_tasks: 0 },
          details: node === id ? { cascadeDeleted } : {},
        });
        if (changed && node !== id) cascadeDeleted += 1;
      }
      await store.deleteLayouts(trx, ids);
      await ports.revokeTokens(trx, ids);
      return { ids, cascadeDeleted };
    });
    for (const node of marked.ids) facts.forget(node);
    await ports.forgetTokens();
    return marked;
  }

  async function stopBounded(id: string): Promise<boolean> {
    try {
      await Promise.race([
        ports.stop(id),
        new Promise((_, reject) =>
          AbortSignal.timeout(STOP_LIMIT_MS).addEventListener('abort', () =>
            reject(new Error('the stop did not end in time')),
          ),
        ),
      ]);
      return true;
    } catch (error) {
      log.error({ err: error, workspace_id: id }, 'a removed workspace could not be stopped');
      return false;
    }
  }

  async function teardown(
    id: string,
    purge: boolean,
  ): Promise<{ status: 'removed' | 'purged'; cascade_deleted: number }> {
    const { ids, cascadeDeleted } = await markRemoved(id);
    const stopped = await Promise.all(ids.map(stopBounded));
    const failures = stopped.filter((ok) => !ok).length;
    if (failures > 0)
      throw new PlatformError('stop_failures', `removed, but ${failures} could not be stopped; delete again to retry`, {
        removed_count: ids.length,
        stop_failures: failures,
      });
    if (purge) await db.tx((trx) => store.purgeWorkspaces(trx, ids));
    return { status: purge ? 'purged' : 'removed', cascade_deleted: cascadeDeleted };
  }

  return {
    async remove(id, { confirm, purge }) {
      const row = await store.findWorkspace(db.kysely, id);
      if (!row) throw notFound('workspace');
      const children = await store.listLiveChildren(db.kysely, id);
      if (children.length > 0 && !confirm) {
        throw new PlatformError(
          'confirmation_required',
          `${row.name} has ${children.length} workspaces under it; repeat with confirm=true`,
          {
            status: 'confirmation_required',
            children,
            children_count: children.length,
          },
        );
      }
      // A client that hangs up does not stop the teardown: nothing here listens to its connection.
      return await teardown(id, purge);
    },
  };
}
