// Provisioning: workloads are started, watched, restarted and stopped here, whatever runs them (chapter 10 §7).
// Nothing outside this folder knows which backend that is.

import type { Auth } from '../auth/index.ts';
import { type Config, isModelVariable } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import { type Secrets, SecretsUnreadableError } from '../secrets/index.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type Backend, noBackend, type Running } from './backend.ts';
import { createProcessBackend } from './backends/process.ts';
import { createCrashPolicy } from './crash-policy.ts';
import { createDispatcher } from './dispatcher.ts';
import { createExitHandler } from './exits.ts';
import { createProvisioningLoops } from './loops.ts';
import { createPipeline } from './pipeline.ts';
import { GATE_PREFIX } from './restart-gate.ts';
import * as store from './store.ts';
import { createTemplates, type TemplateConfig } from './templates.ts';

export { generateConfig } from './config-file.ts';
export { readTextFiles, resolveInside } from './templates.ts';

export interface Provisioning {
  readonly backendName: string;
  hasBackend(): boolean;
  /** Queues the pipeline. @returns false, with the workspace marked failed, when there is no backend. */
  provision(id: string): boolean;
  /** Files for the config directory, in place of a template. Before the row is committed, so that no crash parts the two. */
  writeFiles(id: string, files: Record<string, string>): Promise<void>;
  stop(id: string): Promise<void>;
  /** Stops and starts; requests during a cycle become one more cycle. */
  restart(id: string, options?: { reason?: string }): void;
  isRunning(id: string): Promise<Running>;
  readLog(id: string, lines: number): Promise<{ lines: string[]; truncated: boolean } | null>;
  /** What a workspace template says of itself. @throws invalid_template */
  readTemplate(name: string): Promise<TemplateConfig>;
  /** Files of a template, else of the runtime's own; null when there is none. */
  readTemplateFiles(name: string | null, runtime: string): Record<string, string> | null;
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
  /** Program and arguments of an agent process; the runtime of this repository unless given. */
  agentCommand?: readonly string[] | undefined;
}

const DEFAULT_DEADLINE_SECONDS = 600;
const HERMES_DEADLINE_SECONDS = 1_800;
const ENDED = new Set(['removed', 'paused', 'hibernated']);

export function createProvisioning(deps: ProvisioningDeps): Provisioning {
  const { db, config, workspaces, secrets, auth, events, log, clock } = deps;
  const templates = createTemplates(config.templatesDir, log);
  const backend: Backend =
    config.provisioner === 'none'
      ? noBackend
      : createProcessBackend({
          dataDir: config.dataDir,
          environment: config.baseEnvironment,
          log,
          onExit: (exit) => exits.handle(exit),
          ...(deps.agentCommand ? { command: deps.agentCommand } : {}),
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
  const dispatcher = createDispatcher({
    db,
    workspaces,
    events,
    backend,
    pipeline,
    concurrency: config.provisionConcurrency,
    log,
  });
  const crashes = createCrashPolicy(clock);
  const exits = createExitHandler({
    db,
    workspaces,
    crashes,
    clock,
    log,
    markFailed: async (id, message, extra) => void (await dispatcher.markFailed(id, message, extra)),
    listSecretValues,
    restart: (id) => dispatcher.restart(id),
  });

  /** Null when they cannot be read: then nothing the workload said may be repeated. */
  async function listSecretValues(id: string): Promise<string[] | null> {
    try {
      const own = await secrets.merged(id);
      const row = await workspaces.get(id);
      return [...Object.values(config.modelEnvironment), ...Object.values(own), row?.platform_inbound_secret ?? ''];
    } catch (error) {
      if (error instanceof SecretsUnreadableError) return null;
      throw error;
    }
  }

  function deadlineSeconds(runtime: string): number {
    if (config.provisionTimeoutSeconds) return config.provisionTimeoutSeconds;
    const standard = runtime === 'hermes' ? HERMES_DEADLINE_SECONDS : DEFAULT_DEADLINE_SECONDS;
    return Math.max(standard, (templates.provisionTimeoutMs(runtime) ?? 0) / 1000);
  }

  return {
    backendName: backend.name,
    hasBackend: () => backend.name !== 'none',
    provision: dispatcher.provision,
    writeFiles: (id, files) => backend.writeFiles(id, files),
    async stop(id) {
      exits.forget(id);
      crashes.forget(id);
      await backend.stop(id);
    },
    restart(id) {
      // Somebody changed something: what crashed before may work now.
      exits.forget(id);
      crashes.forget(id);
      dispatcher.restart(id);
    },
    isRunning: (id) => backend.isRunning(id),
    readLog: (id, lines) => backend.readLog(id, lines),
    readTemplate: async (name) => templates.read(name),
    readTemplateFiles: templates.findFiles,
    async chooseRuntime() {
      if (Object.keys(config.modelEnvironment).length > 0) return 'ai-sdk';
      return (await secrets.globalKeys()).some(isModelVariable) ? 'ai-sdk' : 'echo';
    },
    provisionTimeoutMs: templates.provisionTimeoutMs,
    loops: createProvisioningLoops({ db, workspaces, backend, dispatcher, exits, deadlineSeconds, log }),
    async start() {
      // The embedded store has one owner, so whoever held a gate is gone.
      if (db.kind === 'embedded') await store.clearLeases(db.kysely, GATE_PREFIX);
      const adopted = await backend.adopt(async (id) => {
        const row = await workspaces.get(id);
        return row !== null && !ENDED.has(row.status);
      });
      if (adopted.length > 0) log.info({ count: adopted.length }, 'agent processes of the last run are still running');
    },
    async shutdown() {
      dispatcher.refuse();
      await exits.close();
      await backend.shutdown();
      await dispatcher.close();
      // A start that was past the refusal when the first round ended.
      await backend.shutdown();
    },
  };
}
