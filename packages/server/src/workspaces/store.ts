// All SQL of the workspaces domain, one function per statement. Status is written by the lifecycle helper alone.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';
import type { WorkspaceRow } from './lifecycle.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

export interface ListedWorkspace extends WorkspaceRow {
  x: number;
  y: number;
  collapsed: boolean;
  queue_depth: number;
}

/** A canvas shows every seat at once; an organisation beyond this is paged by `GET /workspaces?…` when it exists. */
const MOST_WORKSPACES = 10_000;

const listedColumns = sql`w.*, coalesce(l.x, 0) as x, coalesce(l.y, 0) as y, coalesce(l.collapsed, false) as collapsed,
  (select count(*)::int from a2a_queue q where q.workspace_id = w.id and q.status = 'queued') as queue_depth`;

export async function listWorkspaces(db: Executor): Promise<ListedWorkspace[]> {
  const result = await sql<ListedWorkspace>`
    select ${listedColumns} from workspaces w left join canvas_layouts l on l.workspace_id = w.id
    where w.status <> 'removed' order by w.created_at, w.id limit ${MOST_WORKSPACES}
  `.execute(db);
  return result.rows;
}

export async function findListed(db: Executor, id: string): Promise<ListedWorkspace | null> {
  const result = await sql<ListedWorkspace>`
    select ${listedColumns} from workspaces w left join canvas_layouts l on l.workspace_id = w.id where w.id = ${id}
  `.execute(db);
  return result.rows[0] ?? null;
}

export async function findWorkspace(db: Executor, id: string): Promise<WorkspaceRow | null> {
  const row = await db.selectFrom('workspaces').selectAll().where('id', '=', id).executeTakeFirst();
  return row ?? null;
}

export async function listWorkspacesById(db: Executor, ids: readonly string[]): Promise<WorkspaceRow[]> {
  return await db.selectFrom('workspaces').selectAll().where('id', 'in', ids).execute();
}

/** Locks the row until the transaction ends; its children may still be written, whose foreign key looks at it. */
export async function lockWorkspace(trx: Transaction<Tables>, id: string): Promise<WorkspaceRow | null> {
  const row = await trx.selectFrom('workspaces').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst();
  return row ?? null;
}

/** One lock for the shape of the tree, held to the end of the transaction: two moves never form a cycle together. */
const TREE_LOCK = 7_236_003;

