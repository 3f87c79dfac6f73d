// Lark and Feishu (chapter 20 §9): event callbacks in, a custom bot's webhook out.

import { equalSecrets } from '../../auth/index.ts';
import { invalid, PlatformError } from '../../platform/errors.ts';
import { type ChannelAdapter, type Inbound, listIds, type WebhookRequest } from './adapter.ts';
import { type CallApi, ChannelSendError } from './api.ts';
import { type Fields, fieldsOf, parseFields, textOf } from './fields.ts';
import { splitText } from './split.ts';

/** A message takes 20 kB, and a character up to three bytes. */
const MOST_CHARACTERS = 5_000;
const MESSAGE_EVENT = 'im.message.receive_v1';
/** Stands for who is mentioned. */
const MENTION = /@_(?:user_\d+|all)\s*/g;

export interface LarkHosts {
  /** `https://open.feishu.cn/open-apis/bot/v2/hook/` and the one of Lark. */
  larkHooks: readonly string[];
}

/** Of an event, or of the handshake. Empty when there is none. */
function tokenOf({ body }: WebhookRequest): string {
  try {
    const { header, token } = parseFields(body);
    return textOf(fieldsOf(header).token) || textOf(token);
  } catch (error) {
    if (error instanceof PlatformError) return '';
    throw error;
  }
}

/** The content of a message is JSON inside of JSON. */
function textOfContent(content: unknown): string {
  try {
    return textOf(parseFields(Buffer.from(textOf(content))).text)
      .replace(MENTION, '')
      .trim();
  } catch (error) {
    throw invalid('event.message.content', error instanceof Error ? error.message : 'cannot be read');
  }
}

function parseMessage(event: Fields, header: Fields): Inbound {
  const message = fieldsOf(event.message);
  const sender = fieldsOf(event.sender);
  const chatId = textOf(message.chat_id);
  const isSpoken = message.message_type === 'text' && sender.sender_type !== 'app';
  if (!isSpoken || chatId === '') return { kind: 'ignored', chatId: chatId || null };
  const text = textOfContent(message.content);
  if (text === '') return { kind: 'ignored', chatId };
  const messageId = textOf(message.message_id);
  if (messageId === '') throw invalid('event.message.message_id', 'is required');
  const ids = fieldsOf(sender.sender_id);
  const userId = textOf(ids.user_id) || textOf(ids.open_id);
  return {
    kind: 'message',
    message: {
      chatId,
      userId,
      username: userId,
      text,
      messageId,
      thread: null,
      extra: { event_id: textOf(header.event_id), chat_type: textOf(message.chat_type), open_id: textOf(ids.open_id) },
    },
  };
}

function parse({ body }: WebhookRequest): Inbound {
  const { type, challenge, header, event } = parseFields(body);
  if (type === 'url_verification') return { kind: 'handshake', reply: { challenge: textOf(challenge) } };
  const about = fieldsOf(header);
  return about.event_type === MESSAGE_EVENT ? parseMessage(fieldsOf(event), about) : { kind: 'ignored', chatId: null };
}

export function createLarkAdapter(callApi: CallApi, { larkHooks }: LarkHosts): ChannelAdapter {
  return {
    type: 'lark',
    displayName: 'Lark / Feishu',
    fields: [
      { key: 'webhook_url', label: 'Webhook address', type: 'password', required: true, sensitive: true },
      {
        key: 'verify_token',
        label: 'Verification token',
        type: 'password',
        required: false,
        sensitive: true,
        help: 'Verifies what comes from Lark; without it nothing is taken.',
      },
      {
        key: 'chat_id',
        label: 'Chat id',
        type: 'text',
        required: false,
        sensitive: false,
        help: 'Several with commas. Needed where several workspaces have a Lark channel.',
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
    findFault: ({ webhook_url: hook = '' }) =>
      larkHooks.some((start) => hook.startsWith(start))
        ? null
        : { field: 'webhook_url', message: `must start with ${larkHooks.join(' or ')}` },
    destinations: () => [''],
    chatIds: (config) => listIds(config.chat_id),
    split: (text) => splitText(text, MOST_CHARACTERS, ['\n']),
    async send(config, _to, part) {
      const { status, json, retryAfterSeconds } = await callApi(config.webhook_url ?? '', {
        body: { msg_type: 'text', content: { text: part } },
      });
      const { code, StatusCode: oldCode } = fieldsOf(json);
      const said = code ?? oldCode;
      if (status !== 200) throw new ChannelSendError(`Lark answered with status ${status}`, retryAfterSeconds);
      // It says 200 to everything.
      if (said !== 0) throw new ChannelSendError(`Lark answered with code ${typeof said === 'number' ? said : 'none'}`);
    },
    isSigned: (request, { verify_token: token }) => !!token && equalSecrets(tokenOf(request), token),
    parse,
  };
}
