// Creates the workspaces of a planned bundle (chapter 30 §4): each with its files before its row is committed, then started by the
// dispatcher. What goes wrong with one is told in its own row and in the result; it undoes neither its parent nor its siblings.

import { randomUUID } from 'node:crypto';
import { FILE_LIMIT, type ImportedBundle, layoutGrid, MOST_FILES } from '@molecule/contract';
import { judgePath } from '../files/index.ts';
import { findFreePlace, type Point } from '../org/index.ts';
import type { Database } from '../platform/db/index.ts';
import { invalid, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { applySeat, generateConfig, NO_BACKEND_MESSAGE, type Provisioning } from '../provisioning/index.ts';
import { defaultModel, type Secrets } from '../secrets/index.ts';
import type { NewWorkspace, Workspaces } from '../workspaces/index.ts';
import type { PlannedNode } from './plan.ts';

const DEFAULT_TIER = 2;
const UNSTORED = 'the workspace could not be stored; the platform log has the reason';

export interface BundleImporterDeps {
  db: Database;
  workspaces: Workspaces;
  secrets: Secrets;
  provisioning: Provisioning;
  log: Logger;
}

const messageOf = (error: unknown) => (error instanceof PlatformError ? error.message : UNSTORED);

/** One name below `skills/`. @throws invalid_request */
function judgeSkillId(id: string): string {
  const judged = judgePath('/configs', id);
  if (judged.includes('/') || judged.startsWith('.'))
    throw invalid('skills', `${JSON.stringify(id)} is no folder name`);
  return judged;
}

/** Everything below `/configs`, by a path that was judged. @throws invalid_request */
function assembleFiles({ bundle, runtime }: PlannedNode): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [path, text] of Object.entries(bundle.prompts)) files[judgePath('/configs', path)] = text;
  for (const skill of bundle.skills) {
    const folder = `skills/${judgeSkillId(skill.id)}`;
    // Judged by itself first: an absolute path would be a relative one behind its folder.
    for (const [path, text] of Object.entries(skill.files))
      files[judgePath('/configs', `${folder}/${judgePath('/configs', path)}`)] = text;
  }
  if (typeof bundle.system_prompt === 'string') files['system-prompt.md'] = bundle.system_prompt;
  const seat = { name: bundle.name, role: bundle.description || null, tier: bundle.tier ?? DEFAULT_TIER, runtime };
  const config = bundle.prompts['config.yaml'];
  files['config.yaml'] =
    config === undefined
      ? generateConfig(seat, bundle.model || defaultModel(runtime), {
          ...(bundle.skills.length > 0 ? { skills: bundle.skills.map(({ id }) => id) } : {}),
          ...(bundle.tools.length > 0 ? { tools: bundle.tools.map(({ id }) => id) } : {}),
        })
      : applySeat(config, seat);
  if (Object.keys(files).length > MOST_FILES) throw invalid('skills', `must be at most ${MOST_FILES} files`);
  const large = Object.entries(files).find(([, text]) => Buffer.byteLength(text) > FILE_LIMIT);
  if (large) throw invalid(large[0], `must be at most ${FILE_LIMIT} bytes`);
  return files;
}

/** A runtime's default that nobody contradicts stays unsaid, so that it can still give way to a model there is a key for. */
function chooseModel({ bundle, runtime, configModel }: PlannedNode): Record<string, string> {
  const { model } = bundle;
  const isDefault = model === defaultModel(runtime) && (configModel ?? model) === model;
  return !model || isDefault ? {} : { MODEL_PROVIDER: model };
}

export function createBundleImporter({ db, workspaces, secrets, provisioning, log }: BundleImporterDeps) {
  /** @throws PlatformError, or a fault of ours, with nothing stored but files under an id nobody has. */
  async function create(node: PlannedNode, input: NewWorkspace & { id: string }): Promise<ImportedBundle['status']> {
    const isExternal = node.runtime === 'external';
    const files = isExternal ? {} : assembleFiles(node);
    await db.tx(async (trx) => {
      await workspaces.createIn(trx, input);
      await secrets.saveMany(trx, input.id, chooseModel(node));
      if (isExternal) await workspaces.transitionIn(trx, 'create_external_awaiting', input.id);
      // Before the commit: a row that exists has its prompts, whenever the platform may die.
      else await provisioning.writeFiles(input.id, files);
    });
    if (isExternal) return 'awaiting_agent';
    return provisioning.provision(input.id) ? 'provisioning' : 'failed';
  }

  /** Row, reason and both events in one transaction: no failure without its message. */
  async function createFailed(input: NewWorkspace & { id: string }, error: string): Promise<void> {
    await db.tx(async (trx) => {
      await workspaces.createIn(trx, input);
      await workspaces.transitionIn(trx, 'provision_failed', input.id, { patch: { last_sample_error: error } });
    });
  }

  async function importOne(node: PlannedNode, parentId: string | null, canvas: Point): Promise<ImportedBundle> {
    const { bundle, runtime } = node;
    const input = {
      id: randomUUID(),
      name: bundle.name,
      role: bundle.description || null,
      tier: bundle.tier ?? DEFAULT_TIER,
      runtime,
      parentId,
      sourceBundleId: bundle.id ?? null,
      canvas,
    };
    const told = { workspace_id: input.id, name: bundle.name };
    try {
      const status = await create(node, input);
      return { ...told, status, ...(status === 'failed' ? { error: NO_BACKEND_MESSAGE } : {}) };
    } catch (error) {
      log.warn({ err: error, workspace: bundle.name, source_bundle_id: bundle.id }, 'a workspace was not imported');
      await createFailed(input, messageOf(error));
      return { ...told, status: 'failed', error: messageOf(error) };
    }
  }

  /** Those below a workspace that could not even be stored have no place to go. */
  async function importBelow(node: PlannedNode, parentId: string, point: Point): Promise<ImportedBundle[]> {
    const { slots } = layoutGrid(node);
    const imported: ImportedBundle[] = [];
    for (const [index, child] of node.children.entries()) {
      const slot = slots[index] ?? { x: 0, y: 0 };
      try {
        imported.push(await importTree(child, parentId, { x: point.x + slot.x, y: point.y + slot.y }));
      } catch (error) {
        log.error({ err: error, workspace: child.bundle.name }, 'a workspace was not imported, nor what is below it');
        imported.push({ workspace_id: null, name: child.bundle.name, status: 'failed', error: messageOf(error) });
      }
    }
    return imported;
  }

  async function importTree(node: PlannedNode, parentId: string | null, point: Point): Promise<ImportedBundle> {
    const own = await importOne(node, parentId, point);
    if (node.children.length === 0 || own.workspace_id === null) return own;
    return { ...own, children: await importBelow(node, own.workspace_id, point) };
  }

  return {
    /** @throws what keeps even the row of the first workspace from being written. */
    run: async (plan: PlannedNode) => await importTree(plan, null, findFreePlace(await workspaces.service.list())),
  };
}
