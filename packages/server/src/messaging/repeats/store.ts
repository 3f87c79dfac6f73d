// SQL of repeats: which messages were heard of before, what became of them, and which replica works on one now.

import { type Kysely, sql } from 'kysely';
import { REPLICA_PREFIX, type Tables, toJsonText, toPlainText } from '../../platform/db/index.ts';
import type { Attempt } from '../call.ts';
import { MOST_DEPTH } from '../intake/store.ts';

const WINDOW_HOURS = 24;
/** Replies that are no JSON are logged up to here. */
const MOST_TEXT_LENGTH = 65_536;
export const CLAIMS_CHANNEL = 'molecule_claims';

/**
 * Which of these messages, by target and id alone, were heard of before; by their places. Every call with an id of its caller's
 * asks, so it reads two indexes and no row. The lateral joins keep the planner from reading whole tables for many messages, and a
 * comparison that no index serves keeps it from reading all rows of a target.
 */
export async function listHeardOf(db: Kysely<Tables>, attempts: readonly Attempt[]): Promise<number[]> {
  const targets = attempts.map(({ target }) => target.id);
  const messages = attempts.map(({ normalized }) => toPlainText(normalized.messageId ?? ''));
  const result = await sql<{ place: number }>`/* hot:heard-of */
    select r.place::int as place
    from unnest(${targets}::uuid[], ${messages}::text[]) with ordinality as r (workspace_id, message_id, place)
    left join lateral (
      select 1 as found from activity_logs a where a.message_id = r.message_id and a.workspace_id is not distinct from r.workspace_id limit 1
    ) a on true
    left join lateral (
      select 1 as found from a2a_queue q
      where q.workspace_id = r.workspace_id and q.idempotency_key = r.message_id and q.status in ('queued', 'dispatched') limit 1
    ) q on true
    where a.found is not null or q.found is not null
  `.execute(db);
  return result.rows.map(({ place }) => place - 1);
}

/** What is stored of a message; `queueId` names it while it waits, `activityId` its answer or its place in an inbox. */
export interface Known {
  place: number;
  queueId: string | null;
  depth: number;
  activityId: string | null;
  isInbox: boolean;
  reply: unknown;
}

/**
 * Of these messages those that wait, lie in an inbox or were answered within a day: same caller, same body but for the id of the
 * envelope. A text the log cut short is no answer.
 */
export async function listKnown(db: Kysely<Tables>, attempts: readonly Attempt[]): Promise<Known[]> {
  const asked = attempts.map(({ call, target, normalized }, place) => ({
    place,
    workspace_id: target.id,
    caller_id: call.caller.workspaceId,
    origin: call.caller.origin,
    message_id: normalized.messageId,
    body: normalized.body,
  }));
  const result = await sql<Known>`
    select r.place, q.id as "queueId", coalesce(q.depth, 0) as depth, a.id as "activityId", coalesce(a.inbox, false) as "isInbox", a.response_body as reply
    from jsonb_to_recordset(${toJsonText(asked)}::jsonb) as r (place int, workspace_id uuid, caller_id uuid, origin text, message_id text, body jsonb)
    left join lateral (
      select q.id, (
        select count(*)::int from (select 1 from a2a_queue d where d.workspace_id = r.workspace_id and d.status = 'queued' order by d.caller_key, d.round limit ${sql.raw(String(MOST_DEPTH))}) w
      ) as depth
      from a2a_queue q
      where q.workspace_id = r.workspace_id and q.idempotency_key = r.message_id and q.status in ('queued', 'dispatched')
        and q.caller_id is not distinct from r.caller_id and q.origin is not distinct from r.origin
        and (q.expires_at is null or q.expires_at > now()) and q.body - 'id' = r.body - 'id'
      limit 1
    ) q on true
    left join lateral (
      select a.id, a.inbox, a.response_body from activity_logs a
      where a.workspace_id = r.workspace_id and a.message_id = r.message_id and a.activity_type = 'a2a_receive'
        and a.source_id is not distinct from r.caller_id and a.origin is not distinct from r.origin
        and a.status = 'ok' and a.error_detail is null and a.created_at > now() - make_interval(hours => ${WINDOW_HOURS})
        and (coalesce(jsonb_typeof(a.response_body), '') <> 'string' or length(a.response_body #>> '{}') < ${MOST_TEXT_LENGTH})
        and case when jsonb_typeof(a.request_body) = 'object' then a.request_body - 'id' = r.body - 'id' else false end
      order by a.seq desc limit 1
    ) a on true
    where q.id is not null or a.id is not null
  `.execute(db);
  return result.rows;
}

