// The runtime as a library: turns an agent framework into a workspace inside the caller's own process.

import type { Adapter } from './adapters/adapter.ts';
import { boot, type RunningAgent } from './boot.ts';
import { readEnvironment } from './environment.ts';
import type { PlatformResponse } from './link/platform-client.ts';
import type { DeliveryMode } from './link/register.ts';
import type { Timers } from './link/timers.ts';
import { createLogger, createRedactor, type Logger } from './logger.ts';

export type {
  Adapter,
  AdapterContext,
  AgentConfig,
  Capabilities,
  Emit,
  Executor,
  PreflightIssue,
  Turn,
  TurnResult,
} from './adapters/adapter.ts';
export { PreflightError, type RunningAgent } from './boot.ts';
export { ConfigError } from './config.ts';
export { MissingIdentityError } from './environment.ts';
export type { ToolSpec } from './tools/tool.ts';
export { AgentError } from './turn/failure.ts';

export interface StartAgentOptions {
  workspaceId: string;
  /** Folder with config.yaml, prompts and credentials. */
  configDir: string;
  platformUrl: string;
  /** 0 = any free port; null = config.yaml's. */
  port?: number | null;
  workspaceRoot?: string;
  /** Model keys and other variables; nothing of this process leaks in. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Your own adapter; else the one config.yaml names. */
  adapter?: Adapter;
  log?: Logger;
  timers?: Timers;
  /** Milliseconds between beats; 30 s unless given. */
  heartbeatMs?: number;
  /** Pauses in milliseconds before a turn is repeated on an overloaded model; 5, 10 and 20 s unless given. */
  retryDelaysMs?: readonly number[];
  onDeleted?: () => void;
  /** Told after every registration how messages come. */
  onMode?: (mode: DeliveryMode) => void;
  /** The platform refuses this agent for good: its answer to the registration, or null for a beat. Else it goes on trying. */
  onRefused?: (refusal: PlatformResponse | null) => void;
}

/**
 * Boots an agent: reads its config, serves A2A, registers, beats. Resolves when it listens; registration goes on by itself.
 * @throws ConfigError, PreflightError
 */
export async function startAgent(options: StartAgentOptions): Promise<RunningAgent> {
  const environment = readEnvironment({
    ...options.env,
    WORKSPACE_ID: options.workspaceId,
    WORKSPACE_CONFIG_PATH: options.configDir,
    CONFIGS_DIR: options.configDir,
    PLATFORM_URL: options.platformUrl,
    MOLECULE_WORKSPACE_ROOT:
      options.workspaceRoot ?? options.env?.MOLECULE_WORKSPACE_ROOT ?? `${options.configDir}/workspace`,
    DELEGATION_RESULTS_FILE: options.env?.DELEGATION_RESULTS_FILE ?? `${options.configDir}/delegation_results.jsonl`,
    ...(options.port === undefined || options.port === null ? {} : { PORT: String(options.port) }),
  });
  const log =
    options.log ??
    createLogger({
      level: environment.logLevel,
      bindings: { ws: options.workspaceId.slice(0, 8) },
      redact: createRedactor(environment.all),
    });
  return await boot({
    environment,
    log,
    ...(options.adapter ? { adapter: options.adapter } : {}),
    ...(options.timers ? { timers: options.timers } : {}),
    ...(options.heartbeatMs ? { heartbeatMs: options.heartbeatMs } : {}),
    ...(options.retryDelaysMs ? { retryDelaysMs: options.retryDelaysMs } : {}),
    ...(options.onMode ? { onMode: options.onMode } : {}),
    ...(options.onRefused ? { onRefused: options.onRefused } : {}),
    ...(options.onDeleted ? { onDeleted: options.onDeleted } : {}),
  });
}
