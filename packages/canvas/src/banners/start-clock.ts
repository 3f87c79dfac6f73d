// How long each starting workspace has been starting, and from when that is too long (spec chapter 50 §8.9). The clocks stand
// still while the socket is down: what a page cannot hear of it does not call late. Pure.

import type { WorkspaceNode } from '../live/index.ts';

const PATIENCE_MS = 120_000;
const AT_ONCE = 3;
const QUEUE_MS = 45_000;
/** Browsers tick hidden pages once a minute; a longer gap is a machine that slept, or a clock that was set. */
const LONGEST_TICK_MS = 60_000;

export interface StartClock {
  /** When the start began, as the platform said; another start has another clock. */
  since: string;
  ranMs: number;
  /** Retry is locked until then (ms of this browser). */
  retryFrom: number;
  dismissed: boolean;
}
export type StartClocks = Readonly<Record<string, StartClock>>;

type Starting = Pick<WorkspaceNode, 'id' | 'status' | 'startingSince' | 'status_changed_at' | 'provision_timeout_ms'>;

const sinceOf = (node: Starting) => node.startingSince ?? node.status_changed_at;

export function listStarting<T extends Starting>(nodes: readonly T[]): T[] {
  return nodes.filter((node) => node.status === 'provisioning');
}

export interface Tick {
  nowMs: number;
  /** Since the last tick; null for the first one of the page, which finds starts that began before it. */
  passedMs: number | null;
  /** The socket is connected. */
  isLive: boolean;
}

/** Only the first look trusts the platform's clock; a start that begins under our eyes is timed by this browser alone. */
export function runClocks(clocks: StartClocks, nodes: readonly Starting[], tick: Tick): StartClocks {
  const { nowMs, passedMs, isLive } = tick;
  const counted = Math.min(Math.max(passedMs ?? 0, 0), LONGEST_TICK_MS);
  const next: Record<string, StartClock> = {};
  for (const node of listStarting(nodes)) {
    const since = sinceOf(node);
    const known = clocks[node.id];
    if (known?.since === since) next[node.id] = isLive ? { ...known, ranMs: known.ranMs + counted } : known;
    else
      next[node.id] = {
        since,
        ranMs: passedMs === null ? Math.max(0, nowMs - Date.parse(since)) : 0,
        retryFrom: known?.retryFrom ?? 0,
        dismissed: false,
      };
  }
  return next;
}

/** How long a start may take: its own limit, and more when others start at the same time. */
export function patienceFor(node: Starting, startingAtOnce: number): number {
  return (node.provision_timeout_ms ?? PATIENCE_MS) + Math.max(0, startingAtOnce - AT_ONCE) * QUEUE_MS;
}

export function listOverdue<T extends Starting>(clocks: StartClocks, nodes: readonly T[]): T[] {
  const starting = listStarting(nodes);
  return starting.filter((node) => {
    const clock = clocks[node.id];
    return clock !== undefined && !clock.dismissed && clock.ranMs > patienceFor(node, starting.length);
  });
}
