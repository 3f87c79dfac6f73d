// Importing an organisation template (chapter 30 §2.5): what exists is left alone, what is missing is created, parents first.

import { randomUUID } from 'node:crypto';
import { layoutGrid } from '@molecule/contract';
import type { Kysely, Transaction } from 'kysely';
import { acquireLease, type Database, type Lease, type Tables } from '../platform/db/index.ts';
import { pause } from '../platform/deadline.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { logProvisionEvent, type Provisioning } from '../provisioning/index.ts';
import type { Secrets } from '../secrets/index.ts';
import { RUNTIME_CHOICE, type Workspaces } from '../workspaces/index.ts';
import { assembleFiles, type NodeSchedule, readNodeSecrets, readSchedules } from './node-config.ts';
import { FIRST_ROOT, findFreePlace, type Point, ROOT_GAP } from './placement.ts';
import { type OrgTemplate, type TemplateNode, toGrid } from './template.ts';

const IMPORT_LEASE_MS = 60_000;
const LEASE_WAIT_MS = 250;
const LEASE_TRIES = 240;
const DEFAULT_TIER = 2;
const DEFAULT_RUNTIME = 'langgraph';

export interface ImportEntry {
  id: string;
  name: string;
  tier: number;
  skipped?: true;
  /** Parts of the template this version cannot build, by name; nothing is dropped silently. */
  channels_skipped?: { workspace: string; type: string; reason: string }[];
  plugins_skipped?: string[];
  /** Those that could not run, by name. */
  schedules_skipped?: string[];
  /** How many. */
  memories_skipped?: number;
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
  /** @returns the names of those that cannot run. */
  seedSchedules(
    executor: Kysely<Tables> | Transaction<Tables>,
    workspaceId: string,
    wanted: readonly NodeSchedule[],
  ): Promise<string[]>;
  log: Logger;
}

/** One import on its way: what every node of it shares. */
interface Journey {
  template: OrgTemplate;
  folder: string | null;
  /** The runtime behind `default`, chosen once for the whole team. */
  chosen: string;
  lease: Lease;
  entries: ImportEntry[];
}

/** The defaults' and the node's, in order; an own entry `!name` or `-name` takes one away. */
function choosePlugins(defaults: readonly string[] = [], own: readonly string[] = []): string[] {
  const removed = new Set(own.filter((name) => /^[!-]/.test(name)).map((name) => name.slice(1)));
  const wanted = [...defaults, ...own].filter((name) => !/^[!-]/.test(name) && !removed.has(name));
  return [...new Set(wanted)];
}

