// Registration, heartbeat and discovery: the wire shapes of chapter 10 §2.4, §3–4.

import { z } from 'zod';
import { idParams, jsonObject, nullableTime, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

export const registerBody = z.object({
  id: uuid,
  agent_card: jsonObject,
  url: z.string().max(2048).nullish(),
  delivery_mode: z.enum(['push', 'poll'], { error: 'must be push or poll' }).nullish(),
});

/** Numbers an agent reports about itself are clamped by the handler, so that a bad figure never loses the beat. */
const reported = z.number().or(z.nan()).nullish().catch(null);
/** Likewise with text that cannot be stored: what can is kept. */
const reportedText = z
  .string()
  .transform((text) => text.toWellFormed().replaceAll('\0', ''))
  .nullish()
  .catch(null);
const reportedIds = z
  .array(
    z
      .string()
      .max(200)
      .refine((id) => id.isWellFormed() && !id.includes('\0')),
  )
  .max(50)
  .nullish()
  .catch(null);

export const heartbeatBody = z.object({
  workspace_id: uuid,
  error_rate: reported,
  sample_error: reportedText,
  active_tasks: reported,
  uptime_seconds: reported,
  current_task: reportedText,
  monthly_spend: reported,
  runtime_state: reportedText,
  runtime_metadata: z
    .object({
      capabilities: z.record(z.string().regex(/^\w{1,64}$/), z.boolean()).nullish(),
      idle_timeout_seconds: z.number().nullish(),
    })
    .nullish()
    .catch(null),
  needs_restart: z.boolean().nullish().catch(null),
  runtime_version: reportedText,
  active_messages: reportedIds,
  active_delegations: reportedIds,
});
export type HeartbeatBody = z.output<typeof heartbeatBody>;

export const peerView = z.object({
  id: uuid,
  name: z.string(),
  role: z.string().nullable(),
  tier: z.number(),
  status: z.string(),
  agent_card: z.unknown(),
  url: z.string().nullable(),
  parent_id: uuid.nullable(),
  active_tasks: z.number(),
});

export const registryRoutes = defineRoutes({
  register: {
    method: 'POST',
    path: '/registry/register',
    auth: 'REG',
    summary: 'An agent announces itself and its address.',
    body: registerBody,
    replies: {
      200: z.object({
        status: z.literal('registered'),
        delivery_mode: z.string(),
        auth_token: z.string().optional(),
        platform_inbound_secret: z.string().optional(),
      }),
    },
    errors: ['unsafe_url', 'workspace_suspended'],
  },
  heartbeat: {
    method: 'POST',
    path: '/registry/heartbeat',
    auth: 'REG',
    summary: 'An agent says that it lives and what it does.',
    body: heartbeatBody,
    replies: { 200: z.object({ status: z.literal('ok'), platform_inbound_secret: z.string().optional() }) },
  },
  updateCard: {
    method: 'POST',
    path: '/registry/update-card',
    auth: 'REG',
    summary: 'Replaces the agent card.',
    body: z.object({ workspace_id: uuid, agent_card: jsonObject }),
    replies: { 200: z.object({ status: z.literal('updated') }) },
  },
  discover: {
    method: 'GET',
    path: '/registry/discover/:id',
    auth: 'CALLER',
    summary: 'The address of a workspace the caller may talk to.',
    params: idParams,
    replies: { 200: z.object({ id: uuid, url: z.string(), name: z.string() }) },
    errors: ['invalid_request', 'access_denied', 'not_found', 'agent_not_ready', 'agent_url_unsafe'],
  },
  listPeers: {
    method: 'GET',
    path: '/registry/:id/peers',
    auth: 'SELF',
    summary: 'Siblings, children and parent of a workspace.',
    params: idParams,
    query: z.object({ q: z.string().max(200).optional() }),
    replies: { 200: z.array(peerView) },
    errors: ['not_found'],
  },
  checkAccess: {
    method: 'POST',
    path: '/registry/check-access',
    auth: 'ANY',
    summary: 'Whether the hierarchy lets two workspaces talk.',
    body: z.object({ caller_id: uuid, target_id: uuid }),
    replies: { 200: z.object({ allowed: z.boolean() }) },
    errors: ['access_denied'],
  },
});
export { nullableTime };
