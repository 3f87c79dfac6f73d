// Creating, reading and changing workspaces (chapter 10 §2.1). Removal is in removal.ts, the status table in lifecycle.ts.

import { randomUUID } from 'node:crypto';
import { ADMIN_FIELDS, type CreateWorkspaceBody, type PatchWorkspaceBody, type restartBody } from '@molecule/contract';
import type { Transaction } from 'kysely';
import type { z } from 'zod';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { applyTransition, type TransitionInput } from '../platform/lifecycle.ts';
import { isAdmin, type Principal } from '../platform/principal.ts';
import { seedConfig } from './config-data.ts';
import type { FactsCache } from './facts.ts';
import { provisioningEvent, type WorkspaceRow, type WorkspaceTransition, workspaceLifecycle } from './lifecycle.ts';
import { assertKnownRuntime, RUNTIME_CHOICE } from './runtimes.ts';
import * as store from './store.ts';

/** What other domains do for a workspace; app.ts wires them, so that this layer depends on none of them. */
export interface WorkspacePorts {
  /** Starts the provisioning pipeline, detached. */
  provision(id: string): void;
  /** Ends the workload and keeps what it stored. Rejects only when it may still run. */
  stop(id: string): Promise<void>;
  /** Ends the workload for good, and what it stored. Rejects only when it may still run. */
  remove(id: string): Promise<void>;
  /** @returns where its files come from. @throws invalid_template */
  restart(id: string, request: RestartRequest): Promise<{ configDir: string }>;
  hasBackend(): boolean;
  readLog(id: string, lines: number): Promise<{ lines: string[]; truncated: boolean } | null>;
  /** Runtime and tier a template names. @throws invalid_template */
  readTemplate(name: string): Promise<{ runtime?: string; model?: string; tier?: number }>;
  /** The runtime behind the choice `default`. */
  chooseRuntime(): Promise<string>;
  provisionTimeoutMs(runtime: string): number | undefined;
  saveSecrets(trx: Transaction<Tables>, id: string, secrets: Record<string, string>): Promise<void>;
  readModel(id: string, runtime: string): Promise<{ model: string; source: 'workspace_secrets' | 'default' }>;
  saveModel(id: string, model: string): Promise<void>;
  mintToken(trx: Transaction<Tables>, id: string): Promise<string>;
  /** Revokes every token of it and mints one. */
  rotateToken(trx: Transaction<Tables>, id: string): Promise<{ token: string; prefix: string }>;
  revokeTokens(trx: Transaction<Tables>, ids: string[]): Promise<void>;
  /** After the commit of a revocation: no replica may go on believing the tokens. */
  forgetTokens(): Promise<void>;
  /** Runs in the removing transaction: messages and delegations of these workspaces end. */
  endMessaging(trx: Transaction<Tables>, ids: string[], reason: string): Promise<void>;
  /** Told once for each purged workspace, by the namespace of what it alone remembered: `workspace:<id>`. */
  onPurged: readonly ((namespace: string) => Promise<void>)[];
  canCommunicate(a: string, b: string): Promise<boolean>;
  /** @returns null when the address may be called, else why not. */
  judgeUrl(url: string): Promise<string | null>;
}

/** Wishes beside stopping and starting (chapter 10 §7.9). */
export type RestartRequest = NonNullable<z.output<typeof restartBody>>;

export interface WorkspaceDeps {
  db: Database;
  events: Events;
  facts: FactsCache;
  ports: WorkspacePorts;
}

export interface NewWorkspace {
  /** A fresh one unless given. */
  id?: string;
  name: string;
  role?: string | null;
  tier?: number;
  runtime: string;
  parentId?: string | null;
  url?: string | null;
  deliveryMode?: 'push' | 'poll' | null;
  maxConcurrentTasks?: number;
  budgetLimit?: number | null;
  hibernationIdleMinutes?: number | null;
  workspaceDir?: string | null;
  workspaceAccess?: 'none' | 'read_only' | 'read_write';
  template?: string | null;
  /** The bundle it was imported from. */
  sourceBundleId?: string | null;
  /** Absolute canvas position. */
  canvas?: { x: number; y: number };
}

