// Telegram (chapter 20 §9): the bot API out; in by long polling, or by webhook where a secret is set.

import { createHash } from 'node:crypto';
import { equalSecrets } from '../../auth/index.ts';
import { invalid } from '../../platform/errors.ts';
import {
  type ChannelAdapter,
  type ChannelConfig,
  type Discovered,
  type Fetched,
  headerOf,
  type Inbound,
  listIds,
  type WebhookRequest,
} from './adapter.ts';
import { type ApiAnswer, type ApiCall, type CallApi, ChannelSendError } from './api.ts';
import { type Fields, fieldsOf, isFields, parseFields, textOf } from './fields.ts';
import { splitText } from './split.ts';

const MOST_CHARACTERS = 4_096;
const POLL_SECONDS = 30;
/** The answer to a poll comes at its end, and then takes its time. */
const POLL_LIMIT_MS = 40_000;
const TOKEN = /^\d+:[A-Za-z0-9_-]{30,}$/;
const COMMAND = /^\/(start|help|reset|cancel)(?:@\w+)?(?:\s|$)/;
const LOCAL_REPLIES: Readonly<Record<string, string>> = {
  start: 'Hello. What you write here goes to the agent, and its answers come back here.',
  help: 'Write to the agent as to anybody. /reset: it is not told any more what was said here before.',
  reset: 'What was said here before is forgotten.',
  cancel: 'What the agent is working on cannot be stopped from here.',
};
const UPDATES = ['message', 'callback_query', 'my_chat_member'];
const OUTSIDE = new Set(['left', 'kicked']);

export interface TelegramHosts {
  /** `https://api.telegram.org/` */
  telegramApi: string;
}

const idOf = (value: unknown): string => (typeof value === 'number' || typeof value === 'string' ? String(value) : '');
const nameOf = (user: Fields) => textOf(user.username) || textOf(user.first_name) || idOf(user.id);

function readMessage(message: Fields): Inbound {
  const [chat, from] = [fieldsOf(message.chat), fieldsOf(message.from)];
  const chatId = idOf(chat.id);
  const text = (textOf(message.text) || textOf(message.caption)).trim();
  if (chatId === '' || text === '' || from.is_bot === true) return { kind: 'ignored', chatId: chatId || null };
  const number = idOf(message.message_id);
  if (number === '') throw invalid('message.message_id', 'is required');
  // Numbers of messages begin anew in each chat.
  const messageId = `${chatId}-${number}`;
  const thread = message.is_topic_message === true ? idOf(message.message_thread_id) || null : null;
  const command = COMMAND.exec(text)?.[1];
  if (command !== undefined) {
    const reply = LOCAL_REPLIES[command] ?? '';
    return { kind: 'local', chatId, key: messageId, thread, reply, forgets: command === 'reset' };
  }
  return {
    kind: 'message',
    message: {
      chatId,
      userId: idOf(from.id),
      username: nameOf(from),
      text,
      messageId,
      thread,
      extra: { chat_type: textOf(chat.type), chat_title: textOf(chat.title) },
    },
  };
}

function readButton(query: Fields): Inbound {
  const from = fieldsOf(query.from);
  const chatId = idOf(fieldsOf(fieldsOf(query.message).chat).id);
  const [id, data] = [idOf(query.id), textOf(query.data)];
  if (chatId === '' || id === '' || data === '') return { kind: 'ignored', chatId: chatId || null };
  return {
    kind: 'message',
    message: {
      chatId,
      userId: idOf(from.id),
      username: nameOf(from),
      text: `CEO_DECISION: ${data}`,
      messageId: `${chatId}-button-${id}`,
      thread: null,
      extra: { button: data },
    },
  };
}

function readMembership(change: Fields, updateId: string): Inbound {
  const chatId = idOf(fieldsOf(change.chat).id);
  const before = textOf(fieldsOf(change.old_chat_member).status);
  const after = textOf(fieldsOf(change.new_chat_member).status);
  if (chatId === '') return { kind: 'ignored', chatId: null };
  if (OUTSIDE.has(after)) return { kind: 'gone', chatId };
  if (!OUTSIDE.has(before)) return { kind: 'ignored', chatId };
  const reply = LOCAL_REPLIES.start ?? '';
  return { kind: 'local', chatId, key: `joined-${updateId}`, thread: null, reply, forgets: false };
}

function readUpdate(update: Fields): Inbound {
  if (isFields(update.message)) return readMessage(update.message);
  if (isFields(update.callback_query)) return readButton(update.callback_query);
  if (isFields(update.my_chat_member)) return readMembership(update.my_chat_member, idOf(update.update_id));
  return { kind: 'ignored', chatId: null };
}

/** An update that cannot be read is passed over: it would be fetched for ever. */
function tryToRead(update: Fields): Inbound {
  try {
    return readUpdate(update);
  } catch {
    return { kind: 'ignored', chatId: null };
  }
}

