// Provisioning: workloads are started, watched, restarted and stopped here, whatever runs them (chapter 10 §7).
// Nothing outside this folder knows which backend that is.

import type { FastifyInstance } from 'fastify';
import type { Auth } from '../auth/index.ts';
import { type Config, isModelVariable } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import { type Secrets, SecretsUnreadableError } from '../secrets/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import type { Backend, Running } from './backend.ts';
import { createBackend } from './backends/index.ts';
import { createCrashPolicy } from './crash-policy.ts';
import { readDeadlines } from './deadlines.ts';
import { createMachineDebts } from './debts/index.ts';
import { createDispatcher } from './dispatcher.ts';
import { createExitHandler } from './exits.ts';
import type { FileStore } from './file-store.ts';
import { createImages } from './images/index.ts';
import { createProvisioningLoops } from './loops.ts';
import { createOwnership } from './ownership.ts';
import { createPipeline } from './pipeline.ts';
import { listValues, redactValues } from './redaction.ts';
import { GATE_PREFIX } from './restart-gate.ts';
import { findRestartSource, type RestartRequest } from './restart-source.ts';
import { mountProvisioningRoutes } from './routes.ts';
import * as store from './store.ts';
import { createTemplates, type TemplateConfig } from './templates.ts';
import { NoTerminalError, type Terminal, type TerminalSize } from './terminal.ts';

export { applySeat, generateConfig, mergeConfig } from './config-file.ts';
export { NO_BACKEND_MESSAGE } from './dispatcher.ts';
export { type FileRoot, type FileStore, HIDDEN_NAMES } from './file-store.ts';
export { listFolder, readFromFolder } from './folder-files.ts';
export { logProvisionEvent } from './provlog.ts';
export { listValues, redactValues } from './redaction.ts';
export type { RestartRequest } from './restart-source.ts';
export { parseConfig, readTextFiles, resolveInside } from './templates.ts';
export type { Terminal, TerminalSize } from './terminal.ts';

export interface Provisioning {
  readonly backendName: string;
  hasBackend(): boolean;
  /** Queues the pipeline. @returns false, with the workspace marked failed, when there is no backend. */
  provision(id: string): boolean;
  /** Files for the config directory, in place of a template. Before the row is committed, so that no crash parts the two. */
  writeFiles(id: string, files: Record<string, string>): Promise<void>;
  /** Ends the workload and keeps what it stored, until the next start. Rejects only when it may still run. */
  stop(id: string): Promise<void>;
  /** Ends the workload for good, and what it stored. Rejects only when it may still run; its files are tried again by a sweep. */
  remove(id: string): Promise<void>;
  /** Somebody asked for it or changed something: earlier crashes are forgiven. Requests during a cycle become one more cycle. */
  restart(id: string, reason: string): void;
  /** A restart as a person wishes it. @returns where its files come from. @throws invalid_template */
  restartWith(id: string, request: RestartRequest): Promise<{ configDir: string }>;
  /** Found dead or asleep: started again, unless a start is under way already or a crash waits for its turn. */
  revive(id: string, reason: string): void;
  isRunning(id: string): Promise<Running>;
  /** What is known here of the next start of a workspace: whether it waits for its turn, when one is tried again, how long one may take. */
  outlook(id: string, runtime: string): { isInLine: boolean; restartAt: Date | null; startSeconds: number };
  readLog(id: string, lines: number): Promise<{ lines: string[]; truncated: boolean } | null>;
  hasTerminals: boolean;
  /** Null when the workload does not run. @throws no_terminal */
  openTerminal(id: string, size: TerminalSize): Promise<Terminal | null>;
  /** The folders of the workloads; null when the backend has no way to them. */
  files: FileStore | null;
  /** The folder of the template a workspace of that name was made from; null when there is none. */
  findTemplateFolder(workspaceName: string): string | null;
  /** What a workspace template says of itself. @throws invalid_template */
  readTemplate(name: string): Promise<TemplateConfig>;
  /** Files of a template, else of the runtime's own; null when there is none. */
  readTemplateFiles(name: string | null, runtime: string): Record<string, string> | null;
  /** The runtime behind `default`: a model runtime when a key is there, else the scripted one. */
  chooseRuntime(): Promise<string>;
  provisionTimeoutMs(runtime: string): number | undefined;
  mount(app: FastifyInstance, authorize: Authorize): void;
  loops: Loop[];
  /** Before this platform serves. @throws DatabaseStartError when its workloads would be another platform's. */
  claim(): Promise<void>;
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
  /** What its organisation template gives a workspace of that name; null when no template has one. */
  findOrgFiles(row: WorkspaceRow): Record<string, string> | null;
  /** Program and arguments of an agent process; the runtime of this repository unless given. */
  agentCommand?: readonly string[] | undefined;
}

