// Gives memory back to the system when work is over. V8 keeps the pages of its busiest moment for as long as little happens: after
// a start on PostgreSQL the process held 162 MB, after one thorough collection 122 MB. Bounds what files leave behind on their way
// through, too. Owns when and how; nothing is freed early.

import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from './clock.ts';
import type { Loop } from './loops.ts';

type Collect = (
  options: { type: 'minor'; execution: 'sync' } | { type: 'major'; execution: 'sync'; flavor: 'last-resort' },
) => void;

/** Shares of the time since the last pass in which the event loop had something to do. */
const WORKING = 0.25;
const QUIET = 0.2;
/**
 * A shorter pause is not the end of work. With the garbage goes what V8 compiled for it: for the first second or two after a
 * collection a call costs more than twice as much.
 */
const CALM_MS = 30_000;
/**
 * Whoever calls meanwhile waits 1 to 2 ms for each megabyte in use. After ten minutes of mixed load up to 190 MB are, 45 of them
 * still needed: V8 collects the most of it in the background within a quarter of a minute of quiet, and the pass waits for that.
 */
const MOST_HEAP_BYTES = 128 * 1024 * 1024;

/**
 * Of files that pass through, each piece leaves a buffer of 64 kB behind. V8 looks for them after some 100 MB; looking here costs 1 to
 * 2 ms each time.
 */
const STREAMED_BYTES = 16 * 1024 * 1024;

let collector: Collect | null = null;
let streamedBytes = 0;

function collect(options: Parameters<Collect>[0]): void {
  if (!collector) {
    // The flag makes `gc` a global of contexts made from now on; that of this thread stays as it is.
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collect;
  }
  collector(options);
}

/** Collects everything that is garbage and returns its pages, in this thread: 35 to 90 ms for an idle platform. */
export function releaseMemory(): void {
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** A piece of a file went through. */
export function noteStreamed(bytes: number): void {
  streamedBytes += bytes;
  if (streamedBytes < STREAMED_BYTES) return;
  streamedBytes = 0;
  collect({ type: 'minor', execution: 'sync' });
}

export interface TrimJudge {
  /** @param busyShare between 0 and 1. @returns true when work has ended and the heap is small enough to collect at once. */
  note(now: number, busyShare: number, heapBytes: number): boolean;
}

/** A steady trickle, such as the beats of many seats, is neither work nor its end. */
export function createTrimJudge(): TrimJudge {
  // The start is work, and never comes again: its end is the first quiet pass.
  let worked = true;
  let calmMs = 0;
  let quietSince: number | null = null;
  return {
    note(now, busyShare, heapBytes) {
      if (busyShare >= WORKING) worked = true;
      quietSince = busyShare < QUIET ? (quietSince ?? now) : null;
      if (!worked || quietSince === null || heapBytes > MOST_HEAP_BYTES || now - quietSince < calmMs) return false;
      worked = false;
      calmMs = CALM_MS;
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
      const heap = getHeapStatistics();
      if (!judge.note(clock.now(), utilization, heap.used_heap_size)) return { released: 0 };
      trimStore();
      releaseMemory();
      return { released: Math.max(0, heap.total_physical_size - getHeapStatistics().total_physical_size) };
    },
  };
}
