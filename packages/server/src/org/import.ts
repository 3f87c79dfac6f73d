// Importing an organisation template (chapter 30 §2.5): what exists is left alone, what is missing is created, parents first.

import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { layoutGrid } from '@molecule/contract';
import { stringify } from 'yaml';
import { acquireLease, type Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import { type Provisioning, readTextFiles, resolveInside } from '../provisioning/index.ts';
import { defaultModel, type Secrets } from '../secrets/index.ts';
import { RUNTIME_CHOICE, type Workspaces } from '../workspaces/index.ts';
import { type OrgTemplate, type TemplateNode, toGrid } from './template.ts';

const IMPORT_LEASE_MS = 120_000;
const LEASE_WAIT_MS = 250;
const LEASE_TRIES = 240;
const DEFAULT_TIER = 2;
const ROOT_GAP = 60;

export interface ImportEntry {
  id: string;
  name: string;
  tier: number;
  skipped?: true;
}

export interface ImportResult {
  workspaces: ImportEntry[];
  error?: string;
}

export interface ImporterDeps {
  db: Database;
  workspaces: Workspaces;
  secrets: Secrets;
  provisioning: Provisioning;
  log: Logger;
}

const pause = (milliseconds: number) =>
  new Promise<void>((done) => AbortSignal.timeout(milliseconds).addEventListener('abort', () => done()));

export function createImporter({ db, workspaces, secrets, provisioning, log }: ImporterDeps) {
  /** Imports run one after another on all replicas, so that two never create the same node. */
  async function withLease<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < LEASE_TRIES; attempt += 1) {
      const lease = await acquireLease(db, 'org-import', randomUUID(), IMPORT_LEASE_MS);
      if (lease) {
        try {
          return await work();
        } finally {
          await lease.release();
        }
      }
      await pause(LEASE_WAIT_MS);
    }
    throw new Error('another import does not end');
  }

  function readPrompt(
    folder: string | null,
    inline: string | undefined,
    file: string | undefined,
    label: string,
  ): string | null {
    if (inline) return inline;
    if (!file || !folder) return null;
    const path = resolveInside(folder, file);
    if (path && existsSync(path)) return readFileSync(path, 'utf8');
    log.warn({ file, label }, 'a prompt file of a template was not found');
    return null;
  }

  /** Files for the node's `/configs`: its folder, then what the template says inline. */
  function assembleFiles(
    template: OrgTemplate,
    node: TemplateNode,
    folder: string | null,
    runtime: string,
    model: string,
    tier: number,
  ): Record<string, string> {
    const filesDir = node.files_dir && folder ? resolveInside(folder, node.files_dir) : null;
    const files = filesDir && existsSync(filesDir) ? readTextFiles(filesDir) : {};
    const prompt =
      readPrompt(filesDir, node.initial_prompt, node.initial_prompt_file, node.name) ??
      readPrompt(folder, template.defaults.initial_prompt, template.defaults.initial_prompt_file, template.name);
    const line = (text: string) => text.replace(/[\r\n]+/g, ' ');
    const generated = {
      name: line(node.name),
      description: line(node.role ?? ''),
      role: line(node.role ?? ''),
      version: '1.0.0',
      tier,
      runtime,
      model,
      ...(prompt ? { initial_prompt: prompt } : {}),
    };
    return {
      ...files,
      ...(node.system_prompt ? { 'system-prompt.md': node.system_prompt } : {}),
      'config.yaml': stringify(generated, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' }),
    };
  }

  async function createNode(
    template: OrgTemplate,
    node: TemplateNode,
    parentId: string | null,
    point: { x: number; y: number },
    folder: string | null,
    chosen: string,
  ): Promise<ImportEntry> {
    const existing = await workspaces.findByParentAndName(db.kysely, parentId, node.name);
    if (existing) {
      log.info(
        `evt: provision.skip_existing ${JSON.stringify({ existing_id: existing.id, parent_id: parentId, name: node.name })}`,
      );
      return { id: existing.id, name: node.name, tier: existing.tier, skipped: true };
    }
    const wanted = node.external ? 'external' : (node.runtime ?? template.defaults.runtime ?? 'langgraph');
    const runtime = wanted === RUNTIME_CHOICE ? chosen : wanted;
    const model = node.model ?? template.defaults.model;
    const tier = node.tier ?? template.defaults.tier ?? DEFAULT_TIER;
    const row = await db.tx(async (trx) => {
      const created = await workspaces.createIn(trx, {
        name: node.name,
        role: node.role ?? null,
        tier,
        runtime,
        parentId,
        url: node.url ?? null,
        maxConcurrentTasks: Math.max(1, node.max_concurrent_tasks ?? 1),
        hibernationIdleMinutes: node.hibernation_idle_minutes ?? null,
        workspaceDir: node.workspace_dir ?? null,
        workspaceAccess: node.workspace_access ?? 'none',
        template: node.template ?? null,
        canvas: point,
      });
      if (model) await secrets.saveMany(trx, created.id, { MODEL_PROVIDER: model });
      if (node.external)
        await workspaces.transitionIn(
          trx,
          node.url ? 'create_external_online' : 'create_external_awaiting',
          created.id,
        );
      if (!node.external)
        await provisioning.writeFiles(
          created.id,
          assembleFiles(template, node, folder, runtime, model ?? defaultModel(runtime), tier),
        );
      return created;
    });
    if (!node.external) provisioning.provision(row.id);
    return { id: row.id, name: row.name, tier };
  }

  /** Depth first, parents before children; the first failure ends the import and is told with what was done. */
  async function walk(template: OrgTemplate, folder: string | null, entries: ImportEntry[]): Promise<void> {
    const chosen = await provisioning.chooseRuntime();
    let rootX = 80;

    async function visit(node: TemplateNode, parentId: string | null, point: { x: number; y: number }): Promise<void> {
      const entry = await createNode(template, node, parentId, point, folder, chosen);
      entries.push(entry);
      const { slots } = layoutGrid(toGrid(node));
      for (const [index, child] of node.children.entries()) {
        const slot = slots[index] ?? { x: 0, y: 0 };
        await visit(child, entry.id, { x: point.x + slot.x, y: point.y + slot.y });
      }
    }

    for (const root of template.workspaces) {
      const point = root.canvas ?? { x: rootX, y: 100 };
      await visit(root, null, point);
      rootX = point.x + layoutGrid(toGrid(root)).width + ROOT_GAP;
    }
  }

  return {
    async run(template: OrgTemplate, folder: string | null): Promise<ImportResult> {
      return await withLease(async () => {
        const entries: ImportEntry[] = [];
        try {
          await walk(template, folder, entries);
          return { workspaces: entries };
        } catch (error) {
          log.error({ err: error, template: template.name }, 'an import stopped');
          return {
            workspaces: entries,
            error:
              error instanceof Error && error.name === 'PlatformError'
                ? error.message
                : 'a workspace could not be created; the platform log has the reason',
          };
        }
      });
    },
  };
}
