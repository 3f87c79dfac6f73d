// Workspaces: the wire shapes of chapter 10 §1–2.

import { z } from 'zod';
import { flag, idParams, int32, jsonObject, nullableTime, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';
import { connectionBlock } from './seats.ts';

export const WORKSPACE_STATUSES = [
  'provisioning',
  'online',
  'degraded',
  'offline',
  'failed',
  'awaiting_agent',
  'paused',
  'hibernating',
  'hibernated',
  'removed',
] as const;
export type WorkspaceStatus = (typeof WORKSPACE_STATUSES)[number];

/** Adapters that ship with the runtime (chapter 40 §11), plus `external`. */
export const BUILT_IN_RUNTIMES = [
  'echo',
  'langgraph',
  'deepagents',
  'claude-code',
  'codex',
  'gemini-cli',
  'google-adk',
  'openai-agents',
  'ai-sdk',
  'openclaw',
  'hermes',
  'crewai',
  'autogen',
  'smolagents',
  'cli',
  'bridge',
  'external',
] as const;

export const DELIVERY_MODES = ['push', 'poll'] as const;
export const WORKSPACE_ACCESS = ['none', 'read_only', 'read_write'] as const;

const NAME_BAN = /[\r\n{}[\]|>*&!]/;
const plainName = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => !NAME_BAN.test(text), 'must not contain line breaks or any of {}[]|>*&!');
export const workspaceName = plainName(255).refine((text) => text.trim() !== '', 'must not be empty');
export const workspaceRole = plainName(1000);

const BANNED_DIRS = ['/etc', '/var', '/proc', '/sys', '/dev', '/boot', '/sbin', '/bin', '/lib', '/usr'];
/** `//etc` and `/./etc` are `/etc` to the system, and the root holds them all. */
function isOwnDirectory(path: string): boolean {
  const steps = path.split('/').filter((step) => step !== '' && step !== '.');
  return path.startsWith('/') && steps.length > 0 && !steps.includes('..') && !BANNED_DIRS.includes(`/${steps[0]}`);
}

/** Absolute host path outside the system directories (chapter 10 §1.1). */
export const workspaceDir = z
  .string()
  .max(4096)
  .refine(isOwnDirectory, 'must be an absolute path outside the system directories, without ..');

const tier = z.number().int().min(1).max(4);
/** 0 and omitted mean 1. */
const concurrency = z
  .number()
  .int()
  .min(0)
  .max(1000)
  .transform((count) => count || 1);
const canvasPoint = z.object({ x: z.number(), y: z.number() });

export const workspaceView = z.object({
  id: uuid,
  name: z.string(),
  role: z.string().nullable(),
  tier: z.number(),
  runtime: z.string(),
  status: z.string(),
  parent_id: uuid.nullable(),
  forwarded_to: uuid.nullable(),
  url: z.string().nullable(),
  url_source: z.string().nullable(),
  delivery_mode: z.string().nullable(),
  agent_card: z.unknown(),
  last_heartbeat_at: nullableTime,
  last_error_rate: z.number(),
  last_sample_error: z.string().nullable(),
  active_tasks: z.number(),
  uptime_seconds: z.number(),
  current_task: z.string(),
  max_concurrent_tasks: z.number(),
  budget_limit: z.number().nullable(),
  monthly_spend: z.number(),
  hibernation_idle_minutes: z.number().nullable(),
  idle_since: nullableTime,
  last_outbound_at: nullableTime,
  workspace_dir: z.string().nullable(),
  workspace_access: z.string(),
  awareness_namespace: z.string(),
  instance_id: z.string().nullable(),
  runtime_image_digest: z.string().nullable(),
  source_bundle_id: z.string().nullable(),
  status_changed_at: time,
  needs_restart: z.boolean(),
  runtime_version: z.string().nullable(),
  runtime_metadata: z.unknown(),
  x: z.number(),
  y: z.number(),
  collapsed: z.boolean(),
  /** Queued A2A messages waiting for this workspace. */
  queue_depth: z.number(),
  /** Absent unless a template of the runtime declares one. */
  provision_timeout_ms: z.number().optional(),
  created_at: time,
  updated_at: time,
});
export type WorkspaceView = z.output<typeof workspaceView>;