const ENDED = new Set(['removed', 'paused', 'hibernated']);
const LOG_WITHHELD = 'The log is withheld: stored secrets cannot be decrypted, so they cannot be taken out of it.';

async function openTerminal(backend: Backend, id: string, size: TerminalSize): Promise<Terminal | null> {
  if (!backend.openTerminal) throw new PlatformError('no_terminal', `the ${backend.name} backend has no terminal`);
  try {
    return await backend.openTerminal(id, size);
  } catch (error) {
    if (error instanceof NoTerminalError) throw new PlatformError('no_terminal', error.message, {}, { cause: error });
    throw error;
  }
}

export async function createProvisioning(deps: ProvisioningDeps): Promise<Provisioning> {
  const { db, config, workspaces, secrets, auth, events, log, clock } = deps;
  const templates = createTemplates(config.templatesDir, log);
  const backend = await createBackend({
    config,
    log,
    platformUrl: deps.platformUrl,
    instances: {
      find: async (id) => (await workspaces.get(id))?.instance_id ?? null,
      clear: (id, instanceId) => store.clearInstance(db.kysely, id, instanceId),
      list: () => store.listInstanceHolders(db.kysely),
    },
    debts: createMachineDebts(db),
    onExit: (exit) => exits.handle(exit),
    agentCommand: deps.agentCommand,
  });
  const ownership =
    backend.scope === 'replica' && db.kind === 'postgres'
      ? createOwnership({ db, dataDir: config.dataDir, log })
      : null;
  const images = createImages({ db, backend, autoRefresh: config.docker.autoRefresh, log });
  const pipeline = createPipeline({
    db,
    config,
    workspaces,
    secrets,
    auth,
    backend,
    templates,
    findImagePin: images.findPin,
    platformUrl: deps.platformUrl,
    deadlines,
    log,
  });
  const crashes = createCrashPolicy(clock);
  const dispatcher = createDispatcher({
    db,
    workspaces,
    events,
    backend,
    pipeline,
    concurrency: config.provisionConcurrency,
    nextRetryMs: crashes.next,
    log,
  });
  const exits = createExitHandler({
    db,
    workspaces,
    crashes,
    clock,
    log,
    markFailed: async (id, message, extra, options) => void (await dispatcher.markFailed(id, message, extra, options)),
    listSecretValues,
    restart: (id) => dispatcher.restart(id),
  });

  /** Null when they cannot be read: then nothing the workload said may be repeated. */
  async function listSecretValues(id: string): Promise<string[] | null> {
    try {
      const own = await secrets.merged(id);
      const row = await workspaces.get(id);
      return [...Object.values(config.modelEnvironment), ...listValues(own), row?.platform_inbound_secret ?? ''];
    } catch (error) {
      if (error instanceof SecretsUnreadableError) return null;
      throw error;
    }
  }

  function deadlines(): store.Deadlines {
    return readDeadlines(config.provisionTimeoutSeconds, templates);
  }

  function forgive(id: string): void {
    exits.forget(id);
    crashes.forget(id);
  }

  /** A restart that waits for its turn after a crash is not wanted any more. */
  async function stop(id: string): Promise<void> {
    forgive(id);
    await backend.stop(id);
  }

  return {
    backendName: backend.name,
    hasBackend: () => backend.name !== 'none',
    provision: dispatcher.provision,
    writeFiles: (id, files) => backend.writeFiles(id, files),
    stop,
    async remove(id) {
      await stop(id);
      await backend
        .removeVolumes(id)
        .catch((error: unknown) => log.error({ err: error, workspace_id: id }, 'stored files could not be deleted'));
    },
    restart(id, reason) {
      log.debug({ workspace_id: id, reason }, 'a restart was asked for');
      forgive(id);
      dispatcher.restart(id);
    },
    async restartWith(id, request) {
      const row = await workspaces.get(id);
      if (!row) throw notFound('workspace');
      const { configDir, files } = findRestartSource(row, request, { templates, findOrgFiles: deps.findOrgFiles });
      forgive(id);
      dispatcher.restart(id, { ...(files ? { files } : {}), ...(request.reset ? { resetSession: true } : {}) });
      return { configDir };
    },
    revive(id, reason) {
      if (exits.isWaiting(id) || dispatcher.isBusy(id)) return;
      log.info({ workspace_id: id, reason }, 'an agent is started again');
      dispatcher.restart(id);
    },
    isRunning: (id) => backend.isRunning(id),
    outlook(id, runtime) {
      const dueAt = exits.dueAt(id);
      const { standard, seconds } = deadlines();
      return {
        isInLine: dispatcher.isInLine(id),
        restartAt: dueAt === null ? null : new Date(dueAt),
        startSeconds: seconds.get(runtime) ?? standard,
      };
    },
    async readLog(id, lines) {
      const tail = await backend.readLog(id, lines);
      if (!tail) return null;
      const values = await listSecretValues(id);
      if (values === null) return { lines: [LOG_WITHHELD], truncated: tail.truncated };
      return { lines: tail.lines.map((line) => redactValues(line, values)), truncated: tail.truncated };
    },
    hasTerminals: backend.openTerminal !== undefined,
    openTerminal: (id, size) => openTerminal(backend, id, size),
    files: backend.files ?? null,
    findTemplateFolder: templates.findFolder,
    readTemplate: async (name) => templates.read(name),
    readTemplateFiles: templates.findFiles,
    async chooseRuntime() {
      if (Object.keys(config.modelEnvironment).length > 0) return 'ai-sdk';
      return (await secrets.globalKeys()).some(isModelVariable) ? 'ai-sdk' : 'echo';
    },
    provisionTimeoutMs: templates.provisionTimeoutMs,
    mount(app, authorize) {
      mountProvisioningRoutes(app, authorize, {
        exists: async (id) => (await workspaces.get(id)) !== null,
        backend,
        markFailed: dispatcher.markFailed,
        listSecretValues,
        log,
      });
      images.mount(app, authorize);
    },
    loops: [
      ...(ownership ? [ownership.loop] : []),
      ...createProvisioningLoops({ db, workspaces, auth, backend, dispatcher, exits, deadlines, log }),
      ...images.loops,
    ],
    claim: async () => await ownership?.claim(),
    async start() {
      // The embedded store has one owner, so whoever held a gate is gone.
      if (db.kind === 'embedded') await store.clearLeases(db.kysely, GATE_PREFIX);
      const { kept, stale } = await backend.adopt(async (id) => {
        const row = await workspaces.get(id);
        return row !== null && !ENDED.has(row.status);
      });
      if (kept.length > 0) log.info({ count: kept.length }, 'agent processes of the last run are still running');
      for (const id of stale) dispatcher.restart(id);
    },
    async shutdown() {
      dispatcher.refuse();
      await exits.close();
      await backend.shutdown();
      await dispatcher.close();
      // A start that was past the refusal when the first round ended.
      await backend.shutdown();
      await ownership?.release();
    },
  };
}
