// SQL of the stream log. Frames of all streams of a moment are one statement, which holds the row of each stream while it writes:
// who lost its lease to another replica writes nothing.

import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { type Tables, toJsonText } from '../../platform/db/index.ts';
import type { Json } from '../json.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;
export type StreamRow = Selectable<Tables['a2a_streams']>;
export type StreamEnding = 'complete' | 'interrupted' | 'too_large';

/** Renewed every three seconds while the stream is read from its agent; after it another replica takes over. */
const LEASE_SECONDS = 10;
const KEPT = "interval '1 hour'";
const lease = sql`now() + make_interval(secs => ${sql.raw(String(LEASE_SECONDS))})`;

export interface NewStream {
  id: string;
  workspace_id: string;
  caller_id: string | null;
  method: string;
  rpc_id: string;
  message_id: string | null;
  task_id: string | null;
  context_id: string | null;
  target_version: string;
  /** What the activity row of the call will say was asked; null: there will be none. */
  request: Json | null;
  origin: string | null;
  holder: string;
  lease_token: string;
}

export interface LoggedFrame {
  /** 1 for the first of its stream. */
  seq: number;
  /** The lines of the event as the agent sent them, without ids and the closing blank line. */
  frame: string;
  /** Bytes of the stream up to and with this frame. */
  upto: number;
}

export interface Append {
  streamId: string;
  token: string;
  /** The stream itself, with its first frames. */
  opening: NewStream | null;
  frames: LoggedFrame[];
}

/**
 * @returns the ordinal of each stream in its caller's sequence; null when somebody else holds it by now.
 * @throws a unique violation when two streams of one task or message were opened at the same moment: open it again.
 */
export async function appendFrames(db: Kysely<Tables>, appends: readonly Append[]): Promise<(number | null)[]> {
  const openings = appends.flatMap(({ opening }) => opening ?? []);
  const holds = appends.map(({ streamId, token }) => ({ id: streamId, token }));
  const frames = appends.flatMap(({ streamId, frames: list }) =>
    list.map((frame) => ({ stream_id: streamId, ...frame })),
  );
  const result = await sql<{ id: string; ordinal: number }>`/* hot:stream-frames */
    with opened as (
      insert into a2a_streams (id, workspace_id, caller_id, method, rpc_id, message_id, task_id, context_id, target_version, request, origin, holder, lease_token, ordinal, lease_until)
      select o.id, o.workspace_id, o.caller_id, o.method, o.rpc_id, o.message_id, o.task_id, o.context_id, o.target_version, nullif(o.request, 'null'), o.origin, o.holder, o.lease_token,
        coalesce((
          select max(s.ordinal) + 1 from a2a_streams s
          where s.workspace_id = o.workspace_id and (s.task_id = o.task_id or s.message_id = o.message_id) and s.caller_id is not distinct from o.caller_id
        ), 0), ${lease}
      from jsonb_to_recordset(${toJsonText(openings)}::jsonb) as o (id uuid, workspace_id uuid, caller_id uuid, method text, rpc_id text, message_id text,
        task_id text, context_id text, target_version text, request jsonb, origin text, holder text, lease_token uuid)
      returning id, ordinal
    ), held as (
      select s.id, s.ordinal from jsonb_to_recordset(${toJsonText(holds)}::jsonb) as h (id uuid, token uuid)
      cross join lateral (
        select s.id, s.ordinal from a2a_streams s where s.id = h.id and s.lease_token = h.token and s.ended_at is null limit 1 for share
      ) s
    ), writable as (
      select * from opened union all select * from held
    ), written as (
      insert into a2a_stream_frames (stream_id, seq, frame, upto)
      select f.stream_id, f.seq, f.frame, f.upto
      from jsonb_to_recordset(${toJsonText(frames)}::jsonb) as f (stream_id uuid, seq int, frame text, upto bigint)
      join writable w on w.id = f.stream_id
    )
    select id, ordinal from writable
  `.execute(db);
  const ordinals = new Map(result.rows.map(({ id, ordinal }) => [id, ordinal]));
  return appends.map(({ streamId }) => ordinals.get(streamId) ?? null);
}

export interface End {
  streamId: string;
  token: string;
  /** `left`: it goes on, and whoever comes next may hold it. */
  ending: StreamEnding | 'left';
}

/** What is too large is forgotten at once: its rest will never be there. @returns the streams that were still held with that token. */
export async function endStreams(db: Executor, ends: readonly End[]): Promise<string[]> {
  const result = await sql<{ id: string }>`
    with ended as (
      update a2a_streams s set
        lease_until = now(),
        ended_at = case when e.ending <> 'left' then now() end,
        ending = nullif(e.ending, 'left')
      from jsonb_to_recordset(${toJsonText(ends)}::jsonb) as e ("streamId" uuid, token uuid, ending text)
      where s.id = e."streamId" and s.lease_token = e.token and s.ended_at is null
      returning s.id, s.ending
    ), forgotten as (
      delete from a2a_stream_frames f using ended where f.stream_id = ended.id and ended.ending = 'too_large'
    )
    select id from ended
  `.execute(db);
  return result.rows.map(({ id }) => id);
}

