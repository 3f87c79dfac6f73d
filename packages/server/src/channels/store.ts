// SQL of channels and of what came in through them. A message is one row however often it is delivered: a unique index says so.

import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { json, type Tables, toPlainText } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;
export type ChannelRow = Omit<Selectable<Tables['workspace_channels']>, 'channel_config' | 'allowed_users'> & {
  channel_config: Record<string, string>;
  allowed_users: string[];
};
export type MessageRow = Selectable<Tables['channel_messages']>;

/** Of one kind. A webhook is compared with all of them. */
const MOST_COMPARED = 2_000;
const HISTORY_MESSAGES = 10;
const HISTORY_HOURS = 24;
/** How long one process may take to send a reply before another tries. */
const SENDING_SECONDS = 300;

export interface ChannelContent {
  config: Record<string, string>;
  keyId: Buffer;
  allowedUsers: string[];
  enabled: boolean;
  budget: number | null;
}

export async function listOf(db: Executor, workspaceId: string): Promise<ChannelRow[]> {
  const result = await sql<ChannelRow>`
    select * from workspace_channels where workspace_id = ${workspaceId} order by created_at, id
  `.execute(db);
  return result.rows;
}

export type SendingRow = Pick<ChannelRow, 'id' | 'channel_type' | 'channel_config'>;

/** What sending needs. Looked up within the workspace only: another's channel is none. */
export async function findToSend(db: Executor, workspaceId: string, id: string): Promise<SendingRow | null> {
  const result = await sql<SendingRow>`
    select id, channel_type, channel_config from workspace_channels where id = ${id} and workspace_id = ${workspaceId}
  `.execute(db);
  return result.rows[0] ?? null;
}

export async function find(db: Executor, id: string): Promise<ChannelRow | null> {
  return (await sql<ChannelRow>`select * from workspace_channels where id = ${id}`.execute(db)).rows[0] ?? null;
}

export async function lockOf(trx: Transaction<Tables>, workspaceId: string, id: string): Promise<ChannelRow | null> {
  const result = await sql<ChannelRow>`
    select * from workspace_channels where id = ${id} and workspace_id = ${workspaceId} for update
  `.execute(trx);
  return result.rows[0] ?? null;
}

/** @throws a unique violation when the workspace has a channel of that kind. */
export async function insert(
  db: Executor,
  workspaceId: string,
  type: string,
  { config, keyId, allowedUsers, enabled, budget }: ChannelContent,
): Promise<string> {
  const result = await sql<{ id: string }>`
    insert into workspace_channels (workspace_id, channel_type, channel_config, key_id, allowed_users, enabled, channel_budget)
    values (${workspaceId}, ${type}, ${json(config)}, ${keyId}, ${json(allowedUsers)}, ${enabled}, ${budget}) returning id
  `.execute(db);
  return (result.rows[0] as { id: string }).id;
}

export async function update(
  trx: Transaction<Tables>,
  id: string,
  { config, keyId, allowedUsers, enabled, budget }: ChannelContent,
): Promise<void> {
  await sql`
    update workspace_channels set channel_config = ${json(config)}, key_id = ${keyId}, allowed_users = ${json(allowedUsers)},
      enabled = ${enabled}, channel_budget = ${budget}, updated_at = now()
    where id = ${id}
  `.execute(trx);
}