export function createTelegramAdapter(callApi: CallApi, { telegramApi }: TelegramHosts): ChannelAdapter {
  async function ask(config: ChannelConfig, method: string, call: ApiCall): Promise<ApiAnswer> {
    return await callApi(`${telegramApi}bot${config.bot_token}/${method}`, call);
  }

  /** @throws ChannelSendError with Telegram's words. */
  function resultOf({ status, json, retryAfterSeconds }: ApiAnswer): unknown {
    const { ok, result, description, parameters } = fieldsOf(json);
    if (ok === true) return result;
    const wait = Number(fieldsOf(parameters).retry_after);
    const reason = textOf(description).slice(0, 100) || `status ${status}`;
    throw new ChannelSendError(`Telegram answered with ${reason}`, wait > 0 ? wait : retryAfterSeconds);
  }

  const place = (to: { chatId: string; thread: string | null }) => ({
    chat_id: to.chatId,
    ...(to.thread ? { message_thread_id: Number(to.thread) } : {}),
  });

  /** Its button stops spinning; that it does not is nobody's loss. */
  async function stopSpinning(config: ChannelConfig, update: Fields): Promise<void> {
    const id = idOf(fieldsOf(update.callback_query).id);
    if (id === '') return;
    try {
      await ask(config, 'answerCallbackQuery', { body: { callback_query_id: id } });
    } catch (error) {
      if (!(error instanceof ChannelSendError)) throw error;
    }
  }

  async function fetchUpdates(config: ChannelConfig, from: number, signal: AbortSignal): Promise<Fetched> {
    const body = { timeout: POLL_SECONDS, allowed_updates: UPDATES, ...(from > 0 ? { offset: from } : {}) };
    const result = resultOf(await ask(config, 'getUpdates', { body, signal, limitMs: POLL_LIMIT_MS }));
    const updates = Array.isArray(result) ? result.map(fieldsOf) : [];
    for (const update of updates) await stopSpinning(config, update);
    const last = Math.max(from - 1, ...updates.map((update) => Number(update.update_id) || 0));
    return { inbound: updates.map(tryToRead), next: last + 1 };
  }

  async function discover(config: ChannelConfig): Promise<Discovered> {
    const me = fieldsOf(resultOf(await ask(config, 'getMe', { body: {} })));
    const result = resultOf(await ask(config, 'getUpdates', { body: { timeout: 0, allowed_updates: UPDATES } }));
    const chats = new Map<string, Discovered['chats'][number]>();
    for (const update of Array.isArray(result) ? result.map(fieldsOf) : []) {
      const holder = update.message ?? update.my_chat_member ?? fieldsOf(update.callback_query).message;
      const chat = fieldsOf(fieldsOf(holder).chat);
      const id = idOf(chat.id);
      const name = textOf(chat.title) || textOf(chat.username) || textOf(chat.first_name) || id;
      if (id !== '') chats.set(id, { chat_id: id, name, type: textOf(chat.type) });
    }
    const readsAll = me.can_read_all_group_messages === true;
    return {
      bot_username: textOf(me.username),
      chats: [...chats.values()],
      can_read_all_group_messages: readsAll,
      privacy_warning: readsAll ? '' : 'In groups the bot sees only commands and what is addressed to it.',
      hint: chats.size > 0 ? '' : `Write a message to @${textOf(me.username)}, then look again.`,
    };
  }

  return {
    type: 'telegram',
    displayName: 'Telegram',
    fields: [
      {
        key: 'bot_token',
        label: 'Bot token',
        type: 'password',
        required: true,
        sensitive: true,
        placeholder: '123456789:AA…',
        help: 'Of the bot, as BotFather gives it.',
      },
      {
        key: 'chat_id',
        label: 'Chat id',
        type: 'text',
        required: true,
        sensitive: false,
        help: 'Several with commas.',
      },
      {
        key: 'webhook_secret',
        label: 'Webhook secret',
        type: 'password',
        required: false,
        sensitive: true,
        help: 'With it Telegram is to call the webhook; without it Telegram is asked.',
      },
      {
        key: 'username',
        label: 'Name',
        type: 'text',
        required: false,
        sensitive: false,
        help: 'How it is addressed where several share a chat: [name] text.',
      },
    ],
    findFault(config) {
      if (!TOKEN.test(config.bot_token ?? ''))
        return { field: 'bot_token', message: 'is not a bot token: digits, a colon, then at least 30 characters' };
      return listIds(config.chat_id).length === 0 ? { field: 'chat_id', message: 'is required' } : null;
    },
    destinations: (config) => listIds(config.chat_id),
    chatIds: (config) => listIds(config.chat_id),
    split: (text) => splitText(text, MOST_CHARACTERS, ['\n\n', '\n', ' ']),
    async send(config, to, part) {
      const body = { ...place(to), text: part };
      const styled = await ask(config, 'sendMessage', { body: { ...body, parse_mode: 'Markdown' } });
      // What an agent writes is often no Markdown that Telegram reads.
      resultOf(styled.status === 400 ? await ask(config, 'sendMessage', { body }) : styled);
    },
    isSigned: (request, { webhook_secret: secret }) =>
      !!secret && equalSecrets(headerOf(request, 'x-telegram-bot-api-secret-token'), secret),
    parse: ({ body }: WebhookRequest) => readUpdate(parseFields(body)),
    acknowledge({ body }): Record<string, unknown> {
      const id = idOf(fieldsOf(parseFields(body).callback_query).id);
      return id === '' ? {} : { method: 'answerCallbackQuery', callback_query_id: id };
    },
    polling: {
      keyOf: ({ bot_token: token = '', webhook_secret: secret }) =>
        secret ? null : createHash('sha256').update(token).digest('base64url'),
      fetch: fetchUpdates,
    },
    discover,
    async sendTyping(config, to) {
      resultOf(await ask(config, 'sendChatAction', { body: { ...place(to), action: 'typing' } }));
    },
  };
}
