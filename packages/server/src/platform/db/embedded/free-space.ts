// Watches the free space under the database. On a full disk the engine would spin for ever in its write-ahead log.

import { statfsSync } from 'node:fs';

/** At 10 MB of log per second, the most it writes, 128 MB of reserve are not used up between two looks. */
const LOOK_EVERY_MS = 1_000;

export function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

/** @returns a function that says whether less than `floor` bytes are free; cheap enough to be asked for every statement. */
export function watchFreeSpace(dir: string, floor: number, now: () => number = Date.now): () => boolean {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let full = false;
  return () => {
    if (now() - lookedAt >= LOOK_EVERY_MS) {
      lookedAt = now();
      full = freeBytes(dir) < floor;
    }
    return full;
  };
}
