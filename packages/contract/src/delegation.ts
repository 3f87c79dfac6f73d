// Delegation: the wire shapes of chapter 20 §4.

import { z } from 'zod';
import { idParams, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

export const DELEGATION_STATUSES = ['queued', 'dispatched', 'in_progress', 'completed', 'failed', 'stuck'] as const;
export type DelegationStatus = (typeof DELEGATION_STATUSES)[number];

const task = z.string().min(1);
/** Judged by the handler, whose words for a bad one are part of the contract. */
const targetId = z.string();
/**
 * The delegation whose task the caller works on, so that its chain is known; one that was not handed to the caller is ignored.
 * null: the caller works for nobody. Absent: the caller does not say (chapter 20 §4.9).
 */
const parentDelegationId = z.string().min(1).max(200).nullish();
const CHAIN_ERRORS = ['delegation_cycle', 'delegation_too_deep', 'delegation_ping_pong'] as const;
/** Hops from the first caller of a chain of delegations to the last callee. */
export const MOST_DELEGATION_HOPS = 8;
export const delegationRow = z.object({
  id: uuid,
  type: z.literal('delegation'),
  method: z.string(),
  source_id: uuid.nullable(),
  target_id: uuid.nullable(),
  summary: z.string(),
  status: z.string(),
  created_at: time,
  delegation_id: z.string().optional(),
  error: z.string().optional(),
  response_preview: z.string().optional(),
  accepted_at: time,
  injected_at: time.optional(),
  answered_at: time.optional(),
});

export const adminDelegationRow = z.object({
  delegation_id: z.string(),
  caller_id: uuid,
  callee_id: uuid,
  task_preview: z.string(),
  status: z.enum(DELEGATION_STATUSES),
  last_heartbeat: time.optional(),
  deadline: time,
  result_preview: z.string().optional(),
  error_detail: z.string().optional(),
  retry_count: z.number(),
  parent_delegation_id: z.string().optional(),
  /** Workspaces from the first caller of its chain to the callee. */
  path: z.array(uuid).optional(),
  accepted_at: time,
  injected_at: time.optional(),
  answered_at: time.optional(),
  created_at: time,
  updated_at: time,
});

export const delegationRoutes = defineRoutes({
  delegate: {
    method: 'POST',
    path: '/workspaces/:id/delegate',
    auth: 'SELF',
    summary: 'Hands a task to another workspace; durable before it is acknowledged.',
    params: idParams,
    body: z.object({
      target_id: targetId,
      task,
      idempotency_key: z.string().min(1).max(200).optional(),
      parent_delegation_id: parentDelegationId,
    }),
    replies: {
      202: z.object({
        delegation_id: z.string(),
        status: z.literal('delegated'),
        target_id: uuid,
        warning: z.string().optional(),
      }),
      200: z.object({
        delegation_id: z.string(),
        status: z.string(),
        target_id: uuid,
        idempotent_hit: z.literal(true),
      }),
    },
    errors: ['self_delegation', 'ledger_unavailable', 'not_found', ...CHAIN_ERRORS],
  },
  listDelegations: {
    method: 'GET',
    path: '/workspaces/:id/delegations',
    auth: 'SELF',
    summary: 'Delegations of a workspace, newest first, at most 50.',
    params: idParams,
    replies: { 200: z.array(delegationRow) },
  },
  recordDelegation: {
    method: 'POST',
    path: '/workspaces/:id/delegations/record',
    auth: 'SELF',
    summary: 'Records a delegation the agent sent itself.',
    params: idParams,
    body: z.object({
      target_id: targetId,
      task,
      delegation_id: z.string().min(1).max(200),
      parent_delegation_id: parentDelegationId,
    }),
    replies: { 202: z.object({ delegation_id: z.string(), status: z.literal('recorded') }) },
    errors: ['self_delegation', 'ledger_unavailable', 'not_found', 'conflict', ...CHAIN_ERRORS],
  },
  updateDelegation: {
    method: 'POST',
    path: '/workspaces/:id/delegations/:delegationId/update',
    auth: 'SELF',
    summary: 'The caller reports how a delegation ended.',
    params: z.object({ id: uuid, delegationId: z.string() }),
    body: z.object({
      status: z.enum(['completed', 'failed']),
      error: z.string().optional(),
      response_preview: z.string().optional(),
    }),
    replies: { 200: z.object({ status: z.string(), delegation_id: z.string() }) },
    errors: ['not_found', 'conflict'],
  },
  heartbeatDelegation: {
    method: 'POST',
    path: '/workspaces/:id/delegations/:delegationId/heartbeat',
    auth: 'SELF',
    summary: 'Says that a delegation is still being worked on.',
    params: z.object({ id: uuid, delegationId: z.string() }),
    replies: { 200: z.object({ status: z.literal('ok') }) },
    errors: ['not_found'],
  },
  listAllDelegations: {
    method: 'GET',
    path: '/admin/delegations',
    auth: 'ADMIN',
    summary: 'The ledger, by state.',
    query: z.object({
      status: z.enum(['in_flight', 'stuck', 'failed', 'completed']).default('in_flight'),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
      /** Only this one, whatever its state. */
      delegation_id: z.string().min(1).max(200).optional(),
    }),
    replies: {
      200: z.object({
        status: z.string(),
        limit: z.number(),
        count: z.number(),
        delegations: z.array(adminDelegationRow),
      }),
    },
  },
  getDelegationStats: {
    method: 'GET',
    path: '/admin/delegations/stats',
    auth: 'ADMIN',
    summary: 'How many delegations are in each state.',
    replies: {
      200: z.object({
        queued: z.number(),
        dispatched: z.number(),
        in_progress: z.number(),
        completed: z.number(),
        failed: z.number(),
        stuck: z.number(),
      }),
    },
  },
});
