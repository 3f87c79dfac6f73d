// Live events of a workspace as changes of its conversation. Pure; the same event twice changes nothing more.

import type { ActivityRow, EventFrame, EventPayload } from '@molecule/contract';
import { type Json, readAttachments, readReply } from './a2a-shapes.ts';
import { applyDelegationEvent } from './delegations.ts';
import { applyRows } from './rows.ts';
import { answerTurn, type Conversation, isSameMessage, type Turn, type TurnState } from './turns.ts';

/** The broadcast of a row is the row, without what is null. */
function toRow(frame: Extract<EventFrame, { event: 'ACTIVITY_LOGGED' }>): ActivityRow {
  const { payload } = frame;
  return {
    ...payload,
    workspace_id: frame.workspace_id,
    created_at: typeof payload.created_at === 'string' ? payload.created_at : frame.timestamp,
    method: payload.method ?? null,
    summary: payload.summary ?? null,
    duration_ms: payload.duration_ms ?? null,
    error_detail: payload.error_detail ?? null,
    origin: payload.origin ?? undefined,
  };
}

/** Text or a usable attachment is needed. */
function addAgentMessage(conversation: Conversation, payload: Json, at: string): Conversation {
  const text = typeof payload.message === 'string' ? payload.message : '';
  const files = readAttachments(payload.attachments);
  if (text === '' && files.length === 0) return conversation;
  const activityId = typeof payload.activity_id === 'string' ? payload.activity_id : null;
  const isKnown = conversation.turns.some(
    (turn) => (activityId !== null && turn.activityId === activityId) || isSameMessage(turn.reply, text, at),
  );
  if (isKnown) return conversation;
  const turn: Turn = {
    key: activityId ?? `said-${at}`,
    user: null,
    reply: { text, files, at, durationMs: null, trace: [] },
    state: { is: 'answered' },
    origin: null,
    activityId,
    startedAt: at,
  };
  return { ...conversation, turns: [...conversation.turns, turn] };
}

function addResponse(conversation: Conversation, frame: Extract<EventFrame, { event: 'A2A_RESPONSE' }>): Conversation {
  const { message_id, queue_id, response_body: body, duration_ms, activity_id } = frame.payload;
  const turn = conversation.turns.find(
    ({ key, state }) => key === message_id || (state.is === 'queued' && state.queueId === queue_id),
  );
  const reply = readReply(body, frame.timestamp, duration_ms);
  return turn && reply ? answerTurn(conversation, turn.key, reply, activity_id ?? null) : conversation;
}

/** A waiting message with the marks of an update; they are only ever added. */
function mark(state: TurnState, payload: EventPayload<'RECEIPT_UPDATED'>): TurnState {
  switch (state.is) {
    case 'inbox':
      return {
        is: 'inbox',
        injectedAt: payload.injected_at ?? state.injectedAt,
        answeredAt: payload.answered_at ?? state.answeredAt,
      };
    case 'queued':
      return { ...state, injectedAt: payload.injected_at ?? state.injectedAt };
    default:
      return state;
  }
}

function applyReceipt(
  conversation: Conversation,
  { payload }: Extract<EventFrame, { event: 'RECEIPT_UPDATED' }>,
): Conversation {
  return {
    ...conversation,
    turns: conversation.turns.map((turn) => {
      const isMeant =
        (payload.message_id && turn.key === payload.message_id) ||
        (payload.activity_id && turn.activityId === payload.activity_id) ||
        (payload.queue_id && turn.state.is === 'queued' && turn.state.queueId === payload.queue_id);
      return isMeant ? { ...turn, state: mark(turn.state, payload) } : turn;
    }),
  };
}

export function applyEvent(conversation: Conversation, frame: EventFrame): Conversation {
  switch (frame.event) {
    case 'A2A_RESPONSE':
      return addResponse(conversation, frame);
    case 'AGENT_MESSAGE':
      return addAgentMessage(conversation, frame.payload, frame.timestamp);
    case 'ACTIVITY_LOGGED':
      return applyRows(conversation, [toRow(frame)]);
    case 'RECEIPT_UPDATED':
      return applyDelegationEvent(applyReceipt(conversation, frame), frame);
    default:
      return applyDelegationEvent(conversation, frame);
  }
}
