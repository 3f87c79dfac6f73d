// What follows when a workload ends by itself (chapter 10 §1.3 row 10): said at once, then started again with a back-off, or
// given up with a reason a person can act on. Back-offs are kept in memory; after a platform restart the health sweep goes on.

import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import type { WorkloadExit } from './backend.ts';
import type { CrashPolicy } from './crash-policy.ts';
import { redactValues } from './redaction.ts';

const RUNNABLE = new Set(['provisioning', 'online', 'degraded', 'offline']);
/** The runtime's own refusals (chapter 40 §2): a repeat would say the same. */
const REFUSAL_CODES = new Set([1, 2]);
const CREDENTIAL_NAME = /\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:API_KEY|BASE_URL|TOKEN)\b/g;
const SAYS_MISSING = /not set|missing|required|requires|needs|unset|no .*(key|token)/i;

export interface ExitDeps {
  db: Database;
  workspaces: Workspaces;
  crashes: CrashPolicy;
  clock: Clock;
  log: Logger;
  markFailed(
    id: string,
    message: string,
    extra: Record<string, unknown>,
    options?: { retryAfterMs: number },
  ): Promise<void>;
  /** Secret values of the workload, to be kept out of what people read; null = unknown, so that all of it is. */
  listSecretValues(id: string): Promise<string[] | null>;
  restart(id: string): void;
}

/** Names of credentials a reason says are missing, so that the canvas can offer to add them; a refused key is not missing. */
export function findMissingNames(reason: string): string[] {
  const lines = reason.split('\n').filter((line) => SAYS_MISSING.test(line));
  return [...new Set(lines.flatMap((line) => line.match(CREDENTIAL_NAME) ?? []))];
}

export function createExitHandler(deps: ExitDeps) {
  const { db, workspaces, crashes, clock, log, markFailed, restart } = deps;
  /** When a crashed workload may start again. */
  const due = new Map<string, number>();
  const settling = new Set<Promise<void>>();
  let closed = false;

  async function readReason(exit: WorkloadExit): Promise<string> {
    const values = await deps.listSecretValues(exit.id);
    return values === null ? 'the agent process ended; its log says why' : redactValues(exit.reason, values);
  }

  async function giveUp(row: WorkspaceRow, reason: string, details: Record<string, unknown>): Promise<void> {
    const message = `stopped restarting after ${crashes.limit} crashes: ${reason}`;
    // `failed` is entered from `provisioning` only, so both edges are taken in one transaction.
    await db.tx(async (trx) => {
      if (row.status !== 'provisioning')
        await workspaces.transitionIn(trx, 'restart', row.id, { patch: { url: null } });
      await workspaces.transitionIn(trx, 'provision_failed', row.id, {
        patch: { last_sample_error: message, url: null, current_task: '', active_tasks: 0, retry_at: null },
        details,
      });
    });
    workspaces.forget(row.id);
  }

  /** A crash while starting is a failed start; the retry that waits lifts it again. */
  async function tellCrash(
    row: WorkspaceRow,
    reason: string,
    details: Record<string, unknown>,
    retryAfterMs: number,
  ): Promise<void> {
    if (row.status === 'provisioning') return await markFailed(row.id, reason, details, { retryAfterMs });
    await workspaces.transition('go_offline', row.id, {
      patch: { last_sample_error: reason, current_task: '', active_tasks: 0 },
      details: { reason, ...details },
    });
  }

  async function settle(exit: WorkloadExit): Promise<void> {
    const { id, code, signal } = exit;
    const reason = await readReason(exit);
    log.warn({ workspace_id: id, code, signal, reason }, 'an agent process ended');
    const row = await workspaces.get(id);
    if (!row || !RUNNABLE.has(row.status)) return;
    const details = { exit_code: code, signal };
    if (row.status === 'provisioning' && code !== null && REFUSAL_CODES.has(code)) {
      const missing = findMissingNames(reason);
      return await markFailed(id, reason, { ...details, ...(missing.length > 0 ? { missing } : {}) });
    }
    const delayMs = crashes.next(id);
    if (delayMs === null) return await giveUp(row, reason, details);
    // Before the status says so: whoever reads it then finds the restart on its way.
    due.set(id, clock.now() + delayMs);
    await tellCrash(row, reason, details, delayMs);
  }

  return {
    handle(exit: WorkloadExit): void {
      if (closed) return;
      const work = settle(exit).catch((error: unknown) =>
        log.error({ err: error, workspace_id: exit.id }, 'an exit could not be recorded'),
      );
      settling.add(work);
      work.finally(() => settling.delete(work));
    },
    /** True while a restart waits for its back-off. */
    isWaiting: (id: string) => due.has(id),
    /** When that is, in milliseconds of the clock; null = none waits. */
    dueAt: (id: string) => due.get(id) ?? null,
    forget: (id: string) => due.delete(id),
    restartDue(): number {
      const now = clock.now();
      const ready = [...due].filter(([, at]) => at <= now).map(([id]) => id);
      for (const id of ready) {
        due.delete(id);
        restart(id);
      }
      return ready.length;
    },
    async close() {
      closed = true;
      due.clear();
      await Promise.allSettled(settling);
    },
  };
}
