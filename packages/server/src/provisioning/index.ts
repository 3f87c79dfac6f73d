// The provisioning dispatcher: the only entry to whatever starts workloads (chapter 10 §7.2). It provisions under a cap,
// coalesces restarts, notices exits, and never leaves a workspace stuck without a reason.

import type { Auth } from '../auth/index.ts';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type Backend, noBackend, type Running, type WorkloadExit } from './backend.ts';
import { createProcessBackend } from './backends/process.ts';
import { createCrashPolicy } from './crash-policy.ts';
import { createPipeline, ProvisionError } from './pipeline.ts';
import * as store from './store.ts';
import { createTemplates, type TemplateConfig } from './templates.ts';

export { readTextFiles, resolveInside } from './templates.ts';

export interface Provisioning {
  readonly backendName: string;
  hasBackend(): boolean;
  /** Queues the pipeline. `files` replace the template. @returns false, with the workspace marked failed, when there is no backend. */
  provision(id: string, files?: Record<string, string>): boolean;
  stop(id: string): Promise<void>;
  /** Stops and starts; requests during a cycle become one more cycle. */
  restart(id: string, options?: { reason?: string }): void;
  isRunning(id: string): Promise<Running>;
  readLog(id: string, lines: number): Promise<{ lines: string[]; truncated: boolean } | null>;
  readTemplate(name: string): Promise<TemplateConfig>;
  /** The runtime behind `default`: a model runtime when a key is there, else the scripted one. */
  chooseRuntime(): Promise<string>;
  provisionTimeoutMs(runtime: string): number | undefined;
  loops: Loop[];
  start(): Promise<void>;
  shutdown(): Promise<void>;
}

export interface ProvisioningDeps {
  db: Database;
  config: Config;
  workspaces: Workspaces;
  secrets: Secrets;
  auth: Auth;
  events: Events;
  log: Logger;
  clock: Clock;
  platformUrl(): string;
  /** For tests: another program instead of the runtime. */
  command?: string[];
}

const DEFAULT_DEADLINE_SECONDS = 600;
const HERMES_DEADLINE_SECONDS = 1_800;
const SWEEP_BATCH = 50;
const NO_BACKEND_MESSAGE =
  'no provisioning backend is configured; start the platform with MOLECULE_PROVISIONER=process, or connect an agent yourself';

