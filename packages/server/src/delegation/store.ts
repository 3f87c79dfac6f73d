// SQL of the delegation ledger and its mirror rows in the activity log.

import { MOST_DELEGATION_HOPS } from '@molecule/contract';
import { type Kysely, sql, type Transaction } from 'kysely';
import { json, type Tables, toPlainText } from '../platform/db/index.ts';
import type { DelegationRow } from './lifecycle.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

export const LEASE_SECONDS = 60;

export interface NewDelegation {
  id: string;
  callerId: string;
  calleeId: string;
  task: string;
  taskPreview: string;
  idempotencyKey: string | null;
  /** Whose job carries it out; null: the agent sent the message itself. */
  lease: string | null;
  /** Which delegation its caller works on; null: none that is known. */
  parentId: string | null;
  /** Workspaces from the first caller of the chain to the callee. */
  path: string[];
}

/** The acceptance. @returns null when the id or the caller's key is taken. */
export async function insertDelegation(trx: Transaction<Tables>, row: NewDelegation): Promise<DelegationRow | null> {
  const until = row.lease === null ? null : sql`now() + make_interval(secs => ${LEASE_SECONDS})`;
  const result = await sql<DelegationRow>`
    insert into delegations (delegation_id, caller_id, callee_id, task, task_preview, idempotency_key, executed_here, lease_token, lease_until,
      parent_delegation_id, path)
    values (${row.id}, ${row.callerId}, ${row.calleeId}, ${row.task}, ${row.taskPreview}, ${row.idempotencyKey}, ${row.lease !== null}, ${row.lease}, ${until},
      ${row.parentId}, ${row.path}::uuid[])
    on conflict do nothing returning *
  `.execute(trx);
  return result.rows[0] ?? null;
}

export async function findDelegation(db: Executor, id: string): Promise<DelegationRow | null> {
  return (await db.selectFrom('delegations').selectAll().where('delegation_id', '=', id).executeTakeFirst()) ?? null;
}

export async function findByKey(db: Executor, callerId: string, key: string): Promise<DelegationRow | null> {
  return (
    (await db
      .selectFrom('delegations')
      .selectAll()
      .where('caller_id', '=', callerId)
      .where('idempotency_key', '=', key)
      .executeTakeFirst()) ?? null
  );
}

/** A failed delegation gives its key back, so that the task can be handed out again. @returns whether one did. */
export async function releaseFailedKey(trx: Transaction<Tables>, callerId: string, key: string): Promise<boolean> {
  const result = await sql`
    update delegations set idempotency_key = null
    where caller_id = ${callerId} and idempotency_key = ${key} and status in ('failed', 'stuck') returning delegation_id
  `.execute(trx);
  return result.rows.length > 0;
}

/**
 * Takes delegations nobody works on, under a lease: queued ones first, then dispatched ones whose process died in the call (their
 * message id is repeated, and the receiver knows it).
 */
export async function claimUnattended(db: Executor, token: string, limit: number): Promise<DelegationRow[]> {
  const result = await sql<DelegationRow>`
    with queued as (
      select delegation_id from delegations where status = 'queued' and executed_here and (lease_until is null or lease_until < now())
      order by created_at for update skip locked limit ${limit}
    ), abandoned as (
      select delegation_id from delegations where status in ('dispatched', 'in_progress') and executed_here and lease_token is not null and lease_until < now()
      order by lease_until for update skip locked limit ${limit}
    )
    update delegations set lease_token = ${token}, lease_until = now() + make_interval(secs => ${LEASE_SECONDS})
    where delegation_id in (select delegation_id from queued union all select delegation_id from abandoned limit ${limit})
    returning *
  `.execute(db);
  return result.rows;
}

export async function renewLeases(db: Executor, token: string, ids: string[]): Promise<number> {
  const result = await sql`
    update delegations set lease_until = now() + make_interval(secs => ${LEASE_SECONDS}) where lease_token = ${token} and delegation_id = any(${ids}::text[]) returning delegation_id
  `.execute(db);
  return result.rows.length;
}

/** The message waits in the target's queue now, which has leases of its own. @returns false when the lease is gone, or the delegation over. */
export async function releaseLease(trx: Transaction<Tables>, id: string, token: string): Promise<boolean> {
  const result = await sql`
    update delegations set lease_token = null, lease_until = null, updated_at = now()
    where delegation_id = ${id} and lease_token = ${token} and status in ('queued', 'dispatched', 'in_progress') returning delegation_id
  `.execute(trx);
  return result.rows.length > 0;
}

/** This process works on nothing any more: whoever comes next need not wait for its leases to run out. */
export async function expireLeases(db: Executor, token: string): Promise<void> {
  await sql`
    update delegations set lease_until = now() where lease_token = ${token} and status in ('queued', 'dispatched', 'in_progress')
  `.execute(db);
}

export interface MirrorRow {
  id: string;
  method: string;
  source_id: string | null;
  target_id: string | null;
  summary: string | null;
  status: string;
  created_at: Date;
  delegation_id: string | null;
  error_detail: string | null;
  text: string | null;
  injected_at: Date | null;
  answered_at: Date | null;
}

