// Discord (chapter 20 §9): signed interactions in, a webhook out.

import { createPublicKey, verify } from 'node:crypto';
import { invalid } from '../../platform/errors.ts';
import { ACKNOWLEDGED, type ChannelAdapter, headerOf, type Inbound, listIds, type WebhookRequest } from './adapter.ts';
import { type CallApi, ChannelSendError } from './api.ts';
import { type Fields, fieldsOf, parseFields, textOf } from './fields.ts';
import { splitText } from './split.ts';

const MOST_CHARACTERS = 2_000;
const [PING, COMMAND] = [1, 2];
/** A message of its own, shown to whoever asked. */
const [MESSAGE, EPHEMERAL] = [4, 64];
/** What stands before a raw Ed25519 key in its usual form. */
const KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const KEY = /^[0-9a-f]{64}$/i;
const SIGNATURE = /^[0-9a-f]{128}$/i;

export interface DiscordHosts {
  /** `https://discord.com/api/webhooks/` */
  discordHooks: string;
}

function isSigned(request: WebhookRequest, key: string): boolean {
  const signature = headerOf(request, 'x-signature-ed25519');
  if (!KEY.test(key) || !SIGNATURE.test(signature)) return false;
  const publicKey = createPublicKey({
    key: Buffer.concat([KEY_PREFIX, Buffer.from(key, 'hex')]),
    format: 'der',
    type: 'spki',
  });
  const signed = Buffer.concat([Buffer.from(headerOf(request, 'x-signature-timestamp')), request.body]);
  return verify(null, signed, publicKey, Buffer.from(signature, 'hex'));
}

/** What was typed into a command, its subcommands' included; the command itself when there is nothing. */
function textOfCommand(data: Fields): string {
  const values: string[] = [];
  const walk = (options: unknown) => {
    if (!Array.isArray(options)) return;
    for (const option of options.map(fieldsOf)) {
      if (['string', 'number', 'boolean'].includes(typeof option.value)) values.push(String(option.value));
      walk(option.options);
    }
  };
  walk(data.options);
  return values.join(' ').trim() || `/${textOf(data.name)}`;
}

function parse({ body }: WebhookRequest): Inbound {
  const { type, id, channel_id: channel, data, member, user, guild_id: guild } = parseFields(body);
  if (type === PING) return { kind: 'handshake', reply: { type: PING } };
  const chatId = textOf(channel);
  if (type !== COMMAND || chatId === '') return { kind: 'ignored', chatId: chatId || null };
  if (textOf(id) === '') throw invalid('id', 'is required');
  const sender = fieldsOf(fieldsOf(member).user ?? user);
  return {
    kind: 'message',
    message: {
      chatId,
      userId: textOf(sender.id),
      username: textOf(sender.global_name) || textOf(sender.username) || textOf(sender.id),
      text: textOfCommand(fieldsOf(data)),
      messageId: textOf(id),
      thread: null,
      extra: { command: textOf(fieldsOf(data).name), guild_id: textOf(guild) },
    },
  };
}

/** @param appKey of the whole platform, for channels without a key of their own. */
export function createDiscordAdapter(
  callApi: CallApi,
  { discordHooks }: DiscordHosts,
  appKey: string | null,
): ChannelAdapter {
  const keyOf = (config: Readonly<Record<string, string>>) =>
    config.public_key ?? config.app_public_key ?? appKey ?? '';
  return {
    type: 'discord',
    displayName: 'Discord',
    fields: [
      { key: 'webhook_url', label: 'Webhook address', type: 'password', required: true, sensitive: true },
      {
        key: 'public_key',
        label: 'Public key',
        type: 'text',
        required: false,
        sensitive: false,
        help: 'Of the Discord app; verifies what comes from Discord.',
      },
      {
        key: 'app_public_key',
        label: 'Public key, by its older name',
        type: 'text',
        required: false,
        sensitive: false,
      },
      {
        key: 'channel_id',
        label: 'Channel id',
        type: 'text',
        required: false,
        sensitive: false,
        help: 'Several with commas. Needed where several workspaces have a Discord channel.',
      },
      {
        key: 'username',
        label: 'Name in the chat',
        type: 'text',
        required: false,
        sensitive: false,
        help: 'Also how it is addressed where several share a channel: [name] text.',
      },
    ],
    findFault(config) {
      if (!config.webhook_url?.startsWith(discordHooks))
        return { field: 'webhook_url', message: `must start with ${discordHooks}` };
      for (const field of ['public_key', 'app_public_key'])
        if (config[field] && !KEY.test(config[field])) return { field, message: 'must be 64 hexadecimal characters' };
      return null;
    },
    destinations: () => [''],
    chatIds: (config) => listIds(config.channel_id),
    split: (text) => splitText(text, MOST_CHARACTERS, ['\n', ' ']),
    async send(config, _to, part) {
      const { status, json, retryAfterSeconds } = await callApi(config.webhook_url ?? '', {
        body: {
          content: part,
          // An agent's words must not ring everybody.
          allowed_mentions: { parse: ['users'] },
          ...(config.username ? { username: config.username } : {}),
        },
      });
      if (status === 200 || status === 204) return;
      const wait = Number(fieldsOf(json).retry_after);
      throw new ChannelSendError(
        `Discord answered with status ${status}`,
        retryAfterSeconds ?? (wait > 0 ? Math.ceil(wait) : null),
      );
    },
    isSigned: (request, config) => isSigned(request, keyOf(config)),
    parse,
    acknowledge: (_request, status) => ({
      type: MESSAGE,
      data: { content: ACKNOWLEDGED[status], flags: EPHEMERAL },
    }),
  };
}
