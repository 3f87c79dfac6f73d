// `config.yaml` of a workspace (chapter 40 §3). Unknown keys are kept and warned about, never fatal.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { AgentConfig } from './adapters/adapter.ts';

export class ConfigError extends Error {}

type Raw = Record<string, unknown>;

const KNOWN = new Set([
  'name',
  'description',
  'role',
  'version',
  'tier',
  'runtime',
  'model',
  'runtime_config',
  'models',
  'prompt_files',
  'skills',
  'tools',
  'plugins',
  'initial_prompt',
  'initial_prompt_file',
  'idle_prompt',
  'idle_prompt_file',
  'idle_interval_seconds',
  'max_concurrent_tasks',
  'a2a',
  'delivery_mode',
  'delegation',
  'sandbox',
  'rbac',
  'hitl',
  'governance',
  'compliance',
  'security_scan',
  'memory',
  'effort',
  'task_budget',
  'env',
  'sub_workspaces',
  'shared_context',
  'category_routing',
  'coordinator',
]);

const textOf = (raw: Raw, key: string, fallback: string) =>
  typeof raw[key] === 'string' && raw[key] !== '' ? (raw[key] as string) : fallback;
const numberOf = (raw: Raw, key: string, fallback: number) =>
  typeof raw[key] === 'number' ? (raw[key] as number) : fallback;
const objectOf = (raw: Raw, key: string): Raw =>
  typeof raw[key] === 'object' && raw[key] !== null && !Array.isArray(raw[key]) ? (raw[key] as Raw) : {};
const listOf = (raw: Raw, key: string): string[] | null =>
  Array.isArray(raw[key]) ? (raw[key] as unknown[]).filter((item): item is string => typeof item === 'string') : null;

export interface LoadedConfig extends AgentConfig {
  /** Names only; merged from `runtime_config.required_env` and `env.required`. */
  requiredEnv: string[];
  /** How messages are to reach the agent; null: as the platform has it. */
  deliveryMode: 'push' | 'poll' | null;
  /** `delegation`; the environment wins (chapter 40 §3, §22). */
  delegation: { retryAttempts: number; retryDelaySeconds: number; timeoutSeconds: number };
  unknownKeys: string[];
}

/** What a model is when nobody named one; the platform writes the same into generated files (chapter 40 §3). */
export const DEFAULT_MODEL = 'anthropic:claude-opus-4-7';

function readFile(configDir: string): Raw {
  const path = join(configDir, 'config.yaml');
  if (!existsSync(path)) throw new ConfigError(`config.yaml is missing in ${configDir}`);
  let parsed: unknown;
  try {
    parsed = parse(readFileSync(path, 'utf8')) ?? {};
  } catch (error) {
    throw new ConfigError(`config.yaml cannot be read: ${(error as Error).message.split('\n')[0]}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new ConfigError('config.yaml must be a mapping of keys to values');
  return parsed as Raw;
}

/**
 * @param modelOverride `MODEL_PROVIDER`, which wins over the file.
 * @throws ConfigError when the file is missing or cannot be parsed.
 */
export function loadConfig(configDir: string, modelOverride: string | undefined): LoadedConfig {
  const raw = readFile(configDir);
  const runtimeConfig = objectOf(raw, 'runtime_config');
  const a2a = objectOf(raw, 'a2a');
  const delegation = objectOf(raw, 'delegation');
  const description = textOf(raw, 'description', '');
  return {
    name: textOf(raw, 'name', 'Workspace'),
    description,
    role: textOf(raw, 'role', description),
    version: textOf(raw, 'version', '1.0.0'),
    tier: numberOf(raw, 'tier', 1),
    runtime: textOf(raw, 'runtime', 'langgraph'),
    model: modelOverride?.trim() || textOf(runtimeConfig, 'model', textOf(raw, 'model', DEFAULT_MODEL)),
    runtimeConfig,
    promptFiles: listOf(raw, 'prompt_files') ?? ['system-prompt.md'],
    maxConcurrentTasks: Math.max(1, Math.floor(numberOf(raw, 'max_concurrent_tasks', 1))),
    a2a: {
      // Not a number becomes NaN, which the preflight names.
      port: a2a.port === undefined || a2a.port === null ? 8000 : Number(a2a.port),
      streaming: a2a.streaming !== false,
      pushNotifications: a2a.push_notifications !== false,
    },
    deliveryMode: raw.delivery_mode === 'push' || raw.delivery_mode === 'poll' ? raw.delivery_mode : null,
    requiredEnv: [
      ...new Set([
        ...(listOf(runtimeConfig, 'required_env') ?? []),
        ...(listOf(objectOf(raw, 'env'), 'required') ?? []),
      ]),
    ],
    delegation: {
      retryAttempts: numberOf(delegation, 'retry_attempts', 3),
      retryDelaySeconds: numberOf(delegation, 'retry_delay', 5),
      timeoutSeconds: numberOf(delegation, 'timeout', 300),
    },
    unknownKeys: Object.keys(raw).filter((key) => !KNOWN.has(key)),
    raw,
  };
}
