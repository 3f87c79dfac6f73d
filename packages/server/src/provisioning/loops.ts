// Background work of provisioning (chapter 10 §8): every pass is bounded, and the next one is the retry.

import type { Auth } from '../auth/index.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Workspaces } from '../workspaces/index.ts';
import type { Backend } from './backend.ts';
import { enrolmentEnd } from './deadlines.ts';
import type { Dispatcher } from './dispatcher.ts';
import { GATE_PREFIX, NOTE_PREFIX } from './restart-gate.ts';
import * as store from './store.ts';
import { createStrangerSweep } from './strangers.ts';

const BATCH = 50;
/** What people read until it is up again. */
const GONE = 'its process is gone';
/** Nothing of theirs may run here. */
const NOT_HERE = new Set(['paused', 'hibernated', 'external']);

export interface LoopDeps {
  db: Database;
  workspaces: Workspaces;
  auth: Auth;
  backend: Backend;
  dispatcher: Dispatcher;
  exits: { restartDue(): number; isWaiting(id: string): boolean };
  deadlines(): store.Deadlines;
  log: Logger;
}

export function createProvisioningLoops(deps: LoopDeps): Loop[] {
  const { db, workspaces, auth, backend, dispatcher, exits, deadlines, log } = deps;
  const endStrangers = createStrangerSweep({ db, backend, isBusy: dispatcher.isBusy, log });
  let healthCursor: string | null = null;
  let orphanCursor = '';
  let tokenCursor: string | null = null;

  async function sweepOverdue(): Promise<Record<string, number>> {
    let failed = 0;
    const limits = deadlines();
    for (const { id, runtime, deadline } of await store.listOverdue(db.kysely, limits, BATCH)) {
      // Its start waits for its turn; how long it takes counts from there.
      if (dispatcher.isBusy(id)) continue;
      const details = { timeout_secs: deadline, runtime, source: 'provision_timeout_sweep' };
      const message = `the agent did not come online within ${deadline} seconds`;
      if (await dispatcher.markFailed(id, message, details, { guard: store.isOverdue(limits) })) failed += 1;
    }
    return { failed };
  }

  /** Those that certainly do not run, asked for as many at a time as the backend allows. */
  async function findGone<Row extends { id: string }>(rows: Row[]): Promise<Row[]> {
    const gone: Row[] = [];
    for (let at = 0; at < rows.length; at += backend.probe.parallel) {
      const some = rows.slice(at, at + backend.probe.parallel);
      const states = await Promise.all(some.map(({ id }) => backend.isRunning(id)));
      gone.push(...some.filter((_, index) => !states[index]?.running && !states[index]?.error));
    }
    return gone;
  }

  /** Seats that should run and do not are brought back: after a crash or a stop of the platform, a reboot, a kill nobody saw. */
  async function sweepHealth(): Promise<Record<string, number>> {
    // Asked for while another replica had the turn, which it lost before it saw the note.
    for (const id of await store.takeAbandonedNotes(db.kysely, GATE_PREFIX, NOTE_PREFIX, BATCH)) dispatcher.restart(id);
    const rows = await store.listExpectedRunning(db.kysely, healthCursor, BATCH);
    healthCursor = rows.length < BATCH ? null : (rows.at(-1)?.id ?? null);
    let restarted = 0;
    const gone = await findGone(rows.filter(({ id }) => !dispatcher.isBusy(id) && !exits.isWaiting(id)));
    for (const { id, status } of gone) {
      // Its start may have begun while others were asked for.
      if (dispatcher.isBusy(id) || exits.isWaiting(id)) continue;
      if (status === 'online' || status === 'degraded')
        await workspaces.transition('go_offline', id, {
          patch: { last_sample_error: GONE, current_task: '', active_tasks: 0 },
          details: { reason: GONE },
        });
      dispatcher.restart(id);
      restarted += 1;
    }
    return { checked: rows.length, restarted };
  }

  /** Chapter 10 §8, orphan passes 1, 2 and 4. */
  async function settleOrphan(id: string, standing: string | undefined): Promise<boolean> {
    if (standing === 'removed') {
      await backend.stop(id);
      await backend.removeVolumes(id);
      return true;
    }
    // A row we do not know may be one of another database: its workload must not run, but its files are not ours to delete.
    if (standing !== undefined && !NOT_HERE.has(standing)) return false;
    const { running, error } = await backend.isRunning(id);
    if (!running || error) return false;
    // Resumed or woken while others were looked at: then it runs rightly.
    if ((await store.listStandings(db.kysely, [id])).get(id) !== standing) return false;
    await backend.stop(id);
    return true;
  }

  async function sweepOrphans(): Promise<Record<string, number>> {
    const strangers = await endStrangers();
    const all = (await backend.listManaged()).sort();
    const ids = all.filter((id) => id > orphanCursor).slice(0, BATCH);
    orphanCursor = ids.length < BATCH ? '' : (ids.at(-1) ?? '');
    if (ids.length === 0) return { checked: 0, ended: strangers };
    const standings = await store.listStandings(db.kysely, ids);
    let ended = strangers;
    for (const id of ids) {
      if (dispatcher.isBusy(id)) continue;
      try {
        if (await settleOrphan(id, standings.get(id))) ended += 1;
      } catch (error) {
        // One that cannot be ended must not keep the others.
        log.error({ err: error, workspace_id: id }, 'an orphaned workload could not be ended');
      }
    }
    return { checked: ids.length, ended };
  }

  /** Orphan pass 3: a token whose workload is gone is worth nothing but to whoever copied it. */
  async function sweepStaleTokens(): Promise<Record<string, number>> {
    const ids = await store.listStaleTokenHolders(db.kysely, tokenCursor, BATCH);
    tokenCursor = ids.length < BATCH ? null : (ids.at(-1) ?? null);
    let revoked = 0;
    for (const id of ids) {
      if (dispatcher.isBusy(id)) continue;
      const { running, error } = await backend.isRunning(id);
      if (running || error) continue;
      const row = await workspaces.get(id);
      if (!row) continue;
      const count = await db.tx((trx) => store.revokeStaleTokens(trx, id, enrolmentEnd(deadlines(), row.runtime)));
      if (count === 0) continue;
      log.info({ workspace_id: id, tokens: count }, 'tokens of a workspace without a workload were revoked');
      revoked += count;
    }
    if (revoked > 0) await auth.tokens.forget();
    return { checked: ids.length, revoked };
  }

  const overdue: Loop = {
    name: 'provision-timeout-sweep',
    why: 'An agent that never comes online would be shown as starting for ever.',
    everyMs: 30_000,
    timeoutMs: 20_000,
    runs: 'one-replica',
    run: sweepOverdue,
  };
  if (backend.name === 'none') return [overdue];
  const runs = backend.scope === 'replica' ? 'every-replica' : 'one-replica';
  const orphans: Loop[] = backend.deliversTokens
    ? [
        {
          name: 'orphan-sweeper',
          why: 'Workloads of removed or sleeping workspaces would go on running, and their files would stay.',
          everyMs: 60_000,
          timeoutMs: 30_000,
          runs,
          run: sweepOrphans,
        },
        {
          name: 'stale-tokens',
          why: 'A token would outlive the workload it was made for, and a workload with wiped files could not register again.',
          everyMs: 60_000,
          timeoutMs: 30_000,
          runs,
          run: sweepStaleTokens,
        },
      ]
    : [
        {
          name: 'cp-tombstone-reconcile',
          why: 'A machine whose stop failed when its workspace was removed or put to sleep would run, and cost, for ever.',
          everyMs: 300_000,
          timeoutMs: 240_000,
          runs,
          run: sweepOrphans,
        },
      ];
  const { settleDebts } = backend;
  const debts: Loop[] = settleDebts
    ? [
        {
          name: 'machine-debts',
          why: 'A machine whose start was never heard of, or whose place another took, would run, and cost, for ever.',
          everyMs: 30_000,
          // A recall and a stop, each as long as a call may take.
          timeoutMs: 250_000,
          runs,
          run: async () => ({ ended: await settleDebts() }),
        },
      ]
    : [];
  return [
    overdue,
    {
      name: 'health-sweep',
      why: 'A workload that vanished unseen would be shown online until its beats expire; after a boot nothing would start.',
      everyMs: backend.probe.everyMs,
      timeoutMs: 2 * backend.probe.everyMs,
      runs,
      run: sweepHealth,
    },
    {
      name: 'workload-supervision',
      why: 'Crashed agents would stay down, and the end of an adopted one would go unnoticed.',
      // People learn within two seconds that an agent died.
      everyMs: 1_000,
      timeoutMs: 10_000,
      runs: 'every-replica',
      run: async () => ({ adopted: await backend.supervise(), restarted: exits.restartDue() }),
    },
    {
      name: 'workload-logs',
      why: 'The log of a talkative agent would fill the disk.',
      everyMs: 60_000,
      timeoutMs: 30_000,
      runs: 'every-replica',
      run: async () => ({ cut: await backend.rotateLogs() }),
    },
    ...orphans,
    ...debts,
  ];
}