/** What anyone allowed to see the seat sees; budgets, errors, tasks and host paths stay with administrators. */
export const workspacePublicView = workspaceView.omit({
  budget_limit: true,
  monthly_spend: true,
  current_task: true,
  last_sample_error: true,
  workspace_dir: true,
});
export type WorkspacePublicView = z.output<typeof workspacePublicView>;

/** Where the files come from; without a wish they stay as they are. */
export const restartBody = z
  .object({
    template: z.string().max(200),
    apply_template: z.boolean(),
    rebuild_config: z.boolean(),
    reset: z.boolean(),
  })
  .partial()
  .optional();

export const createWorkspaceBody = z.object({
  name: workspaceName,
  role: workspaceRole.nullish(),
  template: z.string().max(200).optional(),
  tier: tier.optional(),
  model: z.string().max(100).optional(),
  runtime: z.string().max(100).optional(),
  external: z.boolean().optional(),
  url: z.string().max(2048).optional(),
  workspace_dir: workspaceDir.nullish(),
  workspace_access: z.enum(WORKSPACE_ACCESS).optional(),
  parent_id: uuid.nullish(),
  budget_limit: z.number().int().min(0).nullish(),
  secrets: z.record(z.string(), z.string()).optional(),
  max_concurrent_tasks: concurrency.optional(),
  delivery_mode: z.enum(DELIVERY_MODES).nullish(),
  hibernation_idle_minutes: int32.min(1).nullish(),
  canvas: canvasPoint.optional(),
});
export type CreateWorkspaceBody = z.output<typeof createWorkspaceBody>;

export const createWorkspaceReply = z.object({
  id: uuid,
  status: z.string(),
  awareness_namespace: z.string(),
  workspace_access: z.string(),
  external: z.boolean().optional(),
  connection: connectionBlock.optional(),
});

export const patchWorkspaceBody = z
  .object({
    name: workspaceName.optional(),
    role: workspaceRole.nullish(),
    x: z.number().optional(),
    y: z.number().optional(),
    collapsed: z.boolean().optional(),
    tier: tier.optional(),
    parent_id: uuid.nullish(),
    runtime: z.string().max(100).optional(),
    workspace_dir: workspaceDir.nullish(),
    workspace_access: z.enum(WORKSPACE_ACCESS).optional(),
    hibernation_idle_minutes: int32.min(1).nullish(),
    max_concurrent_tasks: concurrency.optional(),
  })
  .refine((body) => (body.x === undefined) === (body.y === undefined), { message: 'x and y go together', path: ['x'] });
export type PatchWorkspaceBody = z.output<typeof patchWorkspaceBody>;

/** Fields of PATCH that only an administrator may set (chapter 10 §2.1). */
export const ADMIN_FIELDS = [
  'tier',
  'parent_id',
  'runtime',
  'workspace_dir',
  'workspace_access',
  'hibernation_idle_minutes',
  'max_concurrent_tasks',
] as const;

