// Server-sent events as text: cutting an agent's bytes into events, and writing a logged frame for one reader. Pure.
// What the frames mean is reply.ts' business.

import { isObject, parseJson } from '../json.ts';
import type { Translation } from '../versions/translation.ts';

const FRAME_END = /\r?\n\r?\n/;
/** Above this many frames a stream is not logged on, however small they are: their numbers would reach into the next stream's. */
export const FRAMES_PER_STREAM = 1_000_000;

/** The id a client sees: streams of one task or message follow each other in one sequence. */
export const toEventId = (ordinal: number, seq: number) => ordinal * FRAMES_PER_STREAM + seq;

export function fromEventId(eventId: number): { ordinal: number; seq: number } {
  // A stream never uses up its numbers, so the one before the first of the next belongs to that one: its start.
  return { ordinal: Math.floor(eventId / FRAMES_PER_STREAM), seq: eventId % FRAMES_PER_STREAM };
}

/** The JSON of a frame's data lines; undefined for what is not JSON. */
export function readFrame(frame: string): unknown {
  const data = frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
  return data === '' ? undefined : parseJson(data);
}

/** Comments and other events without data are no part of the log: they only keep connections awake. */
export const hasData = (frame: string) => /^data:/m.test(frame);

/** The agent's own event ids would take the place of ours. */
export const withoutIds = (frame: string) =>
  /^id:/m.test(frame)
    ? frame
        .split(/\r?\n/)
        .filter((line) => !line.startsWith('id:'))
        .join('\n')
    : frame;

export interface FrameCutter {
  /** @returns the events that are complete now. */
  push(chunk: Buffer): string[];
  /** Bytes of the event that is not complete yet. */
  pendingBytes(): number;
  /** What came without a closing blank line; forgotten with that. */
  rest(): string;
}

export function createFrameCutter(): FrameCutter {
  const decoder = new TextDecoder();
  let pending = '';
  return {
    push(chunk) {
      const text = decoder.decode(chunk, { stream: true });
      const frames = (pending + (text.includes('\0') ? text.replaceAll('\0', '') : text)).split(FRAME_END);
      pending = frames.pop() ?? '';
      return frames;
    },
    pendingBytes: () => pending.length,
    rest() {
      const rest = pending;
      pending = '';
      return rest;
    },
  };
}

/** `id:` is left out for what is not logged. */
export const toEvent = (lines: string, eventId: number | null) =>
  eventId === null ? `${lines}\n\n` : `id: ${eventId}\n${lines}\n\n`;

/**
 * Writes frames for one reader, in order and from the first on: what v0.2 calls an artifact depends on the frames before.
 * @param rpcId of the request the reader waits on; undefined: the one the frames answer.
 * @returns the lines of the event; the same frame always gives the same ones.
 */
export function createFrameWriter(translation: Translation, rpcId?: unknown): (frame: string) => string {
  return (frame) => {
    if (translation.isIdentity && rpcId === undefined) return frame;
    const read = readFrame(frame);
    if (!isObject(read) || (translation.isIdentity && read.id === rpcId)) return frame;
    const translated = translation.isIdentity ? read : translation.toCaller(translation.fromTarget(read));
    if (rpcId === undefined || !isObject(translated)) return `data: ${JSON.stringify(translated)}`;
    return `data: ${JSON.stringify({ ...translated, id: rpcId })}`;
  };
}
