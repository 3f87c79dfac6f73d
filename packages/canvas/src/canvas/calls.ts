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
  /** Ends as they are drawn: what is inside a folded team is that team. */
  from: string;
  to: string;
  /** Who called and who was called behind them. */
  callers: readonly string[];
  callees: readonly string[];
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

interface Sum {
  from: string;
  to: string;
  callers: Set<string>;
  callees: Set<string>;
  count: number;
  failed: number;
  lastAt: number;
}

function kindOf({ failed, count, lastAt }: Sum, nowMs: number): Pair['kind'] {
  if (failed / count > FAILING_SHARE) return 'failing';
  return nowMs - lastAt < LIVE_MS ? 'live' : 'recent';
}

/** @param endOf where a workspace is drawn; null when it is not. Calls within one drawn box are no line. */
export function pairCalls(calls: Calls, nowMs: number, endOf: (id: string) => string | null = (id) => id): Pair[] {
  const sums = new Map<string, Sum>();
  for (const call of calls.values()) {
    const [from, to] = [endOf(call.from), endOf(call.to)];
    if (nowMs - call.at > WINDOW_MS || from === null || to === null || from === to) continue;
    const key = `${from}>${to}`;
    const sum = sums.get(key) ?? {
      from,
      to,
      callers: new Set(),
      callees: new Set(),
      count: 0,
      failed: 0,
      lastAt: 0,
    };
    sum.callers.add(call.from);
    sum.callees.add(call.to);
    sum.count += 1;
    if (call.failed) sum.failed += 1;
    sum.lastAt = Math.max(sum.lastAt, call.at);
    sums.set(key, sum);
  }
  return [...sums].map(([key, sum]) => ({
    ...sum,
    key,
    callers: [...sum.callers],
    callees: [...sum.callees],
    kind: kindOf(sum, nowMs),
  }));
}
