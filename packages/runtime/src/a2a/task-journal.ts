// What turns have ended with, on disk: a message that is repeated to the next process gets the answer of the last one instead of a
// second turn (ruling R6). One JSON line per task, written before anybody is told of its end; the newest are kept.

import { closeSync, fdatasyncSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Task } from '@a2a-js/sdk';
import { writeAtomically } from '../credentials.ts';
import type { Logger } from '../logger.ts';

const FILE = '.tasks.jsonl';
/** Rewritten with what is still worth keeping when it has grown beyond this. */
const MOST_BYTES = 16 * 1024 * 1024;

export interface EndedTask {
  /** Caller, context and message id, as the store finds tasks by. */
  key: string;
  createdAtMs: number;
  task: Task;
}

export interface TaskJournal {
  /** Oldest first; a line that cannot be read, as after a power cut, is left out. */
  read(): EndedTask[];
  /** On disk when it returns. A disk that refuses costs the memory, never the turn. */
  append(ended: EndedTask): void;
}

function readLine(line: string): EndedTask[] {
  try {
    const { key, at, task } = JSON.parse(line) as { key: string; at: number; task: unknown };
    return [{ key, createdAtMs: at, task: Task.fromJSON(task) }];
  } catch {
    return [];
  }
}

const toLine = ({ key, createdAtMs, task }: EndedTask) =>
  JSON.stringify({ key, at: createdAtMs, task: Task.toJSON(task) });

/** @param isKept which of the tasks on disk are worth their place when the file is rewritten. */
export function createTaskJournal(directory: string, isKept: (ended: EndedTask) => boolean, log: Logger): TaskJournal {
  const path = join(directory, FILE);
  let warned = false;

  function read(): EndedTask[] {
    try {
      return readFileSync(path, 'utf8').split('\n').filter(Boolean).flatMap(readLine);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn({ err: error }, 'ended turns cannot be read');
      return [];
    }
  }

  /** @returns the size of the file in bytes. */
  function write(line: string): number {
    const file = openSync(path, 'a', 0o600);
    try {
      // A line begins on its own: one that a crash cut short takes no other with it.
      writeSync(file, `\n${line}\n`);
      fdatasyncSync(file);
      return fstatSync(file).size;
    } finally {
      closeSync(file);
    }
  }

  return {
    read,
    append(ended) {
      try {
        if (write(toLine(ended)) > MOST_BYTES)
          writeAtomically(
            path,
            read()
              .filter(isKept)
              .map((one) => `${toLine(one)}\n`)
              .join(''),
          );
      } catch (error) {
        if (!warned) log.warn({ err: error }, 'ended turns cannot be stored; a repeat after a restart runs again');
        warned = true;
      }
    },
  };
}
