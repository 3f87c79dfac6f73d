// The supervisor of every background loop: it owns all timers of the server.
// A loop is idempotent and level-triggered, so the next tick is the retry. What the loops do lives in the domains.

import type { Clock } from './clock.ts';
import { acquireLease, type Database, type Lease } from './db/index.ts';
import type { Logger } from './log.ts';
import { PRESENCE_MS, type Presence } from './presence.ts';

export interface Loop {
  readonly name: string;
  /** One sentence for operators: what goes wrong without it. */
  readonly why: string;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly runs: 'every-replica' | 'one-replica';
  /** One bounded pass. The counts are shown in `/admin/liveness`. */
  run(signal: AbortSignal): Promise<Record<string, number>>;
}

export interface LoopReport {
  name: string;
  why: string;
  everyMs: number;
  runs: Loop['runs'];
  lastTickAt: number | null;
  lastSuccessAt: number | null;
  lastError: string | null;
  counts: Record<string, number>;
  stale: boolean;
}

export interface Supervisor {
  start(): void;
  /** Runs the loop as soon as it is free; for work that should not wait for the tick. */
  wake(name: string): void;
  report(): LoopReport[];
  /** Ends all timers and waits for the passes that run. */
  stop(): Promise<void>;
}

const BACK_OFF_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

interface LoopState {
  loop: Loop;
  timer: NodeJS.Timeout | null;
  running: Promise<void> | null;
  /** A wake-up that came during a pass. */
  pending: boolean;
  failures: number;
  lastTickAt: number | null;
  lastSuccessAt: number | null;
  lastError: string | null;
  counts: Record<string, number>;
  lease: Lease | null;
  /** Another replica had it at the last tick. */
  isElsewhere: boolean;
  /** Of the presence the lease was last taken or renewed under. */
  epoch: number;
}

/** Rejects when the pass outlives its limit; the pass itself sees the aborted signal. */
async function runBounded(loop: Loop, stopping: AbortSignal): Promise<Record<string, number>> {
  // Not AbortSignal.timeout: that one goes off also after a pass that ended in time, a second's worth of them every second.
  const bound = new AbortController();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  function abort(reason: string): void {
    const error = new Error(reason);
    reject(error);
    bound.abort(error);
  }
  if (stopping.aborted) throw new Error('stopping');
  const onStop = () => abort('stopping');
  const timer = setTimeout(() => abort(`no end within ${loop.timeoutMs} ms`), loop.timeoutMs);
  timer.unref();
  stopping.addEventListener('abort', onStop, { once: true });
  try {
    return await Promise.race([loop.run(bound.signal), aborted]);
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener('abort', onStop);
  }
}

export function createSupervisor(
  loops: readonly Loop[],
  deps: { db: Database; clock: Clock; log: Logger; presence: Presence },
): Supervisor {
  const { db, clock, log, presence } = deps;
  const states = new Map<string, LoopState>(
    loops.map((loop) => [
      loop.name,
      {
        loop,
        timer: null,
        running: null,
        pending: false,
        failures: 0,
        lastTickAt: null,
        lastSuccessAt: null,
        lastError: null,
        counts: {},
        lease: null,
        isElsewhere: false,
        epoch: 0,
      },
    ]),
  );
  const stopping = new AbortController();
  let startedAt: number | null = null;

  /** True when this replica may run the loop now. */
  async function holdsLease(state: LoopState): Promise<boolean> {
    if (state.loop.runs === 'every-replica' || db.kind === 'embedded') return true;
    const { name, everyMs, timeoutMs } = state.loop;
    await presence.assert();
    // Good for this pass and until the next tick: not a statement to renew it every time.
    const isCurrent = state.epoch === presence.epoch();
    if (isCurrent && state.lease && state.lease.remainingMs() > timeoutMs + everyMs / 2) return true;
    state.epoch = presence.epoch();
    if (state.lease && (await state.lease.renew())) return true;
    state.lease = await acquireLease(db, `loop:${name}`, presence.holder, everyMs * 2 + timeoutMs);
    return state.lease !== null;
  }

  async function tick(state: LoopState): Promise<void> {
    state.lastTickAt = clock.now();
    try {
      state.isElsewhere = !(await holdsLease(state));
      if (!state.isElsewhere) state.counts = await runBounded(state.loop, stopping.signal);
      state.lastSuccessAt = clock.now();
      state.lastError = null;
      state.failures = 0;
    } catch (error) {
      if (stopping.signal.aborted) return;
      state.failures += 1;
      state.lastError = error instanceof Error ? error.message : String(error);
      log.error({ loop: state.loop.name, err: error }, 'background loop failed; it runs again');
    }
  }

  function schedule(state: LoopState, delayMs: number): void {
    if (stopping.signal.aborted) return;
    if (state.timer) clearTimeout(state.timer);
    state.timer = setTimeout(() => begin(state), delayMs);
    state.timer.unref();
  }

  function nextDelayMs(state: LoopState): number {
    if (state.pending) return 0;
    if (state.failures > 0)
      return Math.min(BACK_OFF_MS[Math.min(state.failures, BACK_OFF_MS.length) - 1] ?? 30_000, state.loop.everyMs);
    // Of a replica that died the loop is free as soon as its presence ends: not a whole interval later.
    const everyMs = state.isElsewhere ? Math.min(state.loop.everyMs, PRESENCE_MS) : state.loop.everyMs;
    return everyMs * (0.95 + Math.random() * 0.1);
  }

  function begin(state: LoopState): void {
    if (state.running) {
      state.pending = true;
      return;
    }
    state.pending = false;
    state.running = tick(state).finally(() => {
      state.running = null;
      schedule(state, nextDelayMs(state));
    });
  }

  return {
    start() {
      startedAt = clock.now();
      // The first pass comes soon but spread out, so that a start serves before it repairs (ruling R10).
      for (const state of states.values()) schedule(state, 50 + Math.random() * Math.min(state.loop.everyMs, 1_000));
    },
    wake(name) {
      const state = states.get(name);
      if (!state || startedAt === null || stopping.signal.aborted) return;
      if (state.running) state.pending = true;
      else schedule(state, 0);
    },
    report() {
      const now = clock.now();
      return [...states.values()].map(({ loop, lastTickAt, lastSuccessAt, lastError, counts }) => ({
        name: loop.name,
        why: loop.why,
        everyMs: loop.everyMs,
        runs: loop.runs,
        lastTickAt,
        lastSuccessAt,
        lastError,
        counts,
        // By its last success: a pass that hangs is cut off and begun anew, and does no more work than one that never begins.
        stale: startedAt !== null && now - (lastSuccessAt ?? startedAt) > 2 * loop.everyMs + loop.timeoutMs,
      }));
    },
    async stop() {
      stopping.abort();
      for (const state of states.values()) if (state.timer) clearTimeout(state.timer);
      await Promise.allSettled([...states.values()].map((state) => state.running));
      // Without a store they end by themselves.
      await Promise.allSettled([...states.values()].map((state) => state.lease?.release()));
    },
  };
}