export async function lockTree(trx: Transaction<Tables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${TREE_LOCK})`.execute(trx);
}

/** By id, so that nobody who locks several waits for somebody who waits for him. */
export async function lockWorkspaces(trx: Transaction<Tables>, ids: string[]): Promise<void> {
  await sql`select 1 from workspaces where id = any(${ids}::uuid[]) order by id for no key update`.execute(trx);
}

/** Locks those that live, as `lockWorkspaces` does. @returns how many they are. */
export async function lockLive(trx: Transaction<Tables>, ids: string[]): Promise<number> {
  const result = await sql`
    select 1 from workspaces where id = any(${ids}::uuid[]) and status <> 'removed' order by id for no key update
  `.execute(trx);
  return result.rows.length;
}

/** Keeps a parent from being removed until its new child is committed. @returns false when it was removed or never was. */
export async function holdParent(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const result = await sql`select 1 from workspaces where id = ${id} and status <> 'removed' for share`.execute(trx);
  return result.rows.length > 0;
}

export async function findByParentAndName(
  db: Executor,
  parentId: string | null,
  name: string,
): Promise<{ id: string; tier: number; x: number; y: number } | null> {
  const result = await sql<{ id: string; tier: number; x: number; y: number }>`
    select w.id, w.tier, coalesce(l.x, 0) as x, coalesce(l.y, 0) as y
    from workspaces w left join canvas_layouts l on l.workspace_id = w.id
    where w.parent_id is not distinct from ${parentId}::uuid and w.name = ${name} and w.status <> 'removed'
    order by w.created_at limit 1
  `.execute(db);
  return result.rows[0] ?? null;
}

export interface NewWorkspaceRow {
  id: string;
  name: string;
  role: string | null;
  tier: number;
  runtime: string;
  parent_id: string | null;
  url: string | null;
  url_source: 'agent' | null;
  delivery_mode: 'push' | 'poll' | null;
  max_concurrent_tasks: number;
  budget_limit: number | null;
  hibernation_idle_minutes: number | null;
  workspace_dir: string | null;
  workspace_access: string;
  template: string | null;
  source_bundle_id: string | null;
}

export async function insertWorkspace(
  trx: Transaction<Tables>,
  row: NewWorkspaceRow,
  point: { x: number; y: number },
): Promise<WorkspaceRow> {
  const inserted = await trx.insertInto('workspaces').values(row).returningAll().executeTakeFirstOrThrow();
  await trx
    .insertInto('canvas_layouts')
    .values({ workspace_id: row.id, ...point })
    .execute();
  return inserted;
}

export async function updateColumns(
  trx: Transaction<Tables>,
  id: string,
  columns: Record<string, unknown>,
): Promise<void> {
  await trx
    .updateTable('workspaces')
    .set({ ...columns, updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

export async function saveLayout(
  trx: Transaction<Tables>,
  id: string,
  layout: { x?: number; y?: number; collapsed?: boolean },
): Promise<void> {
  await sql`
    insert into canvas_layouts (workspace_id, x, y, collapsed)
    values (${id}, ${layout.x ?? 0}, ${layout.y ?? 0}, ${layout.collapsed ?? false})
    on conflict (workspace_id) do update set
      x = coalesce(${layout.x ?? null}::double precision, canvas_layouts.x),
      y = coalesce(${layout.y ?? null}::double precision, canvas_layouts.y),
      collapsed = coalesce(${layout.collapsed ?? null}::boolean, canvas_layouts.collapsed)
  `.execute(trx);
}

/** Ids from a workspace up to its root, itself first. Ends at a cycle. */
export async function listAncestry(
  db: Executor,
  id: string,
): Promise<{ id: string; parent_id: string | null; name: string; status: string }[]> {
  const result = await sql<{ id: string; parent_id: string | null; name: string; status: string }>`
    with recursive up as (
      select id, parent_id, name, status::text, 0 as depth from workspaces where id = ${id}
      union all
      select p.id, p.parent_id, p.name, p.status::text, up.depth + 1 from workspaces p join up on p.id = up.parent_id
    ) cycle id set looped using trail
    select id, parent_id, name, status from up where not looped order by depth
  `.execute(db);
  return result.rows;
}

/** The workspace and everything under it, tombstones included, deepest last. */
export async function listSubtree(db: Executor, id: string): Promise<{ id: string }[]> {
  const result = await sql<{ id: string }>`
    with recursive down as (
      select id, 0 as depth from workspaces where id = ${id}
      union all
      select c.id, down.depth + 1 from workspaces c join down on c.parent_id = down.id
    ) cycle id set looped using trail
    select id from down where not looped order by depth, id
  `.execute(db);
  return result.rows;
}

export async function listLiveChildren(db: Executor, id: string): Promise<{ id: string; name: string }[]> {
  return await db
    .selectFrom('workspaces')
    .select(['id', 'name'])
    .where('parent_id', '=', id)
    .where('status', '<>', 'removed')
    .orderBy('created_at')
    .limit(MOST_WORKSPACES)
    .execute();
}

/** Idle for longer than it may be (chapter 10 §8); holds also as the guard of the claim. */
export const isSleepy = sql<boolean>`hibernation_idle_minutes > 0 and status in ('online', 'degraded') and active_tasks = 0
  and runtime <> 'external' and last_heartbeat_at is not null
  and idle_since < now() - make_interval(mins => hibernation_idle_minutes)`;

/** Those whose status changed last come last, so that one that cannot be stopped does not keep the others awake. */
export async function listSleepy(db: Executor, limit: number): Promise<string[]> {
  const result = await sql<{ id: string }>`
    select id from workspaces where ${isSleepy} order by status_changed_at, id limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.id);
}

const UNFINISHED_MINUTES = 5;

