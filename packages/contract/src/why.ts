// Why is it stuck: the wire shapes of chapter 20 §12.4. One reply carries all a screen shows: the sentence, the chain from what
// was asked about down to what blocks it, what waits behind that, what was ruled out, what comes by itself, what a person can do.

import { z } from 'zod';
import { nullableTime, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

/**
 * Why a workspace of the chain does not go on. All but the last hop say `waits`; the last says what blocks, or that nothing does.
 * - `working` its turn goes on, and its beats are fresh. `nothing` it is idle. `ended` what was asked about is over.
 * - `busy_target` it is at work on something else. `no_capacity` its start waits for its turn among other starts.
 * - `starting`, `hibernated`, `paused`, `failed`, `offline`, `awaiting_agent`, `removed`: its status, and that it matters.
 * - `wedged` the agent reports that it cannot go on. `model_errors` half of its model calls fail, or more. `degraded` anything else
 *   that it reports. `silent` online, but no beat for a minute.
 * - `budget` spent. `hierarchy` the two may not talk. `guard` its address is not one the platform may call. `no_url` it has none.
 * - `put_off` the last attempt failed; the next has its time. `lease_held` a process that may be dead still holds the message.
 * - `inbox_unread` stored for a poll-mode agent that has not read it. `waiting_person` it asked a person something.
 * - `dead_backend` what runs agents does not answer. `no_backend` there is none. `cycle` it waits for one that waits for it.
 */
export const WHY_CAUSES = [
  'waits',
  'working',
  'nothing',
  'ended',
  'busy_target',
  'no_capacity',
  'starting',
  'hibernated',
  'paused',
  'failed',
  'offline',
  'awaiting_agent',
  'removed',
  'wedged',
  'model_errors',
  'degraded',
  'silent',
  'budget',
  'hierarchy',
  'guard',
  'no_url',
  'put_off',
  'lease_held',
  'inbox_unread',
  'waiting_person',
  'dead_backend',
  'no_backend',
  'cycle',
] as const;
export type WhyCause = (typeof WHY_CAUSES)[number];

/** What happens by itself, and is known to: from a row or a constant. */
export const WHY_NEXT = [
  'next_attempt',
  'lease_end',
  'beat',
  'liveness_sweep',
  'start_retry',
  'start_deadline',
  'health_sweep',
  'message_expiry',
  'delegation_stuck',
  'delegation_deadline',
] as const;
export type WhyNext = (typeof WHY_NEXT)[number];

/**
 * What a person can do. `restart`, `resume`, `retry` (a failed start) and `wake` (a restart of one asleep) are the routes of that
 * name; `raise_budget` changes the budget; `connect` shows how to connect an external agent; `cancel` ends the delegation as
 * failed; `open` shows the workspace; `show_errors` its activity, errors only; `answer` its chat; `wait` is to do nothing.
 */
export const WHY_ACTIONS = [
  'restart',
  'resume',
  'retry',
  'wake',
  'raise_budget',
  'connect',
  'cancel',
  'open',
  'show_errors',
  'answer',
  'wait',
] as const;
export type WhyAction = (typeof WHY_ACTIONS)[number];

/** The receipts of what a hop waits for (chapter 20 §3.1); null until true. */
export const whyMarks = z.object({ accepted_at: nullableTime, injected_at: nullableTime, answered_at: nullableTime });

/** What names a message or a delegation elsewhere; null where it has none. */
const whyIds = {
  queue_id: uuid.nullable(),
  delegation_id: z.string().nullable(),
  message_id: z.string().nullable(),
  activity_id: uuid.nullable(),
};

/** Figures of a cause or of a check; only those that belong to it. Money in cents, times RFC 3339, rates 0…1. */
export const whyFigures = z
  .object({
    error: z.string(),
    error_rate: z.number(),
    heartbeat_age_seconds: z.number(),
    active_tasks: z.number(),
    max_concurrent_tasks: z.number(),
    current_task: z.string(),
    queue_depth: z.number(),
    budget_limit: z.number().nullable(),
    monthly_spend: z.number(),
    attempts: z.number(),
    most_attempts: z.number(),
    next_attempt_at: time,
    lease_until: time,
    retry_at: time,
    /** What runs agents here. */
    backend: z.string(),
    /** Of `paused`: the seat above it that is. */
    paused_ancestor: z.object({ workspace_id: uuid, name: z.string() }),
    /** For `cycle`: the workspaces and delegations of the circle, in order. */
    path: z.array(z.object({ workspace_id: uuid, name: z.string() })),
    delegation_ids: z.array(z.string()),
  })
  .partial();
export type WhyFigures = z.output<typeof whyFigures>;

export const whyHop = z.object({
  workspace_id: uuid,
  name: z.string(),
  /** Of the workspace. */
  status: z.string(),
  /** The workspace of the next hop; null for the last. */
  waits_for: uuid.nullable(),
  /** What it waits for: a delegation or a message it sent; of the last hop: its turn, or the seat itself. */
  kind: z.enum(['delegation', 'message', 'turn', 'seat']),
  /** The task or question it waits for an answer to, at most 200 characters; of the last hop what it works on; may be empty. */
  text: z.string(),
  ...whyIds,
  /** Since when it waits, works, or is in its status. */
  since: nullableTime,
  marks: whyMarks,
  cause: z.enum(WHY_CAUSES),
  /** The cause in words: follows the name of the workspace, "waits for Engineering Lead". */
  says: z.string(),
  figures: whyFigures,
});
export type WhyHop = z.output<typeof whyHop>;

const whyWaiting = z.object({
  kind: z.enum(['delegation', 'message']),
  /** Who sent it; null: a person or a part of the platform. */
  workspace_id: uuid.nullable(),
  name: z.string(),
  /** At most 200 characters. */
  text: z.string(),
  ...whyIds,
  marks: whyMarks,
  since: time,
});

const whyCheck = z.object({ check: z.enum(WHY_CAUSES), says: z.string(), figures: whyFigures });
const whyComing = z.object({ what: z.enum(WHY_NEXT), at: time, says: z.string() });

export const whyReply = z.object({
  /** True when what was asked about does not go on for the cause of the last hop; false when it works, is idle, or is over. */
  stuck: z.boolean(),
  /** One or two sentences: what blocks, and who waits above it. */
  summary: z.string(),
  /** When all of this was so. */
  as_of: time,
  /** What was asked about. */
  subject: z.object({
    kind: z.enum(['workspace', 'message', 'delegation']),
    workspace_id: uuid,
    name: z.string(),
    text: z.string(),
    status: z.string(),
    ...whyIds,
    since: nullableTime,
    marks: whyMarks,
  }),
  /** From what was asked about to what blocks, at most 8 hops and the last. */
  chain: z.array(whyHop),
  /** What waits for the last hop beside this, oldest first, at most 20. */
  behind: z.object({ total: z.number(), items: z.array(whyWaiting) }),
  /** Looked at and not the cause. */
  checked: z.array(whyCheck),
  /** The first thing that happens by itself; null: nothing does. */
  next: whyComing.nullable(),
  /** When the platform ends what waits, and tells those who wait; null: it never does. */
  gives_up: whyComing.nullable(),
  actions: z.array(
    z.object({
      action: z.enum(WHY_ACTIONS),
      workspace_id: uuid,
      delegation_id: z.string().nullable(),
      /** What the button does, "Restart Frontend Engineer". */
      label: z.string(),
      /** What comes of it. */
      consequence: z.string(),
    }),
  ),
});
export type WhyReply = z.output<typeof whyReply>;

export const whyRoutes = defineRoutes({
  explainWorkspace: {
    method: 'GET',
    path: '/workspaces/:id/why',
    auth: 'SELF',
    summary: 'Why a workspace, or one message from or to it, does not go on: the blocking chain and what comes next.',
    params: z.object({ id: uuid }),
    /** At most one; `message_id` is that of the A2A message, as a chat bubble has it. */
    query: z.object({ queue_id: uuid.optional(), message_id: z.string().min(1).max(200).optional() }),
    replies: { 200: whyReply },
    errors: ['not_found', 'invalid_request'],
  },
  explainDelegation: {
    method: 'GET',
    path: '/workspaces/:id/delegations/:delegationId/why',
    auth: 'SELF',
    summary: 'Why a delegation of a workspace, its own or one handed to it, is not answered.',
    params: z.object({ id: uuid, delegationId: z.string().min(1).max(200) }),
    replies: { 200: whyReply },
    errors: ['not_found'],
  },
});
