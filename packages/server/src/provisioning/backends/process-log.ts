// The log file of one process workload: written by the process itself, so that it goes on when the platform dies.

import { closeSync, copyFileSync, existsSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

const MOST_BYTES = 10 * 1024 * 1024;
const READ_BYTES = 512 * 1024;

/** Keeps one older file. Copy and truncate: the process holds the file open for appending. */
export function rotateLog(path: string): void {
  if (!existsSync(path) || statSync(path).size < MOST_BYTES) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
}

/** The newest lines, oldest first. */
export function tailLog(path: string, lines: number, fromByte = 0): { lines: string[]; truncated: boolean } {
  if (!existsSync(path)) return { lines: [], truncated: false };
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const start = Math.max(size - READ_BYTES, Math.min(fromByte, size));
    const buffer = Buffer.alloc(size - start);
    readSync(file, buffer, 0, buffer.length, start);
    const all = buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
    if (start > fromByte) all.shift();
    return { lines: all.slice(-lines), truncated: all.length > lines || start > fromByte };
  } finally {
    closeSync(file);
  }
}

/** What a person can act on: the runtime's own findings, else the last error, else the last line. */
export function explainExit(lines: string[], code: number | null, signal: string | null): string {
  const findings = lines.filter((line) => line.startsWith('FAIL ')).map((line) => line.slice(5));
  if (findings.length > 0) return findings.join(' · ');
  const said = lines.map(readMessage);
  const error = said.findLast((line) => /error|cannot|failed|fatal/i.test(line)) ?? said.at(-1);
  const how = signal ? `was ended by ${signal}` : `exited with code ${code}`;
  return error ? `the agent process ${how}: ${error.slice(0, 500)}` : `the agent process ${how} without a word`;
}

function readMessage(line: string): string {
  if (!line.startsWith('{')) return line;
  try {
    const entry = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [entry.msg, entry.err?.message].filter(Boolean).join(': ') || line;
  } catch {
    return line;
  }
}