/** A place in the log, in the order of time; text keeps the microseconds. */
export interface Cursor {
  createdAt: string;
  id: string;
}
export const FIRST_CURSOR: Cursor = { createdAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

export interface MessageKey {
  workspaceId: string;
  messageId: string;
}
export const FIRST_KEY: MessageKey = { workspaceId: '00000000-0000-0000-0000-000000000000', messageId: '' };

export interface StoredId extends MessageKey {
  cursor: Cursor;
}

/** The store's own time, as text with its microseconds. */
export async function readNow(db: Kysely<Tables>): Promise<string> {
  const result = await sql<{ now: string }>`select now()::text as now`.execute(db);
  return result.rows[0]?.now ?? '';
}

/** The ids of the messages that were logged within the window and up to that time, oldest first. */
export async function listStoredIds(
  db: Kysely<Tables>,
  after: Cursor,
  until: string,
  limit: number,
): Promise<StoredId[]> {
  const result = await sql<{ workspaceId: string; messageId: string; createdAt: string; id: string }>`
    select workspace_id as "workspaceId", message_id as "messageId", created_at::text as "createdAt", id from activity_logs
    where created_at > now() - make_interval(hours => ${WINDOW_HOURS}) and (created_at, id) > (${after.createdAt}::timestamptz, ${after.id}::uuid)
      and created_at <= ${until}::timestamptz and message_id is not null
    order by created_at, id limit ${limit}
  `.execute(db);
  return result.rows.map(({ createdAt, id, ...row }) => ({ ...row, cursor: { createdAt, id } }));
}

/** The ids of the messages that wait, by target and id. */
export async function listWaitingIds(db: Kysely<Tables>, after: MessageKey, limit: number): Promise<MessageKey[]> {
  const result = await sql<MessageKey>`
    select workspace_id as "workspaceId", idempotency_key as "messageId" from a2a_queue
    where status in ('queued', 'dispatched') and idempotency_key is not null
      and (workspace_id, idempotency_key) > (${after.workspaceId}::uuid, ${after.messageId}::text)
    order by workspace_id, idempotency_key limit ${limit}
  `.execute(db);
  return result.rows;
}

export interface Claim {
  key: Buffer;
  token: string;
}

const HEX = 'hex';
export const keyText = ({ key }: Claim): string => key.toString(HEX);

/**
 * Takes what is free: claimed by nobody, by a replica that is gone, or by this one for a call that is over. What another replica
 * holds is marked as awaited, so that its end is told. In the order of keys, so that two replicas never wait in a circle.
 * @returns the keys that are held by these tokens now.
 */
export async function claim(db: Kysely<Tables>, holder: string, claims: readonly Claim[]): Promise<Set<string>> {
  const result = await sql<{ key: Buffer; isMine: boolean }>`/* hot:claims */
    insert into a2a_claims as c (key, holder, token)
    select r.key, ${holder}::text, r.token from unnest(${claims.map(({ key }) => key)}::bytea[], ${claims.map(({ token }) => token)}::uuid[]) as r (key, token)
    order by r.key
    on conflict (key) do update set (holder, token, is_awaited) = (
      select case when f.free then excluded.holder else c.holder end, case when f.free then excluded.token else c.token end, not f.free
      from (select c.holder = excluded.holder
        or not exists (select 1 from leases l where l.name = c.holder and l.expires_at > now()) as free) f
    )
    returning c.key, c.holder = ${holder}::text as "isMine"
  `.execute(db);
  return new Set(result.rows.filter(({ isMine }) => isMine).map(({ key }) => key.toString(HEX)));
}

/** Frees claims, and tells every replica of those that are awaited. */
export async function release(db: Kysely<Tables>, claims: readonly Claim[]): Promise<void> {
  await sql`/* hot:claims-release */
    with gone as (
      delete from a2a_claims c
      using unnest(${claims.map(({ key }) => key)}::bytea[], ${claims.map(({ token }) => token)}::uuid[]) as r (key, token)
      where c.key = r.key and c.token = r.token
      returning c.key, c.is_awaited
    )
    select pg_notify(${CLAIMS_CHANNEL}, encode(key, 'hex')) from gone where is_awaited
  `.execute(db);
}

/** Forgets the claims of replicas that are gone; nobody repeated those calls. */
export async function dropAbandoned(db: Kysely<Tables>): Promise<number> {
  const result = await sql`
    delete from a2a_claims c
    where starts_with(c.holder, ${REPLICA_PREFIX}) and not exists (select 1 from leases l where l.name = c.holder and l.expires_at > now())
    returning c.key
  `.execute(db);
  return result.rows.length;
}
