// SQL of what a workspace has not read or not answered: read by the explanation of what is stuck (chapter 20 §12.4). Writes nothing.

import { sql } from 'kysely';
import type { Executor } from '../store.ts';

const TEXT_LENGTH = 200;

export interface InboxMessage {
  id: string;
  workspace_id: string;
  source_id: string | null;
  origin: string | null;
  message_id: string | null;
  method: string | null;
  text: string;
  status: string;
  /** Lies in the inbox of a poll-mode agent, read or not. */
  inbox: boolean;
  created_at: Date;
  injected_at: Date | null;
  answered_at: Date | null;
}

const parts = sql`a.request_body #> '{params,message,parts}'`;
const columns = sql`a.id, a.workspace_id, a.source_id, a.origin, a.message_id, a.method, a.status, a.inbox, a.created_at, a.injected_at, a.answered_at,
  coalesce(left((
    select string_agg(p ->> 'text', ' ') from jsonb_array_elements(case when jsonb_typeof(${parts}) = 'array' then ${parts} else '[]' end) p
  ), ${sql.lit(TEXT_LENGTH)}), a.summary, '') as text`;

/** The newest message of this id from or to a workspace that its log knows. */
export async function findLoggedMessage(
  db: Executor,
  workspaceId: string,
  messageId: string,
): Promise<InboxMessage | null> {
  const result = await sql<InboxMessage>`
    select ${columns} from activity_logs a
    where a.workspace_id = ${workspaceId} and a.message_id = ${messageId} and a.activity_type = 'a2a_receive'
    order by a.seq desc limit 1
  `.execute(db);
  return result.rows[0] ?? null;
}

/** Rows of these messages in the inboxes of these workspaces, read or not. */
export async function listInboxMessages(
  db: Executor,
  workspaceIds: readonly string[],
  messageIds: readonly string[],
): Promise<InboxMessage[]> {
  const result = await sql<InboxMessage>`
    select ${columns} from activity_logs a
    where a.workspace_id = any(${workspaceIds}::uuid[]) and a.message_id = any(${messageIds}::text[]) and a.inbox
  `.execute(db);
  return result.rows;
}

/** What its inbox holds unread, results of its own delegations aside, oldest first. @returns at most `limit`, and how much there is. */
export async function listUnread(
  db: Executor,
  workspaceId: string,
  limit: number,
): Promise<{ rows: InboxMessage[]; total: number }> {
  const unread = sql`a.workspace_id = ${workspaceId} and a.inbox and a.injected_at is null and a.method is distinct from 'delegate_result'`;
  const result = await sql<InboxMessage>`
    select ${columns} from activity_logs a where ${unread} order by a.seq limit ${limit}
  `.execute(db);
  const count = await sql<{ total: number }>`
    select count(*)::int as total from activity_logs a where ${unread}
  `.execute(db);
  return { rows: result.rows, total: count.rows[0]?.total ?? 0 };
}

/** The agent's last answer to a person was a question: it waits for theirs. @returns since when, and what it asked. */
export async function findQuestion(
  db: Executor,
  workspaceId: string,
): Promise<{ created_at: Date; text: string } | null> {
  const result = await sql<{ created_at: Date; text: string; state: string | null }>`
    select last.created_at, last.result #>> '{status,state}' as state,
      coalesce(left(last.result #>> '{status,message,parts,0,text}', ${TEXT_LENGTH}), '') as text
    from (
      select created_at, response_body -> 'result' as result from activity_logs
      where workspace_id = ${workspaceId} and activity_type = 'a2a_receive' and source_id is null and origin is null and method is distinct from 'notify'
      order by seq desc limit 1
    ) last
  `.execute(db);
  const [last] = result.rows;
  return last?.state === 'input-required' ? last : null;
}