export async function renewLeases(db: Kysely<Tables>, tokens: readonly string[]): Promise<number> {
  const result = await sql`
    update a2a_streams set lease_until = ${lease} where lease_token = any(${tokens}::uuid[]) and ended_at is null and lease_until is not null returning id
  `.execute(db);
  return result.rows.length;
}

/**
 * Takes over streams that nobody holds.
 * @param alone nobody but this process uses the store, so what another one held is free.
 */
export async function adoptStreams(
  db: Kysely<Tables>,
  { holder, alone, limit }: { holder: string; alone: boolean; limit: number },
): Promise<StreamRow[]> {
  const result = await sql<StreamRow>`
    update a2a_streams set holder = ${holder}, lease_token = gen_random_uuid(), lease_until = ${lease}, attempts = attempts + 1
    where id in (
      select id from a2a_streams where ended_at is null and lease_until is not null and (lease_until < now() or (${alone}::boolean and holder <> ${holder}))
      order by lease_until limit ${limit} for update skip locked
    )
    returning *
  `.execute(db);
  return result.rows;
}

/** The stream of this caller that has this place among those of the task or message; others' look like none at all. */
export async function findStream(
  db: Kysely<Tables>,
  key: { workspaceId: string; callerId: string | null; ordinal: number } & ({ taskId: string } | { messageId: string }),
): Promise<StreamRow | null> {
  const row = await db
    .selectFrom('a2a_streams')
    .selectAll()
    .where('workspace_id', '=', key.workspaceId)
    .where('caller_id', 'is not distinct from', key.callerId)
    .where('ordinal', '=', key.ordinal)
    .where('taskId' in key ? 'task_id' : 'message_id', '=', 'taskId' in key ? key.taskId : key.messageId)
    .executeTakeFirst();
  return row ?? null;
}

export async function readEnding(db: Kysely<Tables>, id: string): Promise<{ ending: StreamEnding | null } | null> {
  const row = await db.selectFrom('a2a_streams').select('ending').where('id', '=', id).executeTakeFirst();
  return (row as { ending: StreamEnding | null } | undefined) ?? null;
}

export async function readLastFrame(db: Kysely<Tables>, streamId: string): Promise<LoggedFrame | null> {
  const row = await db
    .selectFrom('a2a_stream_frames')
    .select(['seq', 'frame', 'upto'])
    .where('stream_id', '=', streamId)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** The frames after one, as many as fit into `mostBytes`, but one at least. */
export async function listFrames(
  db: Kysely<Tables>,
  streamId: string,
  after: { seq: number; upto: number },
  { mostRows, mostBytes }: { mostRows: number; mostBytes: number },
): Promise<LoggedFrame[]> {
  const result = await sql<LoggedFrame>`
    select seq, frame, upto from a2a_stream_frames
    where stream_id = ${streamId} and seq > ${after.seq} and (upto <= ${after.upto + mostBytes} or seq = ${after.seq + 1})
    order by seq limit ${mostRows}
  `.execute(db);
  return result.rows;
}

/** A frame's place in the bytes of its stream; null when there is no such frame. */
export async function findFrame(db: Kysely<Tables>, streamId: string, seq: number): Promise<{ upto: number } | null> {
  const row = await db
    .selectFrom('a2a_stream_frames')
    .select('upto')
    .where('stream_id', '=', streamId)
    .where('seq', '=', seq)
    .executeTakeFirst();
  return row ?? null;
}

/** Whether the call that began the stream has its row already. */
export async function isLogged(db: Executor, row: StreamRow): Promise<boolean> {
  if (row.message_id === null) return false;
  const found = await db
    .selectFrom('activity_logs')
    .select('id')
    .where('workspace_id', '=', row.workspace_id)
    .where('message_id', '=', row.message_id)
    .where('source_id', 'is not distinct from', row.caller_id)
    .where('activity_type', '=', 'a2a_receive')
    .where('created_at', '>=', row.started_at)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

/** Forgets streams that ended an hour ago, and those of workspaces that are gone. @returns how many. */
export async function deleteFinished(db: Kysely<Tables>, limit: number): Promise<number> {
  const result = await sql`
    with gone as (
      delete from a2a_streams where id in (
        select s.id from a2a_streams s
        where s.ended_at < now() - ${sql.raw(KEPT)} or not exists (select 1 from workspaces w where w.id = s.workspace_id)
        order by s.started_at limit ${limit}
      ) returning id
    ), frames as (
      delete from a2a_stream_frames f using gone where f.stream_id = gone.id
    )
    select id from gone
  `.execute(db);
  return result.rows.length;
}
