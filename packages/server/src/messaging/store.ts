// SQL of the message queue from the claim on; intake/store.ts stores what comes in. Claims skip locked rows, so two drains never
// take one message.

import { randomUUID } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { type Tables, toJsonText } from '../platform/db/index.ts';
import { applyToPicked } from '../platform/lifecycle.ts';
import type { WorkspaceFacts } from '../workspaces/index.ts';
import { type QueueRow, queueLifecycle } from './lifecycle.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

export const LEASE_SECONDS = 60;
const OVERLOOKED_SECONDS = 30;
const CLAIM_LOCKS = 7236005;

/** A message of a part of the platform, without a workspace behind it. */
export interface PlatformMessage {
  workspaceId: string;
  /** Which part: `system:cron`. */
  origin: string;
  body: unknown;
  method: string;
  messageId: string;
  /** How long one delivery may take. */
  timeoutSeconds: number;
  /** The schedule it is a run of. */
  scheduleId: string | null;
}

export async function insertPlatformMessage(trx: Transaction<Tables>, message: PlatformMessage): Promise<string> {
  const row = await trx
    .insertInto('a2a_queue')
    .values({
      workspace_id: message.workspaceId,
      origin: message.origin,
      body: toJsonText(message.body),
      method: message.method,
      idempotency_key: message.messageId,
      timeout_seconds: message.timeoutSeconds,
      schedule_id: message.scheduleId,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

/** Where an agent is, and nothing that a broken column elsewhere could keep from being read. */
export async function findAddress(db: Executor, id: string): Promise<WorkspaceFacts | null> {
  const row = await db
    .selectFrom('workspaces')
    .select(['id', 'name', 'status', 'runtime', 'url', 'url_source', 'platform_inbound_secret'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) return null;
  return {
    id: row.id,
    name: row.name,
    status: row.status as WorkspaceFacts['status'],
    runtime: row.runtime,
    url: row.url,
    urlSource: row.url_source as WorkspaceFacts['urlSource'],
    inboundSecret: row.platform_inbound_secret,
    deliveryMode: 'push',
    budgetLimit: null,
    monthlySpend: 0,
    role: null,
    tier: 1,
    parentId: null,
    protocolVersion: '0.3',
    streaming: true,
    activeTasks: 0,
    maxConcurrentTasks: 1,
    capabilities: {},
    idleTimeoutSeconds: null,
  };
}

/** Why a queue is looked at: its target has room for one more, or time has passed. */
export type Occasion = 'room' | 'due';

/**
 * Messages that may be delivered: not put off any more, or tried before the target last came up. One that only met a busy target
 * (`dispatched_at` is null then) need not wait once the target has room.
 */
function deliverable(occasion: Occasion) {
  const room = occasion === 'room' ? sql`or q.dispatched_at is null` : sql``;
  return sql`(q.next_attempt_at is null or q.next_attempt_at <= now() or q.dispatched_at < w.status_changed_at ${room})
    and (q.expires_at is null or q.expires_at > now())`;
}

/** Of the workspace `w` of the statement it stands in: a message waits that may be delivered as soon as there is room. */
export const hasWaiting = sql<boolean>`exists (
  select 1 from a2a_queue q where q.workspace_id = w.id and q.status = 'queued' and not q.behind and ${deliverable('room')}
)`;

/** Of these workspaces, those with a message that may be delivered. */
export async function listWaiting(db: Executor, workspaceIds: string[]): Promise<string[]> {
  const result = await sql<{ id: string }>`/* hot:waiting */
    select w.id from workspaces w
    where w.id = any(${workspaceIds}::uuid[]) and ${hasWaiting}
  `.execute(db);
  return result.rows.map((row) => row.id);
}

/**
 * Workspaces with room and messages that have waited for half a minute: those that no event announced. Earlier they would only
 * meet a target that is still busy, and be put off.
 */
export async function listOverlooked(db: Executor, limit: number): Promise<string[]> {
  const result = await sql<{ id: string }>`
    select w.id from workspaces w
    where w.status in ('online', 'degraded') and w.active_tasks < w.max_concurrent_tasks
      and exists (
        select 1 from a2a_queue q where q.workspace_id = w.id and q.status = 'queued' and not q.behind and ${deliverable('due')}
          and q.enqueued_at < now() - make_interval(secs => ${OVERLOOKED_SECONDS})
      )
    limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.id);
}

/** What this process knows of a target's turns beyond what is stored. */
export interface Known {
  /** Of the tasks its last beat counted, so many have ended. */
  over: number;
  /** Messages that were answered and whose end is about to be stored. */
  answered: readonly string[];
}

/** A message that is handed over now, and how many its target had room for, this one included. */
export type Claimed = QueueRow & { room: number };

/**
 * The next message this target has room for, in the order they go out. What was handed over but is not yet in a beat takes room
 * too: the reported count does not know of it. Reads the order's own index from its beginning, however many wait, and not at all where
 * there is no room.
 */
export function selectClaimable(workspaceId: string, occasion: Occasion, { over, answered }: Known) {
  return sql<{ picked_id: string; room: number }>`
    select q.id as picked_id, w.room from (
      select w.id, w.status_changed_at,
        least(w.max_concurrent_tasks - greatest(w.active_tasks - ${over}::int, 0) - handed.unseen, w.max_concurrent_tasks - handed.open)::int as room
      from workspaces w cross join lateral (
        select count(*) as open, count(*) filter (where d.injected_at is null) as unseen
        from a2a_queue d where d.workspace_id = w.id and d.status = 'dispatched' and d.lease_until > now() and d.id <> all(${answered}::uuid[])
      ) handed
      where w.id = ${workspaceId}
    ) w cross join lateral (
      select q.id from a2a_queue q
      where q.workspace_id = w.id and q.status = 'queued' and not q.behind and ${deliverable(occasion)}
      order by q.priority desc, q.round, q.seq for update skip locked limit 1
    ) q
    where w.room > 0
  `;
}

/** Takes it under a fresh lease; null when there is no room, or nothing that may go. */
export async function claimNext(
  db: Executor,
  workspaceId: string,
  occasion: Occasion,
  known: Known,
): Promise<Claimed | null> {
  const pick = selectClaimable(workspaceId, occasion, known);
  return await applyToPicked(db, `claim-${occasion}`, queueLifecycle, 'claim', pick, freshLease());
}

/** Held to the commit: what the next statement reads of a target's room is true then. */
export async function lockClaims(trx: Transaction<Tables>, workspaceId: string): Promise<void> {
  await sql`/* hot:claims-lock */
    select pg_advisory_xact_lock(${sql.raw(String(CLAIM_LOCKS))}, hashtext(${workspaceId}))
  `.execute(trx);
}

/** A fresh lease: who holds its token writes the outcome. */
export function freshLease() {
  return {
    lease_token: randomUUID(),
    lease_until: sql`now() + make_interval(secs => ${LEASE_SECONDS})`,
    dispatched_at: sql`now()`,
    attempts: sql`attempts + 1`,
  };
}

/** Keeps the leases of messages that are still open here. */
export async function renewLeases(db: Executor, tokens: string[]): Promise<number> {
  const result = await sql`
    update a2a_queue set lease_until = now() + make_interval(secs => ${LEASE_SECONDS}) where lease_token = any(${tokens}::uuid[]) and status = 'dispatched' returning id
  `.execute(db);
  return result.rows.length;
}

export interface ItemKey {
  id: string;
  workspace_id: string;
  lane: string | null;
}

export async function listExpired(db: Executor, limit: number): Promise<ItemKey[]> {
  const result = await sql<ItemKey>`
    select id, workspace_id, lane from a2a_queue where status = 'queued' and expires_at is not null and expires_at <= now()
    order by expires_at limit ${limit}
  `.execute(db);
  return result.rows;
}

/** Messages of a process that died. */
export async function listAbandoned(db: Executor, limit: number): Promise<QueueRow[]> {
  const result = await sql<QueueRow>`
    select * from a2a_queue where status = 'dispatched' and lease_until < now() order by lease_until limit ${limit}
  `.execute(db);
  return result.rows;
}

/** `attempts >= 0` holds for all: the index by age serves nothing that does not name it. */
export async function listStale(
  db: Executor,
  minutes: number,
  workspaceId: string | null,
  limit: number,
): Promise<ItemKey[]> {
  const only = workspaceId === null ? sql`` : sql`and workspace_id = ${workspaceId}`;
  const result = await sql<ItemKey>`
    select id, workspace_id, lane from a2a_queue where status = 'queued' and attempts >= 0 and enqueued_at < now() - make_interval(mins => ${minutes}) ${only}
    order by enqueued_at limit ${limit}
  `.execute(db);
  return result.rows;
}

/** Forgets what ended long ago; its history stands in the activity log. */
export async function deleteFinished(db: Executor, days: number, limit: number): Promise<number> {
  const result = await sql`
    delete from a2a_queue where id in (
      select id from a2a_queue where status in ('completed', 'failed', 'dropped') and completed_at < now() - make_interval(days => ${days})
      order by completed_at limit ${limit}
    ) returning id
  `.execute(db);
  return result.rows.length;
}

export async function listActiveOf(db: Executor, workspaceIds: string[], limit: number): Promise<ItemKey[]> {
  // Apart, since each status has an index of its own by workspace.
  const of = (status: 'queued' | 'dispatched') => sql`(
    select id, workspace_id, lane from a2a_queue where workspace_id = any(${workspaceIds}::uuid[]) and status = ${sql.lit(status)} limit ${limit}
  )`;
  const result = await sql<ItemKey>`${of('queued')} union all ${of('dispatched')} limit ${limit}`.execute(db);
  return result.rows;
}

export async function findItem(db: Executor, id: string): Promise<QueueRow | null> {
  return (await db.selectFrom('a2a_queue').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The agent's turn holds these messages: a receipt, and a sign that the lease is still worked on. */
export async function markInjected(
  db: Executor,
  workspaceId: string,
  messageIds: string[],
): Promise<{ id: string; idempotency_key: string; injected_at: Date }[]> {
  const result = await sql<{ id: string; idempotency_key: string; injected_at: Date; fresh: boolean }>`
    with active as (
      select id, injected_at is null as fresh from a2a_queue
      where workspace_id = ${workspaceId} and status = 'dispatched' and idempotency_key = any(${messageIds}::text[]) for update
    )
    update a2a_queue q set injected_at = coalesce(q.injected_at, now()), lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
    from active where q.id = active.id returning q.id, q.idempotency_key, q.injected_at, active.fresh
  `.execute(db);
  return result.rows.filter((row) => row.fresh);
}

/** The delegation result that belongs to a finished message, for its caller. */
export async function findDelegationReply(db: Executor, callerId: string, delegationId: string): Promise<unknown> {
  const result = await sql<{ response_body: unknown }>`
    select response_body from activity_logs
    where workspace_id = ${callerId} and message_id = ${delegationId} and activity_type = 'delegation' and method = 'delegate_result' and status = 'completed'
    order by seq desc limit 1
  `.execute(db);
  return result.rows[0]?.response_body;
}

/** How a message that carried a delegation ended; `error` is null when it was answered. */
export interface FinishedMessage {
  delegationId: string;
  text: string;
  error: string | null;
}

/** A delegation's message carries the delegation's id as its own. One that went into an inbox is not answered by that. */
export async function findFinished(db: Executor, delegationIds: string[]): Promise<FinishedMessage[]> {
  const result = await sql<FinishedMessage>`
    select distinct on (q.idempotency_key) q.idempotency_key as "delegationId", coalesce(q.response_body ->> 'text', '') as text,
      coalesce(q.response_body ->> 'error', case when q.status <> 'completed' then coalesce(q.last_error, q.status) end) as error
    from a2a_queue q join delegations d on d.delegation_id = q.idempotency_key and d.callee_id = q.workspace_id and d.caller_id = q.caller_id
    where q.idempotency_key = any(${delegationIds}::text[]) and (q.status in ('failed', 'dropped') or q.answered_at is not null)
    order by q.idempotency_key, q.completed_at desc
  `.execute(db);
  return result.rows;
}
