// A clock that stands still until a test turns it to the next alarm somebody has set.

import type { Timers } from '../src/link/timers.ts';

interface Sleeper {
  dueAt: number;
  milliseconds: number;
  wake(): void;
}

export interface ManualTimers extends Timers {
  /** Turns the clock on by this much; everybody due wakes. */
  advance(milliseconds: number): void;
  /** Resolves when somebody sleeps at least so long. */
  idle(leastMs?: number): Promise<void>;
  /** Waits until somebody sleeps so long, turns the clock to that alarm. @returns how long it was set for. */
  ring(leastMs?: number, mostMs?: number): Promise<number>;
}

export function createManualTimers(start = 1_800_000_000_000): ManualTimers {
  let time = start;
  const sleepers = new Set<Sleeper>();
  const watchers = new Set<() => void>();

  function advance(milliseconds: number): void {
    time += milliseconds;
    for (const sleeper of [...sleepers].sort((a, b) => a.dueAt - b.dueAt)) if (sleeper.dueAt <= time) sleeper.wake();
  }

  async function findNext(leastMs: number, mostMs: number): Promise<Sleeper> {
    for (;;) {
      const next = [...sleepers]
        .filter(({ milliseconds }) => milliseconds >= leastMs && milliseconds <= mostMs)
        .sort((a, b) => a.dueAt - b.dueAt)[0];
      if (next) return next;
      await new Promise<void>((resolve) => {
        watchers.add(function watch() {
          watchers.delete(watch);
          resolve();
        });
      });
    }
  }

  return {
    now: () => time,
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        if (signal.aborted || milliseconds <= 0) return resolve();
        const sleeper = { dueAt: time + milliseconds, milliseconds, wake };
        function wake() {
          sleepers.delete(sleeper);
          signal.removeEventListener('abort', wake);
          resolve();
        }
        signal.addEventListener('abort', wake);
        sleepers.add(sleeper);
        for (const watcher of [...watchers]) watcher();
      }),
    advance,
    idle: async (leastMs = 0) => void (await findNext(leastMs, Number.POSITIVE_INFINITY)),
    async ring(leastMs = 0, mostMs = Number.POSITIVE_INFINITY) {
      const next = await findNext(leastMs, mostMs);
      advance(Math.max(0, next.dueAt - time));
      return next.milliseconds;
    },
  };
}