export function createImporter({ db, workspaces, secrets, provisioning, seedSchedules, log }: ImporterDeps) {
  /** Imports run one after another on all replicas, so that two never create the same node. */
  async function withLease<T>(work: (lease: Lease) => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < LEASE_TRIES; attempt += 1) {
      const lease = await acquireLease(db, 'org-import', randomUUID(), IMPORT_LEASE_MS);
      if (lease) {
        try {
          return await work(lease);
        } finally {
          await lease.release();
        }
      }
      await pause(LEASE_WAIT_MS);
    }
    throw new PlatformError('conflict', 'another import is still running; repeat in a minute');
  }

  /** Said in the result and in the log: a template may ask for more than this version builds. */
  function listSkippedParts(template: OrgTemplate, node: TemplateNode): Partial<ImportEntry> {
    const plugins = choosePlugins(template.defaults.plugins, node.plugins);
    const channels = (node.channels ?? []).map(({ type }) => ({
      workspace: node.name,
      type: type ?? '',
      reason: 'channels are not part of this version',
    }));
    const global = node === template.workspaces[0] ? (template.global_memories ?? []) : [];
    const memories = [...(node.initial_memories ?? template.defaults.initial_memories ?? []), ...global];
    const skipped = {
      ...(plugins.length > 0 ? { plugins_skipped: plugins } : {}),
      ...(channels.length > 0 ? { channels_skipped: channels } : {}),
      ...(memories.length > 0 ? { memories_skipped: memories.length } : {}),
    };
    if (Object.keys(skipped).length > 0)
      log.warn(
        { workspace: node.name, ...skipped },
        'parts of a template were skipped: this version does not build them',
      );
    return skipped;
  }

  async function addSchedules(
    executor: Kysely<Tables> | Transaction<Tables>,
    id: string,
    wanted: readonly NodeSchedule[],
  ): Promise<Partial<ImportEntry>> {
    const skipped = wanted.length > 0 ? await seedSchedules(executor, id, wanted) : [];
    return skipped.length > 0 ? { schedules_skipped: skipped } : {};
  }

  async function createNode(
    journey: Journey,
    node: TemplateNode,
    parentId: string | null,
    point: Point,
  ): Promise<{ entry: ImportEntry; point: Point }> {
    const { template, folder } = journey;
    const { defaults } = template;
    const wantedSchedules = readSchedules(node, folder, log);
    const existing = await workspaces.findByParentAndName(db.kysely, parentId, node.name);
    if (existing) {
      logProvisionEvent(log, 'provision.skip_existing', {
        existing_id: existing.id,
        parent_id: parentId,
        name: node.name,
      });
      // What is missing below it goes where it stands now, not where the template once put it.
      const { id, tier, x, y } = existing;
      const skipped = await addSchedules(db.kysely, id, wantedSchedules);
      return { entry: { id, name: node.name, tier, skipped: true, ...skipped }, point: { x, y } };
    }
    const wanted = node.external ? 'external' : (node.runtime ?? defaults.runtime ?? DEFAULT_RUNTIME);
    const runtime = wanted === RUNTIME_CHOICE ? journey.chosen : wanted;
    const external = runtime === 'external';
    const model = node.model ?? defaults.model;
    const tier = node.tier ?? defaults.tier ?? DEFAULT_TIER;
    const files = external
      ? {}
      : assembleFiles(
          node,
          { runtime, model, tier },
          { template, folder, readTemplateFiles: provisioning.readTemplateFiles, log },
        );
    const values = { ...readNodeSecrets(node, folder, log), ...(model ? { MODEL_PROVIDER: model } : {}) };
    const { row, skipped } = await db.tx(async (trx) => {
      const created = await workspaces.createIn(trx, {
        name: node.name,
        role: node.role ?? null,
        tier,
        runtime,
        parentId,
        url: external ? (node.url ?? null) : null,
        maxConcurrentTasks: Math.max(1, node.max_concurrent_tasks ?? 1),
        hibernationIdleMinutes: node.hibernation_idle_minutes ?? null,
        workspaceDir: node.workspace_dir ?? null,
        workspaceAccess: node.workspace_access ?? 'none',
        template: node.template ?? null,
        canvas: point,
      });
      await secrets.saveMany(trx, created.id, values);
      const withoutTimes = await addSchedules(trx, created.id, wantedSchedules);
      // Before the commit: a row that exists has its prompts, whenever the platform may die.
      if (!external) await provisioning.writeFiles(created.id, files);
      else
        await workspaces.transitionIn(
          trx,
          node.url ? 'create_external_online' : 'create_external_awaiting',
          created.id,
        );
      return { row: created, skipped: withoutTimes };
    });
    if (!external) provisioning.provision(row.id);
    return { entry: { id: row.id, name: row.name, tier, ...listSkippedParts(template, node), ...skipped }, point };
  }

  /** Depth first, parents before children, missing descendants under parents that exist. @returns where the node stands. */
  async function visit(journey: Journey, node: TemplateNode, parentId: string | null, wanted: Point): Promise<Point> {
    if (!(await journey.lease.renew())) throw new PlatformError('conflict', 'another import took over; repeat');
    const { entry, point } = await createNode(journey, node, parentId, wanted);
    journey.entries.push(entry);
    const { slots } = layoutGrid(toGrid(node));
    for (const [index, child] of node.children.entries()) {
      const slot = slots[index] ?? { x: 0, y: 0 };
      await visit(journey, child, entry.id, { x: point.x + slot.x, y: point.y + slot.y });
    }
    return point;
  }

  async function walk(journey: Journey): Promise<void> {
    let free: Point | null = null;
    for (const root of journey.template.workspaces) {
      const wanted: Point = root.canvas ?? free ?? findFreePlace(await workspaces.service.list());
      const point = await visit(journey, root, null, wanted);
      const { width } = layoutGrid(toGrid(root));
      free = { x: Math.max(wanted.x, point.x + width + ROOT_GAP), y: FIRST_ROOT.y };
    }
  }

  return {
    /** The first failure ends the import and is told with what was done; a repeat creates the rest. */
    async run(template: OrgTemplate, folder: string | null): Promise<ImportResult> {
      const chosen = await provisioning.chooseRuntime();
      return await withLease(async (lease) => {
        const entries: ImportEntry[] = [];
        try {
          await walk({ template, folder, chosen, lease, entries });
          return { workspaces: entries };
        } catch (error) {
          log.error({ err: error, template: template.name }, 'an import stopped');
          const known = error instanceof PlatformError;
          return {
            workspaces: entries,
            error: known ? error.message : 'a workspace could not be created; the platform log has the reason',
          };
        }
      });
    },
  };
}