/** Claimed for sleep by somebody who never came back. */
export async function listUnfinishedSleep(db: Executor, limit: number): Promise<string[]> {
  const result = await sql<{ id: string }>`
    select id from workspaces
    where status = 'hibernating' and status_changed_at < now() - make_interval(mins => ${UNFINISHED_MINUTES})
    order by status_changed_at, id limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.id);
}

export async function deleteLayouts(trx: Transaction<Tables>, ids: string[]): Promise<void> {
  await trx.deleteFrom('canvas_layouts').where('workspace_id', 'in', ids).execute();
}

/** Deletes rows for good; children tables cascade. References from rows that stay are cleared first. */
export async function purgeWorkspaces(trx: Transaction<Tables>, ids: string[]): Promise<void> {
  await trx.updateTable('workspaces').set({ parent_id: null }).where('parent_id', 'in', ids).execute();
  await trx.updateTable('workspaces').set({ forwarded_to: null }).where('forwarded_to', 'in', ids).execute();
  await trx.deleteFrom('workspaces').where('id', 'in', ids).execute();
}

export async function readViewport(db: Executor): Promise<{ x: number; y: number; zoom: number } | null> {
  return (
    (await db.selectFrom('canvas_viewport').select(['x', 'y', 'zoom']).where('id', '=', 1).executeTakeFirst()) ?? null
  );
}

export async function saveViewport(db: Executor, view: { x: number; y: number; zoom: number }): Promise<void> {
  await sql`
    insert into canvas_viewport (id, x, y, zoom) values (1, ${view.x}, ${view.y}, ${view.zoom})
    on conflict (id) do update set x = excluded.x, y = excluded.y, zoom = excluded.zoom, saved_at = now()
  `.execute(db);
}

/** Hops a pointer to a replacement is followed (chapter 10 §1.1). */
const MOST_HOPS = 5;

/** The live workspace the pointers of a tombstone lead to; null when they end at none within five hops. */
export async function findReplacement(db: Executor, id: string): Promise<string | null> {
  const result = await sql<{ id: string }>`
    with recursive onward as (
      select forwarded_to as next, 1 as hop from workspaces where id = ${id}
      union all
      select w.forwarded_to, onward.hop + 1 from workspaces w join onward on w.id = onward.next
      where w.status = 'removed' and onward.hop < ${MOST_HOPS}
    )
    select w.id from onward join workspaces w on w.id = onward.next where w.status <> 'removed'
  `.execute(db);
  return result.rows[0]?.id ?? null;
}

export async function findActiveAgent(trx: Transaction<Tables>, workspaceId: string) {
  const row = await trx
    .selectFrom('agents')
    .selectAll()
    .where('workspace_id', '=', workspaceId)
    .where('status', '=', 'active')
    .executeTakeFirst();
  return row ?? null;
}

export async function insertAgent(
  trx: Transaction<Tables>,
  agent: { id: string; workspace_id: string; model: string },
) {
  return await trx.insertInto('agents').values(agent).returningAll().executeTakeFirstOrThrow();
}

export async function moveAgent(trx: Transaction<Tables>, id: string, targetId: string) {
  return await trx
    .updateTable('agents')
    .set({ workspace_id: targetId })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function readConfig(db: Executor, id: string): Promise<Record<string, unknown>> {
  const row = await db.selectFrom('workspace_config').select('data').where('workspace_id', '=', id).executeTakeFirst();
  return (row?.data ?? {}) as Record<string, unknown>;
}

export async function saveConfig(trx: Transaction<Tables>, id: string, data: Record<string, unknown>): Promise<void> {
  await sql`
    insert into workspace_config (workspace_id, data) values (${id}, ${JSON.stringify(data)}::jsonb)
    on conflict (workspace_id) do update set data = excluded.data
  `.execute(trx);
}

export interface DayUsage {
  input_tokens: number;
  output_tokens: number;
  total_calls: number;
  estimated_cost_usd: string;
  period_start: string;
  period_end: string;
}

/** The current UTC day by the database's clock, which is the one usage is counted by. */
export async function readDayUsage(db: Executor, id: string): Promise<DayUsage> {
  const result = await sql<DayUsage>`
    select coalesce(u.input_tokens, 0)::bigint as input_tokens, coalesce(u.output_tokens, 0)::bigint as output_tokens,
      coalesce(u.call_count, 0)::bigint as total_calls,
      coalesce(u.estimated_cost_usd, 0)::numeric(12, 6)::text as estimated_cost_usd,
      to_char(day, 'YYYY-MM-DD"T00:00:00Z"') as period_start, to_char(day + 1, 'YYYY-MM-DD"T00:00:00Z"') as period_end
    from (select (now() at time zone 'utc')::date as day) today
    left join workspace_token_usage u on u.workspace_id = ${id} and u.period_start = day
  `.execute(db);
  const [row] = result.rows;
  if (!row) throw new Error('a day without a row');
  return row;
}