/** The caller's rows, newest first; the id may stand in either body. */
export async function listMirror(db: Executor, workspaceId: string, limit: number): Promise<MirrorRow[]> {
  const result = await sql<MirrorRow>`
    select a.id, a.method, a.source_id, a.target_id, a.summary, a.status, a.created_at, a.error_detail, a.delegation_id, a.text, d.injected_at, d.answered_at
    from (
      select *, coalesce(response_body ->> 'delegation_id', request_body ->> 'delegation_id') as delegation_id, response_body ->> 'text' as text
      from activity_logs where workspace_id = ${workspaceId} and activity_type = 'delegation' order by seq desc limit ${limit}
    ) a
    left join delegations d on d.delegation_id = a.delegation_id
    order by a.seq desc
  `.execute(db);
  return result.rows;
}

type MirrorKey = Pick<DelegationRow, 'caller_id' | 'delegation_id'>;
/** Both mirror rows carry the delegation's id as their message id, which is what they are found by. */
const mirrorOf = ({ caller_id: callerId, delegation_id: id }: MirrorKey) =>
  sql`workspace_id = ${callerId} and message_id = ${id} and activity_type = 'delegation'`;

/** Moves the mirror rows to the final state. @returns whether there is a `delegate_result` row among them. */
export async function updateMirror(
  trx: Transaction<Tables>,
  key: MirrorKey,
  input: { status: string; result: unknown; summary: string; error: string | null },
): Promise<boolean> {
  const result = await sql<{ method: string }>`
    update activity_logs set status = ${input.status}, error_detail = ${input.error === null ? null : toPlainText(input.error)},
      response_body = case when method = 'delegate_result' then ${json(input.result)} else response_body end,
      summary = case when method = 'delegate_result' then ${toPlainText(input.summary)} else summary end
    where ${mirrorOf(key)} returning method
  `.execute(trx);
  return result.rows.some((row) => row.method === 'delegate_result');
}

export async function setMirrorStatus(db: Executor, key: MirrorKey, status: string): Promise<void> {
  await sql`update activity_logs set status = ${status} where ${mirrorOf(key)} and method = 'delegate'`.execute(db);
}

/** The one retry of a delegation that was certainly not delivered. */
export async function countRetry(db: Executor, id: string): Promise<void> {
  await sql`update delegations set retry_count = retry_count + 1, updated_at = now() where delegation_id = ${id}`.execute(
    db,
  );
}

/** Delegations whose message waits in a queue or an inbox, page by page in the order of ids. */
export async function listHandedOver(db: Executor, after: string, limit: number): Promise<string[]> {
  const result = await sql<{ delegation_id: string }>`
    select delegation_id from delegations
    where status in ('dispatched', 'in_progress') and lease_token is null and executed_here and updated_at < now() - interval '10 seconds'
      and delegation_id > ${after}
    order by delegation_id limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.delegation_id);
}

/** True once per delegation: who gets it tells the caller. */
export async function claimTelling(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const result = await sql`
    update delegations set inbox_pushed = true where delegation_id = ${id} and not inbox_pushed returning delegation_id
  `.execute(trx);
  return result.rows.length > 0;
}

export async function listUntold(db: Executor, limit: number): Promise<DelegationRow[]> {
  return await db
    .selectFrom('delegations')
    .selectAll()
    .where('status', 'in', ['completed', 'failed', 'stuck'])
    .where('inbox_pushed', '=', false)
    .orderBy('updated_at')
    .limit(limit)
    .execute();
}

export async function isLive(db: Executor, workspaceId: string): Promise<boolean> {
  const result = await sql`select 1 from workspaces where id = ${workspaceId} and status <> 'removed'`.execute(db);
  return result.rows.length > 0;
}

const UNFINISHED = sql`status in ('queued', 'dispatched', 'in_progress')`;

/** A sign of life of unfinished ones, from either side. `fresh`: the callee holds it since now. Locked in the order of ids. */
export async function touch(
  db: Executor,
  ids: string[],
  workspaceId: string,
): Promise<(DelegationRow & { fresh: boolean })[]> {
  const result = await sql<DelegationRow & { fresh: boolean }>`
    with alive as (
      select delegation_id as id, callee_id = ${workspaceId} and injected_at is null as fresh from delegations
      where delegation_id = any(${ids}::text[]) and (caller_id = ${workspaceId} or callee_id = ${workspaceId}) and ${UNFINISHED}
      order by delegation_id for update
    )
    update delegations d set last_heartbeat = now(), injected_at = case when alive.fresh then now() else d.injected_at end,
      lease_until = case when d.lease_token is null then null else now() + make_interval(secs => ${LEASE_SECONDS}) end
    from alive where d.delegation_id = alive.id returning d.*, alive.fresh
  `.execute(db);
  return result.rows;
}

/** The callee holds these messages, which are delegations' own where their ids are. */
export async function markInjected(db: Executor, workspaceId: string, messageIds: string[]): Promise<DelegationRow[]> {
  const result = await sql<DelegationRow>`
    update delegations set injected_at = now()
    where delegation_id in (
      select delegation_id from delegations
      where delegation_id = any(${messageIds}::text[]) and callee_id = ${workspaceId} and injected_at is null and ${UNFINISHED}
      order by delegation_id for update
    ) returning *
  `.execute(db);
  return result.rows;
}

export async function listOverdue(db: Executor, limit: number): Promise<string[]> {
  const result = await sql<{ delegation_id: string }>`
    select delegation_id from delegations where status in ('queued', 'dispatched', 'in_progress') and deadline < now() order by deadline limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.delegation_id);
}

