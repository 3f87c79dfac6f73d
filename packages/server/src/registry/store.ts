// All SQL of registration, heartbeats, discovery and the liveness sweeps. Beats of many agents are one statement.

import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

/** One beat, already clamped. */
export interface BeatSnapshot {
  id: string;
  /** The token it came with. */
  tokenId: string;
  errorRate: number;
  sampleError: string | null;
  activeTasks: number;
  uptimeSeconds: number;
  currentTask: string;
  /** Cents; null keeps what is stored. */
  monthlySpend: number | null;
  metadata: string | null;
  needsRestart: boolean | null;
  runtimeVersion: string | null;
}

/** What the row was before the beat, and what it is now. */
export interface BeatResult {
  id: string;
  status: string;
  previous_task: string;
  current_task: string;
  previous_active: number;
  active_tasks: number;
  uptime_seconds: number;
  max_concurrent_tasks: number;
  needs_restart: boolean;
  facts_changed: boolean;
  capabilities: Record<string, boolean> | null;
  /** A message waits for it. */
  has_waiting: boolean;
}

/**
 * Stores the beats of many workspaces in one statement. Ids that are unknown or removed, or whose token is not live any more, come
 * back with no row. `hasWaiting` tells of the workspace `w` whether a message waits.
 * The commit is not waited for on disk: a lost beat is replaced by the next (design: heartbeats need no durability).
 */
export async function storeBeats(
  db: Executor,
  beats: readonly BeatSnapshot[],
  hasWaiting: RawBuilder<boolean>,
): Promise<BeatResult[]> {
  const result = await sql<BeatResult>`/* hot:beats */
    with beat as (
      select * from jsonb_to_recordset(${JSON.stringify(beats)}::jsonb) as b (
        id uuid, "tokenId" uuid, "errorRate" double precision, "sampleError" text, "activeTasks" int, "uptimeSeconds" bigint,
        "currentTask" text, "monthlySpend" bigint, metadata text, "needsRestart" boolean, "runtimeVersion" text
      ), (select set_config('synchronous_commit', 'off', true)) as relaxed
    ), before as (
      select w.id, w.current_task, w.active_tasks, w.monthly_spend, w.runtime_metadata, w.status
      from workspaces w join beat on beat.id = w.id
      join workspace_auth_tokens t on t.id = beat."tokenId" and t.workspace_id = w.id and t.revoked_at is null
      where w.status <> 'removed' order by w.id for no key update of w
    )
    update workspaces w set
      last_heartbeat_at = clock_timestamp(),
      last_error_rate = beat."errorRate",
      last_sample_error = case when before.status = 'failed' then w.last_sample_error else beat."sampleError" end,
      active_tasks = beat."activeTasks",
      idle_since = case when beat."activeTasks" > 0 then null else coalesce(w.idle_since, clock_timestamp()) end,
      uptime_seconds = beat."uptimeSeconds",
      current_task = beat."currentTask",
      monthly_spend = coalesce(beat."monthlySpend", w.monthly_spend),
      runtime_metadata = beat.metadata::jsonb,
      needs_restart = w.needs_restart or coalesce(beat."needsRestart", false),
      runtime_version = coalesce(beat."runtimeVersion", w.runtime_version)
    from beat join before on before.id = beat.id
    where w.id = beat.id
    returning w.id, w.status::text, before.current_task as previous_task, w.current_task, before.active_tasks as previous_active, w.active_tasks,
      w.uptime_seconds, w.max_concurrent_tasks, w.needs_restart, w.runtime_metadata -> 'capabilities' as capabilities,
      ${hasWaiting} as has_waiting,
      (before.monthly_spend is distinct from w.monthly_spend or before.runtime_metadata is distinct from w.runtime_metadata) as facts_changed
  `.execute(db);
  return result.rows;
}

export interface GateRow {
  id: string;
  status: string;
  is_enrolling: boolean;
  runtime: string;
  delivery_mode: string | null;
  url_source: string | null;
  url: string | null;
  has_live_token: boolean;
}

const gateColumns = sql`w.id, w.status::text, coalesce(w.enroll_until > now(), false) as is_enrolling, w.runtime, w.delivery_mode, w.url_source, w.url,
  exists (select 1 from workspace_auth_tokens t where t.workspace_id = w.id and t.revoked_at is null) as has_live_token`;

