// A2A proxy and queue: the wire shapes of chapter 20 §1 and §3.

import { z } from 'zod';
import { idParams, jsonObject, nullableTime, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

export const A2A_BODY_LIMIT = 1_048_576;
/** The A2A extension our cards declare for streams that can be resumed after the last event seen (chapter 20 §1.10). */
export const RESUMABLE_STREAM_EXTENSION = 'urn:molecule:a2a:resumable-stream:v1';
/** Ten years: beyond it nothing is stored. */
const MOST_AGE_MINUTES = 5_256_000;
export const QUEUE_STATUSES = ['queued', 'dispatched', 'completed', 'failed', 'dropped'] as const;
export type QueueStatus = (typeof QUEUE_STATUSES)[number];

export const queuedReply = z.object({
  queued: z.literal(true),
  queue_id: uuid,
  queue_depth: z.number(),
  message: z.string(),
});
export const pollReply = z.object({
  status: z.literal('queued'),
  delivery_mode: z.literal('poll'),
  method: z.string(),
  activity_id: uuid,
});

export const queueItem = z.object({
  queue_id: uuid,
  workspace_id: uuid,
  caller_id: uuid.nullable(),
  status: z.enum(QUEUE_STATUSES),
  priority: z.number(),
  method: z.string(),
  attempts: z.number(),
  last_error: z.string().nullable(),
  enqueued_at: time,
  dispatched_at: nullableTime,
  completed_at: nullableTime,
  expires_at: nullableTime,
  accepted_at: time,
  injected_at: nullableTime,
  answered_at: nullableTime,
  response_body: z.unknown().optional(),
});

export const messagingRoutes = defineRoutes({
  sendA2a: {
    method: 'POST',
    path: '/workspaces/:id/a2a',
    auth: 'CALLER',
    summary: 'Sends an A2A request (JSON-RPC, v0.2 to v1.0) to the agent of a workspace.',
    params: idParams,
    rawBody: true,
    bodyLimit: A2A_BODY_LIMIT,
    transport: 'a2a',
    replies: { 200: z.unknown(), 202: queuedReply },
    errors: [
      'invalid_caller',
      'access_denied',
      'budget_exceeded',
      'invalid_json',
      'invalid_payload',
      'not_found',
      'agent_no_url',
      'agent_url_refused',
      'agent_unreachable',
      'agent_busy',
      'queue_full',
      'agent_restarting',
      'agent_waking',
      'agent_response_too_large',
      'agent_response_unreadable',
      'agent_error',
      'request_build_failed',
      'inbox_unavailable',
      'body_too_large',
    ],
  },
  getQueueItem: {
    method: 'GET',
    path: '/workspaces/:id/a2a/queue/:queueId',
    auth: 'CALLER',
    summary: 'One queued message with its receipts, for its caller, its target or an administrator.',
    params: z.object({ id: z.string(), queueId: z.string() }),
    replies: { 200: queueItem },
    errors: ['not_found'],
  },
  dropStaleQueueItems: {
    method: 'POST',
    path: '/admin/a2a-queue/drop-stale',
    auth: 'ADMIN',
    summary: 'Drops messages that have waited longer than an age.',
    query: z.object({
      max_age_minutes: z.coerce
        .number()
        .int()
        .min(1)
        .default(60)
        .transform((minutes) => Math.min(minutes, MOST_AGE_MINUTES)),
      workspace_id: uuid.optional(),
    }),
    replies: { 200: z.object({ dropped: z.number() }) },
  },
});

const agentCard = {
  method: 'GET',
  auth: 'CALLER',
  params: idParams,
  replies: { 200: jsonObject },
  errors: ['access_denied', 'not_found'],
} as const;

/** Cards are those of A2A, which allows further fields: v0.3 unless `A2A-Version: 1.0` asks for v1.0 (chapter 20 §1.4). */
export const cardRoutes = defineRoutes({
  getAgentCard: {
    ...agentCard,
    path: '/workspaces/:id/.well-known/agent-card.json',
    summary: 'The agent card of a workspace, in the A2A version asked for; it points at the A2A entry here.',
  },
  getAgentCardByOldName: {
    ...agentCard,
    path: '/workspaces/:id/.well-known/agent.json',
    summary: 'The same card under the name it had before A2A v0.3.',
  },
});
