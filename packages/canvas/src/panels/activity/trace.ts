// The rows of a whole organisation as one story: each once, in the order of time, those of one conversation marked. Pure.

import type { ActivityRow } from '@molecule/contract';
import { isObject, readMessage } from '../chat/a2a-shapes.ts';
import { delegationIdOf, type Entry, listEntries } from './activity-rows.ts';

export interface TraceLine {
  entry: Entry;
  /** The workspace in whose log the row is. */
  ownerId: string;
  isPart: boolean;
}

/** What two rows of one conversation share. */
function marksOf(row: ActivityRow): string[] {
  const message = readMessage(row.request_body);
  const metadata = isObject(message?.metadata) ? message.metadata : {};
  return [delegationIdOf(row), message?.messageId, metadata.delegation_id].flatMap((mark) =>
    typeof mark === 'string' && mark !== '' ? [mark] : [],
  );
}

const pairOf = (row: ActivityRow) =>
  row.source_id && row.target_id && row.source_id !== row.target_id
    ? [row.source_id, row.target_id].sort().join(' ')
    : null;

/**
 * Which rows belong to the conversation of `focus`: those that share its ids, then all between the same two workspaces.
 * A person's message has only its own ids.
 */
function isPartOf(focus: ActivityRow): (row: ActivityRow) => boolean {
  const marks = new Set(marksOf(focus));
  const pair = pairOf(focus);
  return (row) =>
    row.id === focus.id || marksOf(row).some((mark) => marks.has(mark)) || (pair !== null && pairOf(row) === pair);
}

/** @param logs rows by the workspace they were read from. */
export function mergeTrace(logs: ReadonlyMap<string, readonly ActivityRow[]>, focus: ActivityRow): TraceLine[] {
  const seen = new Set<string>();
  const isPart = isPartOf(focus);
  const lines: TraceLine[] = [];
  for (const [ownerId, rows] of logs) {
    const fresh = rows.filter((row) => !seen.has(row.id));
    for (const row of fresh) seen.add(row.id);
    lines.push(
      ...listEntries(fresh, ownerId).map((entry) => ({
        entry,
        ownerId,
        isPart: isPart(entry.row) || (entry.result !== null && isPart(entry.result)),
      })),
    );
  }
  return lines.sort((a, b) => a.entry.row.created_at.localeCompare(b.entry.row.created_at));
}
