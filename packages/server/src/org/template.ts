// An organisation template (chapter 30 §2.1) as typed data. Unknown keys are ignored.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type EnvRequirement, type GridTree, workspaceName, workspaceRole } from '@molecule/contract';
import { z } from 'zod';
import type { Logger } from '../platform/log.ts';
import { loadYaml, TemplateError } from './yaml-include.ts';

const MOST_INT32 = 2_147_483_647;
const ENV_NAME = /^[A-Z][A-Z0-9_]{0,127}$/;

/** An empty YAML key is null; it means the same as no key. */
const maybe = <S extends z.ZodType>(schema: S) => schema.nullish().transform((value) => value ?? undefined);

const sharedKeys = {
  runtime: maybe(z.string().max(100)),
  tier: maybe(z.number().int().min(1).max(4)),
  model: maybe(z.string().max(100)),
  plugins: maybe(z.array(z.string())),
  initial_prompt: maybe(z.string()),
  initial_prompt_file: maybe(z.string()),
  idle_prompt: maybe(z.string()),
  idle_prompt_file: maybe(z.string()),
  idle_interval_seconds: maybe(z.number().positive()),
  category_routing: maybe(z.record(z.string(), z.array(z.string()))),
  // Named in the import's result as skipped: nothing holds them yet.
  initial_memories: maybe(z.array(z.unknown())),
};

/** Judged when it is imported, one by one: a wrong one costs the team only itself. */
const schedule = z.object({
  name: maybe(z.string()),
  cron_expr: maybe(z.string()),
  timezone: maybe(z.string()),
  prompt: maybe(z.string()),
  prompt_file: maybe(z.string()),
  enabled: maybe(z.boolean()),
});

const requirements = maybe(z.array(z.unknown()));

export interface TemplateNode extends z.infer<typeof nodeFields> {
  children: TemplateNode[];
}

const nodeFields = z.object({
  ...sharedKeys,
  name: workspaceName,
  role: workspaceRole.nullish(),
  template: maybe(z.string()),
  files_dir: maybe(z.string()),
  system_prompt: maybe(z.string()),
  // May hold `${VAR}`; what it stands for is judged before an import.
  workspace_dir: maybe(z.string()),
  workspace_access: maybe(z.enum(['none', 'read_only', 'read_write'])),
  max_concurrent_tasks: maybe(z.number().int().max(1000)),
  hibernation_idle_minutes: z.number().int().positive().max(MOST_INT32).nullish(),
  external: maybe(z.boolean()),
  url: maybe(z.string()),
  canvas: maybe(z.object({ x: z.number(), y: z.number() })),
  schedules: maybe(z.array(schedule)),
  // Named in the import's result as skipped: nothing runs them yet.
  channels: maybe(z.array(z.object({ type: maybe(z.string()) }))),
  required_env: requirements,
  recommended_env: requirements,
});

const node: z.ZodType<TemplateNode> = nodeFields.extend({
  get children() {
    return z
      .array(node)
      .nullish()
      .transform((nodes) => nodes ?? []);
  },
}) as unknown as z.ZodType<TemplateNode>;

const orgTemplate = z.object({
  name: z.string().min(1).max(255),
  description: z
    .string()
    .nullish()
    .transform((text) => text ?? ''),
  defaults: z.preprocess((value) => value ?? {}, z.object(sharedKeys)),
  workspaces: z
    .array(node)
    .nullish()
    .transform((nodes) => nodes ?? []),
  required_env: requirements,
  recommended_env: requirements,
  global_memories: maybe(z.array(z.unknown())),
});

export type OrgTemplate = z.infer<typeof orgTemplate>;

/** @throws TemplateError naming the first wrong field. */
export function parseTemplate(value: unknown): OrgTemplate {
  const result = orgTemplate.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new TemplateError(`${issue?.path.join('.') || 'template'}: ${issue?.message ?? 'is not valid'}`);
}

/** The org file of a template folder; null when there is none. */
export function findOrgFile(folder: string): string | null {
  return ['org.yaml', 'org.yml'].map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

export function loadTemplate(folder: string, file: string): OrgTemplate {
  return parseTemplate(loadYaml(folder, file));
}

/** Every node, parents before their children. */
export function* walkNodes(nodes: readonly TemplateNode[]): Generator<TemplateNode> {
  for (const one of nodes) {
    yield one;
    yield* walkNodes(one.children);
  }
}

export function toGrid(one: TemplateNode): GridTree {
  return { children: one.children.map(toGrid) };
}

/** Bad names are dropped with a log; a group without a valid member vanishes. */
function readRequirements(entries: unknown[] | undefined, log: Logger): string[][] {
  return (entries ?? []).flatMap((entry) => {
    const names = typeof entry === 'string' ? [entry] : ((entry as { any_of?: unknown[] } | null)?.any_of ?? []);
    const valid = names.filter((name): name is string => typeof name === 'string' && ENV_NAME.test(name));
    if (valid.length < names.length) log.warn({ entry }, 'an environment requirement names no valid variable');
    return valid.length > 0 ? [[...new Set(valid)].sort()] : [];
  });
}

function collect(template: OrgTemplate, key: 'required_env' | 'recommended_env', log: Logger): string[][] {
  const all = [template, ...walkNodes(template.workspaces)].flatMap((one) => readRequirements(one[key], log));
  return [...new Map(all.map((group) => [group.join('|'), group])).values()];
}

const toWire = (groups: string[][]): EnvRequirement[] => [
  ...groups
    .filter((group) => group.length === 1)
    .map(([name]) => name as string)
    .sort(),
  ...groups
    .filter((group) => group.length > 1)
    .sort((a, b) => a.join().localeCompare(b.join()))
    .map((any_of) => ({ any_of })),
];

/** The union over the whole tree; a strict name makes every weaker entry that contains it needless (chapter 30 §2.4). */
export function collectEnv(
  template: OrgTemplate,
  log: Logger,
): { required: EnvRequirement[]; recommended: EnvRequirement[] } {
  const required = collect(template, 'required_env', log);
  const recommended = collect(template, 'recommended_env', log);
  const strict = new Set(required.filter((group) => group.length === 1).flat());
  const strictRecommended = new Set(recommended.filter((group) => group.length === 1).flat());
  const keptRequired = required.filter((group) => group.length === 1 || !group.some((name) => strict.has(name)));
  const keptRecommended = recommended.filter(
    (group) =>
      !group.some((name) => strict.has(name)) &&
      (group.length === 1 || !group.some((name) => strictRecommended.has(name))),
  );
  return { required: toWire(keptRequired), recommended: toWire(keptRecommended) };
}

export interface ListedTemplate {
  dir: string;
  template: OrgTemplate;
}

/** Folders with an org file; what cannot be read is skipped with a warning, never silently. */
export function listTemplates(root: string, log: Logger): ListedTemplate[] {
  if (!existsSync(root)) return [];
  const folders = readdirSync(root)
    .filter((name) => statSync(join(root, name), { throwIfNoEntry: false })?.isDirectory())
    .sort();
  return folders.flatMap((dir) => {
    const folder = join(root, dir);
    const file = findOrgFile(folder);
    if (!file) {
      if (existsSync(join(folder, '.git')))
        log.warn(
          { dir },
          'an organisation template folder has version control data but no org.yaml: a half-finished checkout?',
        );
      return [];
    }
    try {
      return [{ dir, template: loadTemplate(folder, file) }];
    } catch (error) {
      log.warn({ err: error, dir }, 'an organisation template cannot be read and is skipped');
      return [];
    }
  });
}
