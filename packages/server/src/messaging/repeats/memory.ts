// What spares a call the look-up: a replica that is alone and has heard of every id of the last day knows a new one when it comes
// (chapter 20 §1.11). Reads what was stored before its time in bounded steps; until then, and beside other replicas, it knows nothing.

import type { Events } from '../../events/index.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database } from '../../platform/db/index.ts';
import type { Loop } from '../../platform/loops.ts';
import type { Attempt } from '../call.ts';
import { createHeardIds } from './heard-ids.ts';
import * as store from './store.ts';

const HOUR_MS = 3_600_000;
/** An hour more than the window, for clocks that differ. */
const KEPT_MS = 25 * HOUR_MS;
const PAGE_ROWS = 10_000;
const PAGES_PER_RUN = 20;

export interface MemoryDeps {
  db: Database;
  events: Pick<Events, 'hasPeers' | 'onPeer'>;
  clock: Clock;
  /** The calls of this replica whose end is not stored yet. */
  listOpen(): Attempt[];
}

export function createMemory({ db, events, clock, listOpen }: MemoryDeps) {
  const heard = createHeardIds();
  let isComplete = false;
  /** How far what waits is read. */
  let waiting = store.FIRST_KEY;
  /** How far the log is read; null before. */
  let reading: { after: store.Cursor; until: string } | null = null;
  /** What was read when another replica came up is not the whole any more. */
  let epoch = 0;
  let resumeAt = 0;

  const note = (workspaceId: string, messageId: string) => heard.note(`${workspaceId} ${messageId}`, clock.now());

  function startAnew(): void {
    epoch += 1;
    isComplete = false;
    waiting = store.FIRST_KEY;
    reading = null;
  }
  const forgetPeers = events.onPeer(startAnew);

  /** One page of what waits, or once that is read, of the log. @returns the rows it had. */
  async function readPage(began: number): Promise<number> {
    const found: store.MessageKey[] = reading
      ? await store.listStoredIds(db.kysely, reading.after, reading.until, PAGE_ROWS)
      : await store.listWaitingIds(db.kysely, waiting, PAGE_ROWS);
    const isLast = found.length < PAGE_ROWS;
    // Only now: what was answered while the waiting ones were read is in the log up to here. What comes later is this replica's own.
    const until = !reading && isLast ? await store.readNow(db.kysely) : null;
    if (began !== epoch) return 0;
    for (const { workspaceId, messageId } of found) note(workspaceId, messageId);
    const last = found.at(-1);
    if (until !== null) reading = { after: store.FIRST_CURSOR, until };
    else if (isLast) isComplete = true;
    else if (reading) reading = { ...reading, after: (last as store.StoredId).cursor };
    else waiting = last as store.MessageKey;
    return found.length;
  }

  /** What waits first, then the log page by page. @returns how many ids it read; `isComplete` tells whether more are to come. */
  async function readStored(signal: AbortSignal): Promise<number> {
    const began = epoch;
    let count = 0;
    for (let page = 0; page < PAGES_PER_RUN && !signal.aborted && !isComplete && began === epoch; page += 1)
      count += await readPage(began);
    return count;
  }

  return {
    /** A row of this message is about to be stored by another way than a call. */
    note,
    /** Notes the message's id. @returns true when it certainly is the first of it; false when only the store can tell. */
    isNew({ target, normalized }: Attempt): boolean {
      const wasHeard = note(target.id, normalized.messageId ?? '');
      return isComplete && !wasHeard && !heard.hasOverflowed() && !events.hasPeers();
    },
    close: forgetPeers,
    loop: {
      name: 'a2a-repeat-memory',
      why: 'Every message would be looked up in the store, to see whether it is a repeat.',
      everyMs: 5_000,
      timeoutMs: 60_000,
      runs: 'every-replica',
      async run(signal): Promise<Record<string, number>> {
        heard.forgetBefore(clock.now() - KEPT_MS);
        if (events.hasPeers()) {
          startAnew();
          return {};
        }
        if (heard.hasOverflowed() && clock.now() >= resumeAt) {
          resumeAt = clock.now() + HOUR_MS;
          heard.reset();
          for (const { target, normalized } of listOpen()) note(target.id, normalized.messageId ?? '');
          startAnew();
        }
        if (isComplete || heard.hasOverflowed()) return {};
        return { read: await readStored(signal) };
      },
    } satisfies Loop,
  };
}
