// Reading a stream out of its log for a client that comes back: what it has not seen, then what comes, to the end. Reads page by
// page as fast as the client takes it, so that nobody else waits for it and the memory stays bounded.

import type { Database } from '../../platform/db/index.ts';
import type { Translation } from '../versions/translation.ts';
import { createFrameWriter, toEvent, toEventId } from './frames.ts';
import type { StreamHints, StreamWatch } from './hints.ts';
import type { Reader } from './reader.ts';
import * as store from './store.ts';

const PAGE = { mostRows: 200, mostBytes: 256 * 1024 };
const LOOK_AGAIN_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;

export interface Followed {
  row: store.StreamRow;
  /** The last frame the client has seen; 0 = none. */
  seen: { seq: number; upto: number };
  translation: Translation;
  /** Of the request that asks; undefined when it is the one of the stream itself. */
  rpcId: unknown;
  /** Frames before the first unseen one matter to how the later ones are written. */
  fromStart: boolean;
}

export interface FollowDeps {
  db: Database;
  hints: StreamHints;
  /** True as soon as this process stops: the client comes back to another one. */
  isStopping(): boolean;
}

/** `gone`: the client left, or this process stops. `unlogged`: the log ends before the stream does. */
export type FollowEnd = 'complete' | 'interrupted' | 'unlogged' | 'gone';

export async function followStream(deps: FollowDeps, followed: Followed, reader: Reader): Promise<FollowEnd> {
  const watch = deps.hints.watch(followed.row.id);
  try {
    return await readOn(deps, followed, reader, watch);
  } finally {
    watch.end();
  }
}

async function readOn(
  { db, isStopping }: FollowDeps,
  { row, seen, translation, rpcId, fromStart }: Followed,
  reader: Reader,
  watch: StreamWatch,
): Promise<FollowEnd> {
  const write = createFrameWriter(translation, rpcId);
  let at = fromStart ? { seq: 0, upto: 0 } : seen;
  let wroteAt = performance.now();

  async function hand({ seq, upto, frame }: store.LoggedFrame): Promise<void> {
    const lines = write(frame);
    at = { seq, upto };
    if (seq > seen.seq) await reader.write(toEvent(lines, toEventId(row.ordinal, seq)));
    wroteAt = performance.now();
  }

  while (!reader.isGone() && !isStopping()) {
    // Asked before the page is read: what ended then is whole in it.
    const state = await store.readEnding(db.kysely, row.id);
    const page = await store.listFrames(db.kysely, row.id, at, PAGE);
    for (const frame of page) if (!reader.isGone()) await hand(frame);
    if (page.length > 0) continue;
    if (!state || state.ending === 'too_large') return 'unlogged';
    if (state.ending) return state.ending;
    if (performance.now() - wroteAt > KEEP_ALIVE_MS) {
      await reader.write(': waiting\n\n');
      wroteAt = performance.now();
    }
    await watch.changed(LOOK_AGAIN_MS);
  }
  return 'gone';
}
