// How commands speak: results on stdout, progress on stderr, JSON for programs. What agents say never controls the terminal.

import { stripVTControlCharacters } from 'node:util';
import type { Failure } from './failure.ts';

export interface OutputOptions {
  json?: boolean;
}

/** Text of others, safe for a terminal: no colours, no cursor moves, no bells; lines and tabs stay. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Progress and remarks: for people, beside the result. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One whole document. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** One line of a stream. */
export function printJsonLine(value: unknown): void {
  print(JSON.stringify(value));
}

const MOST_CELL = 60;

function toCell(text: string): string {
  const line = plain(text).replace(/\s+/g, ' ').trimEnd();
  return line.length > MOST_CELL ? `${line.slice(0, MOST_CELL - 1)}…` : line;
}

/** Left-aligned columns, as wide as their longest cell; indentation at the beginning of a cell is kept. */
export function formatTable(header: string[], rows: string[][]): string {
  const table = [
    header,
    ...rows.map((row) => row.map((text) => (/^ */.exec(text)?.[0] ?? '') + toCell(text.trimStart()))),
  ];
  const widths = header.map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param lines JSON as one line, for commands whose output is a stream of them. */
export function printFailure(failure: Failure, options: OutputOptions & { lines?: boolean }): void {
  const { message: error, hint, code, exitCode } = failure;
  process.exitCode = exitCode;
  const document = { ok: false, error, hint, code, exit_code: exitCode };
  if (!options.json) remark(plain(`molecule: ${error}\n          ${hint}`));
  else if (options.lines) printJsonLine(document);
  else printJson(document);
}
