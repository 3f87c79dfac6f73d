// The boot sequence of an agent (chapter 40 §2) as a library: no process signals, no exit codes; several may run in one process.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createA2aServer } from './a2a/server.ts';
import type { Adapter, AdapterContext, PreflightIssue } from './adapters/adapter.ts';
import { findAdapter, listAdapters } from './adapters/index.ts';
import { loadConfig } from './config.ts';
import { createCredentials } from './credentials.ts';
import type { RuntimeEnvironment } from './environment.ts';
import { createDelegationResults } from './link/delegation-results.ts';
import { createHeartbeat } from './link/heartbeat.ts';
import { createPlatformClient } from './link/platform-client.ts';
import { createRegistration } from './link/register.ts';
import { createResultsFile } from './link/results-file.ts';
import { createTaskCounter } from './link/task-counter.ts';
import { systemTimers, type Timers } from './link/timers.ts';
import { createWedge } from './link/wedge.ts';
import type { Logger } from './logger.ts';
import { runPreflight } from './preflight.ts';
import { createSystemPrompt } from './prompt/system-prompt.ts';
import { createAgentTools } from './tools/index.ts';

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
  /** Address to listen on; loopback when the platform is reached by loopback. */
  host?: string;
  onDeleted?: () => void;
}

export interface RunningAgent {
  port: number;
  url: string;
  /** Stops taking turns, waits for the running one, says goodbye with a last beat. */
  stop(): Promise<void>;
}

function readVersion(): string {
  return (JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string })
    .version;
}

const isLoopback = (url: string) => ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);

/** @throws ConfigError, PreflightError, or the adapter's own error: nothing was registered then. */
export async function boot(options: BootOptions): Promise<RunningAgent> {
  const { environment: env, log, timers = systemTimers } = options;
  for (const warning of env.warnings) log.warn(warning);
  const version = readVersion();
  const config = loadConfig(env.configDir, env.all.MODEL_PROVIDER);
  if (env.port !== null) config.a2a.port = env.port;
  const adapter = options.adapter ?? (await findAdapter(config.runtime, env.all));
  const issues = runPreflight({
    config: env.port === 0 ? { ...config, a2a: { ...config.a2a, port: 1 } } : config,
    adapter,
    knownAdapters: listAdapters(),
    configDir: env.configDir,
    env: env.all,
  });
  for (const issue of issues.filter(({ severity }) => severity === 'warn'))
    log.warn({ detail: issue.detail, fix: issue.fix }, issue.title);
  const failures = issues.filter(({ severity }) => severity === 'fail');
  if (failures.length > 0 || !adapter) throw new PreflightError(failures);

  const stopping = new AbortController();
  const credentials = createCredentials(env.configDir, env.all, log);
  const client = createPlatformClient({ platformUrl: env.platformUrl, workspaceId: env.workspaceId, credentials, log });
  const counter = createTaskCounter();
  const wedge = createWedge();
  const resultsFile = createResultsFile(env.resultsFile);
  const tools = createAgentTools({ client, workspaceId: env.workspaceId, environment: env, log });
  const context: AdapterContext = {
    workspaceId: env.workspaceId,
    config,
    configDir: env.configDir,
    workspaceRoot: env.workspaceRoot,
    env: env.all,
    tools: tools.specs,
    systemPrompt: createSystemPrompt({ config, configDir: env.configDir, client, tools: tools.specs, log }),
    markWedged: wedge.mark,
    clearWedge: wedge.clear,
    log,
  };
  await adapter.setup(context);
  const executor = await adapter.createExecutor(context);

  let url = env.agentUrl ?? '';
  const server = createA2aServer({
    config,
    context,
    adapter,
    executor,
    credentials,
    taskCounter: counter,
    resultsFile,
    environment: env,
    version,
    log,
    url: () => url,
  });
  // Listening comes before registering, so that the platform never calls a dead port.
  const host = options.host ?? (isLoopback(env.platformUrl) ? '127.0.0.1' : '0.0.0.0');
  const { port } = await server.listen(config.a2a.port, host);
  url ||= isLoopback(env.platformUrl) ? `http://127.0.0.1:${port}` : `http://${env.hostname ?? '127.0.0.1'}:${port}`;
  server.setReady();
  log.info({ port, runtime: adapter.name() }, 'listening');

  const registration = createRegistration({
    client,
    credentials,
    timers,
    log,
    url: () => url,
    card: server.card,
    signal: stopping.signal,
  });
  const results = createDelegationResults({
    client,
    resultsFile,
    configDir: env.configDir,
    timers,
    log,
    signal: stopping.signal,
    isAwaited: tools.isAwaited,
  });
  const register = () => {
    registration
      .registerUntilDone()
      .catch((error: unknown) => log.error({ err: error }, 'registration ended unexpectedly'));
  };
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
    onUnknown: register,
    onDeleted: () => {
      stopping.abort();
      options.onDeleted?.();
    },
  });
  registration
    .registerUntilDone()
    .then(() => heartbeat.start())
    .catch((error: unknown) => log.error({ err: error }, 'registration ended unexpectedly'));

  return {
    port,
    url,
    async stop() {
      await server.close(env.shutdownGraceMs);
      stopping.abort();
      await heartbeat.stop();
      await heartbeat.beatOnce();
      await adapter.dispose?.();
      await client.close();
    },
  };
}
