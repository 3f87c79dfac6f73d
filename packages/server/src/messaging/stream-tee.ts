// An event stream on its way through: every byte goes to the reader as it came (or converted to the reader's version), while a
// copy is folded into the terminal result for the log.

import type { StreamSink } from './dispatch.ts';
import type { StreamFold } from './reply.ts';
import { toV10Reply } from './versions/v1.ts';

/** The copy stops growing here; the reader still gets everything (chapter 20 §1.10). */
const MOST_COPIED_BYTES = 10 * 1024 * 1024;
const FRAME_END = /\r?\n\r?\n/;

export interface StreamTee extends StreamSink {
  /** Hands on what came without a closing blank line. */
  end(): void;
}

/** The JSON of a frame's data lines; null for comments and for what is not JSON. */
function readFrame(frame: string): unknown {
  const data = frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
  if (data === '') return null;
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

export function createStreamTee(sink: StreamSink, fold: StreamFold, convertToV10: boolean): StreamTee {
  const decoder = new TextDecoder();
  let pending = '';
  let copied = 0;

  function take(frames: string[]): unknown[] {
    const parsed = frames.map(readFrame);
    for (const frame of parsed) if (frame !== null && copied <= MOST_COPIED_BYTES) fold.add(frame);
    return parsed;
  }

  function convert(frames: string[]): Buffer {
    const text = take(frames).map((frame, index) =>
      frame === null ? `${frames[index]}\n\n` : `data: ${JSON.stringify(toV10Reply(frame))}\n\n`,
    );
    return Buffer.from(text.join(''));
  }

  return {
    write(chunk) {
      copied += chunk.length;
      // Beyond the cap nothing is copied any more, so a stream without an end costs no memory.
      if (!convertToV10 && copied > MOST_COPIED_BYTES) {
        pending = '';
        return sink.write(chunk);
      }
      const frames = (pending + decoder.decode(chunk, { stream: true })).split(FRAME_END);
      pending = frames.pop() ?? '';
      if (convertToV10) {
        // A frame that never ends is not one that can be converted.
        if (pending.length > MOST_COPIED_BYTES) pending = '';
        return frames.length === 0 || sink.write(convert(frames));
      }
      take(frames);
      return sink.write(chunk);
    },
    onDrain: (resume) => sink.onDrain(resume),
    end() {
      const rest = pending.trim() === '' ? [] : [pending];
      pending = '';
      if (rest.length === 0) return;
      if (convertToV10) sink.write(convert(rest));
      else take(rest);
    },
  };
}
