// The log file of one process workload: written by the process itself, so that it goes on when the platform dies.

import { closeSync, copyFileSync, existsSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

const MOST_BYTES = 10 * 1024 * 1024;
const READ_BYTES = 512 * 1024;
const MOST_REASON = 1_500;
const MOST_FINDING_LINES = 12;

export interface LogTail {
  lines: string[];
  truncated: boolean;
}

/** Keeps one older file. Copy and truncate: the process holds the file open for appending. @returns whether it was cut. */
export function rotateLog(path: string, mostBytes = MOST_BYTES): boolean {
  if (!existsSync(path) || statSync(path).size < mostBytes) return false;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  return true;
}

export function sizeOfLog(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** The newest lines from `fromByte` on, oldest first. */
export function tailLog(path: string, lines: number, fromByte = 0): LogTail {
  if (!existsSync(path)) return { lines: [], truncated: false };
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const from = Math.min(fromByte, size);
    const start = Math.max(size - READ_BYTES, from);
    const buffer = Buffer.alloc(size - start);
    readSync(file, buffer, 0, buffer.length, start);
    const all = buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
    if (start > from) all.shift();
    return { lines: all.slice(-lines), truncated: all.length > lines || start > from };
  } finally {
    closeSync(file);
  }
}

/** Like `tailLog`, continued into the rotated file when the current one is too short. */
export function tailLogs(path: string, lines: number): LogTail {
  const current = tailLog(path, lines);
  if (current.lines.length >= lines || current.truncated) return current;
  const older = tailLog(`${path}.1`, lines - current.lines.length);
  return { lines: [...older.lines, ...current.lines], truncated: older.truncated };
}

interface Said {
  text: string;
  /** It says that something went wrong. */
  complains: boolean;
}

/** A line of the runtime's JSON log (pino: 50 = error), or any text. Stack frames explain nothing. */
function readLine(line: string): Said | null {
  if (/^\s+at /.test(line)) return null;
  const plain = { text: line.trim(), complains: /error|cannot|failed|fatal|missing|not set/i.test(line) };
  if (!line.startsWith('{')) return plain;
  try {
    const entry = JSON.parse(line) as { level?: number; msg?: string; err?: { message?: string } };
    const text = [entry.msg, entry.err?.message].filter(Boolean).join(': ');
    return text ? { text, complains: (entry.level ?? 0) >= 50 } : plain;
  } catch {
    // Some other program's line that only begins like JSON.
    return plain;
  }
}

/** True when the workload ended because somebody else had its port. */
export function saysPortTaken(lines: readonly string[]): boolean {
  return lines.some((line) => /EADDRINUSE|\bport \d+ .*(in use|taken)/i.test(line));
}

/** What the runtime found wrong before it started: its `FAIL` lines and the indented lines under each. */
function readFindings(lines: readonly string[]): string[] {
  const findings: string[] = [];
  let within = false;
  for (const line of lines) {
    if (/^\s*FAIL\b/.test(line)) within = true;
    else if (!/^\s+\S/.test(line)) within = false;
    if (within) findings.push(line.trim().replace(/^FAIL[:\s]*/, ''));
  }
  return findings.slice(0, MOST_FINDING_LINES);
}

export interface EndedProcess {
  lines: readonly string[];
  code: number | null;
  signal: string | null;
}

function describeEnd({ code, signal }: EndedProcess): string {
  if (signal) return `was ended by ${signal}`;
  return code === null ? 'ended while the platform was not watching' : `exited with code ${code}`;
}

/** What a person can act on: the runtime's own findings, else how it ended with the last complaint, else its last line. */
export function explainExit(ended: EndedProcess): string {
  const findings = readFindings(ended.lines);
  if (findings.length > 0) return findings.join('\n').slice(0, MOST_REASON);
  const said = ended.lines.map(readLine).filter((line): line is Said => line !== null && line.text !== '');
  // A process that was killed did not come to a last word; whatever it said last is not why.
  const last = said.findLast((line) => line.complains) ?? (ended.signal ? undefined : said.at(-1));
  const how = `the agent process ${describeEnd(ended)}`;
  return (last ? `${how}: ${last.text}` : how).slice(0, MOST_REASON);
}
