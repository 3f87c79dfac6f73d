// What takes the frames of an agent's stream. This one folds them into the result they amount to, for callers that wait for that
// alone; with a client at the other end it is the pump.

import type { StreamSink } from '../dispatch.ts';
import type { StreamFold } from '../reply.ts';
import type { Translation } from '../versions/translation.ts';
import { createFrameCutter, readFrame } from './frames.ts';

/** The log of a stream stops here (chapter 20 §1.10), and so does the copy its result is folded from. */
export const MOST_COPIED_BYTES = 10 * 1024 * 1024;

/** `interrupted`: the agent ended it early. `left`: this process stops, and another one goes on with it. */
export type StreamEnd = 'complete' | 'interrupted' | 'left';

export interface StreamTee extends StreamSink {
  /**
   * Resolves when everything is handed on.
   * @param told resolves when the row of the call is stored: until then the stream counts as unfinished, so that whoever finds it so
   * after a crash stores the row.
   * @returns true for one that was left and that another process goes on with: its end is that one's to tell.
   */
  end(end: StreamEnd, told: Promise<void>): Promise<boolean>;
}

export function createFoldingTee(fold: StreamFold, translation: Translation): StreamTee {
  const cutter = createFrameCutter();
  let copied = 0;
  const take = (frames: string[]) => {
    for (const frame of frames) fold.add(translation.fromTarget(readFrame(frame)));
  };
  return {
    write(chunk) {
      copied += chunk.length;
      // Beyond the cap nothing is copied any more, so a stream without an end costs no memory.
      if (copied <= MOST_COPIED_BYTES) take(cutter.push(chunk));
      return true;
    },
    onDrain: (resume) => resume(),
    async end() {
      if (copied <= MOST_COPIED_BYTES) take([cutter.rest()]);
      return false;
    },
  };
}