export async function listSilent(
  db: Executor,
  seconds: number,
  limit: number,
): Promise<{ delegation_id: string; silent_seconds: number }[]> {
  const result = await sql<{ delegation_id: string; silent_seconds: number }>`
    select delegation_id, extract(epoch from now() - last_heartbeat)::int as silent_seconds from delegations
    where status in ('queued', 'dispatched', 'in_progress') and last_heartbeat < now() - make_interval(secs => ${seconds}) order by last_heartbeat limit ${limit}
  `.execute(db);
  return result.rows;
}

export async function listUnfinishedOf(db: Executor, workspaceIds: string[], limit: number): Promise<string[]> {
  const result = await sql<{ delegation_id: string }>`
    select delegation_id from delegations where status in ('queued', 'dispatched', 'in_progress') and (callee_id = any(${workspaceIds}::uuid[]) or caller_id = any(${workspaceIds}::uuid[]))
    order by delegation_id limit ${limit} for update
  `.execute(db);
  return result.rows.map((row) => row.delegation_id);
}

/** What a delegation under way tells of the chain of one its callee hands out. */
export type ParentRow = Pick<DelegationRow, 'delegation_id' | 'caller_id' | 'callee_id' | 'path'>;

/**
 * The one delegation a workspace can be working on, for one that does not say: nothing else is handed to it, it runs one turn at a
 * time, it does run one, and its last beat, not a minute old, listed this delegation.
 */
export async function findCertainParent(db: Executor, workspaceId: string): Promise<ParentRow | null> {
  const result = await sql<ParentRow & { certain: boolean }>`
    select d.delegation_id, d.caller_id, d.callee_id, d.path,
      coalesce(d.status = 'in_progress' and d.last_heartbeat >= w.last_heartbeat_at and w.last_heartbeat_at > now() - interval '1 minute'
        and w.max_concurrent_tasks = 1 and w.active_tasks = 1, false) as certain
    from delegations d join workspaces w on w.id = d.callee_id
    where d.callee_id = ${workspaceId} and d.${UNFINISHED} order by d.created_at limit 2
  `.execute(db);
  const [only, another] = result.rows;
  return only?.certain && !another ? only : null;
}

/** The delegations of a chain, the first one first. */
export async function listChain(db: Executor, lastId: string): Promise<string[]> {
  const result = await sql<{ delegation_id: string }>`
    with recursive chain as (
      select delegation_id, parent_delegation_id, 1 as hop from delegations where delegation_id = ${lastId}
      union all
      select d.delegation_id, d.parent_delegation_id, c.hop + 1 from chain c join delegations d on d.delegation_id = c.parent_delegation_id
      where c.hop < ${MOST_DELEGATION_HOPS}
    )
    select delegation_id from chain order by hop desc
  `.execute(db);
  return result.rows.map((row) => row.delegation_id);
}

export interface Between {
  delegation_id: string;
  caller_id: string;
  created_at: Date;
}

/** What two workspaces handed to each other lately, newest first. */
export async function listBetween(
  db: Executor,
  a: string,
  b: string,
  seconds: number,
  limit: number,
): Promise<Between[]> {
  const oneWay = (caller: string, callee: string) => sql`(
    select delegation_id, caller_id, created_at from delegations
    where caller_id = ${caller} and callee_id = ${callee} and created_at > now() - make_interval(secs => ${seconds})
    order by created_at desc limit ${limit})`;
  const result = await sql<Between>`
    select * from (${oneWay(a, b)} union all ${oneWay(b, a)}) between_them order by created_at desc limit ${limit}
  `.execute(db);
  return result.rows;
}

const STATES = {
  in_flight: ['queued', 'dispatched', 'in_progress'],
  stuck: ['stuck'],
  failed: ['failed'],
  completed: ['completed'],
};
export type LedgerState = keyof typeof STATES;

export async function listByState(db: Executor, state: LedgerState, limit: number): Promise<DelegationRow[]> {
  return await db
    .selectFrom('delegations')
    .selectAll()
    .where('status', 'in', STATES[state])
    .orderBy('updated_at', 'desc')
    .limit(limit)
    .execute();
}

export async function countByStatus(db: Executor): Promise<Record<string, number>> {
  const result = await sql<{
    status: string;
    count: number;
  }>`select status, count(*)::int as count from delegations group by status`.execute(db);
  return Object.fromEntries(result.rows.map((row) => [row.status, row.count]));
}
