// The session log of an adapter whose framework keeps none (chapter 40 §12, Transcript): what was said and done in its turns, in
// memory, the oldest forgotten first. Lines are numbered from the start of the process on.

import type { Emit, Executor, TranscriptLine, TranscriptPage } from './adapter.ts';

const MOST_BYTES = 4 * 1024 * 1024;
/** Of one line. */
const MOST_CHARACTERS = 32_768;

export interface SessionLog {
  add(type: TranscriptLine['type'], content: string, extra?: { tool?: string; at?: number }): void;
  /** Lines from number `since` on; from the oldest that is kept when that one is gone. */
  read(since: number, limit: number): TranscriptPage;
}

export function createSessionLog(mostBytes = MOST_BYTES): SessionLog {
  let lines: TranscriptLine[] = [];
  /** Number of the first line kept. */
  let first = 0;
  let bytes = 0;
  const sizeOf = ({ content }: TranscriptLine) => content.length + 100;

  function forgetOldest(): void {
    let gone = 0;
    while (bytes > mostBytes && gone < lines.length - 1) {
      bytes -= sizeOf(lines[gone] as TranscriptLine);
      gone += 1;
    }
    if (gone > 0) lines = lines.slice(gone);
    first += gone;
  }

  return {
    add(type, content, { tool, at = Date.now() } = {}) {
      const cut = content.length <= MOST_CHARACTERS ? content : `${content.slice(0, MOST_CHARACTERS)}…`;
      const line: TranscriptLine = { type, content: cut, ts: new Date(at).toISOString(), ...(tool ? { tool } : {}) };
      lines.push(line);
      bytes += sizeOf(line);
      if (bytes > mostBytes) forgetOldest();
    },
    read(since, limit) {
      const from = Math.max(since - first, 0);
      const page = lines.slice(from, from + limit);
      const cursor = Math.min(first + from, first + lines.length) + page.length;
      return { lines: page, cursor, more: cursor < first + lines.length };
    },
  };
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** The same executor, whose turns are written down as they go. */
export function recordTurns(executor: Executor, log: SessionLog): Executor {
  return {
    ...executor,
    async run(turn, emit, signal) {
      let spoken = '';
      let heard = 0;
      const flush = () => {
        if (spoken.trim() !== '') log.add('agent', spoken);
        spoken = '';
      };
      const recording: Emit = {
        text(chunk) {
          spoken += chunk;
          heard += chunk.length;
          emit.text(chunk);
        },
        status(text) {
          flush();
          log.add('agent', text);
          emit.status(text);
        },
        segment() {
          flush();
          emit.segment();
        },
        tool(call) {
          flush();
          log.add('tool_call', asText(call.input), { tool: call.tool, at: Date.now() - call.ms });
          log.add('tool_result', asText(call.output), { tool: call.tool });
          emit.tool(call);
        },
      };
      log.add('user', turn.text);
      try {
        const result = await executor.run(turn, recording, signal);
        // What was streamed is the beginning of it.
        spoken += result.text.slice(heard);
        return result;
      } catch (error) {
        flush();
        log.add('system', signal.aborted ? 'The turn was ended before its end.' : 'The turn failed; the log says why.');
        throw error;
      } finally {
        flush();
      }
    },
  };
}
