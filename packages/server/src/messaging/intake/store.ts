// SQL of accepting messages: many in one statement, each with its place in the order, unless its caller has too many waiting.

import { type Kysely, sql, type Transaction } from 'kysely';
import { type Tables, toJsonText, toPlainText } from '../../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

/** Beyond what a timestamp can carry a message simply never expires; ten years are as good. */
const MOST_EXPIRY_SECONDS = 315_360_000;
const NOBODY = '00000000-0000-0000-0000-000000000000';
/** Nobody counts further than this to tell a sender how many wait. */
export const MOST_DEPTH = 1_000;
const LANE_LOCKS = 7236004;
/** A server has room for some thousands of locks; lanes that share one wait for each other no longer than a commit takes. */
const LOCKS_FOR_LANES = 256;

export interface NewMessage {
  id: string;
  workspaceId: string;
  callerId: string | null;
  origin: string | null;
  callerKey: string;
  lane: string | null;
  body: unknown;
  bodyHash: Buffer;
  method: string;
  messageId: string | null;
  /** Seconds until it is worthless; null = never. */
  expiresInSeconds: number | null;
}

export interface StoredMessage {
  /** That of the same message, where one waits already; null: its caller has too many waiting. */
  id: string | null;
  /** An earlier one of its lane has not ended. */
  behind: boolean;
  /** How many wait for its target, itself included; not counted beyond `MOST_DEPTH`. */
  depth: number;
}

/**
 * Held to the commit by whoever adds to a lane, or to a target's queue, or ends a message of a lane: what the next statement reads of
 * it is true then.
 * In one order, so that two never wait for each other in a circle.
 */
export async function lockLanes(trx: Transaction<Tables>, lanes: readonly string[]): Promise<void> {
  if (lanes.length === 0) return;
  await sql`/* hot:lanes */
    select pg_advisory_xact_lock(${sql.raw(String(LANE_LOCKS))}, key) from (select distinct hashtext(lane) & ${sql.raw(String(LOCKS_FOR_LANES - 1))} as key from unnest(${lanes}::text[]) l (lane) order by 1) k
  `.execute(trx);
}

/** Lets the first message of each lane go, under the lock. Planned each time: a plan for a short queue would read a long one whole. */
export async function releaseLanes(trx: Transaction<Tables>, lanes: readonly string[]): Promise<void> {
  if (lanes.length === 0) return;
  await sql`
    update a2a_queue q set behind = false from unnest(${lanes}::uuid[]) l (lane)
    where q.id = (
      select first.id from a2a_queue first
      where first.lane = l.lane and first.status in ('queued', 'dispatched') order by first.seq limit 1
    ) and q.behind
  `.execute(trx);
}

/**
 * Stores messages in their order, all or none; under the lock of their lanes. Each stands one round behind its caller's last one, and
 * not before the round deliveries have come to: so callers take turns, however many messages one of them has waiting.
 * A caller's rounds rise, so their span is never less than their number, which is counted only where the span says too many.
 * What is counted up to a limit is read in the order of its index: else a planner without statistics collects all of it first.
 * @returns one for each, in order; null where another replica stored the same message a moment ago.
 */
