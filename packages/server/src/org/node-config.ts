// What a node of an organisation template gets in its config directory, and which secrets (chapter 30 §2.5, config assembly).
// Pure but for reading the template's own folder.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../platform/log.ts';
import { applySeat, generateConfig, mergeConfig, readTextFiles, resolveInside } from '../provisioning/index.ts';
import { defaultModel } from '../secrets/index.ts';
import type { OrgTemplate, TemplateNode } from './template.ts';

const IDLE_INTERVAL_SECONDS = 600;

export interface NodeFacts {
  runtime: string;
  /** As the template says; absent = the one of its files, else the runtime's default. */
  model: string | undefined;
  tier: number;
}

export interface NodeConfigDeps {
  template: OrgTemplate;
  /** The template's folder; null for an inline template. */
  folder: string | null;
  /** Files of a workspace template, or of the runtime's own. */
  readTemplateFiles(name: string | null, runtime: string): Record<string, string> | null;
  log: Logger;
}

/** The node's own folder inside the template; null when it names none that is there. */
function findFilesDir(node: TemplateNode, folder: string | null, log: Logger): string | null {
  if (!node.files_dir || !folder) return null;
  const path = resolveInside(folder, node.files_dir);
  if (path && existsSync(path)) return path;
  log.warn({ workspace: node.name, files_dir: node.files_dir }, 'the files of a template node were not found');
  return null;
}

function readPromptFile(folder: string | null, file: string | undefined, log: Logger): string | null {
  if (!file || !folder) return null;
  const path = resolveInside(folder, file);
  if (path && existsSync(path)) return readFileSync(path, 'utf8');
  log.warn({ file }, 'a prompt file of a template was not found');
  return null;
}

/** Inline before file, the node's before the defaults'. */
function choosePrompt(
  kind: 'initial_prompt' | 'idle_prompt',
  node: TemplateNode,
  filesDir: string | null,
  deps: NodeConfigDeps,
): string | null {
  const { defaults } = deps.template;
  return (
    (node[kind] || readPromptFile(filesDir, node[`${kind}_file`], deps.log)) ??
    (defaults[kind] || readPromptFile(deps.folder, defaults[`${kind}_file`], deps.log))
  );
}

/** Lists by category: the node's replace the defaults', an empty list deletes the key; keys sorted. */
function mergeRouting(
  defaults: Record<string, string[]> | undefined,
  own: Record<string, string[]> | undefined,
): Record<string, string[]> {
  const merged = { ...defaults, ...own };
  return Object.fromEntries(
    Object.entries(merged)
      .filter(([, roles]) => roles.length > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

export interface NodeSchedule {
  name: string;
  cron_expr: string;
  timezone: string;
  /** Empty when the template has none, or its file is not there. */
  prompt: string;
  enabled: boolean;
}

/** Prompts as those of the node itself: inline before a file below its own folder. */
export function readSchedules(node: TemplateNode, folder: string | null, log: Logger): NodeSchedule[] {
  const filesDir = findFilesDir(node, folder, log);
  return (node.schedules ?? []).map((schedule) => ({
    name: schedule.name ?? '',
    cron_expr: schedule.cron_expr ?? '',
    timezone: schedule.timezone ?? 'UTC',
    prompt: schedule.prompt || (readPromptFile(filesDir, schedule.prompt_file, log) ?? ''),
    enabled: schedule.enabled ?? true,
  }));
}

export function assembleFiles(node: TemplateNode, facts: NodeFacts, deps: NodeConfigDeps): Record<string, string> {
  const filesDir = findFilesDir(node, deps.folder, deps.log);
  const files = filesDir
    ? readTextFiles(filesDir)
    : (deps.readTemplateFiles(node.template ?? null, facts.runtime) ?? {});
  const initialPrompt = choosePrompt('initial_prompt', node, filesDir, deps);
  const idlePrompt = choosePrompt('idle_prompt', node, filesDir, deps);
  const routing = mergeRouting(deps.template.defaults.category_routing, node.category_routing);
  const interval = node.idle_interval_seconds ?? deps.template.defaults.idle_interval_seconds ?? IDLE_INTERVAL_SECONDS;
  const extra = {
    ...(Object.keys(routing).length > 0 ? { category_routing: routing } : {}),
    ...(initialPrompt ? { initial_prompt: initialPrompt } : {}),
    ...(idlePrompt ? { idle_prompt: idlePrompt, idle_interval_seconds: interval } : {}),
  };
  const seat = { name: node.name, role: node.role ?? null, tier: facts.tier, runtime: facts.runtime };
  const own = files['config.yaml'];
  return {
    ...files,
    'config.yaml':
      own === undefined
        ? generateConfig(seat, facts.model ?? defaultModel(facts.runtime), extra)
        : mergeConfig(applySeat(own, seat), (current) => ({
            ...(facts.model === undefined && current.model
              ? {}
              : { model: facts.model ?? defaultModel(facts.runtime) }),
            ...extra,
          })),
    ...(node.system_prompt ? { 'system-prompt.md': node.system_prompt } : {}),
  };
}

/** `KEY=VALUE` lines; comments and empty values are ignored, quotes around a value are stripped. */
export function parseDotEnv(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,127})\s*=\s*(.*?)\s*$/.exec(line);
    if (!match?.[1] || match[2] === undefined) continue;
    const quoted = /^(["'])(.*)\1$/.exec(match[2]);
    const value = quoted ? (quoted[2] ?? '') : match[2];
    if (value !== '') values[match[1]] = value;
  }
  return values;
}

/** `<dir>/.env`, then the node's own, which wins. */
export function readNodeSecrets(node: TemplateNode, folder: string | null, log: Logger): Record<string, string> {
  const folders = [folder, findFilesDir(node, folder, log)].filter((path): path is string => path !== null);
  return Object.assign(
    {},
    ...folders.map((path) => {
      const file = join(path, '.env');
      return existsSync(file) ? parseDotEnv(readFileSync(file, 'utf8')) : {};
    }),
  ) as Record<string, string>;
}
