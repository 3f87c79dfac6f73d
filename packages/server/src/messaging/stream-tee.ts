// An event stream on its way through: every byte goes to the reader as it came (or translated to the reader's version), while a
// copy is folded into the terminal result for the log.

import type { StreamSink } from './dispatch.ts';
import { parseJson } from './json.ts';
import type { StreamFold } from './reply.ts';
import type { Translation } from './versions/translation.ts';

/** The copy stops growing here; the reader still gets everything (chapter 20 §1.10). */
const MOST_COPIED_BYTES = 10 * 1024 * 1024;
const FRAME_END = /\r?\n\r?\n/;

export interface StreamTee extends StreamSink {
  /** Hands on what came without a closing blank line. */
  end(): void;
}

/** The JSON of a frame's data lines; undefined for comments and for what is not JSON. */
function readFrame(frame: string): unknown {
  const data = frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
  return data === '' ? undefined : parseJson(data);
}

export function createStreamTee(sink: StreamSink, fold: StreamFold, translation: Translation): StreamTee {
  const decoder = new TextDecoder();
  let pending = '';
  let copied = 0;

  /** @returns the frames in the canonical version. */
  function take(frames: string[]): unknown[] {
    const canonical = frames.map((frame) => translation.fromTarget(readFrame(frame)));
    for (const frame of canonical) if (copied <= MOST_COPIED_BYTES) fold.add(frame);
    return canonical;
  }

  function translate(frames: string[]): Buffer {
    const text = take(frames).map((frame, index) =>
      frame === undefined ? `${frames[index]}\n\n` : `data: ${JSON.stringify(translation.toCaller(frame))}\n\n`,
    );
    return Buffer.from(text.join(''));
  }

  return {
    write(chunk) {
      copied += chunk.length;
      // Beyond the cap nothing is copied any more, so a stream without an end costs no memory.
      if (translation.isIdentity && copied > MOST_COPIED_BYTES) {
        pending = '';
        return sink.write(chunk);
      }
      const frames = (pending + decoder.decode(chunk, { stream: true })).split(FRAME_END);
      pending = frames.pop() ?? '';
      if (translation.isIdentity) {
        take(frames);
        return sink.write(chunk);
      }
      // A frame that never ends is not one that can be translated.
      if (pending.length > MOST_COPIED_BYTES) pending = '';
      return frames.length === 0 || sink.write(translate(frames));
    },
    onDrain: (resume) => sink.onDrain(resume),
    end() {
      const rest = pending.trim() === '' ? [] : [pending];
      pending = '';
      if (rest.length === 0) return;
      if (translation.isIdentity) take(rest);
      else sink.write(translate(rest));
    },
  };
}