export async function remove(db: Executor, workspaceId: string, id: string): Promise<boolean> {
  const result = await db
    .deleteFrom('workspace_channels')
    .where('id', '=', id)
    .where('workspace_id', '=', workspaceId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export async function disableOf(trx: Transaction<Tables>, workspaceIds: string[]): Promise<void> {
  await sql`
    update workspace_channels set enabled = false where workspace_id = any(${workspaceIds}::uuid[]) and enabled
  `.execute(trx);
}

/** Oldest first. */
export async function listEnabled(db: Executor, type: string): Promise<ChannelRow[]> {
  const result = await sql<ChannelRow>`
    select * from workspace_channels where channel_type = ${type} and enabled order by created_at, id limit ${MOST_COMPARED}
  `.execute(db);
  return result.rows;
}

/** Counts one message against the budget. @returns false when there is none left. */
export async function takeFromBudget(db: Executor, id: string): Promise<boolean> {
  const result = await sql`
    update workspace_channels set message_count = message_count + 1
    where id = ${id} and (channel_budget is null or message_count < channel_budget) returning id
  `.execute(db);
  return result.rows.length > 0;
}

/** One that was counted was not sent. */
export async function giveBack(db: Executor, id: string): Promise<void> {
  await sql`update workspace_channels set message_count = greatest(message_count - 1, 0) where id = ${id}`.execute(db);
}

/** Whether the channel is still enabled; if so it stays that until the commit. */
export async function lockEnabled(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const result = await sql`select id from workspace_channels where id = ${id} and enabled for update`.execute(trx);
  return result.rows.length > 0;
}

export async function noteInbound(trx: Transaction<Tables>, id: string): Promise<void> {
  await sql`update workspace_channels set last_message_at = now() where id = ${id}`.execute(trx);
}

/** Something was sent. @param uncounted how many of it have not been counted yet. */
export async function noteSent(trx: Transaction<Tables>, id: string, uncounted: 0 | 1): Promise<void> {
  await sql`
    update workspace_channels set last_message_at = now(), message_count = message_count + ${uncounted}::int where id = ${id}
  `.execute(trx);
}

/** Configs another key wrote, or none. */
export async function listUnderOtherKeys(
  db: Executor,
  keyId: Buffer,
  after: string,
  limit: number,
): Promise<ChannelRow[]> {
  const result = await sql<ChannelRow>`
    select * from workspace_channels where key_id is distinct from ${keyId} and id > ${after}::uuid order by id limit ${limit}
  `.execute(db);
  return result.rows;
}

/** Changes how a config is kept, not what it says. @returns false when it was changed or removed meanwhile. */
export async function rewriteConfig(
  db: Executor,
  row: ChannelRow,
  config: Record<string, string>,
  keyId: Buffer,
): Promise<boolean> {
  const result = await sql`
    update workspace_channels set channel_config = ${json(config)}, key_id = ${keyId}
    where id = ${row.id} and channel_config = ${json(row.channel_config)} returning id
  `.execute(db);
  return result.rows.length > 0;
}

export interface NewMessage {
  channelId: string;
  key: string;
  chatId: string;
  thread: string | null;
  username: string | null;
  isReset?: boolean;
}

/** Null when it is here already; of two at the same moment the later one waits for the commit of the first. */
export async function insertMessage(trx: Transaction<Tables>, message: NewMessage): Promise<string | null> {
  const result = await sql<{ id: string }>`
    insert into channel_messages (channel_id, message_key, chat_id, thread, username, is_reset)
    values (${message.channelId}, ${toPlainText(message.key)}, ${toPlainText(message.chatId)},
      ${message.thread === null ? null : toPlainText(message.thread)}, ${message.username === null ? null : toPlainText(message.username)},
      ${message.isReset ?? false})
    on conflict (channel_id, message_key) do nothing returning id
  `.execute(trx);
  return result.rows[0]?.id ?? null;
}

export async function attachItem(trx: Transaction<Tables>, id: string, queueId: string): Promise<void> {
  await sql`update channel_messages set queue_id = ${queueId} where id = ${id}`.execute(trx);
}

export interface PastMessage {
  created_at: Date;
  username: string | null;
  message: unknown;
  response_body: unknown;
}

/** What was said lately in this chat, oldest first. */
export async function listHistory(
  db: Executor,
  { id: channelId, workspace_id: workspaceId }: ChannelRow,
  origin: string,
  chatId: string,
): Promise<PastMessage[]> {
  const result = await sql<PastMessage>`
    select created_at, request_body #>> '{params,message,metadata,username}' as username, request_body #> '{params,message}' as message, response_body
    from activity_logs
    where workspace_id = ${workspaceId} and origin = ${origin} and activity_type = 'a2a_receive'
      and request_body #>> '{params,message,metadata,chat_id}' = ${toPlainText(chatId)}
      and created_at > now() - make_interval(hours => ${HISTORY_HOURS})
      and not exists (
        select 1 from channel_messages r
        where r.channel_id = ${channelId} and r.chat_id = ${toPlainText(chatId)} and r.is_reset and r.received_at >= created_at
      )
    order by seq desc limit ${HISTORY_MESSAGES}
  `.execute(db);
  return result.rows.reverse();
}

const dueNow = (text: string) => sql`
  reply = ${toPlainText(text)}, reply_number = reply_number + 1, reply_parts_sent = 0, reply_attempts = 0, reply_due_at = now()
`;

/** To be said in answer to it. */
export async function answerMessage(db: Executor, id: string, reply: string): Promise<void> {
  await sql`update channel_messages set ${dueNow(reply)} where id = ${id}`.execute(db);
}

/** The message has ended. @param reply null: nothing is to be said. @param awaited its A2A id when the answer comes later. */
export async function endMessage(
  trx: Transaction<Tables>,
  queueId: string,
  reply: string | null,
  awaited: string | null,
): Promise<void> {
  const outcome = reply === null ? sql`reply = null, reply_due_at = null` : dueNow(reply);
  await sql`
    update channel_messages set queue_id = null, awaited = ${awaited}::text, ${outcome} where queue_id = ${queueId}
  `.execute(trx);
}

export interface InboxAnswer {
  id: string;
  text: string;
}

/** What agents said since to messages in their inboxes; each is given once. */
export async function takeInboxAnswers(db: Executor, limit: number): Promise<InboxAnswer[]> {
  const result = await sql<InboxAnswer>`
    update channel_messages m set awaited = null
    from (
      select w.id, coalesce(n.response_body ->> 'result', '') as text
      from channel_messages w
      join workspace_channels c on c.id = w.channel_id
      join activity_logs a on a.workspace_id = c.workspace_id and a.message_id = w.awaited and a.inbox and a.answered_at is not null
      join activity_logs n on n.workspace_id = a.workspace_id and n.idempotency_key = 'reply:' || a.id
      where w.awaited is not null order by w.received_at limit ${limit} for update of w skip locked
    ) said
    where m.id = said.id returning m.id, said.text
  `.execute(db);
  return result.rows;
}

/** Enabled channels of one kind of a workspace. */
export async function listEnabledOf(db: Executor, workspaceId: string, type: string): Promise<ChannelRow[]> {
  const result = await sql<ChannelRow>`
    select * from workspace_channels where workspace_id = ${workspaceId} and channel_type = ${type} and enabled
  `.execute(db);
  return result.rows;
}

/** Tells senders whose message was put off that it waits, once each. @returns how many it were. */
export async function noticeWaiting(db: Executor, text: string, limit: number): Promise<number> {
  const result = await sql`
    update channel_messages m set is_noticed = true, ${dueNow(text)}
    where m.id in (
      select w.id from channel_messages w join a2a_queue q on q.id = w.queue_id
      where w.queue_id is not null and not w.is_noticed and q.status = 'queued' and q.next_attempt_at > now()
      order by w.received_at limit ${limit} for update of w skip locked
    ) returning m.id
  `.execute(db);
  return result.rows.length;
}

/** Messages an agent is at, of these kinds of channel. */
export async function listInTurn(db: Executor, types: readonly string[], limit: number): Promise<MessageRow[]> {
  const result = await sql<MessageRow>`
    select m.* from channel_messages m join a2a_queue q on q.id = m.queue_id
    where m.queue_id is not null and q.status = 'dispatched'
      and q.origin = any(select 'channel:' || type from unnest(${types}::text[]) as type)
    order by m.received_at limit ${limit}
  `.execute(db);
  return result.rows;
}

/** Nothing comes in from it any more, nor goes out. */
export async function disable(db: Executor, id: string): Promise<void> {
  await sql`update workspace_channels set enabled = false, updated_at = now() where id = ${id}`.execute(db);
}

/** Replies that are due, for this process to send: others leave them alone for a while. */
export async function takeDueReplies(db: Executor, limit: number): Promise<MessageRow[]> {
  const result = await sql<MessageRow>`
    update channel_messages set reply_attempts = reply_attempts + 1, reply_due_at = now() + make_interval(secs => ${SENDING_SECONDS})
    where id in (
      select id from channel_messages where reply_due_at <= now() order by reply_due_at limit ${limit} for update skip locked
    ) returning *
  `.execute(db);
  return result.rows;
}

const sameReply = (row: MessageRow) =>
  sql`id = ${row.id} and reply_number = ${row.reply_number} and reply_attempts = ${row.reply_attempts}`;

/** @returns false when another reply has taken its place, or another process sends it. */
export async function finishReply(db: Executor, row: MessageRow): Promise<boolean> {
  const result = await sql`
    update channel_messages set reply = null, reply_due_at = null where ${sameReply(row)} returning id
  `.execute(db);
  return result.rows.length > 0;
}

export async function putOffReply(db: Executor, row: MessageRow, partsSent: number, seconds: number): Promise<void> {
  await sql`
    update channel_messages set reply_parts_sent = ${partsSent}, reply_due_at = now() + make_interval(secs => ${seconds}) where ${sameReply(row)}
  `.execute(db);
}

/** Forgets what no channel delivers again. */
export async function deleteOldMessages(db: Executor, days: number, limit: number): Promise<number> {
  const result = await sql`
    delete from channel_messages where id in (
      select id from channel_messages where received_at < now() - make_interval(days => ${days})
        and reply_due_at is null
        and not exists (select 1 from a2a_queue q where q.id = queue_id and q.status in ('queued', 'dispatched'))
      order by received_at limit ${limit}
    ) returning id
  `.execute(db);
  return result.rows.length;
}
