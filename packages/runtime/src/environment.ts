// The runtime's settings (chapter 40 §22), read once. The only place of this package that reads process.env.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const CONTAINER_MARKERS = ['/.dockerenv', '/run/.containerenv'];

export interface RuntimeEnvironment {
  workspaceId: string;
  /** Where config.yaml and the prompts lie. */
  configDir: string;
  /** Where tokens and other bookkeeping of chapter 40 §4 lie. */
  credentialsDir: string;
  platformUrl: string;
  /** Null: config.yaml's `a2a.port`; 0 = any free port. */
  port: number | null;
  /** Where `/workspace` lies on disk. */
  workspaceRoot: string;
  pluginsDir: string;
  homeDir: string;
  /** The advertised address; null = made of the host and the port. */
  agentUrl: string | null;
  hostname: string | null;
  /** Null for a root. */
  parentId: string | null;
  resultsFile: string;
  /** Waiting turns before callers are told busy; null = 0, or 8 with a native session. */
  queueDepth: number | null;
  shutdownGraceMs: number;
  requireA2aAuth: boolean;
  /** Each null: config.yaml's `delegation`, else the default of chapter 40 §13. */
  delegation: { retryAttempts: number | null; retryDelaySeconds: number | null; timeoutSeconds: number | null };
  adapterModule: string | null;
  /** Tokens of one model reply. */
  maxTokens: number;
  /** Between two polls of the inbox, in poll mode. */
  inboxPollMs: number;
  /** For files of the inbox when the workspace's own folder cannot be written to. */
  uploadsDir: string;
  logLevel: string;
  /** Everything, frozen, for adapters: model keys and base URLs. */
  all: Readonly<Record<string, string | undefined>>;
  warnings: string[];
}

/** Nothing can start without an identity; `hint` has three lines. */
export class MissingIdentityError extends Error {
  readonly hint = [
    'molecule-runtime: WORKSPACE_ID is not set.',
    'The platform sets it for every agent it starts; by hand: create a workspace on the canvas and copy its id.',
    'WORKSPACE_ID=<id> PLATFORM_URL=http://127.0.0.1:8080 WORKSPACE_CONFIG_PATH=./configs molecule-runtime',
  ].join('\n');
}

type Source = Readonly<Record<string, string | undefined>>;

const text = (env: Source, name: string): string | null => env[name]?.trim() || null;

/** Reads values and gathers a warning, with the default used, for each that cannot be read. */
function createReader(env: Source, warnings: string[]) {
  return {
    wholeNumber<T extends number | null>(name: string, fallback: T, [least, most]: [number, number]): number | T {
      const value = text(env, name);
      if (value === null) return fallback;
      const parsed = Number(value);
      if (Number.isInteger(parsed) && parsed >= least && parsed <= most) return parsed;
      warnings.push(
        `${name}=${value} is not a whole number from ${least} to ${most}; using ${fallback ?? 'the default'}`,
      );
      return fallback;
    },
    flag(name: string): boolean {
      const value = text(env, name);
      if (value !== null && value !== '0' && value !== '1') warnings.push(`${name}=${value} is not 1 or 0; using 0`);
      return value === '1';
    },
    oneOf(name: string, choices: readonly string[], fallback: string): string {
      const value = text(env, name);
      if (value === null || choices.includes(value)) return value ?? fallback;
      warnings.push(`${name}=${value} is not one of ${choices.join(', ')}; using ${fallback}`);
      return fallback;
    },
  };
}

/** @throws MissingIdentityError */
export function readEnvironment(
  env: Source = process.env,
  inContainer = CONTAINER_MARKERS.some((path) => existsSync(path)),
): RuntimeEnvironment {
  const workspaceId = text(env, 'WORKSPACE_ID');
  if (!workspaceId) throw new MissingIdentityError();
  const warnings: string[] = [];
  const read = createReader(env, warnings);
  const configDir = resolve(text(env, 'WORKSPACE_CONFIG_PATH') ?? text(env, 'CONFIGS_DIR') ?? '/configs');
  const platformUrl =
    text(env, 'PLATFORM_URL') ?? (inContainer ? 'http://host.docker.internal:8080' : 'http://localhost:8080');
  return {
    workspaceId,
    configDir,
    credentialsDir: resolve(text(env, 'CONFIGS_DIR') ?? configDir),
    platformUrl: platformUrl.replace(/\/+$/, ''),
    port: read.wholeNumber('PORT', null, [0, 65_535]),
    workspaceRoot: resolve(text(env, 'MOLECULE_WORKSPACE_ROOT') ?? '/workspace'),
    pluginsDir: resolve(text(env, 'PLUGINS_DIR') ?? '/plugins'),
    homeDir: resolve(text(env, 'HOME') ?? '/home'),
    agentUrl: text(env, 'AGENT_URL'),
    hostname: text(env, 'HOSTNAME'),
    parentId: text(env, 'PARENT_ID'),
    resultsFile: resolve(text(env, 'DELEGATION_RESULTS_FILE') ?? '/tmp/delegation_results.jsonl'),
    queueDepth: read.wholeNumber('A2A_QUEUE_DEPTH', null, [0, 1_000]),
    shutdownGraceMs: read.wholeNumber('SHUTDOWN_GRACE_S', 20, [0, 600]) * 1000,
    requireA2aAuth: read.flag('A2A_REQUIRE_AUTH'),
    delegation: {
      retryAttempts: read.wholeNumber('DELEGATION_RETRY_ATTEMPTS', null, [0, 100]),
      retryDelaySeconds: read.wholeNumber('DELEGATION_RETRY_DELAY', null, [0, 3_600]),
      timeoutSeconds: read.wholeNumber('DELEGATION_TIMEOUT', null, [1, 86_400]),
    },
    adapterModule: text(env, 'ADAPTER_MODULE'),
    maxTokens: read.wholeNumber('MAX_TOKENS', 2_048, [1, 10_000_000]),
    inboxPollMs: read.wholeNumber('INBOX_POLL_INTERVAL_S', 5, [1, 3_600]) * 1000,
    uploadsDir: resolve(
      text(env, 'MOLECULE_UPLOADS_DIR') ?? join(text(env, 'HOME') ?? '/home', '.molecule/uploads', workspaceId),
    ),
    logLevel: read.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    all: Object.freeze({ ...env }),
    warnings,
  };
}
