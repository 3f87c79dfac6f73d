// The runtime's settings (chapter 40 §22), read once. The only place of this package that reads process.env.

import { resolve } from 'node:path';

export interface RuntimeEnvironment {
  workspaceId: string;
  configDir: string;
  platformUrl: string;
  /** Null: config.yaml's `a2a.port`. */
  port: number | null;
  /** Where `/workspace` lies on disk. */
  workspaceRoot: string;
  pluginsDir: string;
  homeDir: string;
  agentUrl: string | null;
  hostname: string | null;
  resultsFile: string;
  /** Waiting turns before callers are told busy; null = 0, or 8 with a native session. */
  queueDepth: number | null;
  shutdownGraceMs: number;
  requireA2aAuth: boolean;
  adapterModule: string | null;
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

function wholeNumber(
  env: Source,
  name: string,
  fallback: number | null,
  range: [number, number],
  warnings: string[],
): number | null {
  const value = text(env, name);
  if (value === null) return fallback;
  const parsed = Number(value);
  if (Number.isInteger(parsed) && parsed >= range[0] && parsed <= range[1]) return parsed;
  warnings.push(
    `${name}=${value} is not a whole number from ${range[0]} to ${range[1]}; using ${fallback ?? 'the default'}`,
  );
  return fallback;
}

/** @throws MissingIdentityError */
export function readEnvironment(env: Source = process.env): RuntimeEnvironment {
  const workspaceId = text(env, 'WORKSPACE_ID');
  if (!workspaceId) throw new MissingIdentityError();
  const warnings: string[] = [];
  const configDir = resolve(text(env, 'CONFIGS_DIR') ?? text(env, 'WORKSPACE_CONFIG_PATH') ?? '/configs');
  return {
    workspaceId,
    configDir,
    platformUrl: (text(env, 'PLATFORM_URL') ?? 'http://localhost:8080').replace(/\/+$/, ''),
    port: wholeNumber(env, 'PORT', null, [0, 65_535], warnings),
    workspaceRoot: resolve(text(env, 'MOLECULE_WORKSPACE_ROOT') ?? '/workspace'),
    pluginsDir: resolve(text(env, 'PLUGINS_DIR') ?? '/plugins'),
    homeDir: resolve(text(env, 'HOME') ?? '/home'),
    agentUrl: text(env, 'AGENT_URL'),
    hostname: text(env, 'HOSTNAME'),
    resultsFile: resolve(text(env, 'DELEGATION_RESULTS_FILE') ?? '/tmp/delegation_results.jsonl'),
    queueDepth: wholeNumber(env, 'A2A_QUEUE_DEPTH', null, [0, 1_000], warnings),
    shutdownGraceMs: (wholeNumber(env, 'SHUTDOWN_GRACE_S', 20, [0, 600], warnings) ?? 20) * 1000,
    requireA2aAuth: env.A2A_REQUIRE_AUTH === '1',
    adapterModule: text(env, 'ADAPTER_MODULE'),
    logLevel: text(env, 'LOG_LEVEL') ?? 'info',
    all: Object.freeze({ ...env }),
    warnings,
  };
}
