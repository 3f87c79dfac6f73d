// A deadline that signs of life push back, without a new timer for each sign. Deadlines of single calls live here, beside the
// supervisor's loops, because they end with their call.

export interface Deadline {
  /** Something happened: the silence starts anew. */
  touch(): void;
  /** Changes how long the silence may last. */
  extend(silenceMs: number): void;
  cancel(): void;
}

export interface DeadlineOptions {
  silenceMs: number;
  /** Never later than this, whatever happens; null = no ceiling. */
  ceilingMs: number | null;
  onExpire(reason: 'silence' | 'ceiling'): void;
}

export function startDeadline({ silenceMs, ceilingMs, onExpire }: DeadlineOptions): Deadline {
  const startedAt = performance.now();
  let lastSignAt = startedAt;
  let silence = silenceMs;
  let timer: NodeJS.Timeout;
  let firesAt: number;

  function remaining(): { ms: number; reason: 'silence' | 'ceiling' } {
    const now = performance.now();
    const untilSilence = lastSignAt + silence - now;
    const untilCeiling = ceilingMs === null ? Number.POSITIVE_INFINITY : startedAt + ceilingMs - now;
    return untilCeiling < untilSilence
      ? { ms: untilCeiling, reason: 'ceiling' }
      : { ms: untilSilence, reason: 'silence' };
  }

  function arm(): void {
    const waitMs = Math.max(1, Math.min(remaining().ms, 2 ** 31 - 1));
    firesAt = performance.now() + waitMs;
    timer = setTimeout(() => {
      const left = remaining();
      if (left.ms > 1) arm();
      else onExpire(left.reason);
    }, waitMs);
    timer.unref();
  }

  arm();
  return {
    touch() {
      lastSignAt = performance.now();
    },
    extend(next) {
      silence = next;
      lastSignAt = performance.now();
      // A timer that fires too early finds out how much is left and waits for it.
      if (lastSignAt + remaining().ms >= firesAt) return;
      clearTimeout(timer);
      arm();
    },
    cancel: () => clearTimeout(timer),
  };
}

/** Resolves after that time; keeps no process alive. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((done) => startDeadline({ silenceMs: milliseconds, ceilingMs: null, onExpire: () => done() }));
