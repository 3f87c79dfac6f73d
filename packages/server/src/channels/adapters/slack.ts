// Slack (chapter 20 §9): Events API and slash commands in, bot API or an incoming webhook out.

import { createHmac } from 'node:crypto';
import { equalSecrets } from '../../auth/index.ts';
import type { Clock } from '../../platform/clock.ts';
import { invalid } from '../../platform/errors.ts';
import {
  ACKNOWLEDGED,
  type ChannelAdapter,
  type ChannelConfig,
  headerOf,
  type Inbound,
  listIds,
  type WebhookRequest,
} from './adapter.ts';
import { type CallApi, ChannelSendError } from './api.ts';
import { fieldsOf, isFields, parseFields, textOf } from './fields.ts';
import { toMrkdwn } from './mrkdwn.ts';
import { splitText } from './split.ts';

const MOST_SKEW_SECONDS = 300;
/** What a section block takes. */
const MOST_CHARACTERS = 3_000;
/** Messages that somebody wrote; others tell of edits, joins and topics. */
const SPOKEN_SUBTYPES = new Set([undefined, 'file_share', 'thread_broadcast']);

export interface SlackHosts {
  /** `https://slack.com/api/` */
  slackApi: string;
  /** `https://hooks.slack.com/` */
  slackHooks: string;
}

const isForm = (request: WebhookRequest) =>
  headerOf(request, 'content-type').startsWith('application/x-www-form-urlencoded');

/** Mentions of the bot itself at the beginning are how it is addressed, not what is said. */
const cleanText = (text: string) => text.replace(/^\s*<@[A-Z0-9]+>[,:]?\s*/, '').trim();

function parseCommand(body: Buffer): Inbound {
  const form = new URLSearchParams(body.toString());
  const [chatId, trigger] = [form.get('channel_id') ?? '', form.get('trigger_id') ?? ''];
  if (chatId === '') throw invalid('channel_id', 'is required');
  if (trigger === '') throw invalid('trigger_id', 'is required');
  const text = (form.get('text') ?? '').trim();
  if (text === '') return { kind: 'ignored', chatId };
  return {
    kind: 'message',
    message: {
      chatId,
      userId: form.get('user_id') ?? '',
      username: form.get('user_name') ?? form.get('user_id') ?? '',
      text,
      messageId: `${chatId}-command-${trigger}`,
      thread: null,
      extra: { command: form.get('command') ?? '', team_id: form.get('team_id') ?? '' },
    },
  };
}

function parseEvent(body: Buffer): Inbound {
  const { type, challenge, event, team_id: team, event_id: eventId } = parseFields(body);
  if (type === 'url_verification') return { kind: 'handshake', reply: { challenge: textOf(challenge) } };
  if (type !== 'event_callback' || !isFields(event)) return { kind: 'ignored', chatId: null };
  const chatId = textOf(event.channel);
  const text = cleanText(textOf(event.text));
  const isSpoken = event.type === 'message' || event.type === 'app_mention';
  const isBot = event.bot_id !== undefined || textOf(event.user) === '';
  if (!isSpoken || isBot || !SPOKEN_SUBTYPES.has(event.subtype as undefined) || chatId === '' || text === '')
    return { kind: 'ignored', chatId: chatId === '' ? null : chatId };
  const at = textOf(event.ts) || textOf(event.event_ts);
  if (at === '') throw invalid('event.ts', 'is required');
  return {
    kind: 'message',
    message: {
      chatId,
      userId: textOf(event.user),
      username: textOf(event.username) || textOf(event.user),
      text,
      // A mention comes in as two events of one time: one message.
      messageId: `${chatId}-${at}`,
      thread: textOf(event.thread_ts) || null,
      extra: { team_id: textOf(team), event_id: textOf(eventId), ts: at, thread_ts: textOf(event.thread_ts) || null },
    },
  };
}

