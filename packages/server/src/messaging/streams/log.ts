// Writing the log: frames of all streams of a moment are one statement, and so are their ends. Knows which streams this process
// holds, so that one loop can renew them all.

import { randomUUID, randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import { createBatcher, type Database, isUniqueViolation, type Tables } from '../../platform/db/index.ts';
import type { StreamHints } from './hints.ts';
import * as store from './store.ts';

/** Two streams of one task opened at the same moment: the second try counts the first one. */
const MOST_OPENINGS = 5;

export type Opening = Omit<store.NewStream, 'id' | 'holder' | 'lease_token'>;

/** What belongs to the end of a stream that was taken over, told once. */
export interface EndReport {
  /** In the transaction of the end. */
  storeIn(trx: Transaction<Tables>): Promise<void>;
  /** After its commit. */
  tell(): void;
}

/** The hold on one stream: who has it appends to it. */
export interface Hold {
  readonly streamId: string;
  /** Something of it is in the store, so that another process can go on with it. */
  isStored(): boolean;
  /**
   * Resolves after the commit. One call at a time.
   * @returns the stream's ordinal; null when another replica took it over.
   */
  append(frames: store.LoggedFrame[]): Promise<number | null>;
  /** Nothing is appended afterwards. */
  end(ending: store.StreamEnding | 'left'): Promise<void>;
  /** Gives it up without a word to the store: the lease runs out. */
  abandon(): void;
}

export interface StreamLog {
  /** A new stream; it is stored with its first frames. */
  open(opening: Opening): Hold;
  /** One that was taken over. @param report asked when it ends. */
  resume(row: store.StreamRow, report: (ending: store.StreamEnding) => Promise<EndReport | null>): Hold;
  renew(): Promise<number>;
  idle(): Promise<void>;
}

export function createStreamLog({
  db,
  hints,
  holder,
}: {
  db: Database;
  hints: StreamHints;
  holder: string;
}): StreamLog {
  const held = new Set<string>();
  const frames = createBatcher<store.Append, number | null>({
    name: 'stream frames',
    sizeOf: ({ frames: list }) => list.reduce((sum, { frame }) => sum + frame.length, 0),
    flush: (appends) => store.appendFrames(db.kysely, appends),
  });
  const ends = createBatcher<store.End, null>({
    name: 'stream ends',
    flush: async (items) => {
      await store.endStreams(db.kysely, items);
      return items.map(() => null);
    },
  });

  function hold(streamId: string, token: string, opening: store.NewStream | null): Hold {
    let unopened = opening;

    async function append(list: store.LoggedFrame[]): Promise<number | null> {
      for (let tries = 1; ; tries += 1)
        try {
          return await frames.add({ streamId, token, opening: unopened, frames: list });
        } catch (error) {
          if (!unopened || !isUniqueViolation(error) || tries === MOST_OPENINGS) throw error;
        }
    }

    return {
      streamId,
      isStored: () => unopened === null,
      async append(list) {
        const ordinal = await append(list);
        if (ordinal === null) return null;
        if (unopened) held.add(token);
        unopened = null;
        hints.tell(streamId);
        return ordinal;
      },
      async end(ending) {
        held.delete(token);
        if (unopened) return;
        await ends.add({ streamId, token, ending });
        hints.tell(streamId);
      },
      abandon: () => held.delete(token),
    };
  }

  return {
    open(opening) {
      const id = randomUUIDv7();
      const token = randomUUID();
      return hold(id, token, { ...opening, id, holder, lease_token: token });
    },
    resume(row, report) {
      const { id: streamId, lease_token: token } = row;
      held.add(token);
      const taken = hold(streamId, token, null);
      return {
        ...taken,
        async end(ending) {
          if (ending === 'left') return await taken.end(ending);
          held.delete(token);
          const told = await report(ending);
          const isOurs = await db.kysely.transaction().execute(async (trx) => {
            const ended = await store.endStreams(trx, [{ streamId, token, ending }]);
            if (ended.length > 0) await told?.storeIn(trx);
            return ended.length > 0;
          });
          if (isOurs) told?.tell();
          hints.tell(streamId);
        },
      };
    },
    async renew() {
      return held.size === 0 ? 0 : await store.renewLeases(db.kysely, [...held]);
    },
    async idle() {
      await frames.idle();
      await ends.idle();
    },
  };
}
