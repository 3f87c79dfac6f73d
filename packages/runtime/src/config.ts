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
  unknownKeys: string[];
}

/**
 * @param modelOverride `MODEL_PROVIDER`, which wins over the file.
 * @throws ConfigError when the file is missing or cannot be parsed.
 */
export function loadConfig(configDir: string, modelOverride: string | undefined): LoadedConfig {
  const path = join(configDir, 'config.yaml');
  if (!existsSync(path)) throw new ConfigError(`config.yaml is missing in ${configDir}`);
  let raw: Raw;
  try {
    raw = (parse(readFileSync(path, 'utf8')) ?? {}) as Raw;
  } catch (error) {
    throw new ConfigError(`config.yaml is not valid YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  const runtimeConfig = objectOf(raw, 'runtime_config');
  const a2a = objectOf(raw, 'a2a');
  const description = textOf(raw, 'description', '');
  return {
    name: textOf(raw, 'name', 'Workspace'),
    description,
    role: textOf(raw, 'role', description),
    version: textOf(raw, 'version', '1.0.0'),
    tier: numberOf(raw, 'tier', 1),
    runtime: textOf(raw, 'runtime', 'langgraph'),
    model: modelOverride?.trim() || textOf(runtimeConfig, 'model', textOf(raw, 'model', 'anthropic:claude-opus-4-7')),
    runtimeConfig,
    promptFiles: listOf(raw, 'prompt_files') ?? ['system-prompt.md'],
    maxConcurrentTasks: Math.max(1, Math.floor(numberOf(raw, 'max_concurrent_tasks', 1))),
    a2a: {
      port: numberOf(a2a, 'port', 8000),
      streaming: a2a.streaming !== false,
      pushNotifications: a2a.push_notifications !== false,
    },
    initialPrompt: typeof raw.initial_prompt === 'string' ? raw.initial_prompt : null,
    requiredEnv: [
      ...new Set([
        ...(listOf(runtimeConfig, 'required_env') ?? []),
        ...(listOf(objectOf(raw, 'env'), 'required') ?? []),
      ]),
    ],
    unknownKeys: Object.keys(raw).filter((key) => !KNOWN.has(key)),
    raw,
  };
}