export const workspaceRoutes = defineRoutes({
  listWorkspaces: {
    method: 'GET',
    path: '/workspaces',
    auth: 'ADMIN',
    summary: 'Every workspace that is not removed, oldest first.',
    replies: { 200: z.array(workspaceView) },
  },
  createWorkspace: {
    method: 'POST',
    path: '/workspaces',
    auth: 'ADMIN',
    summary: 'Creates a workspace and starts provisioning it.',
    body: createWorkspaceBody,
    replies: { 201: createWorkspaceReply },
    errors: ['unknown_runtime', 'invalid_parent', 'unsafe_url', 'invalid_template'],
  },
  getWorkspace: {
    method: 'GET',
    path: '/workspaces/:id',
    auth: 'ANY',
    summary: 'One workspace, as far as the caller may see it.',
    params: idParams,
    replies: { 200: workspacePublicView },
    errors: ['not_found', 'workspace_removed'],
  },
  patchWorkspace: {
    method: 'PATCH',
    path: '/workspaces/:id',
    auth: 'SELF',
    summary: 'Changes fields of a workspace; some are for administrators only.',
    params: idParams,
    body: patchWorkspaceBody,
    replies: { 200: z.object({ status: z.literal('updated'), needs_restart: z.literal(true).optional() }) },
    errors: ['admin_field', 'unknown_runtime', 'invalid_parent', 'not_found'],
  },
  deleteWorkspace: {
    method: 'DELETE',
    path: '/workspaces/:id',
    auth: 'ADMIN',
    summary: 'Removes a workspace and everything under it.',
    params: idParams,
    query: z.object({ confirm: flag, purge: flag }),
    replies: { 200: z.object({ status: z.enum(['removed', 'purged']), cascade_deleted: z.number() }) },
    errors: ['confirmation_required', 'not_found', 'stop_failures'],
  },
  getWorkspaceState: {
    method: 'GET',
    path: '/workspaces/:id/state',
    auth: 'STATE',
    summary: 'Whether the workspace still exists, for its own agent.',
    params: idParams,
    replies: {
      200: z.object({ workspace_id: uuid, status: z.string(), paused: z.boolean(), deleted: z.literal(false) }),
    },
    errors: ['not_found'],
  },
  restartWorkspace: {
    method: 'POST',
    path: '/workspaces/:id/restart',
    auth: 'SELF',
    summary: 'Stops and starts the workload; requests during a restart are coalesced.',
    params: idParams,
    query: z.object({ reset: flag }),
    body: restartBody,
    replies: {
      200: z.object({ status: z.literal('provisioning'), config_dir: z.string(), reset_session: z.boolean() }),
    },
    errors: ['not_found', 'conflict', 'no_backend', 'invalid_request', 'invalid_template'],
  },
  getWorkspaceLogs: {
    method: 'GET',
    path: '/workspaces/:id/logs',
    auth: 'ADMIN',
    summary: 'The newest lines the workload wrote to its log.',
    params: idParams,
    query: z.object({ lines: z.coerce.number().int().min(1).max(5000).default(200) }),
    replies: { 200: z.object({ lines: z.array(z.string()), truncated: z.boolean() }) },
    errors: ['not_found', 'no_backend'],
  },
  getBudget: {
    method: 'GET',
    path: '/workspaces/:id/budget',
    auth: 'SELF',
    summary: 'Budget in cents.',
    params: idParams,
    replies: {
      200: z.object({
        budget_limit: z.number().nullable(),
        monthly_spend: z.number(),
        budget_remaining: z.number().nullable(),
      }),
    },
    errors: ['not_found'],
  },
  patchBudget: {
    method: 'PATCH',
    path: '/workspaces/:id/budget',
    auth: 'ADMIN',
    summary: 'Sets or clears the budget.',
    params: idParams,
    body: z.object({ budget_limit: z.number().int().min(0).nullable() }),
    replies: {
      200: z.object({
        budget_limit: z.number().nullable(),
        monthly_spend: z.number(),
        budget_remaining: z.number().nullable(),
      }),
    },
    errors: ['not_found'],
  },
  getModel: {
    method: 'GET',
    path: '/workspaces/:id/model',
    auth: 'SELF',
    summary: 'The model the workspace asks for.',
    params: idParams,
    replies: { 200: z.object({ model: z.string(), source: z.enum(['workspace_secrets', 'default']) }) },
    errors: ['not_found'],
  },
  putModel: {
    method: 'PUT',
    path: '/workspaces/:id/model',
    auth: 'SELF',
    summary: 'Sets the model, or clears it with an empty text; restarts the workspace.',
    params: idParams,
    body: z.object({ model: z.string().max(100) }),
    replies: {
      200: z.union([
        z.object({ status: z.literal('saved'), model: z.string() }),
        z.object({ status: z.literal('cleared') }),
      ]),
    },
    errors: ['not_found'],
  },
});

export const canvasRoutes = defineRoutes({
  getViewport: {
    method: 'GET',
    path: '/canvas/viewport',
    auth: 'PUB',
    summary: 'The saved camera of the canvas.',
    replies: { 200: z.object({ x: z.number(), y: z.number(), zoom: z.number() }) },
  },
  putViewport: {
    method: 'PUT',
    path: '/canvas/viewport',
    auth: 'COSMETIC',
    summary: 'Saves the camera of the canvas.',
    body: z.object({ x: z.number(), y: z.number(), zoom: z.number().positive().max(10) }),
    replies: { 200: z.object({ status: z.literal('saved') }) },
  },
});

export { jsonObject };
