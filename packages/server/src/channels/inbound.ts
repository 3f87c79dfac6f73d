// What comes in by a channel (chapter 20 §9): whom it is for, whether it is genuine, and the one message it becomes. Stored before
// it is acknowledged (ruling R6); a repeat finds the row of the first.

import type { Events } from '../events/index.ts';
import { extractText, type Messaging, type QueueRow, resultOf } from '../messaging/index.ts';
import { type Database, isUniqueViolation } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { ChannelAdapter, ChannelConfig, Inbound, InboundMessage, WebhookRequest } from './adapters/adapter.ts';
import type { Adapters } from './adapters/index.ts';
import type { Configs } from './configs.ts';
import type { ChannelRow } from './store.ts';
import * as store from './store.ts';

const ANSWER_SECONDS = 300;
/** Of what the history says of one message. */
const MOST_PAST_CHARACTERS = 2_000;
const ADDRESSED = /^\[([^\]\n]{1,80})\]\s*/;

export const originOf = (type: string) => `channel:${type}`;

export interface InboundDeps {
  db: Database;
  events: Events;
  messaging: Messaging;
  adapters: Adapters;
  configs: Configs;
  log: Logger;
  /** Detached: what chats are to be told is sent. */
  flushReplies(): void;
}

export type WebhookReply =
  | { status: 'accepted' | 'ignored' | 'no_channel' }
  | { status: 'unknown_agent'; requested_slug: string; available_slugs: string[] };

type Said = Exclude<Inbound, { kind: 'handshake' }>;
type Local = Extract<Inbound, { kind: 'local' }>;

interface Candidate {
  row: ChannelRow;
  config: ChannelConfig;
}

type Choice = { kind: 'row'; row: ChannelRow; text: string } | { kind: 'unknown'; slug: string; known: string[] };

const slugOf = (name: string) =>
  name
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '');

/** A row without ids is meant only when there is no other. */
function matching(adapter: ChannelAdapter, rows: readonly ChannelRow[], chatId: string | null): ChannelRow[] {
  const [only, ...others] = rows;
  if (chatId !== null) {
    const named = rows.filter((row) => adapter.chatIds(row.channel_config).includes(chatId));
    if (named.length > 0) return named;
  }
  return only && others.length === 0 && adapter.chatIds(only.channel_config).length === 0 ? [only] : [];
}

/** `[name] text` is for the agent of that name, where names are given at all; else the oldest channel of the chat has it. */
function choose(candidates: readonly ChannelRow[], text: string): Choice | null {
  const [oldest] = candidates;
  if (!oldest) return null;
  const slugs = candidates.map((row) => slugOf(row.channel_config.username ?? ''));
  const named = ADDRESSED.exec(text);
  if (!named || slugs.every((slug) => slug === '')) return { kind: 'row', row: oldest, text };
  const slug = slugOf(named[1] ?? '');
  const row = candidates[slugs.indexOf(slug)];
  const rest = text.slice(named[0].length).trim();
  if (row && slug !== '') return { kind: 'row', row, text: rest === '' ? text : rest };
  return { kind: 'unknown', slug, known: slugs.filter(Boolean) };
}

const isAllowed = ({ allowed_users: allowed }: ChannelRow, { userId, chatId }: InboundMessage) =>
  allowed.length === 0 || allowed.includes(userId) || allowed.includes(chatId);

const toPast = ({ created_at: at, username, message, response_body: reply }: store.PastMessage) => ({
  at: at.toISOString(),
  username,
  text: extractText(message).slice(0, MOST_PAST_CHARACTERS),
  reply: extractText(resultOf(reply)).slice(0, MOST_PAST_CHARACTERS) || null,
});

