// Activity log, notifications and the stored events: the wire shapes of chapter 20 §5–6.

import { z } from 'zod';
import { idParams, int32, jsonObject, pageLimit, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

/** Types an agent may report. */
export const REPORTABLE_ACTIVITY_TYPES = [
  'a2a_send',
  'a2a_receive',
  'task_update',
  'agent_log',
  'skill_promotion',
  'memory_write',
  'error',
] as const;
/** Types only the platform writes. */
export const PLATFORM_ACTIVITY_TYPES = ['delegation', 'cron_run', 'memory_write_org', 'memory_write_global'] as const;

export const activityRow = z.object({
  id: uuid,
  workspace_id: uuid,
  activity_type: z.string(),
  source_id: uuid.nullable(),
  target_id: uuid.nullable(),
  origin: z.string().optional(),
  method: z.string().nullable(),
  summary: z.string().nullable(),
  request_body: z.unknown().optional(),
  response_body: z.unknown().optional(),
  metadata: z.unknown().optional(),
  tool_trace: z.unknown().optional(),
  duration_ms: z.number().nullable(),
  status: z.string(),
  error_detail: z.string().nullable(),
  accepted_at: time.optional(),
  injected_at: time.optional(),
  answered_at: time.optional(),
  created_at: time,
});
export type ActivityRow = z.output<typeof activityRow>;

export const MAX_SINCE_SECONDS = 2_592_000;
export const activityQuery = z.object({
  type: z.string().max(50).optional(),
  source: z.enum(['canvas', 'agent']).optional(),
  peer_id: uuid.optional(),
  limit: pageLimit(100, 500),
  since_secs: z
    .string()
    .regex(/^[1-9]\d*$/, 'must be a positive whole number of seconds')
    .optional()
    .transform((text) => (text === undefined ? undefined : Math.min(Number(text), MAX_SINCE_SECONDS))),
  since_id: uuid.optional(),
  before_ts: z.iso.datetime({ offset: true }).optional(),
});
export type ActivityQuery = z.output<typeof activityQuery>;

export const attachment = z.looseObject({
  uri: z.string(),
  name: z.string(),
  mimeType: z.string().optional(),
  size: z.number().optional(),
});

/** What a search of a session finds. `kind` tells what other members are to be read as. */
export const sessionSearchItem = z.object({
  kind: z.enum(['activity', 'memory']),
  id: uuid,
  workspace_id: uuid,
  label: z.string(),
  content: z.string(),
  method: z.string().nullable(),
  status: z.string(),
  request_body: z.unknown().optional(),
  response_body: z.unknown().optional(),
  created_at: time,
});
export type SessionSearchItem = z.output<typeof sessionSearchItem>;

export const activityRoutes = defineRoutes({
  reportActivity: {
    method: 'POST',
    path: '/workspaces/:id/activity',
    auth: 'SELF',
    summary: 'An agent reports what it did.',
    params: idParams,
    body: z.object({
      activity_type: z.string(),
      method: z.string().max(200).optional(),
      summary: z.string().optional(),
      target_id: uuid.nullish(),
      source_id: z.string().nullish(),
      status: z.string().max(50).optional(),
      error_detail: z.string().nullish(),
      duration_ms: int32.min(0).nullish(),
      request_body: z.unknown().optional(),
      response_body: z.unknown().optional(),
      metadata: jsonObject.nullish(),
    }),
    replies: { 200: z.object({ status: z.literal('logged') }) },
    errors: ['source_mismatch', 'invalid_request'],
  },
  listActivity: {
    method: 'GET',
    path: '/workspaces/:id/activity',
    auth: 'SELF',
    summary: 'The activity of a workspace: newest first, or oldest first after a cursor.',
    params: idParams,
    query: activityQuery,
    replies: { 200: z.array(activityRow) },
    errors: ['cursor_gone'],
  },
  searchSession: {
    method: 'GET',
    path: '/workspaces/:id/session-search',
    auth: 'SELF',
    summary:
      'Activity of a workspace that holds `q` somewhere, newest first; header `x-searched-since` when not all of it was looked at.',
    params: idParams,
    query: z.object({ q: z.string().max(500).default(''), limit: pageLimit(50, 200) }),
    replies: { 200: z.array(sessionSearchItem) },
    errors: ['not_found'],
  },
  notify: {
    method: 'POST',
    path: '/workspaces/:id/notify',
    auth: 'SELF',
    summary: 'An agent says something to the person.',
    params: idParams,
    body: z.looseObject({
      message: z.string().min(1),
      attachments: z.array(z.unknown()).max(20).optional(),
      /** The inbox row it answers: said once, however often it is sent. */
      in_reply_to: uuid.optional(),
    }),
    replies: { 200: z.object({ status: z.literal('sent') }) },
    errors: ['not_found', 'inbox_unavailable'],
  },
});

const storedEvent = z.object({
  id: uuid,
  seq: z.number(),
  event_type: z.string(),
  workspace_id: uuid.nullable(),
  payload: z.unknown(),
  created_at: time,
});
const eventsQuery = z.object({ since_seq: z.coerce.number().int().min(0).optional(), limit: pageLimit(100, 1000) });

export const eventRoutes = defineRoutes({
  listEvents: {
    method: 'GET',
    path: '/events',
    auth: 'ADMIN',
    summary: 'Stored events: the newest 100, or ascending after `since_seq`.',
    query: eventsQuery,
    replies: { 200: z.array(storedEvent) },
  },
  listWorkspaceEvents: {
    method: 'GET',
    path: '/events/:id',
    auth: 'ADMIN',
    summary: 'Stored events of one workspace.',
    params: idParams,
    query: eventsQuery,
    replies: { 200: z.array(storedEvent) },
  },
  streamEvents: {
    method: 'GET',
    path: '/workspaces/:id/events/stream',
    auth: 'SELF',
    summary: 'Server-sent events of one workspace, resumable with `Last-Event-ID`; `profile=agui` speaks AG-UI.',
    params: idParams,
    query: z.object({ profile: z.enum(['agui']).optional() }),
    transport: 'sse',
    replies: { 200: z.unknown() },
    errors: ['not_found', 'invalid_request'],
  },
  openEventSocket: {
    method: 'GET',
    path: '/ws',
    auth: 'CALLER',
    summary: 'WebSocket of events, resumable with `since_seq`.',
    query: z.object({ since_seq: z.coerce.number().int().min(0).optional() }),
    transport: 'websocket',
    replies: { 200: z.unknown() },
  },
});
