// Which process is whose, told from the start time too: a pid alone may have been given to somebody else meanwhile.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

export interface ProcessRecord {
  pid: number;
  /** As the system tells it; null where it cannot. */
  startedAt: string | null;
  port: number;
}

/** Field 22 of /proc/<pid>/stat counts from behind the command, which may hold spaces and brackets. */
export function readStartTime(pid: number): string | null {
  try {
    if (process.platform !== 'linux')
      return (
        execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)])
          .toString()
          .trim() || null
      );
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead: it only waits for its parent to notice.
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    // No such process.
    return null;
  }
}

export function isSameProcess(record: ProcessRecord): boolean {
  const startedAt = readStartTime(record.pid);
  return startedAt !== null && startedAt === record.startedAt;
}

export function readRecord(path: string): ProcessRecord | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessRecord;
  } catch {
    // Absent, or cut short by a crash: the workload is then found by nobody and started anew.
    return null;
  }
}

export function writeRecord(path: string, record: ProcessRecord): void {
  writeFileSync(path, JSON.stringify(record), { mode: 0o600 });
}

export function deleteRecord(path: string): void {
  rmSync(path, { force: true });
}