export function createWorkspaceService({ db, events, facts, ports }: WorkspaceDeps) {
  async function transitionIn(
    trx: Transaction<Tables>,
    event: WorkspaceTransition,
    id: string,
    input: TransitionInput = {},
  ): Promise<WorkspaceRow | null> {
    return await applyTransition(trx, events.append, workspaceLifecycle, event, id, input);
  }

  async function transition(
    event: WorkspaceTransition,
    id: string,
    input: TransitionInput = {},
  ): Promise<WorkspaceRow | null> {
    const row = await db.tx((trx) => transitionIn(trx, event, id, input));
    if (row) facts.drop(id);
    return row;
  }

  /** @throws invalid_parent unless the parent lives and does not stand under `childId`. */
  async function assertParent(trx: Transaction<Tables>, parentId: string, childId: string): Promise<void> {
    if (!(await store.holdParent(trx, parentId)))
      throw new PlatformError('invalid_parent', 'parent_id: no such workspace', { field: 'parent_id' });
    if ((await store.listAncestry(trx, parentId)).some((ancestor) => ancestor.id === childId))
      throw new PlatformError('invalid_parent', 'parent_id: would form a cycle', { field: 'parent_id' });
  }

  /** Inserts the row with its layout and says so; in the caller's transaction. */
  async function createIn(trx: Transaction<Tables>, input: NewWorkspace): Promise<WorkspaceRow> {
    assertKnownRuntime(input.runtime);
    const id = input.id ?? randomUUID();
    const parentId = input.parentId ?? null;
    if (parentId) await assertParent(trx, parentId, id);
    const external = input.runtime === 'external';
    const point = input.canvas ?? { x: 0, y: 0 };
    const row = await store.insertWorkspace(
      trx,
      {
        id,
        name: input.name,
        role: input.role ?? null,
        tier: input.tier ?? 3,
        runtime: input.runtime,
        parent_id: parentId,
        url: input.url ?? null,
        url_source: input.url ? 'agent' : null,
        // Null means undeclared, which lets an external agent become `poll` (chapter 10 §3.3).
        delivery_mode: input.deliveryMode ?? (external ? null : 'push'),
        max_concurrent_tasks: input.maxConcurrentTasks || 1,
        budget_limit: input.budgetLimit ?? null,
        hibernation_idle_minutes: input.hibernationIdleMinutes ?? null,
        workspace_dir: input.workspaceDir ?? null,
        workspace_access: input.workspaceAccess ?? 'none',
        template: input.template ?? null,
        source_bundle_id: input.sourceBundleId ?? null,
      },
      point,
    );
    const origin = parentId ? await store.findListed(trx, parentId) : null;
    await store.saveConfig(trx, id, seedConfig(row));
    await events.append(trx, provisioningEvent(row, { x: point.x - (origin?.x ?? 0), y: point.y - (origin?.y ?? 0) }));
    return row;
  }

  async function create(body: CreateWorkspaceBody): Promise<{ row: WorkspaceRow; token: string | null }> {
    const template = body.template === undefined ? {} : await ports.readTemplate(body.template);
    const wanted = body.external ? 'external' : (body.runtime ?? template.runtime ?? 'langgraph');
    const runtime = wanted === RUNTIME_CHOICE ? await ports.chooseRuntime() : wanted;
    assertKnownRuntime(runtime);
    const access = body.workspace_access ?? 'none';
    if (access !== 'none' && !body.workspace_dir)
      throw invalid('workspace_dir', 'is required for this workspace_access');
    const external = runtime === 'external';
    if (body.url && !external) throw invalid('url', 'only an external workspace has an address of its own');
    if (body.url) {
      const refusal = await ports.judgeUrl(body.url);
      if (refusal) throw new PlatformError('unsafe_url', `url: ${refusal}`, { field: 'url' });
    }
    const result = await db.tx(async (trx) => {
      const row = await createIn(trx, {
        name: body.name,
        role: body.role ?? null,
        tier: body.tier ?? template.tier ?? 3,
        runtime,
        parentId: body.parent_id ?? null,
        url: body.url ?? null,
        deliveryMode: body.delivery_mode ?? null,
        maxConcurrentTasks: body.max_concurrent_tasks ?? 1,
        budgetLimit: body.budget_limit ?? null,
        hibernationIdleMinutes: body.hibernation_idle_minutes ?? null,
        workspaceDir: body.workspace_dir ?? null,
        workspaceAccess: access,
        template: body.template ?? null,
        ...(body.canvas ? { canvas: body.canvas } : {}),
      });
      const model = body.model ?? template.model;
      const secrets = { ...(body.secrets ?? {}), ...(model ? { MODEL_PROVIDER: model } : {}) };
      if (Object.keys(secrets).length > 0) await ports.saveSecrets(trx, row.id, secrets);
      if (!external) return { row, token: null };
      const moved = await transitionIn(trx, body.url ? 'create_external_online' : 'create_external_awaiting', row.id);
      return { row: moved ?? row, token: await ports.mintToken(trx, row.id) };
    });
    if (!external) ports.provision(result.row.id);
    return result;
  }

  /** @throws not_found for ids the caller may not know of, workspace_removed for tombstones. */
  async function getVisible(id: string, principal: Principal): Promise<store.ListedWorkspace> {
    const row = await store.findListed(db.kysely, id);
    const visible =
      row &&
      (isAdmin(principal) ||
        (principal.kind === 'workspace' &&
          (principal.workspaceId === id || (await ports.canCommunicate(principal.workspaceId, id)))));
    if (!row || !visible) throw notFound('workspace');
    if (row.status === 'removed')
      throw new PlatformError('workspace_removed', 'the workspace was removed', {
        id,
        status: 'removed',
        forwarded_to: await store.findReplacement(db.kysely, id),
      });
    return row;
  }

  /** @throws not_found when there is no such live workspace. */
  async function getLive(id: string): Promise<WorkspaceRow> {
    const row = await store.findWorkspace(db.kysely, id);
    if (!row || row.status === 'removed') throw notFound('workspace');
    return row;
  }

  async function patch(id: string, body: PatchWorkspaceBody, principal: Principal): Promise<{ needsRestart: boolean }> {
    if (!isAdmin(principal)) {
      const refused = ADMIN_FIELDS.filter((field) => body[field] !== undefined);
      if (refused.length > 0)
        throw new PlatformError('admin_field', `only an administrator may change ${refused.join(', ')}`, {
          fields: refused,
        });
    }
    if (body.runtime !== undefined) assertKnownRuntime(body.runtime);
    const { x, y, collapsed, ...columns } = body;
    const needsRestart = (['workspace_dir', 'workspace_access', 'runtime', 'tier'] as const).some(
      (field) => body[field] !== undefined,
    );
    await db.tx(async (trx) => {
      if (columns.parent_id) await store.lockTree(trx);
      const row = await store.lockWorkspace(trx, id);
      if (!row || row.status === 'removed') throw notFound('workspace');
      const access = columns.workspace_access ?? row.workspace_access;
      const directory = columns.workspace_dir === undefined ? row.workspace_dir : columns.workspace_dir;
      if (access !== 'none' && !directory) throw invalid('workspace_dir', 'is required for this workspace_access');
      if (columns.parent_id) await assertParent(trx, columns.parent_id, id);
      const changes = Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
      if (Object.keys(changes).length > 0)
        await store.updateColumns(trx, id, { ...changes, ...(needsRestart ? { needs_restart: true } : {}) });
      if (x !== undefined || collapsed !== undefined) {
        await store.saveLayout(trx, id, {
          ...(x === undefined || y === undefined ? {} : { x, y }),
          ...(collapsed === undefined ? {} : { collapsed }),
        });
      }
      if (columns.parent_id !== undefined && columns.parent_id !== row.parent_id) {
        await events.append(trx, {
          event: 'WORKSPACE_MOVED',
          workspace_id: id,
          payload: { parent_id: columns.parent_id, previous_parent_id: row.parent_id },
        });
      }
    });
    facts.forget(id);
    return { needsRestart };
  }

  async function readState(id: string): Promise<WorkspaceRow | null> {
    return await store.findWorkspace(db.kysely, id);
  }

  /** @throws conflict naming the paused one. */
  async function assertNoPausedAncestor(executor: store.Executor, id: string): Promise<void> {
    const [, ...ancestors] = await store.listAncestry(executor, id);
    const paused = ancestors.find((ancestor) => ancestor.status === 'paused');
    if (paused)
      throw new PlatformError('conflict', `${paused.name} above it is paused; resume that first`, {
        paused: paused.name,
      });
  }

  /** @throws conflict naming the paused one, when that is itself or above it, and while it goes to sleep. */
  async function assertStartable(row: WorkspaceRow): Promise<void> {
    if (row.status === 'paused')
      throw new PlatformError('conflict', 'the workspace is paused; resume it', { paused: row.name });
    if (row.status === 'hibernating')
      throw new PlatformError('conflict', 'the workspace is just going to sleep; try again in a moment');
    await assertNoPausedAncestor(db.kysely, row.id);
  }

  async function restart(id: string, request: RestartRequest): Promise<{ configDir: string }> {
    const row = await getLive(id);
    if (row.runtime === 'external')
      throw new PlatformError(
        'invalid_request',
        'an external workspace is started by its owner; rotate its credentials instead',
        { field: 'id' },
      );
    await assertStartable(row);
    if (!ports.hasBackend()) throw new PlatformError('no_backend', 'no provisioning backend is configured');
    return await ports.restart(id, request);
  }

  async function setBudget(id: string, limit: number | null): Promise<WorkspaceRow> {
    await db.tx(async (trx) => {
      const row = await store.lockWorkspace(trx, id);
      if (!row || row.status === 'removed') throw notFound('workspace');
      await store.updateColumns(trx, id, { budget_limit: limit });
    });
    facts.forget(id);
    return await getLive(id);
  }

  return {
    assertNoPausedAncestor,
    create,
    createIn,
    getVisible,
    getLive,
    list: () => store.listWorkspaces(db.kysely),
    patch,
    readDayUsage: (id: string) => store.readDayUsage(db.kysely, id),
    readState,
    restart,
    setBudget,
    transition,
    transitionIn,
    viewport: async () => (await store.readViewport(db.kysely)) ?? { x: 0, y: 0, zoom: 1 },
    saveViewport: (view: { x: number; y: number; zoom: number }) => store.saveViewport(db.kysely, view),
  };
}

export type WorkspaceService = ReturnType<typeof createWorkspaceService>;
