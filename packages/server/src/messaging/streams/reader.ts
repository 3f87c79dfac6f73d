// One client at the end of a stream: takes what it can, is waited for a bounded time, and is cut off rather than waited for longer.
// What it misses then stands in the log.

import { startDeadline } from '../../platform/deadline.ts';

/** A connection that takes nothing for this long is as good as gone; the agent would be held up by it. */
const STALL_MS = 30_000;

/** The client's connection. */
export interface Connection {
  /** @returns false when it is full: no more until `onDrain` calls back. */
  write(text: string): boolean;
  /** Calls back once: when there is room again, or the connection is gone. */
  onDrain(resume: () => void): void;
  isGone(): boolean;
  /** Cuts it off. */
  drop(): void;
}

export interface Reader {
  /** Resolves when the client can take more; at once when it is gone. */
  write(text: string): Promise<void>;
  isGone(): boolean;
}

export function createReader(connection: Connection): Reader {
  async function drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.onDrain(resolve);
    const deadline = startDeadline({ silenceMs: STALL_MS, ceilingMs: null, onExpire: () => connection.drop() });
    await promise;
    deadline.cancel();
  }

  return {
    isGone: () => connection.isGone(),
    async write(text) {
      if (!connection.isGone() && !connection.write(text)) await drained();
    },
  };
}
