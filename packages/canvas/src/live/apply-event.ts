// The pure event reducer: what each frame of the platform changes in the picture (spec chapter 50 §9).
// Unknown events change nothing; what a person should be told about an event is decided elsewhere.

import type { EventFrame, EventPayload, WorkspaceView } from '@molecule/contract';
import { type FieldGroup, type LiveModel, nodeFromEvent, type WorkspaceNode } from './model.ts';

const MOST_WAITING = 50;

/** Applies `change` unless an event of the same group at a later time came first. */
function touch(
  model: LiveModel,
  frame: EventFrame,
  group: FieldGroup,
  change: (node: WorkspaceNode) => Partial<WorkspaceNode>,
): LiveModel {
  const node = model.nodes[frame.workspace_id];
  if (!node) return model;
  const last = node.stamps[group];
  if (last !== undefined && Date.parse(last) > Date.parse(frame.timestamp)) return model;
  const next: WorkspaceNode = {
    ...node,
    ...change(node),
    ...model.writes[node.id],
    stamps: { ...node.stamps, [group]: frame.timestamp },
  };
  return { ...model, nodes: { ...model.nodes, [node.id]: next } };
}

function wait(model: LiveModel, frame: EventFrame): LiveModel {
  if (model.tombstones[frame.workspace_id] !== undefined || frame.workspace_id === '') return model;
  const before = model.waiting[frame.workspace_id] ?? [];
  return { ...model, waiting: { ...model.waiting, [frame.workspace_id]: [...before, frame].slice(-MOST_WAITING) } };
}

const SILENCE = 'no heartbeat';
const IDLE = { current_task: '', active_tasks: 0 } as const;

/** A change of status; an event that arrives before its workspace is kept until the workspace is known. */
function moveTo(
  model: LiveModel,
  frame: EventFrame,
  status: string,
  fields: (node: WorkspaceNode) => Partial<WorkspaceNode> = () => ({}),
): LiveModel {
  if (!model.nodes[frame.workspace_id]) return wait(model, frame);
  return touch(model, frame, 'status', (node) => ({
    status,
    status_changed_at: node.status === status ? node.status_changed_at : frame.timestamp,
    startingSince: null,
    ...fields(node),
  }));
}

function applyProvisioning(
  model: LiveModel,
  frame: EventFrame,
  payload: EventPayload<'WORKSPACE_PROVISIONING'>,
  nowMs: number,
): LiveModel {
  const id = frame.workspace_id;
  const parent = payload.parent_id ? model.nodes[payload.parent_id] : undefined;
  // Positions travel relative to the parent and are kept absolute, as the server stores them.
  const place =
    payload.x === undefined || payload.y === undefined
      ? {}
      : { x: payload.x + (parent?.x ?? 0), y: payload.y + (parent?.y ?? 0) };
  const identity: Partial<WorkspaceView> = {
    name: payload.name,
    tier: payload.tier,
    runtime: payload.runtime,
    parent_id: payload.parent_id ?? null,
    ...(payload.role === undefined ? {} : { role: payload.role ?? null }),
    ...place,
  };
  const starting: Partial<WorkspaceNode> = {
    status: 'provisioning',
    last_sample_error: null,
    needs_restart: false,
    status_changed_at: frame.timestamp,
    startingSince: frame.timestamp,
  };
  if (model.nodes[id]) return touch(model, frame, 'status', () => ({ ...identity, ...starting }));
  if (model.tombstones[id] !== undefined) return model;
  const { [id]: early = [], ...waiting } = model.waiting;
  const node = { ...nodeFromEvent(id, frame.timestamp, identity), ...starting, stamps: { status: frame.timestamp } };
  const known: LiveModel = { ...model, nodes: { ...model.nodes, [id]: node }, order: [...model.order, id], waiting };
  return early.reduce((now, event) => applyEvent(now, event, nowMs), known);
}

/** Children that are still there move up to the parent of the removed one. */
export function removeNode(model: LiveModel, id: string, nowMs: number): LiveModel {
  const gone = model.nodes[id];
  const { [id]: _waiting, ...waiting } = model.waiting;
  const { [id]: _write, ...writes } = model.writes;
  const tombstones = { ...model.tombstones, [id]: nowMs };
  if (!gone) return { ...model, waiting, writes, tombstones };
  const nodes: Record<string, WorkspaceNode> = {};
  for (const [other, node] of Object.entries(model.nodes)) {
    if (other === id) continue;
    nodes[other] = node.parent_id === id ? { ...node, parent_id: gone.parent_id } : node;
  }
  return { nodes, order: model.order.filter((other) => other !== id), waiting, writes, tombstones };
}

/** @param nowMs this browser's clock, for tombstones. */
export function applyEvent(model: LiveModel, frame: EventFrame, nowMs: number): LiveModel {
  switch (frame.event) {
    case 'WORKSPACE_PROVISIONING':
      return applyProvisioning(model, frame, frame.payload, nowMs);
    case 'WORKSPACE_ONLINE':
      return moveTo(model, frame, 'online', (node) => ({
        url: frame.payload.url ?? node.url,
        agent_card: frame.payload.agent_card ?? node.agent_card,
        delivery_mode: frame.payload.delivery_mode ?? node.delivery_mode,
        last_sample_error: null,
        last_error_rate: 0,
        needs_restart: false,
        last_heartbeat_at: frame.timestamp,
      }));
    case 'WORKSPACE_DEGRADED':
      return moveTo(model, frame, 'degraded', (node) => ({
        last_sample_error: frame.payload.sample_error || node.last_sample_error,
        last_error_rate: frame.payload.error_rate ?? node.last_error_rate,
      }));
    case 'WORKSPACE_OFFLINE':
      return moveTo(model, frame, 'offline', (node) => ({
        ...IDLE,
        // Silence is told by its age, which the card knows.
        last_sample_error: frame.payload.reason === SILENCE ? null : (frame.payload.reason ?? node.last_sample_error),
      }));
    case 'WORKSPACE_PAUSED':
      return moveTo(model, frame, 'paused', () => IDLE);
    case 'WORKSPACE_HIBERNATED':
      return moveTo(model, frame, 'hibernated', () => IDLE);
    case 'WORKSPACE_AWAITING_AGENT':
      return moveTo(model, frame, 'awaiting_agent', () => IDLE);
    case 'WORKSPACE_PROVISION_FAILED':
      return moveTo(model, frame, 'failed', () => ({ ...IDLE, last_sample_error: frame.payload.error }));
    case 'WORKSPACE_REMOVED':
      return removeNode(model, frame.workspace_id, nowMs);
    case 'WORKSPACE_MOVED':
      return touch(model, frame, 'place', () => ({ parent_id: frame.payload.parent_id }));
    case 'WORKSPACE_HEARTBEAT':
      return touch(model, frame, 'tasks', (node) => ({
        active_tasks: frame.payload.active_tasks,
        uptime_seconds: frame.payload.uptime_seconds,
        needs_restart: frame.payload.needs_restart ?? node.needs_restart,
        last_heartbeat_at: frame.timestamp,
      }));
    case 'TASK_UPDATED':
      return touch(model, frame, 'task', () => ({
        current_task: frame.payload.current_task,
        active_tasks: frame.payload.active_tasks,
      }));
    case 'AGENT_CARD_UPDATED':
      return touch(model, frame, 'card', () => ({ agent_card: frame.payload.agent_card }));
    default:
      return model;
  }
}
