// What a running turn says: text in segments (one a model call), and in the end one text that is exactly what was streamed.

import type { Emit } from '../adapters/adapter.ts';
import type { TurnObserver } from './pipeline.ts';
import type { ToolTrace } from './trace.ts';

const NO_RESPONSE = '(no response generated)';
const PARAGRAPH = '\n\n';

export interface Speech {
  readonly emit: Emit;
  /** Something was said or done that cannot be taken back. */
  hasBegun(): boolean;
  /**
   * Says what of the final text was not streamed.
   * @param mayBeSilent the answer is something else than text.
   * @returns everything that was said; from here on nothing is.
   */
  finish(text: string, mayBeSilent: boolean): string;
}

export function createSpeech(observer: TurnObserver, trace: ToolTrace, signal: AbortSignal): Speech {
  let said = '';
  /** The same without what separates segments. */
  let streamed = '';
  let segment = 0;
  let opensSegment = false;
  let isOver = false;

  function say(chunk: string): void {
    if (chunk === '' || signal.aborted || isOver) return;
    let text = chunk;
    if (opensSegment) {
      opensSegment = false;
      segment += 1;
      // Read one after the other, two segments must not run into each other.
      text = said.endsWith('\n') || chunk.startsWith('\n') ? chunk : PARAGRAPH + chunk;
    }
    streamed += chunk;
    said += text;
    observer.text(text, segment);
  }

  return {
    emit: {
      text: say,
      status(text) {
        if (!isOver) observer.inputRequired(text);
      },
      segment() {
        opensSegment = said !== '';
      },
      tool(call) {
        if (!isOver) trace.add(call);
      },
    },
    hasBegun: () => said !== '' || trace.entries().length > 0,
    finish(text, mayBeSilent) {
      const known = [said, streamed].find((one) => text.startsWith(one));
      if (known !== undefined) say(text.slice(known.length));
      else if (!said.trim().endsWith(text.trim())) {
        opensSegment = true;
        say(text);
      }
      if (said.trim() === '' && !mayBeSilent) say(NO_RESPONSE);
      isOver = true;
      return said;
    },
  };
}
