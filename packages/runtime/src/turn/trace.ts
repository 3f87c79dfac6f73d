// The tool trace of a reply (chapter 40 §20): at most 200 calls, cut and without secrets.

import type { ToolTraceEntry } from '../adapters/adapter.ts';
import type { Redact } from '../logger.ts';

const MOST_CALLS = 200;
const INPUT_LENGTH = 500;
const OUTPUT_LENGTH = 300;
const SEARCHED_LENGTH = 10_000;

export interface ToolTrace {
  add(call: { tool: string; input: unknown; output: unknown; ms: number; ok: boolean }): void;
  entries(): ToolTraceEntry[];
}

export function createToolTrace(redact: Redact): ToolTrace {
  const entries: ToolTraceEntry[] = [];

  function render(value: unknown, most: number): string {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    // Cut twice: a reply of megabytes is not searched for secrets to its end.
    return [...redact(text.slice(0, SEARCHED_LENGTH))].slice(0, most).join('');
  }

  return {
    add({ tool, input, output, ms, ok }) {
      if (entries.length >= MOST_CALLS) return;
      entries.push({
        tool,
        input: render(input, INPUT_LENGTH),
        output_preview: render(output, OUTPUT_LENGTH),
        ms: Math.round(ms),
        ok,
      });
    },
    entries: () => entries,
  };
}
