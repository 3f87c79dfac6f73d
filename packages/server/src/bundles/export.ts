// A workspace and all below it as one document (chapter 30 §4). Reads only; what a document may hold ends here.

import { BUNDLE_LIMIT, type Bundle, MOST_BUNDLE_LEVELS, MOST_BUNDLE_NODES, MOST_FILES } from '@molecule/contract';
import { parse } from 'yaml';
import type { Config } from '../config.ts';
import { judgePath } from '../files/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { applySeat, generateConfig, listValues, type Provisioning } from '../provisioning/index.ts';
import { type Secrets, SecretsUnreadableError } from '../secrets/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import { createRedactor, type Redactor } from './redactor.ts';
import { openSeatFiles, type SeatFiles } from './seat-files.ts';

export interface ExporterDeps {
  config: Config;
  workspaces: Workspaces;
  secrets: Secrets;
  provisioning: Provisioning;
  log: Logger;
}

/** One export on its way. */
interface Journey {
  childrenOf: ReadonlyMap<string | null, WorkspaceRow[]>;
  redactor: Redactor;
  budget: Budget;
}

const asText = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
const asRecord = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

const tooLarge = (limit: string) =>
  new PlatformError('conflict', `a bundle holds at most ${limit}: export smaller parts of the team`);

/** The document grows until somebody would have to refuse it; then nothing is exported, rather than a part. */
class Budget {
  private bytes = 0;

  /** @throws conflict */
  add<T>(value: T): T {
    this.bytes += Buffer.byteLength(JSON.stringify(value));
    if (this.bytes > BUNDLE_LIMIT) throw this.exceeded(`${BUNDLE_LIMIT} bytes`);
    return value;
  }

  /** @throws conflict */
  addFiles(count: number): void {
    if (count > MOST_FILES) throw this.exceeded(`${MOST_FILES} files of one workspace`);
  }

  /** True for a refusal of this budget, which ends the export. */
  readonly refusals = new WeakSet<object>();

  private exceeded(limit: string): PlatformError {
    const refusal = tooLarge(limit);
    this.refusals.add(refusal);
    return refusal;
  }
}

/** The workspace and all below it. @throws conflict beyond what a bundle may hold */
function gather(root: WorkspaceRow, childrenOf: Journey['childrenOf']): WorkspaceRow[] {
  const all: WorkspaceRow[] = [];
  let level: WorkspaceRow[] = [root];
  for (let count = 1; level.length > 0; count += 1) {
    all.push(...level);
    if (all.length > MOST_BUNDLE_NODES || count > MOST_BUNDLE_LEVELS)
      throw tooLarge(`${MOST_BUNDLE_NODES} workspaces on ${MOST_BUNDLE_LEVELS} levels`);
    level = level.flatMap((row) => childrenOf.get(row.id) ?? []);
  }
  return all;
}

/** The first line that says something, after the front matter. */
function describeSkill(text: string): string {
  const body = text.replace(/^---\r?\n[\s\S]*?\r?\n---[ \t]*(\r?\n|$)/, '');
  const lines = body.split(/\r?\n/).map((line) => line.trim());
  return lines.find((line) => line !== '' && !line.startsWith('#')) ?? '';
}

function readMapping(text: string): Record<string, unknown> {
  try {
    return asRecord(parse(text));
  } catch {
    // The file travels as it is; only what would have been read from it is missing.
    return {};
  }
}

function nameSkill(text: string): string | null {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  return front === undefined ? null : asText(readMapping(front).name);
}

function listTools(value: unknown): Bundle['tools'] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((tool) => {
    if (typeof tool === 'string') return [{ id: tool, config: {} }];
    const { id, name, config, ...rest } = asRecord(tool);
    const found = asText(id) ?? asText(name);
    return found === null ? [] : [{ id: found, config: config === undefined ? rest : asRecord(config) }];
  });
}

/** Prompt files a configuration names beside `system-prompt.md`; what could not be imported stays behind. */
function listPromptFiles(config: Record<string, unknown>): string[] {
  const listed = Array.isArray(config.prompt_files) ? config.prompt_files : [];
  const named = [...listed, config.initial_prompt_file, config.idle_prompt_file].filter(
    (path) => asText(path) !== null,
  );
  const paths = (named as string[]).flatMap((path) => {
    try {
      return [judgePath('/configs', path)];
    } catch {
      return [];
    }
  });
  return [...new Set(paths)].filter((path) => path !== 'system-prompt.md' && path !== 'config.yaml');
}

