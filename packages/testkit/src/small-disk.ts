// A disk that is really small: a file system in memory of a given size, for tests of what happens when it is full.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  path: string;
  /** Leaves so many megabytes free. */
  fillUpTo(freeMegabytes: number): void;
  /** Removes what `fillUpTo` put there. */
  empty(): void;
  remove(): void;
}

const MEGABYTE = 1024 * 1024;

/** @returns null where this user may not mount one: only root may, and not in every container. */
export function mountSmallDisk(megabytes: number, options: { readOnly?: boolean } = {}): SmallDisk | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return null;
  const path = mkdtempSync(join(tmpdir(), 'molecule-disk-'));
  try {
    const mode = options.readOnly ? ',ro' : '';
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m${mode}`, 'molecule-test', path], {
      stdio: 'ignore',
    });
  } catch {
    rmSync(path, { recursive: true });
    return null;
  }
  const filler = join(path, 'filler');
  return {
    path,
    fillUpTo(freeMegabytes) {
      rmSync(filler, { force: true });
      const { bavail, bsize } = statfsSync(path);
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - freeMegabytes * MEGABYTE)));
    },
    empty: () => rmSync(filler, { force: true }),
    remove() {
      execFileSync('umount', ['-l', path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
