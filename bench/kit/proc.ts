// What the kernel says of a process: its resident memory, the CPU it used and what it holds open. Linux only, like the tests' tools.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Megabytes (10^6 bytes) in physical memory, shared libraries included. */
export function residentMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`process ${pid} shows no resident memory`);
  return (Number(kilobytes) * 1024) / 1e6;
}

/** Ids of the processes it started that still run. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

/** Seconds of CPU of all threads so far; in nanoseconds where `stat` counts in hundredths of a second. */
export function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e9;
}

/** What each open descriptor is: a path, or such as `socket:[4711]`. One that closes meanwhile is left out. */
export function openDescriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}
