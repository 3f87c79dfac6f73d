// How a fetched list meets the live picture: server values win, but for local writes not acknowledged yet and tombstones.

import type { EventFrame, WorkspaceView } from '@molecule/contract';
import { applyEvent } from './apply-event.ts';
import { type LiveModel, TOMBSTONE_MS, toNode, type WorkspaceNode } from './model.ts';

export interface Snapshot {
  readonly rows: readonly WorkspaceView[];
  /** When the list was asked for (ms). */
  readonly askedAt: number;
  /** Frames that arrived since it was asked for: the list may be older than they are. */
  readonly framesSince: readonly EventFrame[];
}

export function mergeSnapshot(model: LiveModel, snapshot: Snapshot, nowMs: number): LiveModel {
  const tombstones = Object.fromEntries(
    Object.entries(model.tombstones).filter(([, at]) => nowMs - at < TOMBSTONE_MS || at >= snapshot.askedAt),
  );
  const nodes: Record<string, WorkspaceNode> = {};
  const order: string[] = [];
  for (const row of snapshot.rows) {
    if (row.status === 'removed' || tombstones[row.id] !== undefined) continue;
    nodes[row.id] = { ...toNode(row, model.nodes[row.id]), ...model.writes[row.id] };
    order.push(row.id);
  }
  const merged: LiveModel = { nodes, order, tombstones, waiting: {}, writes: model.writes };
  return snapshot.framesSince.reduce((now, frame) => applyEvent(now, frame, nowMs), merged);
}