export async function insertMessages(
  db: Executor,
  messages: readonly NewMessage[],
  limitPerCaller: number,
): Promise<(StoredMessage | null)[]> {
  const rows = messages.map((message) => ({
    id: message.id,
    workspace_id: message.workspaceId,
    caller_id: message.callerId,
    origin: message.origin,
    caller_key: message.callerKey,
    lane: message.lane,
    body: message.body,
    body_hash: message.bodyHash.toString('hex'),
    method: toPlainText(message.method),
    message_id: message.messageId === null ? null : toPlainText(message.messageId),
    expires_in: message.expiresInSeconds === null ? null : Math.min(message.expiresInSeconds, MOST_EXPIRY_SECONDS),
  }));
  const result = await sql<StoredMessage & { isFull: boolean }>`/* hot:accept */
    with fresh as (
      select f.* from rows from (jsonb_to_recordset(${toJsonText(rows)}::jsonb) as (
        id uuid, workspace_id uuid, caller_id uuid, origin text, caller_key text, lane uuid, body jsonb, body_hash text, method text, message_id text, expires_in double precision
      )) with ordinality as f (id, workspace_id, caller_id, origin, caller_key, lane, body, body_hash, method, message_id, expires_in, place)
    ), known as (
      select f.place, k.id, k.behind from fresh f cross join lateral (
        select q.id, q.behind from a2a_queue q
        where q.workspace_id = f.workspace_id and q.idempotency_key = f.message_id and q.status in ('queued', 'dispatched')
          and q.caller_id is not distinct from f.caller_id and q.origin is not distinct from f.origin and q.body_hash = decode(f.body_hash, 'hex')
        limit 1
      ) k
    ), coming as (
      select f.*, row_number() over (partition by workspace_id, caller_key order by place) as nth, row_number() over (partition by lane order by place) as nth_of_lane
      from fresh f where not exists (select 1 from known k where k.place = f.place)
    ), callers as (
      select c.workspace_id, c.caller_key,
        greatest(1, newest.round + 1, reached.round + case when reached.caller_key = c.caller_key then 1 else 0 end) as round,
        case when newest.round - oldest.round + 1 + c.coming <= ${limitPerCaller}::bigint then 0 else (
          select count(*) from (
            select 1 from a2a_queue q where q.workspace_id = c.workspace_id and q.caller_key = c.caller_key and q.status = 'queued' order by q.round limit ${limitPerCaller}::bigint
          ) w
        ) end as waiting
      from (select workspace_id, caller_key, count(*) as coming from coming group by 1, 2) c
      left join lateral (
        select q.round from a2a_queue q where q.workspace_id = c.workspace_id and q.caller_key = c.caller_key and q.status = 'queued' order by q.round desc limit 1
      ) newest on true
      left join lateral (
        select q.round from a2a_queue q where q.workspace_id = c.workspace_id and q.caller_key = c.caller_key and q.status = 'queued' order by q.round limit 1
      ) oldest on true
      left join lateral (
        select q.round, q.caller_key from a2a_queue q where q.workspace_id = c.workspace_id and q.attempts > 0 order by q.round desc, q.seq desc limit 1
      ) reached on true
    ), stored as (
      insert into a2a_queue (id, workspace_id, caller_id, origin, body, body_hash, method, idempotency_key, expires_at, lane, behind, round)
      select c.id, c.workspace_id, c.caller_id, c.origin, c.body, decode(c.body_hash, 'hex'), c.method, c.message_id, now() + make_interval(secs => c.expires_in), c.lane,
        c.lane is not null and (c.nth_of_lane > 1 or exists (select 1 from a2a_queue q where q.lane = c.lane and q.status in ('queued', 'dispatched'))),
        g.round + c.nth - 1
      from coming c join callers g on g.workspace_id = c.workspace_id and g.caller_key = c.caller_key
      where g.waiting + c.nth <= ${limitPerCaller}::bigint
      order by c.place
      on conflict (workspace_id, idempotency_key, coalesce(caller_id, ${sql.raw(`'${NOBODY}'`)}::uuid), coalesce(origin, ''), coalesce(body_hash, ''::bytea))
        where status in ('queued', 'dispatched') and idempotency_key is not null do nothing
      returning id, behind
    ), depths as materialized (
      select t.workspace_id, (
        select count(*) from (
          select 1 from a2a_queue q where q.workspace_id = t.workspace_id and q.status = 'queued' order by q.caller_key, q.round limit ${sql.raw(String(MOST_DEPTH))}
        ) w
      ) as before
      from (select distinct workspace_id from fresh) t
    )
    select coalesce(k.id, s.id) as id, coalesce(k.behind, s.behind, false) as behind,
      least(${sql.raw(String(MOST_DEPTH))}, d.before + count(s.id) over (partition by f.workspace_id order by f.place))::int as depth,
      coalesce(g.waiting + c.nth > ${limitPerCaller}::bigint, false) as "isFull"
    from fresh f join depths d on d.workspace_id = f.workspace_id
    left join known k on k.place = f.place
    left join stored s on s.id = f.id
    left join coming c on c.place = f.place
    left join callers g on g.workspace_id = f.workspace_id and g.caller_key = f.caller_key
    order by f.place
  `.execute(db);
  return result.rows.map(({ isFull, ...row }) => (row.id === null && !isFull ? null : row));
}

export interface OpenLane {
  /** A message of this lane has not ended. */
  isOpen: boolean;
  /** No message to this target has: its lanes need not be asked for. */
  isTargetEmpty: boolean;
}

/** In the order they are asked for. */
export async function findOpenLanes(
  db: Executor,
  asked: readonly { workspaceId: string; lane: string }[],
): Promise<OpenLane[]> {
  const result = await sql<OpenLane>`/* hot:open-lanes */
    select exists (select 1 from a2a_queue q where q.lane = r.lane and q.status in ('queued', 'dispatched')) as "isOpen",
      not exists (select 1 from a2a_queue q where q.workspace_id = r.workspace_id and q.status = 'queued')
        and not exists (select 1 from a2a_queue q where q.workspace_id = r.workspace_id and q.status = 'dispatched') as "isTargetEmpty"
    from unnest(${asked.map(({ workspaceId }) => workspaceId)}::uuid[], ${asked.map(({ lane }) => lane)}::uuid[]) with ordinality as r (workspace_id, lane, place)
    order by r.place
  `.execute(db);
  return result.rows;
}

/** Targets of messages that have not ended. */
export async function listTargets(db: Executor): Promise<string[]> {
  const result = await sql<{ workspace_id: string }>`
    select w.id as workspace_id from workspaces w
    where exists (select 1 from a2a_queue q where q.workspace_id = w.id and q.status = 'queued')
      or exists (select 1 from a2a_queue q where q.workspace_id = w.id and q.status = 'dispatched')
  `.execute(db);
  return result.rows.map((row) => row.workspace_id);
}
