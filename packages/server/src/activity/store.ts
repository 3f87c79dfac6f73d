// SQL of the activity log: one insert for many rows, reads by cursor. `seq` rises in commit order within a workspace.

import { randomUUIDv7 } from 'node:crypto';
import type { ActivityQuery } from '@molecule/contract';
import { type Kysely, sql, type Transaction } from 'kysely';
import { type Tables, toJsonText } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

export interface NewActivity {
  workspaceId: string;
  type: string;
  sourceId?: string | null;
  targetId?: string | null;
  /** Who sent it when that is no workspace: `system:cron`, `channel:…`. */
  origin?: string | null;
  messageId?: string | null;
  metadata?: unknown;
  method?: string | null;
  summary?: string | null;
  requestBody?: unknown;
  responseBody?: unknown;
  /** Bytes of both bodies as they came, where the caller knows them; else they are measured. */
  bodyBytes?: number;
  toolTrace?: unknown;
  durationMs?: number | null;
  status?: string;
  errorDetail?: string | null;
  /** A poll-mode agent still has to read it. */
  inbox?: boolean;
  /** At most one row of a workspace carries a key. */
  idempotencyKey?: string | null;
}

export interface StoredActivity {
  id: string;
  seq: number;
  workspace_id: string;
  activity_type: string;
  source_id: string | null;
  target_id: string | null;
  origin: string | null;
  message_id: string | null;
  metadata: unknown;
  method: string | null;
  summary: string | null;
  request_body: unknown;
  response_body: unknown;
  tool_trace: unknown;
  duration_ms: number | null;
  status: string;
  error_detail: string | null;
  inbox: boolean;
  injected_at: Date | null;
  answered_at: Date | null;
  created_at: Date;
}

export interface InsertedActivity {
  id: string;
  created_at: Date;
}

/**
 * Inserts many rows in one statement, in their order. Each workspace's lock is held to the commit, in the order of ids so
 * that two flushes never wait for each other in a circle.
 */
export async function insertRows(db: Executor, rows: readonly NewActivity[]): Promise<InsertedActivity[]> {
  const values = rows.map((row) => ({
    // Ids that rise with the time: the index of random ones is written all over at each insert.
    id: randomUUIDv7(),
    workspace_id: row.workspaceId,
    activity_type: row.type,
    source_id: row.sourceId ?? null,
    target_id: row.targetId ?? null,
    origin: row.origin ?? null,
    message_id: row.messageId ?? null,
    metadata: row.metadata ?? null,
    method: row.method ?? null,
    summary: row.summary ?? null,
    request_body: row.requestBody ?? null,
    response_body: row.responseBody ?? null,
    tool_trace: row.toolTrace ?? null,
    duration_ms: row.durationMs === undefined || row.durationMs === null ? null : Math.round(row.durationMs),
    status: row.status ?? 'ok',
    error_detail: row.errorDetail ?? null,
    inbox: row.inbox ?? false,
    idempotency_key: row.idempotencyKey ?? null,
  }));
  const result = await sql<InsertedActivity>`/* hot:activity */
    with fresh as (
      select * from rows from (jsonb_to_recordset(${toJsonText(values)}::jsonb) as (
        id uuid, workspace_id uuid, activity_type text, source_id uuid, target_id uuid, origin text, message_id text, metadata jsonb, method text, summary text,
        request_body jsonb, response_body jsonb, tool_trace jsonb, duration_ms int, status text, error_detail text, inbox boolean, idempotency_key text
      )) with ordinality as f (id, workspace_id, activity_type, source_id, target_id, origin, message_id, metadata, method, summary,
        request_body, response_body, tool_trace, duration_ms, status, error_detail, inbox, idempotency_key, place)
    ), locked as materialized (
      select pg_advisory_xact_lock(7236003, hashtext(id)) from (select distinct workspace_id::text as id from fresh order by 1) w
    ), ordered as (
      select f.* from fresh f, (select count(*) from locked) l order by f.place
    )
    insert into activity_logs (id, workspace_id, activity_type, source_id, target_id, origin, message_id, metadata, method, summary,
      request_body, response_body, tool_trace, duration_ms, status, error_detail, inbox, idempotency_key)
    select id, workspace_id, activity_type, source_id, target_id, origin, message_id, nullif(metadata, 'null'), method, summary,
      nullif(request_body, 'null'), nullif(response_body, 'null'), nullif(tool_trace, 'null'), duration_ms, status, error_detail, inbox, idempotency_key
    from ordered
    returning id, created_at
  `.execute(db);
  return result.rows;
}

