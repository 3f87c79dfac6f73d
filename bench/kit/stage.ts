// Everything a bench starts, and its end: processes by their id, folders, servers. Nothing outlives `end()`, also on Ctrl-C.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PEERS = join(import.meta.dirname, '../peers');
const PEER_READY_MS = 30_000;
const STOP_GRACE_MS = 5_000;

/** Rejects when `work` takes longer; every wait of a bench goes through here. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until `ask` gives something other than null; at most `ms` long. */
export async function until<T>(ms: number, what: string, ask: () => Promise<T | null>, everyMs = 5): Promise<T> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    const found = await ask();
    if (found !== null) return found;
    await pause(everyMs);
  }
  throw new Error(`${what}: not within ${ms} ms`);
}

/** A process of bench/peers, on the other end of an IPC channel. It ends by itself when this process does. */
export interface Peer {
  /** What it said when it was ready. */
  ready: Record<string, unknown>;
  child: ChildProcess;
  /** Sends a message and waits for the next one. */
  ask<T>(message: unknown, ms: number): Promise<T>;
}

export interface Stage {
  /** A temporary folder, removed at the end. */
  folder(): Promise<string>;
  /** Starts bench/peers/<name>.ts and waits until it is ready. */
  peer(name: string, options?: unknown): Promise<Peer>;
  /** Runs at the end, in reverse order. */
  atEnd(cleanup: () => Promise<unknown>): void;
  /** Idempotent. Every cleanup runs; the first failure is thrown after the last. */
  end(): Promise<void>;
}

/** Ends one process by its id: asked first, forced when it does not listen. */
export async function endProcess(child: ChildProcess, graceMs = STOP_GRACE_MS): Promise<'asked' | 'forced'> {
  if (child.exitCode !== null || child.signalCode !== null) return 'asked';
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  try {
    await within(graceMs, 'the end of a process', gone);
    return 'asked';
  } catch {
    child.kill('SIGKILL');
    await gone;
    return 'forced';
  }
}

/** The next message, or the news that the process ended instead. */
async function nextMessage<T>(child: ChildProcess, name: string, ms: number): Promise<T> {
  const stop = new AbortController();
  try {
    return await within(
      ms,
      name,
      Promise.race([
        once(child, 'message', { signal: stop.signal }).then(([message]) => message as T),
        once(child, 'exit', { signal: stop.signal }).then(([code]) => {
          throw new Error(`${name} ended with code ${code}`);
        }),
      ]),
    );
  } finally {
    stop.abort();
  }
}

export function createStage(): Stage {
  const cleanups: (() => Promise<unknown>)[] = [];
  let ending: Promise<void> | null = null;

  async function runCleanups(): Promise<void> {
    const failures: unknown[] = [];
    for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop())
      await cleanup().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  return {
    async folder() {
      const folder = await mkdtemp(join(tmpdir(), 'molecule-bench-'));
      cleanups.push(() => rm(folder, { recursive: true, force: true }));
      return folder;
    },
    async peer(name, options = {}) {
      const child = fork(join(PEERS, `${name}.ts`), [JSON.stringify(options)], {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        serialization: 'advanced',
      });
      cleanups.push(() => endProcess(child));
      const ready = await nextMessage<Record<string, unknown>>(child, name, PEER_READY_MS);
      return {
        ready,
        child,
        ask(message, ms) {
          const answer = nextMessage<never>(child, name, ms);
          child.send(message as object);
          return answer;
        },
      };
    },
    atEnd(cleanup) {
      cleanups.push(cleanup);
    },
    end() {
      ending ??= runCleanups();
      return ending;
    },
  };
}
