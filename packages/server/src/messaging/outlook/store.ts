// SQL of what waits in the queue: read by the explanation of what is stuck (chapter 20 §12.4). Writes nothing.

import { sql } from 'kysely';
import type { QueueRow } from '../lifecycle.ts';
import type { Executor } from '../store.ts';

const TEXT_LENGTH = 200;

export interface WaitingMessage
  extends Pick<
    QueueRow,
    | 'id'
    | 'workspace_id'
    | 'caller_id'
    | 'origin'
    | 'status'
    | 'attempts'
    | 'last_error'
    | 'enqueued_at'
    | 'completed_at'
    | 'next_attempt_at'
    | 'expires_at'
    | 'lease_until'
    | 'injected_at'
    | 'answered_at'
  > {
  message_id: string | null;
  text: string;
}

const parts = sql`q.body #> '{params,message,parts}'`;
const columns = sql`q.id, q.workspace_id, q.caller_id, q.origin, q.status, q.attempts, q.last_error, q.enqueued_at, q.completed_at, q.next_attempt_at,
  q.expires_at, q.lease_until, q.injected_at, q.answered_at, q.idempotency_key as message_id,
  coalesce(left((
    select string_agg(p ->> 'text', ' ') from jsonb_array_elements(case when jsonb_typeof(${parts}) = 'array' then ${parts} else '[]' end) p
  ), ${sql.lit(TEXT_LENGTH)}), '') as text`;
const open = sql`q.status in ('queued', 'dispatched')`;

/** A message from or to this workspace: by its own id in the queue, or by that of the message, the newest one. */
export async function findForOutlook(
  db: Executor,
  workspaceId: string,
  key: { queueId: string } | { messageId: string },
): Promise<WaitingMessage | null> {
  const named = 'queueId' in key ? sql`q.id = ${key.queueId}` : sql`q.idempotency_key = ${key.messageId}`;
  const result = await sql<WaitingMessage>`
    select ${columns} from a2a_queue q where ${named} and (q.workspace_id = ${workspaceId} or q.caller_id = ${workspaceId})
    order by q.enqueued_at desc limit 1
  `.execute(db);
  return result.rows[0] ?? null;
}

/** A call that is held open for this message, which is stored nowhere else until it ends. */
export interface HeldCall {
  workspace_id: string;
  caller_id: string | null;
  message_id: string;
  started_at: Date;
}

export async function findHeldCall(db: Executor, workspaceId: string, messageId: string): Promise<HeldCall | null> {
  const result = await sql<HeldCall>`
    select workspace_id, caller_id, message_id, started_at from a2a_streams
    where workspace_id = ${workspaceId} and message_id = ${messageId} and ended_at is null
    order by started_at desc limit 1
  `.execute(db);
  return result.rows[0] ?? null;
}

/** Those of these messages that wait in the queue or are on their way from it. */
export async function listOpenMessages(db: Executor, messageIds: readonly string[]): Promise<WaitingMessage[]> {
  const result = await sql<WaitingMessage>`
    select ${columns} from a2a_queue q where q.idempotency_key = any(${messageIds}::text[]) and ${open}
  `.execute(db);
  return result.rows;
}

/** What the queue of a workspace holds, oldest first. @returns at most `limit` of it, and how much there is. */
export async function listOpenFor(
  db: Executor,
  workspaceId: string,
  limit: number,
): Promise<{ rows: WaitingMessage[]; total: number }> {
  // Apart, since each status has an index of its own by workspace.
  const held = sql`(
    select * from a2a_queue where workspace_id = ${workspaceId} and status = 'queued'
    union all select * from a2a_queue where workspace_id = ${workspaceId} and status = 'dispatched'
  ) q`;
  const result =
    await sql<WaitingMessage>`select ${columns} from ${held} order by q.enqueued_at limit ${limit}`.execute(db);
  const count = await sql<{ total: number }>`select count(*)::int as total from ${held}`.execute(db);
  return { rows: result.rows, total: count.rows[0]?.total ?? 0 };
}
