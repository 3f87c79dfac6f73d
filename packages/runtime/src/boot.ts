// The boot sequence of an agent (chapter 40 §2) as a library: no process signals, no exit codes; several may run in one process.

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { rootsOf } from './a2a/file-read.ts';
import { createA2aServer } from './a2a/server.ts';
import type { Adapter, AdapterContext, PreflightIssue } from './adapters/adapter.ts';
import { chooseAdapter } from './adapters/index.ts';
import { type LoadedConfig, loadConfig } from './config.ts';
import { createCredentials } from './credentials.ts';
import type { RuntimeEnvironment } from './environment.ts';
import { createDelegationResults } from './link/delegation-results.ts';
import { createHeartbeat } from './link/heartbeat.ts';
import { createAgentInbox } from './link/inbox.ts';
import { createPlatformClient, type PlatformClient, type PlatformResponse } from './link/platform-client.ts';
import { createRegistration, type DeliveryMode } from './link/register.ts';
import { createResultsFile } from './link/results-file.ts';
import { createSeenDelegations } from './link/seen-delegations.ts';
import { createTaskCounter } from './link/task-counter.ts';
import { systemTimers, type Timers } from './link/timers.ts';
import { chooseUploadFolder } from './link/upload-folder.ts';
import { createWakeUp } from './link/wake-up.ts';
import { createWedge } from './link/wedge.ts';
import { createRedactor, type Logger } from './logger.ts';
import { runPreflight } from './preflight.ts';
import { createSystemPrompt } from './prompt/system-prompt.ts';
import { createAgentTools } from './tools/index.ts';
import { readSelf } from './tools/platform-answers.ts';
import { createFileSharing } from './tools/share-files.ts';
import { RETRY_DELAYS_MS } from './turn/pipeline.ts';
import { prepareFolder, writeAgentsFile } from './workspace-folder.ts';

/** Preflight found what makes a start pointless; all findings are in `issues`. */
export class PreflightError extends Error {
  readonly issues: PreflightIssue[];
  constructor(issues: PreflightIssue[]) {
    super(issues.map((issue) => issue.title).join(', '));
    this.issues = issues;
  }
}

export interface BootOptions {
  environment: RuntimeEnvironment;
  log: Logger;
  /** Instead of the one config.yaml names. */
  adapter?: Adapter;
  timers?: Timers;
  heartbeatMs?: number;
  /** Pauses before a turn is repeated on an overloaded model; 5, 10 and 20 s unless given. */
  retryDelaysMs?: readonly number[];
  /** Address to listen on; loopback when the platform is reached by loopback. */
  host?: string;
  /** Ends the process; given where the agent has it for itself. */
  exit?: (code: number) => never;
  onDeleted?: () => void;
  /** After every registration. */
  onMode?: (mode: DeliveryMode) => void;
  /** The token was refused twice, or the registration cannot succeed; without it the agent goes on trying. */
  onRefused?: (refusal: PlatformResponse | null) => void;
}

export interface RunningAgent {
  port: number;
  url: string;
  /** Stops taking turns, waits for the running ones, says goodbye with a last beat. */
  stop(): Promise<void>;
}

function readVersion(): string {
  return (JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string })
    .version;
}

const isLoopback = (url: string) => ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);

