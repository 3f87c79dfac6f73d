// Delegations as boxes in a chat: rows and events of one delegation fold into one box by its id. Pure.

import type { ActivityRow, EventFrame } from '@molecule/contract';
import { isObject } from './a2a-shapes.ts';
import type { Conversation, DelegationBox, Turn } from './turns.ts';

/** `at`: when the delegation was seen to exist, at the latest. */
type BoxNews = Partial<DelegationBox> & { id: string; at: string };

const ENDED = new Set(['completed', 'failed']);

/** Words are never replaced by nothing, an end by a beginning, or a start by a later one. */
function mergeBox(known: DelegationBox, next: BoxNews): DelegationBox {
  const filled = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== '' && value != null));
  const keepsStatus = ENDED.has(known.status) && !ENDED.has(next.status ?? '');
  return {
    ...known,
    ...filled,
    at: [known.at, next.at].sort()[0] ?? known.at,
    status: keepsStatus ? known.status : (next.status ?? known.status),
    endedAt: known.endedAt ?? next.endedAt ?? null,
  };
}

export function withDelegation(conversation: Conversation, next: BoxNews): Conversation {
  const known = conversation.delegations.find((box) => box.id === next.id);
  const created: DelegationBox = {
    targetId: '',
    task: '',
    status: 'pending',
    response: '',
    error: '',
    pickedUpAt: null,
    endedAt: null,
    ...next,
  };
  const delegations = known
    ? conversation.delegations.map((box) => (box === known ? mergeBox(box, next) : box))
    : [...conversation.delegations, created];
  return { ...conversation, delegations };
}

/** @returns null for a row that names no delegation. */
export function boxFromRow(row: ActivityRow): BoxNews | null {
  const request = isObject(row.request_body) ? row.request_body : {};
  const response = isObject(row.response_body) ? row.response_body : {};
  const id = String(request.delegation_id ?? response.delegation_id ?? '');
  if (id === '' || !row.target_id) return null;
  const isResult = row.method === 'delegate_result';
  return {
    id,
    targetId: row.target_id,
    task: String(request.task ?? ''),
    status: row.status,
    response: String(response.text ?? ''),
    error: row.error_detail ?? '',
    at: row.created_at,
    ...(isResult && ENDED.has(row.status) ? { endedAt: row.created_at } : {}),
  };
}

/** The mark of one that is known; a receipt alone says too little to show. */
function markPickedUp(conversation: Conversation, id: string, at: string): Conversation {
  const isKnown = conversation.delegations.some((box) => box.id === id && box.pickedUpAt === null);
  if (!isKnown) return conversation;
  const mark = (box: DelegationBox) => (box.id === id ? { ...box, pickedUpAt: at } : box);
  return { ...conversation, delegations: conversation.delegations.map(mark) };
}

export function applyDelegationEvent(conversation: Conversation, frame: EventFrame): Conversation {
  switch (frame.event) {
    case 'RECEIPT_UPDATED': {
      const { delegation_id: id, injected_at: at } = frame.payload;
      return id && at ? markPickedUp(conversation, id, at) : conversation;
    }
    case 'DELEGATION_SENT':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        task: frame.payload.task_preview,
        at: frame.timestamp,
      });
    case 'DELEGATION_STATUS':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        at: frame.timestamp,
        status: frame.payload.status,
        ...(frame.payload.status === 'in_progress' ? { pickedUpAt: frame.timestamp } : {}),
      });
    case 'DELEGATION_COMPLETE':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        at: frame.timestamp,
        status: 'completed',
        response: frame.payload.response_preview,
        endedAt: frame.timestamp,
      });
    case 'DELEGATION_FAILED':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        at: frame.timestamp,
        status: 'failed',
        error: frame.payload.error,
        endedAt: frame.timestamp,
      });
    default:
      return conversation;
  }
}

/** Clocks of browser and platform differ a little; what was handed out that much before a turn is still of it. */
const CLOCK_SLACK_MS = 500;

/** Delegations that were handed out during a turn. */
export function delegationsOf(conversation: Conversation, turn: Turn, next: Turn | undefined): DelegationBox[] {
  const from = Date.parse(turn.startedAt) - CLOCK_SLACK_MS;
  const until = next ? Date.parse(next.startedAt) - CLOCK_SLACK_MS : Number.POSITIVE_INFINITY;
  return conversation.delegations
    .filter((box) => Date.parse(box.at) >= from && Date.parse(box.at) < until)
    .sort((a, b) => a.at.localeCompare(b.at));
}
