// Which process is whose, told from the start time too: a pid alone may have been given to somebody else meanwhile.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

export interface ProcessRecord {
  pid: number;
  /** As the system tells it; null where it cannot. */
  startedAt: string | null;
  port: number;
  /** Where this run begins in the log file. */
  logStart: number;
  /** Where it was told to find the platform. */
  platformUrl: string;
}

let bootId: string | null = null;

/** Start times count from the boot, so they mean something only together with it. */
function readBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** Null when there is no such process, or it is dead and only waits for its parent to notice. */
export function readStartTime(pid: number): string | null {
  try {
    if (process.platform !== 'linux')
      return (
        execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)])
          .toString()
          .trim() || null
      );
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22 is counted from behind the command, which may hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || !fields[19] ? null : `${readBootId()}/${fields[19]}`;
  } catch {
    // No such process.
    return null;
  }
}

export function isSameProcess(record: ProcessRecord): boolean {
  const startedAt = readStartTime(record.pid);
  return startedAt !== null && startedAt === record.startedAt;
}

/** True when the pid belongs to somebody else by now. */
export function isReused(record: ProcessRecord): boolean {
  const startedAt = readStartTime(record.pid);
  return startedAt !== null && startedAt !== record.startedAt;
}

/**
 * Null when it is absent, was cut short or names no single process (a signal to 0 or 1 would reach a whole group, or all there is);
 * the process behind it is then found by its environment.
 */
export function readRecord(path: string): ProcessRecord | null {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as ProcessRecord;
    return Number.isInteger(record.pid) && record.pid > 1 ? record : null;
  } catch {
    // Both mean the same to every caller.
    return null;
  }
}

export function writeRecord(path: string, record: ProcessRecord): void {
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function deleteRecord(path: string): void {
  rmSync(path, { force: true });
}

/** What a process was started with; null when it is gone, or the system does not tell. */
export function readEnvironment(pid: number): Record<string, string> | null {
  if (process.platform !== 'linux') return null;
  try {
    const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  } catch {
    // It ended meanwhile, or belongs to another user.
    return null;
  }
}

/**
 * Processes whose environment names a config directory below `root`: workloads and what they started. This finds also
 * those whose record was never written, because the platform died in that very moment.
 */
export function listMarkedProcesses(root: string): { pid: number; workspaceId: string }[] {
  if (process.platform !== 'linux') return [];
  const marker = `WORKSPACE_CONFIG_PATH=${root}/`;
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const entry = readFileSync(`/proc/${name}/environ`, 'utf8')
        .split('\0')
        .find((line) => line.startsWith(marker));
      const workspaceId = entry?.slice(marker.length).split('/')[0];
      return workspaceId ? [{ pid: Number(name), workspaceId }] : [];
    } catch {
      // It ended meanwhile, or belongs to another user.
      return [];
    }
  });
}
