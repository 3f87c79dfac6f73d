// How long to wait before a crashed workload is started again, and when to stop trying. Pure but for the clock.

import type { Clock } from '../platform/clock.ts';

const FIRST_DELAY_MS = 1_000;
const MOST_DELAY_MS = 30_000;
const WINDOW_MS = 300_000;
const LIMIT = 6;

export interface CrashPolicy {
  readonly limit: number;
  /** Milliseconds to wait; null after too many crashes in five minutes. */
  next(id: string): number | null;
  forget(id: string): void;
}

export function createCrashPolicy(clock: Clock): CrashPolicy {
  const crashes = new Map<string, number[]>();
  return {
    limit: LIMIT,
    next(id) {
      const now = clock.now();
      const recent = [...(crashes.get(id) ?? []).filter((at) => now - at < WINDOW_MS), now];
      crashes.set(id, recent);
      if (recent.length >= LIMIT) {
        crashes.delete(id);
        return null;
      }
      return Math.min(FIRST_DELAY_MS * 2 ** (recent.length - 1), MOST_DELAY_MS);
    },
    forget: (id) => crashes.delete(id),
  };
}
