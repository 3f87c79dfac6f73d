// What must be true before an agent starts (chapter 40 §2.1). Every finding is told, not only the first.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Adapter, PreflightIssue } from './adapters/adapter.ts';
import type { LoadedConfig } from './config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface PreflightInput {
  config: LoadedConfig;
  /** Null: the choice itself failed, and its finding is told elsewhere. */
  adapter: Adapter | null;
  configDir: string;
  platformUrl: string;
  /** Where to listen; 0 = any free port. */
  port: number;
  env: Environment;
}

const fail = (title: string, detail: string, fix: string): PreflightIssue => ({ severity: 'fail', title, detail, fix });
const warn = (title: string, detail: string, fix: string): PreflightIssue => ({ severity: 'warn', title, detail, fix });

function checkAddresses({ config, port, platformUrl }: PreflightInput): PreflightIssue[] {
  const { delivery_mode: mode } = config.raw;
  const isPort = Number.isInteger(port) && port >= 0 && port <= 65_535;
  const isUrl = URL.canParse(platformUrl) && /^https?:$/.test(new URL(platformUrl).protocol);
  return [
    ...(isPort ? [] : [fail('Port out of range', `a2a.port is ${port}`, 'set a2a.port to a number from 1 to 65535')]),
    ...(isUrl
      ? []
      : [fail('PLATFORM_URL is no address', platformUrl, 'set PLATFORM_URL to the http address of the platform')]),
    ...(mode === undefined || mode === null || config.deliveryMode !== null
      ? []
      : [warn('Unknown delivery mode', `${mode}; the platform decides`, 'set delivery_mode to push or poll')]),
  ];
}

function checkCredentials({ config, configDir, env }: PreflightInput): PreflightIssue[] {
  const issues = config.requiredEnv
    .filter((name) => !env[name])
    .map((name) => fail(`${name} is not set`, 'config.yaml requires it', `save the secret ${name}`));
  const { auth_token_file: file, auth_token_env: substitute } = config.runtimeConfig;
  if (typeof file !== 'string' || file === '' || existsSync(resolve(configDir, file))) return issues;
  const hasSubstitute =
    (typeof substitute === 'string' && Boolean(env[substitute])) ||
    (config.requiredEnv.length > 0 && issues.length === 0);
  if (hasSubstitute) return issues;
  return [...issues, fail('Token file missing', file, 'list the variable in runtime_config.required_env instead')];
}

function checkFiles({ config, configDir }: PreflightInput): PreflightIssue[] {
  const skills = Array.isArray(config.raw.skills) ? config.raw.skills : [];
  return [
    ...config.promptFiles
      .filter((file) => !existsSync(join(configDir, file)))
      .map((file) => warn('Prompt file missing', file, 'add the file, or take it off prompt_files')),
    ...skills
      .filter((id): id is string => typeof id === 'string' && !existsSync(join(configDir, 'skills', id, 'SKILL.md')))
      .map((id) => warn('Skill without SKILL.md', id, `add skills/${id}/SKILL.md, or take it off skills`)),
    ...config.unknownKeys.map((key) => warn('Unknown key', key, 'check its spelling in config.yaml')),
  ];
}

export function runPreflight(input: PreflightInput): PreflightIssue[] {
  const { config, adapter, env } = input;
  const name = adapter?.name() ?? config.runtime;
  return [
    ...checkAddresses(input),
    ...checkCredentials(input),
    ...checkFiles(input),
    ...(name === config.runtime
      ? []
      : [warn('Another adapter runs', `config.yaml says ${config.runtime}, the adapter is ${name}`, 'change runtime')]),
    ...(adapter?.preflight?.(config, env) ?? []),
  ];
}
