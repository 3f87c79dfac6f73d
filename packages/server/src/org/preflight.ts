// What must hold before an import writes its first row (chapter 30 §2.3, §2.5; ruling R8). Every refusal is a PlatformError.

import { type EnvRequirement, workspaceDir } from '@molecule/contract';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Secrets } from '../secrets/index.ts';
import { assertKnownRuntime, RUNTIME_CHOICE } from '../workspaces/index.ts';
import { readNodeSecrets } from './node-config.ts';
import { collectEnv, type OrgTemplate, type TemplateNode, walkNodes } from './template.ts';

export interface PreflightDeps {
  secrets: Secrets;
  /** Values of the platform's own environment a template may name in `workspace_dir`. */
  variables: Readonly<Record<string, string>>;
  /** @returns null when the address may be called, else why not. */
  judgeUrl(url: string): Promise<string | null>;
  log: Logger;
}

const membersOf = (entry: EnvRequirement) => (typeof entry === 'string' ? [entry] : entry.any_of);

function refuse(node: TemplateNode, field: string, message: string): never {
  throw new PlatformError('invalid_template', `${node.name}: ${field} ${message}`, { field });
}

function assertRuntimes(template: OrgTemplate): void {
  for (const node of walkNodes(template.workspaces)) {
    const runtime = node.external ? 'external' : (node.runtime ?? template.defaults.runtime);
    if (runtime && runtime !== RUNTIME_CHOICE) assertKnownRuntime(runtime);
  }
}

/** `${VAR}` stands for a value of the template's own `.env`, else of the few the platform hands out. */
function expandVariables(node: TemplateNode, text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g,
    (_, name: string) => values[name] ?? refuse(node, 'workspace_dir', `names \${${name}}, which is not set`),
  );
}

function resolveDirectory(node: TemplateNode, folder: string | null, deps: PreflightDeps): void {
  if (!node.workspace_dir) {
    if ((node.workspace_access ?? 'none') !== 'none') refuse(node, 'workspace_access', 'needs a workspace_dir');
    return;
  }
  const values = { ...deps.variables, ...readNodeSecrets(node, folder, deps.log) };
  const parsed = workspaceDir.safeParse(expandVariables(node, node.workspace_dir, values));
  if (!parsed.success) refuse(node, 'workspace_dir', parsed.error.issues[0]?.message ?? 'is not valid');
  node.workspace_dir = parsed.data;
}

async function assertUrl(node: TemplateNode, deps: PreflightDeps): Promise<void> {
  if (!node.url) return;
  if (!node.external) refuse(node, 'url', 'is for external workspaces only');
  const refusal = await deps.judgeUrl(node.url);
  if (refusal) throw new PlatformError('unsafe_url', `${node.name}: url ${refusal}`, { field: 'url' });
}

/** Every required entry needs a global secret with a value. There is no way around it. */
async function assertEnv(template: OrgTemplate, deps: PreflightDeps): Promise<void> {
  const { required } = collectEnv(template, deps.log);
  if (required.length === 0) return;
  const present = new Set(await deps.secrets.globalKeys());
  const missing = required.filter((entry) => !membersOf(entry).some((name) => present.has(name)));
  if (missing.length === 0) return;
  throw new PlatformError(
    'missing_env',
    `required secrets are not set: ${missing.map((entry) => membersOf(entry).join(' or ')).join(', ')}`,
    {
      missing_env: missing,
      required_env: required,
      template: template.name,
      suggestion: 'save them with POST /settings/secrets, then import again',
    },
  );
}

/** @throws unknown_runtime, invalid_template, unsafe_url, missing_env. Host directories are resolved in the template. */
export async function preflightImport(
  template: OrgTemplate,
  folder: string | null,
  deps: PreflightDeps,
): Promise<void> {
  assertRuntimes(template);
  for (const node of walkNodes(template.workspaces)) {
    resolveDirectory(node, folder, deps);
    await assertUrl(node, deps);
  }
  await assertEnv(template, deps);
}
