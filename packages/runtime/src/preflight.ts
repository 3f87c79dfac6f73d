// What must be true before an agent starts (chapter 40 §2.1). Every finding is told, not only the first.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Adapter, PreflightIssue } from './adapters/adapter.ts';
import type { LoadedConfig } from './config.ts';

export function runPreflight(input: {
  config: LoadedConfig;
  adapter: Adapter | null;
  knownAdapters: string[];
  configDir: string;
  env: Readonly<Record<string, string | undefined>>;
}): PreflightIssue[] {
  const { config, adapter, configDir, env } = input;
  const issues: PreflightIssue[] = [];
  if (!adapter) {
    issues.push({
      severity: 'fail',
      title: 'Adapter not found',
      detail: `no adapter is called ${JSON.stringify(config.runtime)}`,
      fix: `choose one of ${input.knownAdapters.join(', ')}`,
    });
  }
  if (!Number.isInteger(config.a2a.port) || config.a2a.port < 1 || config.a2a.port > 65_535) {
    issues.push({
      severity: 'fail',
      title: 'Port out of range',
      detail: `a2a.port is ${config.a2a.port}`,
      fix: 'set a2a.port to a number from 1 to 65535',
    });
  }
  for (const name of config.requiredEnv) {
    if (!env[name])
      issues.push({
        severity: 'fail',
        title: `${name} is not set`,
        detail: 'config.yaml requires it',
        fix: `save the secret ${name}`,
      });
  }
  for (const file of config.promptFiles) {
    if (!existsSync(join(configDir, file)))
      issues.push({
        severity: 'warn',
        title: 'Prompt file missing',
        detail: file,
        fix: 'add the file, or take it off prompt_files',
      });
  }
  for (const key of config.unknownKeys)
    issues.push({ severity: 'warn', title: 'Unknown key', detail: key, fix: 'check its spelling in config.yaml' });
  return [...issues, ...(adapter?.preflight?.(config, env) ?? [])];
}
