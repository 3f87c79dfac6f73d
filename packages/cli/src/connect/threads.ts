// What a handler keeps of each conversation, one file a thread in the state folder: complete or as it was before (chapter 20 §12.2).

import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '@molecule/runtime/credentials';

export interface Threads {
  /** What was kept last; null at first. */
  load(thread: string): string | null;
  save(thread: string, session: string): void;
  /** A copy for a program to read and change. @returns its path, and how to keep or drop what it wrote. */
  lend(thread: string): { path: string; keep(): void; drop(): void };
}

/** `user`, or the id of a peer; nothing else becomes part of a path. */
const fileOf = (thread: string) => thread.replace(/[^A-Za-z0-9-]/g, '_');

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8') || null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export function createThreads(stateDir: string): Threads {
  const folder = join(stateDir, 'threads');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) if (name.endsWith('.lent')) rmSync(join(folder, name), { force: true });
  const pathOf = (thread: string) => join(folder, fileOf(thread));
  const load = (thread: string) => read(pathOf(thread));
  const save = (thread: string, session: string) => writeAtomically(pathOf(thread), session);
  return {
    load,
    save,
    lend(thread) {
      // A program whose parent was killed may still hold the last one.
      const path = `${pathOf(thread)}.${process.pid}-${randomBytes(4).toString('hex')}.lent`;
      writeFileSync(path, load(thread) ?? '', { mode: 0o600 });
      const drop = () => rmSync(path, { force: true });
      return {
        path,
        keep() {
          const session = read(path);
          if (session !== null && session !== load(thread)) save(thread, session);
          drop();
        },
        drop,
      };
    },
  };
}
