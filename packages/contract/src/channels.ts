// Social channels: the wire shapes of chapter 20 §9. What comes in by a webhook is signed by the channel, not by a bearer.

import { z } from 'zod';
import { idParams, int32, nullableTime, status, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

const channelParams = z.object({ id: uuid, channelId: uuid });
const channelType = z.string().min(1).max(64);
/** Names of fields as the adapter's `config_schema` lists them; all values are text. */
const channelConfig = z.record(z.string(), z.string().max(8_192));
const allowedUsers = z.array(z.string().min(1).max(255)).max(1_000);
/** How many messages may be sent; null = any. */
const channelBudget = int32.min(0).nullable();

export const channelField = z.object({
  key: z.string(),
  label: z.string(),
  type: z.enum(['text', 'password', 'textarea']),
  required: z.boolean(),
  /** Encrypted at rest, and masked in lists. */
  sensitive: z.boolean(),
  placeholder: z.string().optional(),
  help: z.string().optional(),
});
export type ChannelField = z.output<typeof channelField>;

export const channelRow = z.object({
  id: uuid,
  workspace_id: uuid,
  channel_type: z.string(),
  /** Secrets are masked; a masked value that is sent back means: keep it. */
  config: z.record(z.string(), z.string()),
  enabled: z.boolean(),
  allowed_users: z.array(z.string()),
  channel_budget: z.number().nullable(),
  message_count: z.number(),
  last_message_at: nullableTime,
  created_at: time,
  updated_at: time,
});
export type ChannelRow = z.output<typeof channelRow>;

const sent = status('sent');

export const channelRoutes = defineRoutes({
  listChannelAdapters: {
    method: 'GET',
    path: '/channels/adapters',
    auth: 'PUB',
    summary: 'Kinds of channels this platform knows, with the fields each needs, by name.',
    replies: {
      200: z.array(z.object({ type: z.string(), display_name: z.string(), config_schema: z.array(channelField) })),
    },
  },
  discoverChats: {
    method: 'POST',
    path: '/channels/discover',
    auth: 'ADMIN',
    summary: 'Which chats a bot is in. The poller of this workspace’s own channel of the bot rests meanwhile.',
    body: z.object({ channel_type: channelType, bot_token: z.string().min(1).max(255), workspace_id: uuid }),
    replies: {
      200: z.object({
        bot_username: z.string(),
        chats: z.array(z.object({ chat_id: z.string(), name: z.string(), type: z.string() })),
        can_read_all_group_messages: z.boolean(),
        /** Empty when there is nothing to warn of. */
        privacy_warning: z.string(),
        hint: z.string(),
      }),
    },
    errors: ['not_found', 'channel_send_failed'],
  },
  listChannels: {
    method: 'GET',
    path: '/workspaces/:id/channels',
    auth: 'SELF',
    summary: 'Channels of a workspace, oldest first, with their secrets masked.',
    params: idParams,
    replies: { 200: z.array(channelRow) },
    errors: ['not_found'],
  },
  createChannel: {
    method: 'POST',
    path: '/workspaces/:id/channels',
    auth: 'SELF',
    summary: 'Connects a channel; a workspace has one of each kind.',
    params: idParams,
    body: z.object({
      channel_type: channelType,
      config: channelConfig,
      allowed_users: allowedUsers.default([]),
      enabled: z.boolean().default(true),
      channel_budget: channelBudget.default(null),
    }),
    replies: { 201: z.object({ id: uuid, channel_type: z.string(), enabled: z.boolean() }) },
    errors: ['not_found', 'conflict'],
  },
  patchChannel: {
    method: 'PATCH',
    path: '/workspaces/:id/channels/:channelId',
    auth: 'SELF',
    summary: 'Changes a channel; a given config replaces the whole one, and its masked values keep what they mask.',
    params: channelParams,
    body: z.object({
      config: channelConfig.optional(),
      allowed_users: allowedUsers.optional(),
      enabled: z.boolean().optional(),
      channel_budget: channelBudget.optional(),
    }),
    replies: { 200: status('updated') },
    errors: ['not_found'],
  },
  deleteChannel: {
    method: 'DELETE',
    path: '/workspaces/:id/channels/:channelId',
    auth: 'SELF',
    summary: 'Removes a channel; what its chats were still to be told is not sent any more.',
    params: channelParams,
    replies: { 200: status('deleted') },
    errors: ['not_found'],
  },
  sendToChannel: {
    method: 'POST',
    path: '/workspaces/:id/channels/:channelId/send',
    auth: 'SELF',
    summary: 'Says something in every chat of a channel.',
    params: channelParams,
    body: z.object({ text: z.string().min(1).max(100_000) }),
    replies: { 200: sent },
    errors: ['not_found', 'channel_budget_exceeded', 'channel_send_failed'],
  },
  testChannel: {
    method: 'POST',
    path: '/workspaces/:id/channels/:channelId/test',
    auth: 'SELF',
    summary: 'Says a fixed sentence in every chat of a channel; counts like any other message.',
    params: channelParams,
    replies: { 200: sent },
    errors: ['not_found', 'channel_budget_exceeded', 'channel_send_failed'],
  },
  receiveChannelWebhook: {
    method: 'POST',
    path: '/webhooks/:type',
    auth: 'PUB',
    summary: 'What a channel tells of its chats. Signed by the channel; a message is stored before it is acknowledged.',
    params: z.object({ type: channelType }),
    rawBody: true,
    replies: {
      // Handshakes are answered in the channel's own words.
      200: z.looseObject({
        status: z.enum(['accepted', 'ignored', 'no_channel', 'unknown_agent']).optional(),
        requested_slug: z.string().optional(),
        available_slugs: z.array(z.string()).optional(),
      }),
    },
    errors: ['not_found', 'invalid_signature'],
  },
});
