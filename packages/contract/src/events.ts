// Every event of the platform, one discriminated union (spec chapter 10 §1.3, chapter 20 §6.1).
// `recorded` events are stored in `structure_events` and replayed by `seq`; the others are broadcast only.

import { z } from 'zod';

const text = z.string();
const optionalText = z.string().nullish();
const count = z.number();

export const RECORDED_EVENTS = {
  WORKSPACE_PROVISIONING: z.looseObject({
    name: text,
    tier: count,
    runtime: text,
    parent_id: optionalText,
    x: count.optional(),
    y: count.optional(),
    role: optionalText,
  }),
  WORKSPACE_PROVISION_FAILED: z.looseObject({
    name: text.optional(),
    error: text,
    /** Variables to save, for the button that adds them. */
    missing: z.array(text).optional(),
    source: text.optional(),
    exit_code: count.nullish(),
    signal: optionalText,
  }),
  WORKSPACE_ONLINE: z.looseObject({
    url: optionalText,
    agent_card: z.unknown().optional(),
    delivery_mode: optionalText,
    recovered_from: text.optional(),
    external: z.boolean().optional(),
    name: text.optional(),
  }),
  WORKSPACE_OFFLINE: z.looseObject({
    reason: text.optional(),
    exit_code: count.nullish(),
    signal: optionalText,
  }),
  WORKSPACE_DEGRADED: z.looseObject({
    error_rate: count.optional(),
    sample_error: optionalText,
    runtime_state: text.optional(),
  }),
  WORKSPACE_AWAITING_AGENT: z.looseObject({
    reason: text.optional(),
    name: text.optional(),
    external: z.boolean().optional(),
  }),
  WORKSPACE_PAUSED: z.looseObject({ name: text }),
  WORKSPACE_HIBERNATED: z.looseObject({ name: text, tier: count }),
  WORKSPACE_REMOVED: z.looseObject({ cascade_deleted: count.optional() }),
  /** On the workspace that stays; names of those under it that were removed, deepest first. */
  WORKSPACE_COLLAPSED: z.looseObject({ removed_children: z.array(text) }),
  WORKSPACE_MOVED: z.looseObject({ parent_id: text.nullable(), previous_parent_id: text.nullable() }),
  AGENT_CARD_UPDATED: z.looseObject({ agent_card: z.unknown() }),
  AGENT_ASSIGNED: z.looseObject({ agent_id: text, model: text }),
  AGENT_REPLACED: z.looseObject({ agent_id: text, model: text, old_agent_id: text, old_model: text }),
  AGENT_REMOVED: z.looseObject({ agent_id: text, model: text }),
  /** Told once at each end of the move. */
  AGENT_MOVED: z.looseObject({ agent_id: text, model: text, from_workspace: text, to_workspace: text }),
  EXTERNAL_CREDENTIALS_ROTATED: z.looseObject({ token_prefix: text }),
  DELEGATION_SENT: z.looseObject({ delegation_id: text, target_id: text, task_preview: text }),
  DELEGATION_STATUS: z.looseObject({ delegation_id: text, target_id: text, status: text }),
  DELEGATION_COMPLETE: z.looseObject({
    delegation_id: text,
    target_id: text,
    response_preview: text,
    via: text.optional(),
  }),
  DELEGATION_FAILED: z.looseObject({ delegation_id: text, target_id: text, error: text }),
  CRON_EXECUTED: z.looseObject({ schedule_id: text, schedule_name: text, status: text }),
  CRON_SKIPPED: z.looseObject({ schedule_id: text, schedule_name: text, reason: text }),
  CHANNEL_MESSAGE: z.looseObject({
    channel_id: text,
    channel_type: text,
    direction: z.enum(['inbound', 'outbound']),
    username: optionalText,
  }),
} as const;

export const BROADCAST_EVENTS = {
  WORKSPACE_HEARTBEAT: z.looseObject({
    active_tasks: count,
    uptime_seconds: count,
    needs_restart: z.boolean().optional(),
  }),
  TASK_UPDATED: z.looseObject({ current_task: text, active_tasks: count }),
  AGENT_MESSAGE: z.looseObject({
    message: text,
    workspace_id: text,
    name: text,
    activity_id: text.optional(),
    attachments: z.array(z.unknown()).optional(),
  }),
  A2A_RESPONSE: z.looseObject({
    response_body: z.unknown(),
    method: text,
    duration_ms: count,
    message_id: optionalText,
    activity_id: optionalText,
    queue_id: text.optional(),
  }),
  ACTIVITY_LOGGED: z.looseObject({
    id: text,
    activity_type: text,
    method: optionalText,
    summary: optionalText,
    status: text,
    source_id: text.nullable(),
    target_id: text.nullable(),
    origin: optionalText,
    duration_ms: count.nullish(),
    error_detail: optionalText,
    accepted_at: text.optional(),
  }),
  RECEIPT_UPDATED: z.looseObject({
    message_id: optionalText,
    activity_id: text.optional(),
    queue_id: text.optional(),
    delegation_id: text.optional(),
    injected_at: optionalText,
    answered_at: optionalText,
  }),
  RESYNC_REQUIRED: z.looseObject({}),
} as const;

export type RecordedEventName = keyof typeof RECORDED_EVENTS;
export type BroadcastEventName = keyof typeof BROADCAST_EVENTS;
export type EventName = RecordedEventName | BroadcastEventName;

export const EVENT_NAMES = [...Object.keys(RECORDED_EVENTS), ...Object.keys(BROADCAST_EVENTS)] as EventName[];

type PayloadSchemas = typeof RECORDED_EVENTS & typeof BROADCAST_EVENTS;
export type EventPayload<N extends EventName> = z.infer<PayloadSchemas[N]>;

/** A change to append to the log, inside the transaction that makes the change. */
export type NewEvent = {
  [N in RecordedEventName]: { event: N; workspace_id: string; payload: EventPayload<N> };
}[RecordedEventName];
/** Something to tell whoever listens now; never replayed. */
export type NewBroadcast = {
  [N in BroadcastEventName]: { event: N; workspace_id: string; payload: EventPayload<N> };
}[BroadcastEventName];

/** What a client of `/ws` reads. `seq` is present on recorded events only. */
export type EventFrame = {
  [N in EventName]: { event: N; workspace_id: string; timestamp: string; payload: EventPayload<N>; seq?: number };
}[EventName];

export function isEventName(name: string): name is EventName {
  return name in RECORDED_EVENTS || name in BROADCAST_EVENTS;
}
