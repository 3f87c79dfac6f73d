// The only entry to whatever starts workloads (chapter 10 §7.2): provisions under a cap, coalesces restarts, and never leaves
// a workspace stuck without a reason. Knows no backend by name but the one that is not there.

import type { RawBuilder } from 'kysely';
import type { Events } from '../events/index.ts';
import type { Database } from '../platform/db/index.ts';
import { pause } from '../platform/deadline.ts';
import type { Logger } from '../platform/log.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type Backend, OvertakenError, StartBrokenOffError, StartRefusedError } from './backend.ts';
import type { Pipeline, StartOptions } from './pipeline.ts';
import { logProvisionEvent, shortBackendName } from './provlog.ts';
import { createRestartGate } from './restart-gate.ts';
import * as store from './store.ts';

/** How long a start holds its place under the cap, and its gate, while the agent comes up. */
const SETTLE_MS = 10_000;
const SETTLING_EVENTS = new Set([
  'WORKSPACE_ONLINE',
  'WORKSPACE_PROVISION_FAILED',
  'WORKSPACE_OFFLINE',
  'WORKSPACE_PAUSED',
  'WORKSPACE_REMOVED',
]);
const START_FAILED = 'workspace start failed; the platform log has the reason';
export const NO_BACKEND_MESSAGE =
  'no provisioning backend is configured; start the platform with MOLECULE_PROVISIONER=process, or connect an agent yourself';

/** What a restart was asked to do beside stopping and starting. */
export type RestartOptions = Partial<StartOptions>;

export interface FailureOptions {
  /** Judged by the same statement. */
  guard?: RawBuilder<unknown>;
  /** Tried again by the health sweep; null = only when somebody asks. */
  retryAfterMs?: number | null;
}

export interface DispatcherDeps {
  db: Database;
  workspaces: Workspaces;
  events: Events;
  backend: Backend;
  pipeline: Pipeline;
  concurrency: number;
  /** How long to wait before a start that broke off for no reason of its own is tried again; null = it was often enough. */
  nextRetryMs(id: string): number | null;
  log: Logger;
}

