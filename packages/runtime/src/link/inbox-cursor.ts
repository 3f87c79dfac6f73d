// The cursor of an inbox (chapter 40 §12.1): the last row such that it and all before it are done with. The platform takes a
// poll with it as the receipt of every message up to there, so it never moves past one that is not held by anybody.

import { readFileSync, rmSync } from 'node:fs';
import { writeAtomically } from '../credentials.ts';
import type { Logger } from '../logger.ts';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export interface InboxCursor {
  /** Null: none yet, or none any more. */
  value(): string | null;
  /** Rows in their order; those known already are left out. @returns what is new. */
  add<T extends { id: string }>(rows: readonly T[]): T[];
  /** Done with: the cursor moves over every row that is, up to the first that is not. */
  settle(id: string): void;
  /** Rows that nobody has begun with: they come again with the next page. */
  release(rows: readonly { id: string }[]): void;
  /** Rows that are not done with. */
  open(): number;
  /** The platform does not know it any more. Rows that are open stay known. */
  drop(): void;
}

/** Unreadable is the same as absent. */
function load(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return UUID.test(text) ? text : null;
  } catch {
    return null;
  }
}

/** Kept in memory alone when the disk takes nothing; said once. */
export function createInboxCursor(path: string, log: Logger): InboxCursor {
  let cursor = load(path);
  let rows: { id: string; isDone: boolean }[] = [];
  let hasWarned = false;

  function store(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!hasWarned) log.warn({ err: error }, 'the cursor of the inbox cannot be stored; a restart reads it again');
      hasWarned = true;
    }
  }

  return {
    value: () => cursor,
    add(given) {
      const known = new Set(rows.map(({ id }) => id));
      const fresh = given.filter(({ id }) => !known.has(id));
      rows.push(...fresh.map(({ id }) => ({ id, isDone: false })));
      return fresh;
    },
    settle(id) {
      const row = rows.find((one) => one.id === id);
      if (row) row.isDone = true;
      const done = rows.findIndex(({ isDone }) => !isDone);
      const passed = rows.slice(0, done === -1 ? rows.length : done);
      const last = passed.at(-1);
      if (!last) return;
      rows = rows.slice(passed.length);
      cursor = last.id;
      store(() => writeAtomically(path, last.id));
    },
    release(given) {
      const ids = new Set(given.map(({ id }) => id));
      rows = rows.filter(({ id, isDone }) => isDone || !ids.has(id));
    },
    open: () => rows.filter(({ isDone }) => !isDone).length,
    drop() {
      cursor = null;
      // What is done with stays so: it must not carry a cursor that is gone over the rows after it.
      rows = rows.filter(({ isDone }) => !isDone);
      store(() => rmSync(path, { force: true }));
    },
  };
}
