// The delegations an agent handed out, as rows of a table: the ledger's receipts, what was asked, where it stands. Pure.

import type { Client } from '@molecule/contract';

export type Delegation = Awaited<ReturnType<Client['listDelegations']>>[number];

export interface DelegationLine {
  id: string;
  peerId: string | null;
  task: string;
  answer: string;
  error: string;
  word: string;
  pickedUp: boolean;
  answered: boolean;
  failed: boolean;
  at: string;
  /** Null while it goes on. */
  endedAt: string | null;
}

const FAILED = new Set(['failed', 'stuck', 'error']);
const WORDS: Record<string, string> = {
  pending: 'sent',
  delegated: 'sent',
  dispatched: 'sent',
  recorded: 'sent',
  queued: 'queued at target',
  in_progress: 'picked up',
  completed: 'answered',
  stuck: 'no sign of life',
};

const taskOf = (summary: string) => summary.replace(/^Delegated: /, '');

/** Of the rows that tell how it went, the end says more than that it waits. */
const hasEnded = (row: Delegation | undefined) => row?.status === 'completed' || FAILED.has(row?.status ?? '');

function toLine(id: string, rows: readonly Delegation[]): DelegationLine | null {
  const asked = rows.find((row) => row.method !== 'delegate_result');
  const told = rows.find((row) => row.method === 'delegate_result' && hasEnded(row)) ?? rows[0];
  const first = asked ?? told;
  if (!first || !told) return null;
  const status = hasEnded(told) ? told.status : (rows.find(hasEnded)?.status ?? told.status);
  const failed = FAILED.has(status);
  const answered = status === 'completed';
  const pickedUp = answered || status === 'in_progress' || rows.some((row) => row.injected_at !== undefined);
  const isUnderWay = pickedUp && !answered && !failed;
  return {
    id,
    peerId: first.target_id,
    task: asked ? taskOf(asked.summary) : '',
    answer: answered ? (told.response_preview ?? '') : '',
    error: failed ? (told.error ?? asked?.error ?? '') : '',
    word: isUnderWay ? 'picked up' : (WORDS[status] ?? status),
    pickedUp,
    answered,
    failed,
    at: first.created_at,
    endedAt: answered || failed ? (told.answered_at ?? (told === asked ? null : told.created_at)) : null,
  };
}

/** One line per delegation, newest first, whatever the order of its rows. */
export function listDelegationLines(rows: readonly Delegation[]): DelegationLine[] {
  const byId = new Map<string, Delegation[]>();
  for (const row of rows) {
    const id = row.delegation_id ?? row.id;
    byId.set(id, [...(byId.get(id) ?? []), row]);
  }
  return [...byId].flatMap(([id, own]) => toLine(id, own) ?? []).sort((a, b) => b.at.localeCompare(a.at));
}
