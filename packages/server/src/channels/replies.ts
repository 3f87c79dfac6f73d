// What goes back to a chat (chapter 20 §9): decided in the transaction that ends the message, sent after it, repeated a few times
// when the channel does not take it. At least once: a process that dies while it sends leaves the reply to the next.

import type { EventFrame } from '@molecule/contract';
import type { Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { MessageEnd, QueueRow } from '../messaging/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { ChannelAdapter } from './adapters/adapter.ts';
import { ChannelSendError } from './adapters/api.ts';
import type { Adapters } from './adapters/index.ts';
import type { Configs } from './configs.ts';
import type { ChannelRow, MessageRow } from './store.ts';
import * as store from './store.ts';

const BATCH = 20;
const MOST_ATTEMPTS = 5;
const FIRST_DELAY_SECONDS = 5;
const MOST_DELAY_SECONDS = 300;
const MOST_CHARACTERS = 40_000;
const CHANNEL_ORIGIN = /^channel:/;
const REPLIED_ORIGIN = /^(?:channel:|system:cron$)/;
/** Runs of schedules are told of in this kind of channel. */
const RUNS_TOLD_IN = 'slack';
const MOST_OF_RUN = 500;
const NO_REPLY = '(no response generated)';

export const WAITING_NOTICE = 'Your message is stored. The agent gets it as soon as it has time.';
const INBOX_NOTICE = 'Your message is stored. The agent answers when it next looks at its inbox.';
const FAILURE = 'Sorry, the agent could not answer this message.';

export interface RepliesDeps {
  db: Database;
  events: Events;
  adapters: Adapters;
  configs: Configs;
  log: Logger;
}

/** Null: there is nothing to say. */
function cut(text: string, most = MOST_CHARACTERS): string | null {
  const said = text.trim();
  if (said === '') return null;
  return said.length > most ? `${said.slice(0, most)}…` : said;
}

function replyFor(end: MessageEnd): string | null {
  switch (end.kind) {
    case 'completed':
      return cut(end.text);
    case 'inbox':
      return INBOX_NOTICE;
    case 'failed':
    case 'dropped':
      return FAILURE;
  }
}

/** The log has the end of a channel's message, which is written with its reply; a run of a schedule may be told of in a chat. */
function mayBringReplies(frame: EventFrame): boolean {
  if (frame.event === 'ACTIVITY_LOGGED') return REPLIED_ORIGIN.test(frame.payload.origin ?? '');
  return (
    frame.event === 'RECEIPT_UPDATED' && frame.payload.answered_at !== undefined && isOurs(frame.payload.message_id)
  );
}

const isOurs = (messageId: string | null | undefined) => messageId?.startsWith('channel-') === true;

export function createReplies({ db, events, adapters, configs, log }: RepliesDeps) {
  let flushing: Promise<number> | null = null;
  let again = false;
  let closed = false;

  async function discard(row: MessageRow, reason: string): Promise<void> {
    if (await store.finishReply(db.kysely, row))
      log.error({ channel_id: row.channel_id, reason, attempts: row.reply_attempts }, 'a reply to a chat is given up');
  }

  async function finish(row: MessageRow, channel: ChannelRow): Promise<void> {
    await db.tx(async (trx) => {
      await store.noteSent(trx, channel.id, 1);
      await store.finishReply(trx, row);
      await events.append(trx, {
        event: 'CHANNEL_MESSAGE',
        workspace_id: channel.workspace_id,
        payload: { channel_id: channel.id, channel_type: channel.channel_type, direction: 'outbound' },
      });
    });
  }

  async function sendParts(row: MessageRow, channel: ChannelRow, adapter: ChannelAdapter): Promise<void> {
    const config = configs.open(adapter, channel.channel_config);
    const parts = adapter.split(row.reply ?? '');
    let sent = row.reply_parts_sent;
    try {
      for (; sent < parts.length; sent += 1)
        await adapter.send(config, { chatId: row.chat_id, thread: row.thread }, parts[sent] ?? '');
    } catch (error) {
      if (!(error instanceof ChannelSendError)) throw error;
      if (row.reply_attempts >= MOST_ATTEMPTS) return await discard(row, error.message);
      const usual = Math.min(FIRST_DELAY_SECONDS * 2 ** row.reply_attempts, MOST_DELAY_SECONDS);
      log.warn({ channel_id: channel.id, reason: error.message }, 'a reply to a chat was not taken; it is repeated');
      return await store.putOffReply(db.kysely, row, sent, Math.max(usual, error.retryAfterSeconds ?? 0));
    }
    await finish(row, channel);
  }

  async function deliver(row: MessageRow): Promise<void> {
    try {
      const channel = await store.find(db.kysely, row.channel_id);
      const adapter = channel ? adapters.find(channel.channel_type) : null;
      if (!channel?.enabled || !adapter) return await discard(row, 'the channel is gone');
      await sendParts(row, channel, adapter);
    } catch (error) {
      log.error({ err: error, channel_id: row.channel_id }, 'a reply to a chat could not be sent');
      if (row.reply_attempts >= MOST_ATTEMPTS) await discard(row, 'it failed too often');
    }
  }

  /** What an agent said to a message in its inbox goes back as any answer. */
  async function takeInboxAnswers(): Promise<void> {
    await db.tx(async (trx) => {
      for (const { id, text } of await store.takeInboxAnswers(trx, BATCH)) {
        const reply = cut(text);
        if (reply !== null) await store.answerMessage(trx, id, reply);
      }
    });
  }

  /** A run of a schedule that said something, in the chats of its workspace. */
  async function tellRun(trx: Transaction<Tables>, item: QueueRow, text: string): Promise<void> {
    const reply = cut(text, MOST_OF_RUN);
    const adapter = adapters.find(RUNS_TOLD_IN);
    if (reply === null || reply === NO_REPLY || !adapter) return;
    for (const row of await store.listEnabledOf(trx, item.workspace_id, RUNS_TOLD_IN))
      for (const chatId of adapter.destinations(row.channel_config)) {
        const key = `${item.idempotency_key}:${chatId}`;
        const id = await store.insertMessage(trx, { channelId: row.id, key, chatId, thread: null, username: null });
        if (id !== null) await store.answerMessage(trx, id, reply);
      }
  }

  async function sendDue(): Promise<number> {
    let sent = 0;
    do {
      again = false;
      if (!closed) await takeInboxAnswers();
      for (;;) {
        const rows = closed ? [] : await store.takeDueReplies(db.kysely, BATCH);
        await Promise.all(rows.map(deliver));
        sent += rows.length;
        if (rows.length < BATCH) break;
      }
    } while (again);
    return sent;
  }

  /** One at a time; what becomes due meanwhile is looked for once more. */
  function flush(): Promise<number> {
    again = true;
    flushing ??= sendDue().finally(() => {
      flushing = null;
    });
    return flushing;
  }

  /** Detached. */
  function flushSoon(): void {
    if (closed) return;
    flush().catch((error: unknown) =>
      log.error({ err: error }, 'replies to chats could not be read; the next pass does'),
    );
  }

  const unsubscribe = events.subscribe((frame) => {
    if (mayBringReplies(frame)) flushSoon();
  });

  return {
    /** In the transaction that ends a message: what chats are told of it. */
    async onEndIn(trx: Transaction<Tables>, item: QueueRow, end: MessageEnd): Promise<void> {
      if (item.schedule_id !== null && end.kind === 'completed') return await tellRun(trx, item, end.text);
      if (item.origin === null || !CHANNEL_ORIGIN.test(item.origin)) return;
      const awaited = end.kind === 'inbox' ? item.idempotency_key : null;
      await store.endMessage(trx, item.id, replyFor(end), awaited);
    },
    flush,
    flushSoon,
    noticeWaiting: () => store.noticeWaiting(db.kysely, WAITING_NOTICE, BATCH),
    async close(): Promise<void> {
      closed = true;
      unsubscribe();
      await flushing;
    },
  };
}

export type Replies = ReturnType<typeof createReplies>;
