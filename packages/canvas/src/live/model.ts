// The client's picture of the organisation and the pure functions that move it: `snapshot + applyEvent*`.
// Owns no I/O, no timers, no React.

import type { EventFrame, WorkspaceView } from '@molecule/contract';

/** Fields that move together; an event older than the last one of its group is ignored. */
export type FieldGroup = 'status' | 'tasks' | 'task' | 'card' | 'place';

export interface WorkspaceNode extends WorkspaceView {
  /** Time of the last event applied, per field group. */
  stamps: Partial<Record<FieldGroup, string>>;
  /** A delete was asked for and is not answered yet: dimmed and locked. */
  deleting: boolean;
  /** When this browser learnt that the workspace is starting; null otherwise. */
  startingSince: string | null;
}

/** Fields this browser wrote and the server has not acknowledged. */
export type LocalWrite = Partial<Pick<WorkspaceView, 'x' | 'y' | 'parent_id' | 'name' | 'role' | 'collapsed'>>;

export interface LiveModel {
  readonly nodes: Readonly<Record<string, WorkspaceNode>>;
  /** Ids, oldest first. */
  readonly order: readonly string[];
  /** Removed ids → when (ms); a list fetched earlier cannot bring them back for a while. */
  readonly tombstones: Readonly<Record<string, number>>;
  /** Events of workspaces not known yet, by id. */
  readonly waiting: Readonly<Record<string, readonly EventFrame[]>>;
  readonly writes: Readonly<Record<string, LocalWrite>>;
}

export const TOMBSTONE_MS = 10_000;

export const EMPTY_MODEL: LiveModel = { nodes: {}, order: [], tombstones: {}, waiting: {}, writes: {} };

export function toNode(view: WorkspaceView, known?: WorkspaceNode): WorkspaceNode {
  return {
    ...view,
    stamps: known?.stamps ?? {},
    deleting: known?.deleting ?? false,
    startingSince: view.status === 'provisioning' ? (known?.startingSince ?? view.status_changed_at) : null,
  };
}

/** A row for a workspace known only from its first event; the next list fills in the rest. */
export function nodeFromEvent(id: string, at: string, fields: Partial<WorkspaceView>): WorkspaceNode {
  return toNode({
    id,
    name: 'Workspace',
    role: null,
    tier: 1,
    runtime: '',
    status: 'provisioning',
    parent_id: null,
    forwarded_to: null,
    url: null,
    url_source: null,
    delivery_mode: null,
    agent_card: null,
    last_heartbeat_at: null,
    last_error_rate: 0,
    last_sample_error: null,
    active_tasks: 0,
    uptime_seconds: 0,
    current_task: '',
    max_concurrent_tasks: 1,
    budget_limit: null,
    monthly_spend: 0,
    hibernation_idle_minutes: null,
    idle_since: null,
    last_outbound_at: null,
    workspace_dir: null,
    workspace_access: 'none',
    awareness_namespace: '',
    instance_id: null,
    runtime_image_digest: null,
    source_bundle_id: null,
    status_changed_at: at,
    needs_restart: false,
    runtime_version: null,
    runtime_metadata: {},
    x: 0,
    y: 0,
    collapsed: false,
    queue_depth: 0,
    created_at: at,
    updated_at: at,
    ...fields,
  });
}

export function listNodes(model: LiveModel): WorkspaceNode[] {
  return model.order.flatMap((id) => model.nodes[id] ?? []);
}

/** Every workspace below `id`, nearest first. */
export function listDescendants(model: Pick<LiveModel, 'nodes' | 'order'>, id: string): string[] {
  const below: string[] = [];
  const seen = new Set([id]);
  for (let frontier = [id]; frontier.length > 0; ) {
    const next = model.order.filter((child) => {
      const parent = model.nodes[child]?.parent_id;
      return parent != null && frontier.includes(parent) && !seen.has(child);
    });
    for (const child of next) seen.add(child);
    below.push(...next);
    frontier = next;
  }
  return below;
}
