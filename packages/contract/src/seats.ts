// What a seat holds beside its identity: how to connect it, its configuration, its agent, its figures (chapter 10 §2.1, §2.3).

import { z } from 'zod';
import { idParams, jsonObject, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

/** What the owner of an external agent needs. Each snippet is complete, and may be run again at any time. */
export const connectionBlock = z.object({
  workspace_id: uuid,
  platform_url: z.string(),
  /** Empty when it is not shown again; the snippets hold `<token>` then. */
  auth_token: z.string(),
  registry_endpoint: z.string(),
  heartbeat_endpoint: z.string(),
  curl_register_template: z.string(),
  python_snippet: z.string(),
  claude_code_channel_snippet: z.string(),
  universal_mcp_snippet: z.string(),
  hermes_channel_snippet: z.string(),
  codex_snippet: z.string(),
  openclaw_snippet: z.string(),
});
export type ConnectionBlock = z.output<typeof connectionBlock>;

/** Bytes of a seat's configuration, as sent and as stored. */
export const MAX_CONFIG_BYTES = 262_144;

const agentBody = z.object({
  model: z
    .string()
    .max(100)
    .refine((text) => text.trim() !== '', 'must not be empty'),
});

export const seatRoutes = defineRoutes({
  rotateCredentials: {
    method: 'POST',
    path: '/workspaces/:id/external/rotate',
    auth: 'SELF',
    summary: 'Revokes every token of an external workspace and mints one, shown once.',
    params: idParams,
    replies: { 200: z.object({ connection: connectionBlock }) },
    errors: ['not_found', 'invalid_request'],
  },
  getConnection: {
    method: 'GET',
    path: '/workspaces/:id/external/connection',
    auth: 'SELF',
    summary: 'How to connect an external workspace, without its token.',
    params: idParams,
    replies: { 200: z.object({ connection: connectionBlock }) },
    errors: ['not_found', 'invalid_request'],
  },
  getConfig: {
    method: 'GET',
    path: '/workspaces/:id/config',
    auth: 'SELF',
    summary: 'The configuration of a workspace as data; `{}` if there is none.',
    params: idParams,
    replies: { 200: z.object({ data: jsonObject }) },
    errors: ['not_found'],
  },
  patchConfig: {
    method: 'PATCH',
    path: '/workspaces/:id/config',
    auth: 'SELF',
    summary: 'Merges the keys of the body into the configuration; what a key holds is replaced whole.',
    params: idParams,
    body: z.looseObject({}),
    bodyLimit: MAX_CONFIG_BYTES,
    replies: { 200: z.object({ data: jsonObject }) },
    errors: ['not_found', 'body_too_large'],
  },
  assignAgent: {
    method: 'POST',
    path: '/workspaces/:id/agent',
    auth: 'SELF',
    summary: 'Seats an agent where none is.',
    params: idParams,
    body: agentBody,
    replies: { 201: z.object({ agent_id: uuid, model: z.string() }) },
    errors: ['not_found', 'conflict'],
  },
  replaceAgent: {
    method: 'PATCH',
    path: '/workspaces/:id/agent',
    auth: 'SELF',
    summary: 'Seats another agent in place of the active one.',
    params: idParams,
    body: agentBody,
    replies: { 200: z.object({ agent_id: uuid, model: z.string(), old_model: z.string() }) },
    errors: ['not_found'],
  },
  removeAgent: {
    method: 'DELETE',
    path: '/workspaces/:id/agent',
    auth: 'SELF',
    summary: 'Takes the active agent out of its seat.',
    params: idParams,
    replies: { 200: z.object({ status: z.literal('removed'), agent_id: uuid }) },
    errors: ['not_found'],
  },
  moveAgent: {
    method: 'POST',
    path: '/workspaces/:id/agent/move',
    auth: 'SELF',
    summary: 'Moves the active agent to an empty seat the caller may talk to.',
    params: idParams,
    body: z.object({ target_workspace_id: uuid }),
    replies: {
      200: z.object({ agent_id: uuid, model: z.string(), from_workspace: uuid, to_workspace: uuid }),
    },
    errors: ['not_found', 'conflict'],
  },
  getTokenUsage: {
    method: 'GET',
    path: '/workspaces/:id/metrics',
    auth: 'SELF',
    summary: 'Tokens and estimated cost of the current UTC day.',
    params: idParams,
    replies: {
      200: z.object({
        input_tokens: z.number(),
        output_tokens: z.number(),
        total_calls: z.number(),
        /** US dollars with six decimals. */
        estimated_cost_usd: z.string(),
        period_start: time,
        period_end: time,
      }),
    },
    errors: ['not_found'],
  },
});
