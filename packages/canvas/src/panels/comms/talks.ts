// What an agent said to other agents and heard from them, as a group chat seen from its seat. Pure.

import type { ActivityRow } from '@molecule/contract';
import { type Entry, hasFailed, listEntries } from '../activity/activity-rows.ts';
import { isObject, readReply } from '../chat/a2a-shapes.ts';

export interface Talk {
  /** Row id, the same live and after a reload. */
  id: string;
  peerId: string;
  /** From this agent to the peer, or from the peer to it. */
  isOutgoing: boolean;
  text: string;
  reply: string;
  error: string;
  entry: Entry;
}

export interface Peer {
  id: string;
  count: number;
}

const PREFIX = /^\s*\[A2A_ERROR\]\s*/;
const SPOKEN = new Set(['in', 'out', 'delegation']);

const clean = (text: string | null | undefined) => (text ?? '').replace(PREFIX, '').trim();

function replyOf({ row, result }: Entry): string {
  const response = result?.response_body ?? row.response_body;
  if (isObject(response) && typeof response.text === 'string') return response.text;
  return readReply(response, row.created_at, null)?.text ?? '';
}

/** Oldest first. */
export function listTalks(rows: readonly ActivityRow[], self: string): Talk[] {
  return listEntries(rows, self)
    .filter((entry) => SPOKEN.has(entry.kind) && entry.peerId !== null)
    .map((entry): Talk => {
      const error = clean(entry.row.error_detail ?? entry.result?.error_detail);
      const said = clean(replyOf(entry));
      const isBare = entry.kind === 'delegation' && entry.row.method === 'delegate_result';
      return {
        id: entry.row.id,
        peerId: entry.peerId ?? '',
        isOutgoing: entry.kind !== 'in' && !isBare,
        text: clean(entry.summary),
        // The only words of a result whose task is not listed are its own.
        reply: hasFailed(entry) || isBare ? '' : said,
        error: hasFailed(entry) ? error || (said.startsWith('[') ? clean(said) : '') : '',
        entry,
      };
    })
    .reverse();
}

/** Whom it talked with, the latest first. */
export function listTalkPeers(talks: readonly Talk[]): Peer[] {
  const counts = new Map<string, number>();
  for (const { peerId } of [...talks].reverse()) counts.set(peerId, (counts.get(peerId) ?? 0) + 1);
  return [...counts].map(([id, count]) => ({ id, count }));
}

const HINTS: readonly [pattern: RegExp, title: string, hint: string][] = [
  [/control request timeout/i, 'Its session is wedged', 'A restart frees it.'],
  [
    /timeout|deadline|within \d+ s/i,
    'No answer in time',
    'It may still be working, or be stuck. Its activity says more.',
  ],
  [/connection reset|EOF|socket hang up|interrupted/i, 'Connection dropped mid-answer', 'It is probably restarting.'],
  [/not found|offline|refused|unreachable|failed to reach/i, 'Not reachable', 'It does not answer at its address.'],
  [/agent error/i, 'It failed on this message', 'Its own log says why.'],
];

/** What went wrong with a peer: a title, and one hint; the words themselves are shown beside it. */
export function explainPeerError(error: string): { title: string; hint: string } {
  if (error === '') return { title: 'No details reported', hint: 'Check the peer.' };
  const known = HINTS.find(([pattern]) => pattern.test(error));
  return known ? { title: known[1], hint: known[2] } : { title: 'It did not answer', hint: 'Its activity says more.' };
}
