// Hibernation (chapter 10 §1.3 rows 14–16, §8): claimed by one conditional UPDATE, then stopped, then finalised; a stop that fails
// leads back. Everything it must know is in the row, so after a crash the monitor finishes what was claimed.
// Waking is a message's or a restart's business.

import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import { findFailing } from './bounded.ts';
import type { FactsCache } from './facts.ts';
import { AT_REST } from './lifecycle.ts';
import type { WorkspacePorts, WorkspaceService } from './service.ts';
import * as store from './store.ts';

const BATCH = 20;
const OURS = sql<boolean>`runtime <> 'external'`;
const IDLE = sql<boolean>`${OURS} and active_tasks = 0`;

export interface SleepDeps {
  db: Database;
  facts: FactsCache;
  ports: WorkspacePorts;
  service: WorkspaceService;
  log: Logger;
}

export interface Sleep {
  /**
   * Sends it to sleep. `force`: also from the middle of its tasks.
   * @throws not_found unless it is online or degraded, tasks_running, conflict when another change came first,
   * stop_failed with the status it had before, no_backend (nothing could wake it), invalid_request for external ones
   */
  hibernate(id: string, options: { force: boolean }): Promise<void>;
  loops: Loop[];
}

type Outcome = 'asleep' | 'awake' | 'overtaken';

export function createSleep({ db, facts, ports, service, log }: SleepDeps): Sleep {
  /** Nothing is stopped that was not claimed; the guard is judged by the same statement that claims. */
  async function claim(id: string, guard: RawBuilder<unknown>): Promise<boolean> {
    const row = await service.transition('hibernate', id, { patch: { hibernated_from: sql`status` }, guard });
    // No event tells of this, but no replica may send it a message from now on.
    if (row) facts.forget(id);
    return row !== null;
  }

  /** Back to the status it was claimed from; nothing when another change came first. */
  async function undo(id: string): Promise<void> {
    await db.tx(async (trx) => {
      const guard = sql`hibernated_from = 'degraded'`;
      if (await service.transitionIn(trx, 'hibernate_undone_degraded', id, { guard })) return;
      await service.transitionIn(trx, 'hibernate_undone', id);
    });
    facts.forget(id);
  }

  /** From the claim on. */
  async function finish(id: string): Promise<Outcome> {
    const failed = await findFailing(
      [id],
      ports.stop,
      log,
      'a workspace could not be stopped, so it is not put to sleep',
    );
    if (failed.length > 0) {
      await undo(id);
      return 'awake';
    }
    const row = await service.transition('hibernated', id, { patch: AT_REST });
    return row ? 'asleep' : 'overtaken';
  }

  const overtaken = () => new PlatformError('conflict', 'another change of the workspace came first; look at it again');

  async function assertSleepable(id: string, force: boolean): Promise<void> {
    const row = await service.getLive(id);
    if (row.runtime === 'external')
      throw new PlatformError('invalid_request', 'an external workspace is stopped by its owner', { field: 'id' });
    if (row.status !== 'online' && row.status !== 'degraded')
      throw new PlatformError('not_found', `only an online workspace can be put to sleep; this one is ${row.status}`, {
        status: row.status,
      });
    if (!ports.hasBackend()) throw new PlatformError('no_backend', 'no provisioning backend is configured');
    assertNoTasks(row.active_tasks, force);
  }

  function assertNoTasks(count: number, force: boolean): void {
    if (count === 0 || force) return;
    throw new PlatformError('tasks_running', `${count} of its tasks are running; force=true does not wait for them`, {
      active_tasks: count,
    });
  }

  async function explainLostClaim(id: string, force: boolean): Promise<never> {
    const row = await store.findWorkspace(db.kysely, id);
    if (!row) throw notFound('workspace');
    if (row.status === 'online' || row.status === 'degraded') assertNoTasks(row.active_tasks, force);
    throw overtaken();
  }

  async function watch(): Promise<Record<string, number>> {
    const due = await store.listUnfinishedSleep(db.kysely, BATCH);
    for (const id of ports.hasBackend() ? await store.listSleepy(db.kysely, BATCH) : [])
      if (await claim(id, store.isSleepy)) due.push(id);
    const results = await Promise.allSettled(due.map(finish));
    for (const result of results)
      if (result.status === 'rejected') log.error({ err: result.reason }, 'a workspace stays between waking and sleep');
    const count = (outcome: Outcome) =>
      results.filter((result) => result.status === 'fulfilled' && result.value === outcome).length;
    return { asleep: count('asleep'), awake: count('awake') };
  }

  return {
    async hibernate(id, { force }) {
      await assertSleepable(id, force);
      if (!(await claim(id, force ? OURS : IDLE))) await explainLostClaim(id, force);
      const outcome = await finish(id);
      if (outcome === 'overtaken') throw overtaken();
      if (outcome === 'awake')
        throw new PlatformError('stop_failed', 'the workload could not be stopped; the platform log has the reason');
    },
    loops: [
      {
        name: 'hibernation-monitor',
        why: 'Idle workspaces would never go to sleep, and one whose platform died while it fell asleep would never wake.',
        everyMs: 120_000,
        timeoutMs: 60_000,
        runs: 'one-replica',
        run: watch,
      },
    ],
  };
}
