// Processes that a test looks after: their pids as they wrote them down, and signals to them and to nobody else.

import { existsSync, readFileSync } from 'node:fs';

/** One a line, written by the processes themselves; a line that is not whole yet does not count, and no file is no process. */
export function readPids(path: string): number[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').slice(0, -1).map(Number);
}

/** @throws for what is no single process: 0 is the whole group, and with it the run of the tests; ESRCH for one that is gone. */
export function signalProcess(pid: number | null | undefined, name: NodeJS.Signals): void {
  if (!Number.isInteger(pid) || (pid as number) <= 1) throw new Error(`${pid} is no process of a test`);
  process.kill(pid as number, name);
}