/** Looked up within the workspace only, so that a foreign id tells nothing. */
export async function findCursor(db: Executor, workspaceId: string, id: string): Promise<number | null> {
  const row = await db
    .selectFrom('activity_logs')
    .select('seq')
    .where('workspace_id', '=', workspaceId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.seq ?? null;
}

/** Rows of a workspace, newest first; oldest first after `afterSeq`. */
export function selectRows(workspaceId: string, query: ActivityQuery, afterSeq: number | null) {
  const peer = query.peer_id ?? null;
  const conditions = [sql`workspace_id = ${workspaceId}`];
  if (query.type) conditions.push(sql`activity_type = ${query.type}`);
  if (query.source === 'canvas') conditions.push(sql`source_id is null`);
  if (query.source === 'agent') conditions.push(sql`source_id is not null`);
  if (query.since_secs) conditions.push(sql`created_at > now() - make_interval(secs => ${query.since_secs})`);
  if (query.before_ts) conditions.push(sql`created_at < ${query.before_ts}::timestamptz`);
  if (afterSeq !== null) conditions.push(sql`seq > ${afterSeq}`);
  const where = sql.join(conditions, sql` and `);
  const order = afterSeq === null ? sql`seq desc` : sql`seq`;
  // What a workspace received names itself as target: those rows have no place in the index by target.
  const ofTarget = peer === workspaceId ? sql`` : sql`and target_id <> workspace_id`;
  // Two index scans of at most `limit` rows each; an OR over both columns would read the whole workspace.
  const from =
    peer === null
      ? sql`(select * from activity_logs where ${where} order by ${order} limit ${query.limit}) rows`
      : sql`((select * from activity_logs where ${where} and source_id = ${peer} order by ${order} limit ${query.limit})
          union all (select * from activity_logs where ${where} and target_id = ${peer} ${ofTarget} and source_id is distinct from ${peer}::uuid order by ${order} limit ${query.limit})) rows`;
  return sql<StoredActivity>`select * from ${from} order by ${order} limit ${query.limit}`;
}

export async function listRows(
  db: Executor,
  workspaceId: string,
  query: ActivityQuery,
  afterSeq: number | null,
): Promise<StoredActivity[]> {
  return (await selectRows(workspaceId, query, afterSeq).execute(db)).rows;
}

/** What became known of a message in an inbox. */
export interface InboxReceipt {
  id: string;
  message_id: string | null;
  injected_at: Date;
  answered_at: Date | null;
}
const receiptColumns = sql`id, message_id, injected_at, answered_at`;

/** The agent's own cursor moved to `seq`: every inbox row up to there is in a turn (receipts, chapter 20 §3.1). */
export async function markInjected(db: Executor, workspaceId: string, seq: number): Promise<InboxReceipt[]> {
  const result = await sql<InboxReceipt>`
    update activity_logs set injected_at = now()
    where workspace_id = ${workspaceId} and inbox and injected_at is null and seq <= ${seq} returning ${receiptColumns}
  `.execute(db);
  return result.rows;
}

/** A beat lists these inbox messages: a turn holds them. */
export async function markActive(db: Executor, workspaceId: string, messageIds: string[]): Promise<InboxReceipt[]> {
  const result = await sql<InboxReceipt>`
    update activity_logs set injected_at = now()
    where workspace_id = ${workspaceId} and message_id = any(${messageIds}::text[]) and inbox and injected_at is null
    returning ${receiptColumns}
  `.execute(db);
  return result.rows;
}

/** The reply to an inbox message is stored: it was read, whether or not anybody said so. */
export async function markAnswered(db: Executor, workspaceId: string, messageId: string): Promise<InboxReceipt[]> {
  const result = await sql<InboxReceipt>`
    update activity_logs set answered_at = now(), injected_at = coalesce(injected_at, now())
    where workspace_id = ${workspaceId} and message_id = ${messageId} and inbox and answered_at is null
    returning ${receiptColumns}
  `.execute(db);
  return result.rows;
}

/** The reply to this very inbox row is stored, in the transaction of the reply. */
export async function markRowAnswered(
  trx: Transaction<Tables>,
  workspaceId: string,
  id: string,
): Promise<InboxReceipt[]> {
  const result = await sql<InboxReceipt>`
    update activity_logs set answered_at = now(), injected_at = coalesce(injected_at, now())
    where workspace_id = ${workspaceId} and id = ${id} and inbox and answered_at is null
    returning ${receiptColumns}
  `.execute(trx);
  return result.rows;
}

export async function findRow(db: Executor, id: string): Promise<StoredActivity | null> {
  const result = await sql<StoredActivity>`select * from activity_logs where id = ${id}`.execute(db);
  return result.rows[0] ?? null;
}

/** When a person last said something to one of these workspaces, as far as the log knows. */
export async function findLastPersonMessage(db: Executor, workspaceIds: readonly string[]): Promise<Date | null> {
  const result = await sql<{ created_at: Date }>`
    select said.created_at from unnest(${workspaceIds}::uuid[]) w (id) cross join lateral (
      select created_at from activity_logs
      where workspace_id = w.id and activity_type = 'a2a_receive' and source_id is null and origin is null and method is distinct from 'notify'
      order by seq desc limit 1
    ) said order by said.created_at desc limit 1
  `.execute(db);
  return result.rows[0]?.created_at ?? null;
}

/** The row of an earlier attempt gives its key back. */
export async function releaseKey(trx: Transaction<Tables>, workspaceId: string, key: string): Promise<void> {
  await sql`update activity_logs set idempotency_key = null where workspace_id = ${workspaceId} and idempotency_key = ${key}`.execute(
    trx,
  );
}

/** Deletes in bounded batches; unread inbox rows stay thirty days. */
export async function deleteOld(db: Executor, days: number, limit: number): Promise<number> {
  const result = await sql`
    delete from activity_logs where id in (
      select id from activity_logs
      where created_at < now() - make_interval(days => ${days}) and (not inbox or injected_at is not null or created_at < now() - interval '30 days')
      order by created_at limit ${limit}
    ) returning id
  `.execute(db);
  return result.rows.length;
}

/**
 * Busy seats without any activity for ten minutes: their count is a leftover (chapter 20 §8). A run of a schedule is no sign of
 * life: it is skipped because of that very count, and one that was answered has a row of its own.
 */
export async function resetPhantomBusy(db: Executor, limit: number): Promise<string[]> {
  const result = await sql<{ id: string }>`
    update workspaces set active_tasks = 0, current_task = '' where id in (
      select w.id from workspaces w
      where w.active_tasks > 0 and w.status in ('online', 'degraded')
        and coalesce((
          select a.created_at from activity_logs a where a.workspace_id = w.id and a.activity_type <> 'cron_run' order by a.seq desc limit 1
        ), '-infinity') < now() - interval '10 minutes'
        and w.status_changed_at < now() - interval '10 minutes'
      limit ${limit}
    ) returning id
  `.execute(db);
  return result.rows.map((row) => row.id);
}