export function createProvisioning(deps: ProvisioningDeps): Provisioning {
  const { db, config, workspaces, secrets, auth, log, clock } = deps;
  const templates = createTemplates(config.templatesDir, log);
  const backend: Backend =
    config.provisioner === 'none'
      ? noBackend
      : createProcessBackend({
          dataDir: config.dataDir,
          environment: config.baseEnvironment,
          log,
          onExit: handleExit,
          ...(deps.command ? { command: deps.command } : {}),
        });
  const pipeline = createPipeline({
    db,
    config,
    workspaces,
    secrets,
    auth,
    backend,
    templates,
    platformUrl: deps.platformUrl,
    deadlineSeconds,
    log,
  });
  const crashes = createCrashPolicy(clock);
  /** One entry per workspace with a cycle in progress; `again` = something changed meanwhile. */
  const cycles = new Map<string, { again: boolean; files: Record<string, string> | null }>();
  /** Restarts that wait for their back-off. */
  const delayed = new Map<string, AbortController>();
  const waiting: (() => void)[] = [];
  let active = 0;
  let stopped = false;
  let sweepAfter: string | null = null;

  function deadlineSeconds(runtime: string): number {
    if (config.provisionTimeoutSeconds) return config.provisionTimeoutSeconds;
    const standard = runtime === 'hermes' ? HERMES_DEADLINE_SECONDS : DEFAULT_DEADLINE_SECONDS;
    return Math.max(standard, (templates.provisionTimeoutMs(runtime) ?? 0) / 1000);
  }

  /** The one writer of `failed`. */
  async function markFailed(id: string, message: string, extra: Record<string, unknown> = {}): Promise<void> {
    await workspaces.transition('provision_failed', id, {
      patch: { last_sample_error: message, url: null, current_task: '', active_tasks: 0 },
      details: extra,
    });
    workspaces.forget(id);
  }

  async function withSlot<T>(work: () => Promise<T>): Promise<T> {
    if (active >= config.provisionConcurrency) await new Promise<void>((resolve) => waiting.push(resolve));
    active += 1;
    try {
      return await work();
    } finally {
      active -= 1;
      waiting.shift()?.();
    }
  }

  async function runPipeline(id: string, files: Record<string, string> | null): Promise<void> {
    try {
      await withSlot(() => pipeline.run(id, files));
    } catch (error) {
      if (error instanceof ProvisionError) return await markFailed(id, error.message, error.extra);
      log.error({ err: error, workspace_id: id }, 'a workspace could not be started');
      await markFailed(id, 'workspace start failed; the platform log has the reason');
    }
  }

  /** Runs `work`, and once more if it was asked for meanwhile. The gate always reopens. */
  function enterCycle(
    id: string,
    files: Record<string, string> | null,
    work: (files: Record<string, string> | null) => Promise<void>,
  ): void {
    const current = cycles.get(id);
    if (current) {
      current.again = true;
      if (files) current.files = files;
      return;
    }
    const cycle = { again: false, files: null as Record<string, string> | null };
    cycles.set(id, cycle);
    work(files)
      .catch((error: unknown) => log.error({ err: error, workspace_id: id }, 'a start or restart failed'))
      .finally(() => {
        cycles.delete(id);
        if (cycle.again && !stopped) enterCycle(id, cycle.files, (next) => cycleRestart(id, next));
      });
  }

  async function cycleRestart(id: string, files: Record<string, string> | null): Promise<void> {
    const row = await workspaces.get(id);
    if (!row || row.runtime === 'external' || stopped) return;
    if (
      (await workspaces.listAncestry(id)).some(
        (ancestor) => ancestor.status === 'paused' || ancestor.status === 'removed',
      )
    )
      return;
    log.info(`evt: restart.pre_stop ${JSON.stringify({ workspace_id: id, backend: backend.name })}`);
    await backend.stop(id);
    const moved = await workspaces.transition('restart', id, {
      patch: { url: null, needs_restart: false, current_task: '', active_tasks: 0 },
    });
    if (moved) await runPipeline(id, files);
  }

  function restart(id: string): void {
    if (stopped || backend.name === 'none') return;
    delayed.get(id)?.abort();
    delayed.delete(id);
    enterCycle(id, null, (files) => cycleRestart(id, files));
  }

  /** A workload that ended by itself: said at once, then started again with a back-off, or given up with the reason. */
  function handleExit(exit: WorkloadExit): void {
    if (stopped) return;
    settleExit(exit).catch((error: unknown) =>
      log.error({ err: error, workspace_id: exit.id }, 'an exit could not be recorded'),
    );
  }

  async function settleExit({ id, reason, code }: WorkloadExit): Promise<void> {
    log.warn({ workspace_id: id, code, reason }, 'an agent process ended');
    const row = await workspaces.get(id);
    if (!row || row.status === 'removed') return;
    // It never came up: the reason is a person's to mend, and a repeat would say the same.
    if (row.status === 'provisioning') return await markFailed(id, reason);
    await workspaces.transition('go_offline', id, {
      patch: { last_sample_error: reason, current_task: '', active_tasks: 0 },
    });
    const delay = crashes.next(id);
    if (delay === null) {
      await workspaces.transition('restart', id, { patch: { url: null } });
      return await markFailed(id, `stopped restarting after ${crashes.limit} crashes: ${reason}`);
    }
    delayRestart(id, delay);
  }

  function delayRestart(id: string, delayMs: number): void {
    const cancel = new AbortController();
    delayed.set(id, cancel);
    AbortSignal.any([AbortSignal.timeout(delayMs), cancel.signal]).addEventListener('abort', () => {
      if (cancel.signal.aborted || stopped) return;
      delayed.delete(id);
      restart(id);
    });
  }

  /** Seats whose workload is gone are brought back: after a crash of the platform, a reboot, or a kill nobody saw. */
  async function sweepHealth(): Promise<Record<string, number>> {
    const rows = await store.listExpectedRunning(db.kysely, sweepAfter, SWEEP_BATCH);
    sweepAfter = rows.length < SWEEP_BATCH ? null : (rows.at(-1)?.id ?? null);
    let restarted = 0;
    for (const { id, status } of rows) {
      if (cycles.has(id) || delayed.has(id)) continue;
      const { running, error } = await backend.isRunning(id);
      if (error || running) continue;
      if (status !== 'provisioning' && status !== 'offline')
        await workspaces.transition('go_offline', id, { patch: { current_task: '', active_tasks: 0 } });
      restart(id);
      restarted += 1;
    }
    return { checked: rows.length, restarted };
  }

  async function sweepOverdue(): Promise<Record<string, number>> {
    let failed = 0;
    for (const { id, runtime, age_seconds } of await store.listOverdue(db.kysely, SWEEP_BATCH)) {
      const limit = deadlineSeconds(runtime);
      if (age_seconds <= limit) continue;
      await markFailed(id, `the agent did not come online within ${limit} seconds`, {
        timeout_secs: limit,
        runtime,
        source: 'provision_timeout_sweep',
      });
      failed += 1;
    }
    return { failed };
  }

  const loops: Loop[] = [
    {
      name: 'provision-timeout-sweep',
      why: 'An agent that never comes online would be shown as starting for ever.',
      everyMs: 30_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      run: sweepOverdue,
    },
    ...(backend.name === 'none'
      ? []
      : [
          {
            name: 'health-sweep',
            why: 'A workload that vanished unseen would be shown online until its beats expire.',
            everyMs: 15_000,
            timeoutMs: 30_000,
            runs: 'every-replica' as const,
            run: sweepHealth,
          },
        ]),
  ];

  return {
    backendName: backend.name,
    hasBackend: () => backend.name !== 'none',
    provision(id, files) {
      if (backend.name === 'none') {
        markFailed(id, NO_BACKEND_MESSAGE).catch((error: unknown) =>
          log.error({ err: error, workspace_id: id }, 'a missing backend could not be recorded'),
        );
        return false;
      }
      enterCycle(id, files ?? null, (next) => runPipeline(id, next));
      return true;
    },
    async stop(id) {
      delayed.get(id)?.abort();
      delayed.delete(id);
      crashes.forget(id);
      await backend.stop(id);
    },
    restart,
    isRunning: (id) => backend.isRunning(id),
    readLog: (id, lines) => backend.readLog(id, lines),
    readTemplate: async (name) => templates.read(name),
    async chooseRuntime() {
      const keys = [...Object.keys(config.modelEnvironment), ...(await secrets.globalKeys())];
      return keys.some((key) => /_(API_KEY|BASE_URL)$/.test(key)) ? 'ai-sdk' : 'echo';
    },
    provisionTimeoutMs: (runtime) => templates.provisionTimeoutMs(runtime),
    loops,
    async start() {
      const adopted = await backend.adopt(async (id) => {
        const row = await workspaces.get(id);
        return row !== null && !['removed', 'paused', 'hibernated'].includes(row.status);
      });
      if (adopted.length > 0) log.info({ count: adopted.length }, 'agent processes of the last run are still running');
    },
    async shutdown() {
      stopped = true;
      for (const cancel of delayed.values()) cancel.abort();
      await backend.shutdown();
    },
  };
}
