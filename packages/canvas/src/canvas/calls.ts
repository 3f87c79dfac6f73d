// Calls between workspaces of the last hour, per ordered pair: pure bookkeeping for the lines on the graph.

import type { ActivityRow, EventFrame } from '@molecule/contract';

export const WINDOW_MS = 3_600_000;
const LIVE_MS = 300_000;
const FAILING_SHARE = 0.2;

export interface Call {
  /** Delegation id where there is one, else the id of the activity row. */
  id: string;
  from: string;
  to: string;
  at: number;
  failed: boolean;
}

export interface Pair {
  key: string;
  from: string;
  to: string;
  count: number;
  failed: number;
  lastAt: number;
  kind: 'live' | 'recent' | 'failing';
}

function delegationIdOf(row: ActivityRow): string | null {
  for (const part of [row.metadata, row.request_body, row.response_body]) {
    const id = (part as { delegation_id?: unknown } | null | undefined)?.delegation_id;
    if (typeof id === 'string') return id;
  }
  return null;
}

/** A delegation row as a call; the row of its result only says whether it failed. */
export function callFromRow(row: ActivityRow): Call | null {
  const to = row.target_id;
  const from = row.source_id ?? row.workspace_id;
  if (!to || to === from) return null;
  const failed = row.status === 'error' || row.status === 'failed';
  if (row.method === 'delegate_result') {
    const id = delegationIdOf(row);
    // A result is written at the caller, too: the pair is the same as that of the call.
    return id && failed ? { id, from, to, at: Date.parse(row.created_at), failed } : null;
  }
  return { id: delegationIdOf(row) ?? row.id, from, to, at: Date.parse(row.created_at), failed };
}

export function callFromEvent(frame: EventFrame): Call | null {
  const at = Date.parse(frame.timestamp);
  if (frame.event === 'DELEGATION_SENT')
    return {
      id: frame.payload.delegation_id,
      from: frame.workspace_id,
      to: frame.payload.target_id,
      at,
      failed: false,
    };
  if (frame.event === 'DELEGATION_FAILED')
    return { id: frame.payload.delegation_id, from: frame.workspace_id, to: frame.payload.target_id, at, failed: true };
  return null;
}

export type Calls = ReadonlyMap<string, Call>;

/** Adds calls by id: a failure sticks, the first time stays, and what is older than the window goes. */
export function addCalls(calls: Calls, more: readonly Call[], nowMs: number): Calls {
  const next = new Map<string, Call>();
  for (const call of [...calls.values(), ...more]) {
    if (nowMs - call.at > WINDOW_MS) continue;
    const known = next.get(call.id);
    next.set(
      call.id,
      known ? { ...known, failed: known.failed || call.failed, at: Math.min(known.at, call.at) } : call,
    );
  }
  return next;
}

export function pairCalls(calls: Calls, nowMs: number): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const call of calls.values()) {
    if (nowMs - call.at > WINDOW_MS) continue;
    const key = `${call.from}>${call.to}`;
    const pair = pairs.get(key) ?? {
      key,
      from: call.from,
      to: call.to,
      count: 0,
      failed: 0,
      lastAt: 0,
      kind: 'recent',
    };
    pair.count += 1;
    if (call.failed) pair.failed += 1;
    pair.lastAt = Math.max(pair.lastAt, call.at);
    pairs.set(key, pair);
  }
  for (const pair of pairs.values())
    pair.kind =
      pair.failed / pair.count > FAILING_SHARE ? 'failing' : nowMs - pair.lastAt < LIVE_MS ? 'live' : 'recent';
  return [...pairs.values()];
}
