// Deleting a workspace and everything under it, in the order of chapter 10 §2.9: marked first, stopped after.
// A repeat is safe: it collects the tombstones too and replays the stops that failed.

import type { Events } from '../events/index.ts';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { FactsCache } from './facts.ts';
import type { WorkspacePorts, WorkspaceService } from './service.ts';
import * as store from './store.ts';

const STOP_LIMIT_MS = 30_000;

export interface RemovalDeps {
  db: Database;
  events: Events;
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

export function createRemoval({ db, events, facts, ports, service, log }: RemovalDeps): Removal {
  /** Marks the whole subtree in one transaction: nothing is half deleted. */
  async function markRemoved(ids: string[]): Promise<string[]> {
    const marked = await db.tx(async (trx) => {
      const changed: string[] = [];
      for (const id of ids)
        if (await service.transitionIn(trx, 'remove', id, { patch: { url: null, current_task: '', active_tasks: 0 } }))
          changed.push(id);
      await store.deleteLayouts(trx, ids);
      await ports.revokeTokens(trx, ids);
      await ports.endMessaging(trx, ids, 'workspace removed');
      return changed;
    });
    for (const id of ids) facts.forget(id);
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

  async function announce(id: string, cascade: number | null): Promise<void> {
    await db.tx((trx) =>
      events.append(trx, {
        event: 'WORKSPACE_REMOVED',
        workspace_id: id,
        payload: cascade === null ? {} : { cascade_deleted: cascade },
      }),
    );
  }

  async function teardown(
    id: string,
    purge: boolean,
  ): Promise<{ status: 'removed' | 'purged'; cascade_deleted: number }> {
    const subtree = await store.listSubtree(db.kysely, id);
    const ids = subtree.map((node) => node.id);
    const marked = new Set(await markRemoved(ids));
    const stopped = await Promise.all(ids.map(stopBounded));
    // Leaves first, the workspace itself last.
    const removedCount = ids.filter((child) => child !== id && marked.has(child)).length;
    for (const child of ids.toReversed())
      if (marked.has(child)) await announce(child, child === id ? removedCount : null);
    const failures = stopped.filter((ok) => !ok).length;
    if (failures > 0)
      throw new PlatformError('stop_failures', `removed, but ${failures} could not be stopped; delete again to retry`, {
        removed_count: ids.length,
        stop_failures: failures,
      });
    if (purge) await db.tx((trx) => store.purgeWorkspaces(trx, ids));
    return { status: purge ? 'purged' : 'removed', cascade_deleted: removedCount };
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
