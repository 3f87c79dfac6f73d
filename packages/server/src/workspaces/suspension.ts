// Pausing a workspace with everything under it, and resuming it (chapter 10 §1.3 rows 17–18): marked in one transaction first,
// stopped or started after. What a crash leaves between the two the sweeps of provisioning find.

import { sql, type Transaction } from 'kysely';
import type { Database, Tables } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { findFailing } from './bounded.ts';
import type { FactsCache } from './facts.ts';
import { AT_REST, type WorkspaceRow } from './lifecycle.ts';
import type { WorkspacePorts, WorkspaceService } from './service.ts';
import * as store from './store.ts';
import { lockSubtree } from './subtree.ts';

export interface SuspensionDeps {
  db: Database;
  facts: FactsCache;
  ports: WorkspacePorts;
  service: WorkspaceService;
  log: Logger;
}

export interface Suspension {
  /**
   * Pauses it and all its live descendants. `stopFailures`: workloads that may still run; a sweep ends them.
   * @throws not_found when it is unknown, removed or paused already
   */
  pause(id: string): Promise<{ pausedCount: number; stopFailures: number }>;
  /**
   * Resumes it and its paused descendants, parents first: external ones wait for their owner, the others are provisioned.
   * @throws not_found when it is not paused, conflict naming a paused ancestor, no_backend
   */
  resume(id: string): Promise<{ resumedCount: number }>;
}

/** What it was idle before does not count when it is up again. */
const AFRESH = { ...AT_REST, idle_since: null, needs_restart: false, last_sample_error: null };

export function createSuspension({ db, facts, ports, service, log }: SuspensionDeps): Suspension {
  async function findUsable(trx: Transaction<Tables>, id: string): Promise<WorkspaceRow> {
    const row = await store.findWorkspace(trx, id);
    if (!row || row.status === 'removed') throw notFound('workspace');
    return row;
  }

  async function markPaused(id: string): Promise<string[]> {
    return await db.tx(async (trx) => {
      const ids = await lockSubtree(trx, id);
      const { status } = await findUsable(trx, id);
      if (status === 'paused') throw new PlatformError('not_found', 'the workspace is paused already', { status });
      const marked: string[] = [];
      for (const node of ids) if (await service.transitionIn(trx, 'pause', node, { patch: AT_REST })) marked.push(node);
      return marked;
    });
  }

  async function resumeOne(trx: Transaction<Tables>, id: string): Promise<WorkspaceRow | null> {
    const started = await service.transitionIn(trx, 'resume', id, { patch: AFRESH, guard: sql`runtime <> 'external'` });
    if (!started) return await service.transitionIn(trx, 'resume_external', id, { patch: AFRESH });
    if (!ports.hasBackend()) throw new PlatformError('no_backend', 'no provisioning backend is configured');
    return started;
  }

  async function markResumed(id: string): Promise<WorkspaceRow[]> {
    return await db.tx(async (trx) => {
      const ids = await lockSubtree(trx, id);
      const { status } = await findUsable(trx, id);
      if (status !== 'paused') throw new PlatformError('not_found', 'the workspace is not paused', { status });
      await service.assertNoPausedAncestor(trx, id);
      const resumed: WorkspaceRow[] = [];
      for (const node of ids) {
        const row = await resumeOne(trx, node);
        if (row) resumed.push(row);
      }
      return resumed;
    });
  }

  return {
    async pause(id) {
      const marked = await markPaused(id);
      for (const node of marked) facts.forget(node);
      const failed = await findFailing(marked, ports.stop, log, 'a paused workspace could not be stopped');
      return { pausedCount: marked.length, stopFailures: failed.length };
    },
    async resume(id) {
      const resumed = await markResumed(id);
      for (const row of resumed) facts.forget(row.id);
      for (const row of resumed) if (row.status === 'provisioning') ports.provision(row.id);
      return { resumedCount: resumed.length };
    },
  };
}