export async function findGate(db: Executor, id: string): Promise<GateRow | null> {
  const result = await sql<GateRow>`select ${gateColumns} from workspaces w where w.id = ${id}`.execute(db);
  return result.rows[0] ?? null;
}

/** Locks the row: of two bootstrapping agents one waits and then sees the other's token. */
export async function lockGate(trx: Transaction<Tables>, id: string): Promise<GateRow | null> {
  // Not stronger: a second change of a child's row in one transaction looks at its parent, and may hold the log meanwhile.
  await sql`select 1 from workspaces where id = ${id} for no key update`.execute(trx);
  return await findGate(trx, id);
}

export async function closeEnrolment(trx: Transaction<Tables>, id: string): Promise<void> {
  await trx.updateTable('workspaces').set({ enroll_until: null }).where('id', '=', id).execute();
}

/** @returns true when the secret was absent and is now `secret`. */
export async function saveMissingSecret(db: Executor, id: string, secret: string): Promise<boolean> {
  const result = await sql<{ id: string }>`
    update workspaces set platform_inbound_secret = ${secret} where id = ${id} and coalesce(platform_inbound_secret, '') = '' returning id
  `.execute(db);
  return result.rows.length > 0;
}

export async function readSecret(db: Executor, id: string): Promise<string | null> {
  const row = await db
    .selectFrom('workspaces')
    .select('platform_inbound_secret')
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.platform_inbound_secret ?? null;
}

export async function saveCard(trx: Transaction<Tables>, id: string, card: string): Promise<boolean> {
  const result = await sql<{
    id: string;
  }>`update workspaces set agent_card = ${card}::jsonb, updated_at = now() where id = ${id} and status <> 'removed' returning id`.execute(
    trx,
  );
  return result.rows.length > 0;
}

export interface PeerRow {
  id: string;
  name: string;
  role: string | null;
  tier: number;
  status: string;
  agent_card: unknown;
  url: string | null;
  parent_id: string | null;
  active_tasks: number;
}

const MOST_PEERS = 1_000;

/** Siblings, children and parent, as far as they live. `needle` is matched in name or role, whatever its case. */
export async function listPeers(db: Executor, id: string, needle: string | null): Promise<PeerRow[]> {
  const pattern = needle === null ? null : `%${needle.replace(/[\\%_]/g, '\\$&')}%`;
  const result = await sql<PeerRow>`
    with me as (select id, parent_id from workspaces where id = ${id})
    select p.id, p.name, p.role, p.tier, p.status::text, p.agent_card, p.url, p.parent_id, p.active_tasks
    from workspaces p, me
    where p.status <> 'removed' and p.id <> me.id
      and (p.parent_id = me.id or p.id = me.parent_id or p.parent_id is not distinct from me.parent_id)
      and (${pattern}::text is null or p.name ilike ${pattern} or coalesce(p.role, '') ilike ${pattern})
    order by p.created_at, p.id limit ${MOST_PEERS}
  `.execute(db);
  return result.rows;
}

/** The last beat is older than the limit; holds also as the guard of a transition, for a beat that came meanwhile. */
export function isSilentFor(seconds: number): RawBuilder<boolean> {
  return sql<boolean>`coalesce(last_heartbeat_at, status_changed_at) < now() - make_interval(secs => ${seconds})`;
}

/** Online or degraded seats without a beat for longer than their limit, the longest silent first. A null limit: not these. */
export async function listSilent(
  db: Executor,
  input: { silentSeconds: number | null; externalSeconds: number | null; limit: number },
): Promise<{ id: string; runtime: string }[]> {
  const any = (condition: RawBuilder<boolean>, seconds: number | null) =>
    seconds === null ? sql`false` : sql`(${condition} and ${isSilentFor(seconds)})`;
  const result = await sql<{ id: string; runtime: string }>`
    select id, runtime from workspaces
    where status in ('online', 'degraded')
      and (${any(sql`runtime = 'external'`, input.externalSeconds)} or ${any(sql`runtime <> 'external'`, input.silentSeconds)})
    order by last_heartbeat_at nulls first limit ${input.limit}
  `.execute(db);
  return result.rows;
}