export function createExporter({ config: settings, workspaces, secrets, provisioning, log }: ExporterDeps) {
  async function readSkills(files: SeatFiles, { redactor, budget }: Journey): Promise<Bundle['skills']> {
    const skills = new Map<string, Record<string, string>>();
    const paths = (await files.listBelow('skills')).filter((path) => path.split('/').length > 2);
    budget.addFiles(paths.length);
    for (const path of paths) {
      const text = await files.read(path);
      if (text === null) continue;
      const [, id = '', ...rest] = path.split('/');
      const skill = skills.get(id) ?? {};
      skill[rest.join('/')] = budget.add(redactor.text(text));
      skills.set(id, skill);
    }
    return [...skills].map(([id, texts]) => {
      const manual = texts['SKILL.md'] ?? '';
      return { id, name: nameSkill(manual) ?? id, description: describeSkill(manual), files: texts };
    });
  }

  async function readPrompts(
    files: SeatFiles,
    config: Record<string, unknown>,
    { redactor, budget }: Journey,
  ): Promise<Record<string, string>> {
    const prompts: Record<string, string> = {};
    for (const path of listPromptFiles(config)) {
      const text = await files.read(path);
      if (text !== null) prompts[path] = budget.add(redactor.text(text));
    }
    return prompts;
  }

  /** What the seat chose, else what its configuration says, else the default of its runtime. */
  async function findModel(row: WorkspaceRow, config: Record<string, unknown>): Promise<string> {
    const { model, source } = await secrets.readModel(row.id, row.runtime);
    if (source === 'workspace_secrets') return model;
    return asText(asRecord(config.runtime_config).model) ?? asText(config.model) ?? model;
  }

  async function exportOne(row: WorkspaceRow, journey: Journey): Promise<Omit<Bundle, 'sub_workspaces'>> {
    const { redactor, budget } = journey;
    const files = await openSeatFiles(row, provisioning, log);
    const written = await files.read('config.yaml');
    const current = written === null ? {} : readMapping(written);
    const model = await findModel(row, current);
    // A change made on the canvas counts, whether or not the agent was started since.
    const configText = written === null ? generateConfig(row, model) : applySeat(written, row);
    const systemPrompt = await files.read('system-prompt.md');
    const prompts = await readPrompts(files, current, journey);
    return {
      schema: '1.0',
      id: row.id,
      name: redactor.label(row.name),
      description: redactor.label(row.role ?? ''),
      tier: row.tier,
      model: redactor.text(model),
      system_prompt: systemPrompt === null ? null : budget.add(redactor.text(systemPrompt)),
      skills: await readSkills(files, journey),
      tools: redactor.value(listTools(current.tools)),
      prompts: { 'config.yaml': budget.add(redactor.yaml(configText)), ...prompts },
      agent_card: row.agent_card === null ? null : budget.add(redactor.value(asRecord(row.agent_card))),
      author: redactor.text(asText(current.author) ?? ''),
      version: redactor.text(asText(current.version) ?? '1.0.0'),
    };
  }

  async function exportTree(row: WorkspaceRow, journey: Journey): Promise<Bundle> {
    const own = await exportOne(row, journey);
    const below: Bundle[] = [];
    for (const child of journey.childrenOf.get(row.id) ?? []) {
      try {
        below.push(await exportTree(child, journey));
      } catch (error) {
        if (journey.budget.refusals.has(error as object)) throw error;
        log.warn({ err: error, workspace_id: child.id }, 'a workspace was left out of a bundle, with all below it');
      }
    }
    return { ...own, sub_workspaces: below };
  }

  /** Of the whole team: a prompt may quote the secret of a neighbour. @throws secrets_unreadable */
  async function listSecretValues(rows: readonly WorkspaceRow[]): Promise<string[]> {
    try {
      const values = [settings.adminToken ?? '', ...Object.values(settings.modelEnvironment)];
      for (const row of rows)
        values.push(...listValues(await secrets.merged(row.id)), row.platform_inbound_secret ?? '');
      return [...new Set(values)];
    } catch (error) {
      if (!(error instanceof SecretsUnreadableError)) throw error;
      throw new PlatformError(
        'secrets_unreadable',
        'stored secrets cannot be decrypted, so they could not be kept out of the bundle',
        { failed_keys: error.failedKeys },
      );
    }
  }

  return {
    /** @throws not_found, conflict beyond the limits, files_failed, secrets_unreadable */
    async run(id: string): Promise<Bundle> {
      const rows = await workspaces.service.list();
      const root = rows.find((row) => row.id === id);
      if (!root) throw notFound('workspace');
      const childrenOf = Map.groupBy(rows, (row) => row.parent_id);
      const redactor = createRedactor(await listSecretValues(gather(root, childrenOf)));
      const exported = await exportTree(root, { childrenOf, redactor, budget: new Budget() });
      new Budget().add(exported);
      return exported;
    },
  };
}
