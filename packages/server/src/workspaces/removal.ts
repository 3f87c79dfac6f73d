// Deleting a workspace and everything under it, in the order of chapter 10 §2.9: marked first, stopped after. Collapsing is the
// same for what is under it alone. A repeat is safe: it collects the tombstones too and replays the stops that failed.

import type { Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { findFailing } from './bounded.ts';
import type { FactsCache } from './facts.ts';
import type { WorkspacePorts, WorkspaceService } from './service.ts';
import * as store from './store.ts';
import { lockSubtree } from './subtree.ts';

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
  /** @returns the names of those removed now, deepest first. @throws not_found, stop_failures */
  collapse(id: string): Promise<{ status: 'collapsed'; removed: string[] }>;
}

interface Marked {
  /** All that have to be stopped, tombstones included. */
  ids: string[];
  /** Names of those under it that were removed now, deepest first. */
  names: string[];
}

export function createRemoval({ db, events, facts, ports, service, log }: RemovalDeps): Removal {
  /** Marks all in one transaction, leaves first, itself last: nothing is half deleted, and each says so once. */
  async function mark(trx: Transaction<Tables>, id: string, ids: string[]): Promise<Marked> {
    if (ids.length === 0) return { ids, names: [] };
    // Their messages end before the first event is appended: whoever moves a delegation locks its row before the log.
    await ports.endMessaging(trx, ids, 'workspace removed');
    const names: string[] = [];
    for (const node of ids.toReversed()) {
      const changed = await service.transitionIn(trx, 'remove', node, {
        patch: { url: null, current_task: '', active_tasks: 0 },
        details: node === id ? { cascadeDeleted: names.length } : {},
      });
      if (changed && node !== id) names.push(changed.name);
    }
    await store.deleteLayouts(trx, ids);
    await ports.revokeTokens(trx, ids);
    return { ids, names };
  }

  async function markBelow(trx: Transaction<Tables>, id: string): Promise<Marked> {
    const [, ...below] = await lockSubtree(trx, id);
    const row = await store.findWorkspace(trx, id);
    if (!row || row.status === 'removed') throw notFound('workspace');
    const marked = await mark(trx, id, below);
    if (marked.names.length > 0)
      await events.append(trx, {
        event: 'WORKSPACE_COLLAPSED',
        workspace_id: id,
        payload: { removed_children: marked.names },
      });
    return marked;
  }

  /** A client that hangs up does not stop this: nothing here listens to its connection. */
  async function tearDown(ids: string[], told: Record<string, unknown>): Promise<void> {
    for (const node of ids) facts.forget(node);
    await ports.forgetTokens();
    const failures = (await findFailing(ids, ports.remove, log, 'a removed workspace could not be stopped')).length;
    if (failures > 0)
      throw new PlatformError('stop_failures', `removed, but ${failures} could not be stopped; repeat to try again`, {
        ...told,
        stop_failures: failures,
      });
  }

  async function purge(ids: string[]): Promise<void> {
    await db.tx((trx) => store.purgeWorkspaces(trx, ids));
    for (const forget of ports.onPurged)
      await findFailing(
        ids,
        (id) => forget(`workspace:${id}`),
        log,
        'what a purged workspace remembered may still be stored',
      );
  }

  return {
    async remove(id, { confirm, purge: isPurge }) {
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
      const { ids, names } = await db.tx(async (trx) => mark(trx, id, await lockSubtree(trx, id)));
      await tearDown(ids, { removed_count: ids.length });
      if (isPurge) await purge(ids);
      return { status: isPurge ? 'purged' : 'removed', cascade_deleted: names.length };
    },
    async collapse(id) {
      const { ids, names } = await db.tx((trx) => markBelow(trx, id));
      await tearDown(ids, { removed: names });
      return { status: 'collapsed', removed: names };
    },
  };
}