export function createInbound({ db, events, messaging, adapters, configs, log, flushReplies }: InboundDeps) {
  const chatsOf = (row: ChannelRow) => adapters.find(row.channel_type)?.chatIds(row.channel_config) ?? [];

  /** Those whose secrets can be read; one that cannot costs only its own channel. */
  function openAll(adapter: ChannelAdapter, rows: readonly ChannelRow[]): Candidate[] {
    return rows.flatMap((row) => {
      try {
        return [{ row, config: configs.open(adapter, row.channel_config) }];
      } catch (error) {
        log.error({ err: error, channel_id: row.id }, 'the secrets of a channel cannot be decrypted; it is left out');
        return [];
      }
    });
  }

  function messageFor(row: ChannelRow, message: InboundMessage, text: string, history: unknown[]) {
    const messageId = `channel-${row.channel_type}-${message.messageId}`;
    const body = {
      role: 'user',
      messageId,
      parts: [{ kind: 'text', text }],
      metadata: {
        source: originOf(row.channel_type),
        channel_id: row.id,
        chat_id: message.chatId,
        user_id: message.userId,
        username: message.username,
        message_id: message.messageId,
        history,
        extra: message.extra,
      },
    };
    return { messageId, body: { jsonrpc: '2.0', id: messageId, method: 'message/send', params: { message: body } } };
  }

  /** @returns false when the channel was taken away since it was looked up. */
  async function accept(row: ChannelRow, message: InboundMessage, text: string): Promise<boolean> {
    const { workspace_id: workspaceId, channel_type: type } = row;
    const past = await store.listHistory(db.kysely, row, originOf(type), message.chatId);
    const item = await db.tx(async (trx): Promise<QueueRow | 'known' | 'gone'> => {
      const { chatId, thread, username } = message;
      if (!(await store.lockEnabled(trx, row.id))) return 'gone';
      const id = await store.insertMessage(trx, {
        channelId: row.id,
        key: message.messageId,
        chatId,
        thread,
        username,
      });
      if (id === null) return 'known';
      await store.noteInbound(trx, row.id);
      const stored = await messaging.acceptIn(trx, {
        workspaceId,
        origin: originOf(type),
        method: 'message/send',
        timeoutSeconds: ANSWER_SECONDS,
        scheduleId: null,
        ...messageFor(row, message, text, past.map(toPast)),
      });
      await store.attachItem(trx, id, stored.id);
      await events.append(trx, {
        event: 'CHANNEL_MESSAGE',
        workspace_id: workspaceId,
        payload: { channel_id: row.id, channel_type: type, direction: 'inbound', username },
      });
      return stored;
    });
    if (item === 'gone') return false;
    if (item !== 'known') messaging.begin(item);
    return true;
  }

  async function take(candidates: readonly ChannelRow[], message: InboundMessage): Promise<WebhookReply> {
    const choice = choose(candidates, message.text);
    if (!choice) return { status: 'no_channel' };
    if (choice.kind === 'unknown')
      return { status: 'unknown_agent', requested_slug: choice.slug, available_slugs: choice.known };
    if (!isAllowed(choice.row, message)) {
      log.info({ channel_id: choice.row.id }, 'a message of somebody who is not on the list of a channel was dropped');
      return { status: 'ignored' };
    }
    try {
      return { status: (await accept(choice.row, message, choice.text)) ? 'accepted' : 'no_channel' };
    } catch (error) {
      // Of an earlier channel of the same chat, which was removed: the message is on its way.
      if (isUniqueViolation(error, 'a2a_queue_active_idx')) return { status: 'accepted' };
      throw error;
    }
  }

  async function answerLocally(row: ChannelRow, { chatId, key, thread, reply, forgets }: Local): Promise<void> {
    await db.tx(async (trx) => {
      const message = { channelId: row.id, key, chatId, thread, username: null, isReset: forgets };
      const id = await store.insertMessage(trx, message);
      if (id !== null) await store.answerMessage(trx, id, reply);
    });
    flushReplies();
  }

  /** @param candidates channels of the chat, oldest first. */
  async function handle(candidates: readonly ChannelRow[], inbound: Said): Promise<WebhookReply> {
    const [oldest] = candidates;
    switch (inbound.kind) {
      case 'ignored':
        return { status: 'ignored' };
      case 'message':
        return await take(candidates, inbound.message);
      case 'local':
        if (oldest) await answerLocally(oldest, inbound);
        return { status: oldest ? 'accepted' : 'no_channel' };
      case 'gone':
        for (const row of candidates) {
          // What is left of its chats goes on.
          if (chatsOf(row).length > 1) continue;
          log.warn({ channel_id: row.id }, 'the bot of a channel was put out of its chat; the channel is disabled');
          await store.disable(db.kysely, row.id);
        }
        return { status: 'ignored' };
    }
  }

  function tryToParse(adapter: ChannelAdapter, request: WebhookRequest): Inbound | PlatformError {
    try {
      return adapter.parse(request);
    } catch (error) {
      if (error instanceof PlatformError) return error;
      throw error;
    }
  }

  const chatOf = (inbound: Inbound | PlatformError): string | null => {
    if (inbound instanceof PlatformError || inbound.kind === 'handshake') return null;
    return inbound.kind === 'message' ? inbound.message.chatId : inbound.chatId;
  };

  return {
    /** What needs no signature: it was fetched from the channel itself. @param rows those it was fetched for, oldest first. */
    async takeFetched(adapter: ChannelAdapter, rows: readonly ChannelRow[], inbound: Inbound): Promise<void> {
      if (inbound.kind !== 'handshake') await handle(matching(adapter, rows, chatOf(inbound)), inbound);
    },
    openAll,
    /**
     * What is wrong with a request is told only to whoever signed it.
     * @throws not_found, invalid_signature, invalid_json, invalid_request. @returns the body of the 200.
     */
    async receive(type: string, request: WebhookRequest): Promise<Record<string, unknown>> {
      const adapter = adapters.find(type);
      if (!adapter) throw notFound('channel type');
      const inbound = tryToParse(adapter, request);
      const rows = await store.listEnabled(db.kysely, type);
      // A chat's message is signed with the secret of its own channel; of what has no channel it only matters that one knows it.
      const meant = matching(adapter, rows, chatOf(inbound));
      const signed = openAll(adapter, meant.length > 0 ? meant : rows).filter(({ config }) =>
        adapter.isSigned(request, config),
      );
      if (signed.length === 0 && (meant.length > 0 || !adapter.isSigned(request, {})))
        throw new PlatformError('invalid_signature', 'the signature of the webhook is not valid');
      if (inbound instanceof PlatformError) throw inbound;
      if (inbound.kind === 'handshake') return inbound.reply;
      const candidates = meant.length > 0 ? signed.map(({ row }) => row) : [];
      const reply = await handle(candidates, inbound);
      return { ...adapter.acknowledge?.(request, reply.status), ...reply };
    },
  };
}

export type InboundDoor = ReturnType<typeof createInbound>;