function findPrimaryIp(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** @throws PreflightError with every failure; warnings go to the log. */
async function prepareAdapter(options: BootOptions, config: LoadedConfig): Promise<Adapter> {
  const { environment: env, log } = options;
  const choice = options.adapter
    ? { adapter: options.adapter, issues: [] }
    : await chooseAdapter(config.runtime, env.adapterModule);
  const issues = [
    ...choice.issues,
    ...runPreflight({
      config,
      adapter: choice.adapter,
      configDir: env.configDir,
      platformUrl: env.platformUrl,
      port: env.port ?? config.a2a.port,
      env: env.all,
    }),
  ];
  for (const issue of issues.filter(({ severity }) => severity === 'warn'))
    log.warn({ detail: issue.detail, fix: issue.fix }, issue.title);
  const failures = issues.filter(({ severity }) => severity === 'fail');
  if (failures.length > 0 || !choice.adapter) throw new PreflightError(failures);
  return choice.adapter;
}

/** The platform decides how many turns run at once, since it counts on that number before it sends. */
async function adoptWidth(client: PlatformClient, setWidth: (width: number) => void, log: Logger): Promise<void> {
  try {
    const { max_concurrent_tasks: width } = await readSelf(client);
    if (typeof width === 'number' && Number.isInteger(width) && width > 0) setWidth(width);
  } catch (error) {
    log.warn({ err: error }, 'the number of turns at once could not be read; config.yaml decides');
  }
}

/** @throws ConfigError, PreflightError, or the adapter's own error: nothing was registered then. */
export async function boot(options: BootOptions): Promise<RunningAgent> {
  const { environment: env, log, timers = systemTimers, retryDelaysMs = RETRY_DELAYS_MS } = options;
  for (const warning of env.warnings) log.warn(warning);
  const version = readVersion();
  prepareFolder(env.workspaceRoot, log);
  const config = loadConfig(env.configDir, env.all.MODEL_PROVIDER);
  const adapter = await prepareAdapter(options, config);

  const stopping = new AbortController();
  const { signal } = stopping;
  const credentials = createCredentials(env.credentialsDir, env.all, log);
  const client = createPlatformClient({ platformUrl: env.platformUrl, workspaceId: env.workspaceId, credentials, log });
  const counter = createTaskCounter();
  const wedge = createWedge();
  const resultsFile = createResultsFile(env.resultsFile, log);
  const seen = createSeenDelegations(env.credentialsDir, log);
  const tools = createAgentTools({
    client,
    environment: env,
    config,
    seen,
    timers,
    log,
    delegationOf: counter.delegationOf,
  });
  const context: AdapterContext = {
    workspaceId: env.workspaceId,
    config,
    configDir: env.configDir,
    workspaceRoot: env.workspaceRoot,
    env: env.all,
    tools: tools.specs,
    systemPrompt: createSystemPrompt({
      config,
      configDir: env.configDir,
      parentId: env.parentId,
      client,
      tools: tools.specs,
      log,
    }),
    markWedged: wedge.mark,
    clearWedge: wedge.clear,
    exit: options.exit ?? null,
    retryDelaysMs,
    maxTokens: env.maxTokens,
    log,
  };
  await adapter.setup(context);
  const executor = await adapter.createExecutor(context);

  let url = env.agentUrl ?? '';
  const server = createA2aServer({
    config,
    adapter,
    executor,
    credentials,
    taskCounter: counter,
    resultsFile,
    environment: env,
    wedge,
    version,
    log,
    redact: createRedactor(env.all),
    url: () => url,
    retryDelaysMs,
  });
  // Listening comes before registering, so that the platform never calls a dead port.
  const host = options.host ?? (isLoopback(env.platformUrl) ? '127.0.0.1' : '0.0.0.0');
  const { port } = await server.listen(env.port ?? config.a2a.port, host);
  url ||= `http://${isLoopback(env.platformUrl) ? '127.0.0.1' : (env.hostname ?? findPrimaryIp())}:${port}`;
  writeAgentsFile({
    root: env.workspaceRoot,
    config,
    endpoint: env.agentUrl ?? `http://localhost:${port}/a2a`,
    tools: tools.specs,
    log,
  });
  server.setReady();
  log.info({ port, runtime: adapter.name(), tier: config.tier }, 'listening');

  const onDeleted = () => {
    stopping.abort();
    options.onDeleted?.();
  };
  const registration = createRegistration({
    client,
    credentials,
    timers,
    log,
    url: () => url,
    card: server.card,
    signal,
    deliveryMode: config.deliveryMode,
    onMode: (mode) => {
      options.onMode?.(mode);
      if (mode === 'poll') inbox.start();
      else void inbox.pause();
    },
    onDeleted,
    ...(options.onRefused ? { onRefused: options.onRefused } : {}),
  });
  async function register(): Promise<void> {
    await registration.registerUntilDone();
    if (signal.aborted) return;
    heartbeat.start();
    await adoptWidth(client, server.setWidth, log);
  }
  const registerDetached = () => {
    register().catch((error: unknown) => log.error({ err: error }, 'registration ended unexpectedly'));
  };
  const results = createDelegationResults({
    client,
    resultsFile,
    seen,
    wakeUp: createWakeUp({ client, timers, log, signal }),
    timers,
    log,
    signal,
    isAwaited: tools.isAwaited,
  });
  const inbox = createAgentInbox({
    client,
    directory: env.credentialsDir,
    folder: chooseUploadFolder(env.workspaceRoot, env.uploadsDir),
    intervalMs: env.inboxPollMs,
    timers,
    log,
    signal,
    admit: server.admit,
    takeResult: (result) => results.take(result),
    share: createFileSharing({ client, roots: rootsOf(env), log }),
  });
  const heartbeat = createHeartbeat({
    client,
    credentials,
    counter,
    wedge,
    adapter,
    timers,
    log,
    version,
    ...(options.heartbeatMs ? { intervalMs: options.heartbeatMs } : {}),
    afterBeat: results.collectDetached,
    onUnknown: registerDetached,
    onDeleted,
    ...(options.onRefused ? { onRefused: () => options.onRefused?.(null) } : {}),
  });
  registerDetached();

  return {
    port,
    url,
    async stop() {
      const wasDeleted = signal.aborted;
      await inbox.stop();
      await server.close(wasDeleted ? 0 : env.shutdownGraceMs);
      await inbox.settle();
      stopping.abort();
      await heartbeat.stop();
      if (!wasDeleted) await heartbeat.sayFarewell();
      await adapter.dispose?.();
      await client.close();
    },
  };
}
