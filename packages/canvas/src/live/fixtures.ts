// Small builders for tests of the live picture.

import type { EventFrame, EventName, WorkspaceView } from '@molecule/contract';
import { EMPTY_MODEL, type LiveModel, nodeFromEvent, toNode } from './model.ts';

const START = Date.parse('2026-01-01T00:00:00.000Z');

/** A moment, in seconds after the start of the test's time. */
export const at = (seconds: number) => new Date(START + seconds * 1000).toISOString();
export const ms = (seconds: number) => START + seconds * 1000;

export function frame(event: EventName, id: string, payload: Record<string, unknown> = {}, seconds = 1): EventFrame {
  return { event, workspace_id: id, timestamp: at(seconds), payload } as EventFrame;
}

export function view(id: string, fields: Partial<WorkspaceView> = {}): WorkspaceView {
  const {
    stamps: _stamps,
    deleting: _deleting,
    startingSince: _since,
    ...row
  } = nodeFromEvent(id, at(0), {
    name: id,
    status: 'online',
    ...fields,
  });
  return row;
}

export function modelOf(...rows: WorkspaceView[]): LiveModel {
  return {
    ...EMPTY_MODEL,
    nodes: Object.fromEntries(rows.map((row) => [row.id, toNode(row)])),
    order: rows.map((row) => row.id),
  };
}
