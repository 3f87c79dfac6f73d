// How commands speak: tables for people, JSON for programs, one line and an exit code for errors.

import { ApiError } from '@molecule/contract';

export interface OutputOptions {
  json?: boolean;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Left-aligned columns, as wide as their longest cell. */
export function formatTable(header: string[], rows: string[][]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

/** What went wrong and what mends it; exit codes: 1 refused, 2 usage, 3 not reachable. */
export function describeFailure(error: unknown, url: string): { message: string; hint: string; exitCode: number } {
  if (error instanceof ApiError && (error.code === 'network' || error.code === 'timeout'))
    return { message: `no Molecule answers at ${url}`, hint: 'npm start, or name another with --url', exitCode: 3 };
  if (error instanceof ApiError && error.status === 401)
    return {
      message: 'the platform does not accept this token',
      hint: 'set ADMIN_TOKEN, or run in the folder of the data directory',
      exitCode: 1,
    };
  if (error instanceof ApiError) return { message: error.message, hint: `code ${error.code}`, exitCode: 1 };
  return { message: error instanceof Error ? error.message : String(error), hint: '', exitCode: 1 };
}

export function printFailure(error: unknown, url: string, options: OutputOptions): void {
  const failure = describeFailure(error, url);
  if (options.json) printJson({ ok: false, error: failure.message, hint: failure.hint });
  else process.stderr.write(`molecule: ${failure.message}\n${failure.hint ? `          ${failure.hint}\n` : ''}`);
  process.exitCode = failure.exitCode;
}
