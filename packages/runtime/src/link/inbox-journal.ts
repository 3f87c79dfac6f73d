// What became of the messages of an inbox, on disk (chapter 40 §12.1): which were begun, and which answers are still on their way.
// The cursor alone cannot tell a message that was begun from one that was answered, so a crash would lose or double one of them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FilePart } from '../adapters/adapter.ts';
import { writeAtomically } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import type { InboxMessage, ReplyTo } from './inbox-rows.ts';

export const JOURNAL_FILE = '.inbox_journal.json';
/** Entries that are done with; what is open is always kept. */
const MOST_DONE = 200;

export interface Answer {
  text: string;
  files: FilePart[];
  /** The turn failed, was canceled or was cut off. */
  failed: boolean;
}

export interface JournalEntry {
  activityId: string;
  messageId: string;
  replyTo: ReplyTo;
  delegationId: string | null;
  begunAt: number;
  /** `begun`: in a turn, or cut off in one; `answered`: the answer is on its way; `done`: nothing is owed. */
  state: 'begun' | 'answered' | 'done';
  answer: Answer | null;
}

/** What the journal keeps of a message: enough to answer it. */
export type Begun = Pick<InboxMessage, 'activityId' | 'messageId' | 'replyTo' | 'delegationId'>;

export interface InboxJournal {
  find(activityId: string): JournalEntry | null;
  /** The same message of the same sender in another row, in any state. */
  findTwin(message: Begun): JournalEntry | null;
  listOf(state: 'begun' | 'answered'): JournalEntry[];
  /** Durable when it returns, as far as the disk lets it. A repetition keeps the time of the first. */
  begin(message: Begun, now: number): void;
  answer(activityId: string, answer: Answer): void;
  finish(activityId: string): void;
}

/** Unreadable is the same as absent. */
function load(path: string, log: Logger): JournalEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  try {
    const { entries } = JSON.parse(text) as { entries: JournalEntry[] };
    return entries.filter((entry) => typeof entry.activityId === 'string' && typeof entry.state === 'string');
  } catch (error) {
    log.warn({ err: error }, 'the journal of the inbox cannot be read; messages begun before may come again');
    return [];
  }
}

const senderOf = (to: ReplyTo) => (to.kind === 'peer' ? to.id : to.kind);

export function createInboxJournal(directory: string, log: Logger): InboxJournal {
  const path = join(directory, JOURNAL_FILE);
  let entries = new Map(load(path, log).map((entry) => [entry.activityId, entry]));
  let hasWarned = false;

  function store(): void {
    const done = [...entries.values()].filter(({ state }) => state === 'done');
    const forgotten = new Set(done.slice(0, Math.max(0, done.length - MOST_DONE)).map(({ activityId }) => activityId));
    if (forgotten.size > 0) entries = new Map([...entries].filter(([id]) => !forgotten.has(id)));
    try {
      writeAtomically(path, JSON.stringify({ entries: [...entries.values()] }));
    } catch (error) {
      if (!hasWarned)
        log.warn({ err: error }, 'the journal of the inbox cannot be stored; a crash may repeat messages');
      hasWarned = true;
    }
  }

  function change(activityId: string, patch: Partial<JournalEntry>): void {
    const entry = entries.get(activityId);
    if (!entry) return;
    entries.set(activityId, { ...entry, ...patch });
    store();
  }

  return {
    find: (activityId) => entries.get(activityId) ?? null,
    findTwin: ({ activityId, messageId, replyTo }) =>
      [...entries.values()].find(
        (entry) =>
          entry.messageId === messageId &&
          entry.activityId !== activityId &&
          senderOf(entry.replyTo) === senderOf(replyTo),
      ) ?? null,
    listOf: (wanted) => [...entries.values()].filter(({ state }) => state === wanted),
    begin({ activityId, messageId, replyTo, delegationId }, now) {
      const begunAt = entries.get(activityId)?.begunAt ?? now;
      entries.set(activityId, {
        activityId,
        messageId,
        replyTo,
        delegationId,
        begunAt,
        state: 'begun',
        answer: null,
      });
      store();
    },
    answer: (activityId, answer) => change(activityId, { state: 'answered', answer }),
    finish: (activityId) => change(activityId, { state: 'done', answer: null }),
  };
}
