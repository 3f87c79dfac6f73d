// Telling those who follow a stream's log that it grew, also on other replicas. A hint only: followers read by cursor and look
// again by themselves (ruling R4). A replica tells the others of the streams they asked about, and nothing of the rest.

import type { Database } from '../../platform/db/index.ts';
import { startDeadline } from '../../platform/deadline.ts';
import type { Logger } from '../../platform/log.ts';

const CHANNEL = 'molecule_streams';
/** So long a replica tells of a stream after it was asked. */
const TELL_MS = 20_000;
const ASK_AGAIN_MS = 5_000;

interface Notice {
  from: string;
  /** The sender follows this stream. */
  ask?: string;
  /** This stream has grown or ended. */
  tell?: string;
}

export interface StreamWatch {
  /** Resolves when the stream may have grown since the last call, and after that time in any case. */
  changed(milliseconds: number): Promise<void>;
  end(): void;
}

export interface StreamHints {
  /** The stream has new frames, or has ended. */
  tell(streamId: string): void;
  watch(streamId: string): StreamWatch;
  /** Nobody waits any longer. */
  stop(): Promise<void>;
}

export function createStreamHints({
  db,
  log,
  instanceId,
}: {
  db: Database;
  log: Logger;
  instanceId: string;
}): StreamHints {
  const watching = new Map<string, Set<() => void>>();
  /** Streams other replicas follow, with until when they are told of them. */
  const askedFor = new Map<string, number>();
  const askedAt = new Map<string, number>();
  /** Told once the notice that is on its way is out, however often they grew meanwhile. */
  const untold = new Set<string>();
  let telling = false;
  let listening: Promise<() => Promise<void>> | null = null;
  let stopped = false;

  function wake(streamId: string): void {
    for (const note of watching.get(streamId) ?? []) note();
  }

  function receive(payload: string): void {
    // '' says that something may have been missed.
    if (payload === '') {
      for (const streamId of watching.keys()) wake(streamId);
      return;
    }
    const { from, ask, tell } = JSON.parse(payload) as Notice;
    if (from === instanceId) return;
    if (tell) wake(tell);
    if (!ask) return;
    const now = performance.now();
    for (const [streamId, until] of askedFor) if (until < now) askedFor.delete(streamId);
    askedFor.set(ask, now + TELL_MS);
  }

  /** From the first stream on; a failure is mended with the next one. */
  function listen(): void {
    if (db.kind === 'embedded' || listening || stopped) return;
    listening = db.listen(CHANNEL, receive);
    listening.catch((error: unknown) => {
      listening = null;
      log.warn(
        { err: error },
        'hints of other replicas about streams cannot be heard; their followers look by themselves',
      );
    });
  }

  async function send(notice: Omit<Notice, 'from'>): Promise<void> {
    try {
      await db.notify(CHANNEL, JSON.stringify({ from: instanceId, ...notice }));
    } catch (error) {
      log.warn({ err: error }, 'other replicas could not be told of a stream; they look by themselves');
    }
  }

  async function sendUntold(): Promise<void> {
    if (telling) return;
    telling = true;
    for (const streamId of untold) {
      untold.delete(streamId);
      await send({ tell: streamId });
    }
    telling = false;
  }

  /** Answers nothing: whoever reads the stream from its agent tells from now on. */
  function ask(streamId: string): void {
    if (db.kind === 'embedded') return;
    const now = performance.now();
    if ((askedAt.get(streamId) ?? Number.NEGATIVE_INFINITY) > now - ASK_AGAIN_MS) return;
    for (const [asked, at] of askedAt) if (at < now - ASK_AGAIN_MS) askedAt.delete(asked);
    askedAt.set(streamId, now);
    void send({ ask: streamId });
  }

  return {
    tell(streamId) {
      listen();
      wake(streamId);
      if ((askedFor.get(streamId) ?? 0) < performance.now()) return;
      untold.add(streamId);
      void sendUntold();
    },
    watch(streamId) {
      listen();
      let hasChanged = false;
      let resolve = () => {};
      const note = () => {
        hasChanged = true;
        resolve();
      };
      const known = watching.get(streamId) ?? new Set();
      watching.set(streamId, known.add(note));
      return {
        async changed(milliseconds) {
          ask(streamId);
          if (!hasChanged && !stopped) {
            const { promise, resolve: wakeUp } = Promise.withResolvers<void>();
            resolve = wakeUp;
            const deadline = startDeadline({ silenceMs: milliseconds, ceilingMs: null, onExpire: () => wakeUp() });
            await promise;
            deadline.cancel();
          }
          hasChanged = false;
        },
        end() {
          known.delete(note);
          if (known.size === 0) watching.delete(streamId);
        },
      };
    },
    async stop() {
      stopped = true;
      for (const streamId of watching.keys()) wake(streamId);
      const end = await listening?.catch(() => null);
      await end?.();
    },
  };
}
