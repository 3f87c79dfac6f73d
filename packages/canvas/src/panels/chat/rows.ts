// Stored activity rows as turns and delegation boxes (spec chapter 50 §7.1 "History"). Pure.

import type { ActivityRow } from '@molecule/contract';
import { isObject, readFiles, readMessage, readReply, readText } from './a2a-shapes.ts';
import { boxFromRow, withDelegation } from './delegations.ts';
import { explainFailure } from './failures.ts';
import { originOf } from './origins.ts';
import { type Conversation, type Turn, type TurnState, upsertTurn } from './turns.ts';

/** Prompts an agent gives itself and bookkeeping of files are nobody's words. */
function isHidden(row: Pick<ActivityRow, 'method' | 'request_body'>): boolean {
  if (row.method === 'chat_upload_receive' || row.method === 'delegate_result') return true;
  const metadata = readMessage(row.request_body)?.metadata;
  return isObject(metadata) && metadata.internal !== undefined;
}

function stateOf(row: ActivityRow, isAnswered: boolean): TurnState {
  if (row.status === 'error') return explainFailure(row.error_detail ?? '');
  if (isAnswered || !row.accepted_at) return { is: 'answered' };
  return { is: 'inbox', injectedAt: row.injected_at ?? null, answeredAt: row.answered_at ?? null };
}

function turnFromRow(row: ActivityRow): Turn | null {
  if (isHidden(row)) return null;
  const message = readMessage(row.request_body);
  const reply = readReply(row.response_body, row.created_at, row.duration_ms, row.tool_trace ?? undefined);
  const started = new Date(Date.parse(row.created_at) - (row.duration_ms ?? 0)).toISOString();
  const base = { activityId: row.id, origin: originOf(row), startedAt: started, reply };
  if (row.method === 'notify' || !message)
    return reply ? { ...base, key: row.id, user: null, state: { is: 'answered' } } : null;
  return {
    ...base,
    key: typeof message.messageId === 'string' ? message.messageId : row.id,
    user: { text: readText(message), files: readFiles(message), at: row.created_at },
    state: stateOf(row, reply !== null),
  };
}

/** Rows as the platform lists them, in any order, any number of times; turns under way here are kept. */
export function applyRows(conversation: Conversation, rows: readonly ActivityRow[]): Conversation {
  let now = conversation;
  for (const row of [...rows].sort((a, b) => a.created_at.localeCompare(b.created_at))) {
    if (row.activity_type === 'delegation') {
      const box = boxFromRow(row);
      if (box) now = withDelegation(now, box);
      continue;
    }
    const turn = row.activity_type === 'a2a_receive' && row.source_id === null ? turnFromRow(row) : null;
    if (turn) now = { ...now, turns: upsertTurn(now.turns, turn) };
  }
  return now;
}