export function createDispatcher(deps: DispatcherDeps) {
  const { db, workspaces, events, backend, pipeline, concurrency, nextRetryMs, log } = deps;
  const gate = createRestartGate({ db, log, withSlot, repeat: restartOnce });
  /** What the next cycle of a workspace has to do, the newest wish winning. */
  const wishes = new Map<string, RestartOptions>();
  /** Starts that wait for a place under the cap. */
  const queue: { id: string; go: () => void }[] = [];
  let active = 0;
  let closed = false;

  async function withSlot(work: () => Promise<void>, id: string): Promise<void> {
    if (active >= concurrency) await new Promise<void>((go) => queue.push({ id, go }));
    else active += 1;
    try {
      await work();
    } finally {
      // The place goes straight to the next in line.
      const next = queue.shift();
      if (next) next.go();
      else active -= 1;
    }
  }

  /** The one writer of `failed` for a seat that was starting (chapter 10 §7.4). @returns false when it was not, or no longer. */
  async function markFailed(
    id: string,
    message: string,
    extra: Record<string, unknown> = {},
    { guard, retryAfterMs = null }: FailureOptions = {},
  ): Promise<boolean> {
    const retryAt = retryAfterMs === null ? null : store.afterNow(retryAfterMs);
    const row = await workspaces.transition('provision_failed', id, {
      patch: { last_sample_error: message, url: null, current_task: '', active_tasks: 0, retry_at: retryAt },
      details: extra,
      ...(guard ? { guard } : {}),
    });
    workspaces.forget(id);
    return row !== null;
  }

  function failWithoutBackend(id: string): void {
    markFailed(id, NO_BACKEND_MESSAGE).catch((error: unknown) =>
      log.error({ err: error, workspace_id: id }, 'a missing backend could not be recorded'),
    );
  }

  /** Resolves when the seat came up, failed or was put away, at the latest after ten seconds. */
  function watchSettling(id: string): { settled: Promise<void>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = events.onWorkspace(id, (frame) => {
      if (SETTLING_EVENTS.has(frame.event)) resolve();
    });
    const timeout = AbortSignal.timeout(SETTLE_MS);
    timeout.addEventListener('abort', () => resolve(), { once: true });
    settlers.add(resolve);
    return {
      settled: promise,
      cancel() {
        end();
        settlers.delete(resolve);
      },
    };
  }
  const settlers = new Set<() => void>();

  async function runPipeline(id: string, options: StartOptions): Promise<void> {
    const watch = watchSettling(id);
    try {
      await pipeline.run(id, options);
      if ((await workspaces.get(id))?.status === 'provisioning' && !closed) await watch.settled;
    } catch (error) {
      // A start that the shutdown cut short is made up for by the next one; an overtaken one by what overtook it.
      if (closed || error instanceof OvertakenError) return;
      if (error instanceof StartRefusedError) return void (await markFailed(id, error.message, error.details));
      log.error({ err: error, workspace_id: id }, 'a workspace could not be started');
      const message = error instanceof StartBrokenOffError ? error.message : START_FAILED;
      await markFailed(id, message, {}, { retryAfterMs: nextRetryMs(id) });
    } finally {
      watch.cancel();
    }
  }

  function logPreStop(id: string): void {
    logProvisionEvent(log, 'restart.pre_stop', { workspace_id: id, backend: shortBackendName(backend.name) });
  }

  /** A seat must come up again even where the machine of its last life cannot be ended. */
  async function stopBeforeRestart(id: string): Promise<void> {
    const gaps = backend.restartStopGapsMs;
    if (!gaps) return await backend.stop(id);
    for (const gapMs of [...gaps, null]) {
      try {
        return await backend.stop(id);
      } catch (error) {
        if (gapMs !== null) await pause(gapMs);
        else log.error({ err: error, workspace_id: id }, 'suspected leak: the old workload could not be stopped');
      }
    }
  }

  async function restartOnce(id: string): Promise<void> {
    const { files = null, resetSession = false } = wishes.get(id) ?? {};
    wishes.delete(id);
    const row = await workspaces.get(id);
    if (!row || row.runtime === 'external' || row.status === 'removed' || row.status === 'hibernating') return;
    if ((await workspaces.listAncestry(id)).some((ancestor) => ancestor.status === 'paused')) return;
    logPreStop(id);
    await stopBeforeRestart(id);
    const moved = await workspaces.transition('restart', id, {
      patch: {
        url: null,
        url_source: null,
        needs_restart: false,
        current_task: '',
        active_tasks: 0,
        idle_since: null,
        last_sample_error: null,
      },
    });
    if (moved) await runPipeline(id, { sync: true, files, resetSession });
  }

  return {
    markFailed,
    isBusy: gate.isBusy,
    /** True while as many others start as may at once. */
    isInLine: (id: string) => queue.some((one) => one.id === id),
    provision(id: string): boolean {
      if (backend.name === 'none') {
        failWithoutBackend(id);
        return false;
      }
      gate.enter(id, () => runPipeline(id, { sync: false, files: null, resetSession: false }));
      return true;
    },
    restart(id: string, options: RestartOptions = {}): void {
      if (backend.name === 'none') {
        logPreStop(id);
        failWithoutBackend(id);
        return;
      }
      if (Object.keys(options).length > 0) wishes.set(id, { ...wishes.get(id), ...options });
      gate.enter(id, () => restartOnce(id));
    },
    /** Nothing starts from here on. Call before the backend ends its workloads. */
    refuse(): void {
      closed = true;
      for (const settle of settlers) settle();
    },
    close: () => gate.close(),
  };
}

export type Dispatcher = ReturnType<typeof createDispatcher>;
