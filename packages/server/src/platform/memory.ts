// Gives memory back to the system when work is over. V8 keeps the pages of its busiest moment for as long as little happens: after
// a start on PostgreSQL the process held 162 MB, after one thorough collection 122 MB. Owns when and how; nothing is freed early.

import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from './clock.ts';
import type { Loop } from './loops.ts';

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** Shares of the time since the last pass in which the event loop had something to do. */
const WORKING = 0.25;
const QUIET = 0.2;
/** From one collection to the next. */
const REST_MS = 30_000;
/** Whoever calls meanwhile waits 1 to 2 ms for each megabyte in use; a larger heap is left to V8. */
const MOST_HEAP_BYTES = 128 * 1024 * 1024;

let collect: Collect | null = null;

/** Collects everything that is garbage and returns its pages, in this thread: 35 to 90 ms for an idle platform. */
export function releaseMemory(): void {
  // The flag makes `gc` a global of contexts made from now on; that of this thread stays as it is.
  setFlagsFromString('--expose-gc');
  collect ??= runInNewContext('gc') as Collect;
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

export interface TrimJudge {
  /** @param busyShare between 0 and 1. @returns true when work has just ended. */
  note(now: number, busyShare: number): boolean;
}

/** A steady trickle, such as the beats of many seats, is neither work nor its end. */
export function createTrimJudge(): TrimJudge {
  // The start is work.
  let worked = true;
  let trimmedAt = Number.NEGATIVE_INFINITY;
  return {
    note(now, busyShare) {
      if (busyShare >= WORKING) worked = true;
      if (!worked || busyShare >= QUIET || now - trimmedAt < REST_MS) return false;
      worked = false;
      trimmedAt = now;
      return true;
    },
  };
}

/** @param trimStore does the same for the thread of the embedded store. */
export function createMemoryLoop({ clock, trimStore }: { clock: Clock; trimStore(): void }): Loop {
  const judge = createTrimJudge();
  let before = performance.eventLoopUtilization();
  return {
    name: 'memory-release',
    why: 'An idle platform would keep the memory of its busiest moment, about 40 MB after a start.',
    everyMs: 5_000,
    timeoutMs: 10_000,
    runs: 'every-replica',
    async run() {
      const { utilization } = performance.eventLoopUtilization(before);
      before = performance.eventLoopUtilization();
      if (!judge.note(clock.now(), utilization)) return { released: 0 };
      const heap = getHeapStatistics();
      if (heap.used_heap_size > MOST_HEAP_BYTES) return { released: 0 };
      trimStore();
      releaseMemory();
      return { released: Math.max(0, heap.total_physical_size - getHeapStatistics().total_physical_size) };
    },
  };
}