export function createSlackAdapter(callApi: CallApi, hosts: SlackHosts, clock: Clock): ChannelAdapter {
  async function post(config: ChannelConfig, to: { chatId: string; thread: string | null }, text: string) {
    const answer = await callApi(new URL('chat.postMessage', hosts.slackApi).href, {
      headers: { authorization: `Bearer ${config.bot_token}` },
      body: {
        channel: to.chatId,
        text,
        blocks: [{ type: 'section', text: { type: 'mrkdwn', text } }],
        ...(config.username ? { username: config.username } : {}),
        ...(config.icon_emoji ? { icon_emoji: config.icon_emoji } : {}),
        ...(to.thread ? { thread_ts: to.thread } : {}),
      },
    });
    const said = fieldsOf(answer.json);
    if (answer.status === 200 && said.ok === true) return;
    const reason = /^[a-z_]{1,60}$/.test(textOf(said.error)) ? said.error : `status ${answer.status}`;
    throw new ChannelSendError(`Slack answered with ${reason}`, answer.retryAfterSeconds);
  }

  return {
    type: 'slack',
    displayName: 'Slack',
    fields: [
      {
        key: 'bot_token',
        label: 'Bot token',
        type: 'password',
        required: false,
        sensitive: true,
        placeholder: 'xoxb-…',
        help: 'Of the Slack app, with the scope chat:write. Or give a webhook address instead.',
      },
      {
        key: 'channel_id',
        label: 'Channel id',
        type: 'text',
        required: false,
        sensitive: false,
        placeholder: 'C0123456789',
        help: 'Several with commas. Needed with a bot token, and for messages from Slack.',
      },
      { key: 'webhook_url', label: 'Webhook address', type: 'password', required: false, sensitive: true },
      {
        key: 'signing_secret',
        label: 'Signing secret',
        type: 'password',
        required: false,
        sensitive: true,
        help: 'Verifies what comes from Slack; without it nothing is taken.',
      },
      {
        key: 'username',
        label: 'Name in the chat',
        type: 'text',
        required: false,
        sensitive: false,
        help: 'Also how it is addressed where several share a channel: [name] text.',
      },
      {
        key: 'icon_emoji',
        label: 'Emoji',
        type: 'text',
        required: false,
        sensitive: false,
        placeholder: ':robot_face:',
      },
    ],
    findFault(config) {
      const { webhook_url: hook, bot_token: token } = config;
      if (hook && !hook.startsWith(hosts.slackHooks))
        return { field: 'webhook_url', message: `must start with ${hosts.slackHooks}` };
      if (!token && !hook) return { field: 'bot_token', message: 'a bot token or a webhook address is required' };
      if (token && listIds(config.channel_id).length === 0)
        return { field: 'channel_id', message: 'is required with a bot token' };
      return null;
    },
    destinations: (config) => (config.bot_token ? listIds(config.channel_id) : ['']),
    chatIds: (config) => listIds(config.channel_id),
    split: (text) => splitText(toMrkdwn(text), MOST_CHARACTERS, ['\n']),
    async send(config, to, part) {
      if (config.bot_token) return await post(config, to, part);
      const { status, retryAfterSeconds } = await callApi(config.webhook_url ?? '', { body: { text: part } });
      if (status !== 200) throw new ChannelSendError(`Slack answered with status ${status}`, retryAfterSeconds);
    },
    isSigned(request, { signing_secret: secret }) {
      const at = headerOf(request, 'x-slack-request-timestamp');
      if (!secret || !/^\d{1,12}$/.test(at) || Math.abs(clock.now() / 1000 - Number(at)) > MOST_SKEW_SECONDS)
        return false;
      const mac = createHmac('sha256', secret).update(`v0:${at}:`).update(request.body).digest('hex');
      return equalSecrets(headerOf(request, 'x-slack-signature'), `v0=${mac}`);
    },
    parse: (request) => (isForm(request) ? parseCommand(request.body) : parseEvent(request.body)),
    acknowledge: (request, status): Record<string, unknown> =>
      isForm(request) ? { response_type: 'ephemeral', text: ACKNOWLEDGED[status] } : {},
  };
}
