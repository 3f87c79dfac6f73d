// A stream on its way from its agent into the log and on to its client: each frame is stored first, so that what a client has seen
// can always be found again. A slow client holds the agent up; one that is gone does not, and the log goes on without it.

import type { Logger } from '../../platform/log.ts';
import type { StreamFold } from '../reply.ts';
import type { Translation } from '../versions/translation.ts';
import {
  createFrameCutter,
  createFrameWriter,
  FRAMES_PER_STREAM,
  hasData,
  readFrame,
  toEvent,
  toEventId,
  withoutIds,
} from './frames.ts';
import type { Hold } from './log.ts';
import type { Reader } from './reader.ts';
import type { LoggedFrame } from './store.ts';
import { MOST_COPIED_BYTES, type StreamEnd, type StreamTee } from './tee.ts';

/** So much may wait for the store or the client before the agent is held up. */
const MOST_UNSENT_BYTES = 256 * 1024;

export interface PumpDeps {
  /** The log, given the first frame in the canonical version; null: nothing of this stream is passed on or stored. */
  hold(first: unknown): Hold | null;
  /** Null when nobody is connected. */
  reader: Reader | null;
  fold: StreamFold;
  translation: Translation;
  /** Where the log stands already. */
  from: { seq: number; upto: number };
  log: Logger;
}

interface Piece {
  lines: string;
  /** As it stands in the log; null for comments, which are no part of it. */
  logged: LoggedFrame | null;
  bytes: number;
}

export function createPump({ hold: openHold, reader, fold, translation, from, log }: PumpDeps): StreamTee {
  const cutter = createFrameCutter();
  const write = createFrameWriter(translation);
  let { seq, upto } = from;
  let hold: Hold | null = null;
  let ordinal = 0;
  let isLogging = true;
  let isRefused = false;
  let pieces: Piece[] = [];
  let unsent = 0;
  let goOn: (() => void) | null = null;
  let delivering: Promise<void> | null = null;

  /** What went wrong with the log is no reason to keep the rest from the client; whoever takes the stream over mends the log. */
  function stopLogging(reason: string, error?: unknown): void {
    isLogging = false;
    hold?.abandon();
    log.warn({ err: error, stream_id: hold?.streamId, reason }, 'a stream goes on without its log');
  }

  function take(lines: string): void {
    const isFrame = hasData(lines);
    const canonical = isFrame && upto <= MOST_COPIED_BYTES ? translation.fromTarget(readFrame(lines)) : undefined;
    if (isFrame && !hold && !isRefused) {
      hold = openHold(canonical);
      isRefused = hold === null;
    }
    if (isRefused) return;
    fold.add(canonical);
    const plain = withoutIds(lines);
    const bytes = Buffer.byteLength(plain);
    if (isFrame) {
      seq += 1;
      upto += bytes;
    }
    unsent += bytes;
    pieces.push({ lines: plain, logged: isFrame ? { seq, frame: plain, upto } : null, bytes });
  }

  const isTooLarge = ({ logged }: Piece) =>
    logged !== null && (logged.upto > MOST_COPIED_BYTES || logged.seq >= FRAMES_PER_STREAM);

  /** @returns false when the log ended before these frames. */
  async function store(batch: Piece[]): Promise<boolean> {
    const frames = batch.flatMap(({ logged }) => logged ?? []);
    if (!isLogging || frames.length === 0 || !hold) return isLogging;
    if (batch.some(isTooLarge)) {
      isLogging = false;
      await hold.end('too_large').catch((error: unknown) => stopLogging('its end could not be stored', error));
      return false;
    }
    try {
      const stored = await hold.append(frames);
      if (stored === null) stopLogging('another replica took it over');
      else ordinal = stored;
    } catch (error) {
      stopLogging('the store failed', error);
    }
    return isLogging;
  }

  async function deliver(): Promise<void> {
    // What came in one tick is one statement.
    await null;
    while (pieces.length > 0) {
      const batch = pieces;
      pieces = [];
      const isStored = await store(batch);
      for (const { lines, logged, bytes } of batch) {
        const eventId = logged && isStored ? toEventId(ordinal, logged.seq) : null;
        await reader?.write(toEvent(logged ? write(lines) : lines, eventId));
        unsent -= bytes;
      }
      if (unsent > MOST_UNSENT_BYTES / 2) continue;
      goOn?.();
      goOn = null;
    }
    delivering = null;
  }

  function begin(): void {
    if (pieces.length > 0) delivering ??= deliver();
  }

  return {
    write(chunk) {
      for (const lines of cutter.push(chunk)) take(lines);
      // An event that never ends is none; kept, it would fill the memory.
      if (cutter.pendingBytes() > MOST_COPIED_BYTES) cutter.rest();
      begin();
      return unsent <= MOST_UNSENT_BYTES;
    },
    onDrain(resume) {
      if (delivering) goOn = resume;
      else resume();
    },
    async end(end: StreamEnd, told: Promise<void>) {
      const rest = cutter.rest();
      if (rest.trim() !== '') take(rest);
      begin();
      await delivering;
      if (!isLogging || isRefused) return false;
      const isLeft = end === 'left' && (hold?.isStored() ?? false);
      // Nothing waits for it: a client that comes back earlier follows until it is there.
      (isLeft ? Promise.resolve() : told)
        .then(() => hold?.end(end))
        .catch((error: unknown) => log.warn({ err: error }, 'the end of a stream could not be stored'));
      return isLeft;
    },
  };
}
