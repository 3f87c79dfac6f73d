// Small builders for tests of conversations.

import type { ActivityRow, EventFrame, EventName } from '@molecule/contract';
import { beginTurn, type Conversation, EMPTY_CONVERSATION } from './turns.ts';

const START = Date.parse('2026-01-01T10:00:00.000Z');
export const WORKSPACE = '00000000-0000-4000-8000-000000000001';

/** A moment, in seconds after the start of the test's time. */
export const at = (seconds: number) => new Date(START + seconds * 1000).toISOString();

export const request = (text: string, messageId: string, metadata?: unknown) => ({
  jsonrpc: '2.0',
  method: 'message/send',
  params: { message: { role: 'user', messageId, parts: [{ kind: 'text', text }], ...(metadata ? { metadata } : {}) } },
});

export const reply = (text: string, more: Record<string, unknown> = {}) => ({
  jsonrpc: '2.0',
  result: { kind: 'message', role: 'agent', messageId: 'r', parts: [{ kind: 'text', text }], ...more },
});

export function row(fields: Partial<ActivityRow> & { seconds?: number } = {}): ActivityRow {
  const { seconds = 0, ...rest } = fields;
  return {
    id: `row-${seconds}`,
    workspace_id: WORKSPACE,
    activity_type: 'a2a_receive',
    source_id: null,
    target_id: WORKSPACE,
    method: 'message/send',
    summary: 'message/send',
    duration_ms: null,
    status: 'ok',
    error_detail: null,
    created_at: at(seconds),
    ...rest,
  };
}

export function frame(event: EventName, payload: Record<string, unknown>, seconds = 1): EventFrame {
  return { event, workspace_id: WORKSPACE, timestamp: at(seconds), payload } as EventFrame;
}

/** The frame the platform broadcasts for a row. */
export function logged({ workspace_id: _workspace, ...stored }: ActivityRow): EventFrame {
  return frame('ACTIVITY_LOGGED', stored, (Date.parse(stored.created_at) - START) / 1000);
}

export const asked = (key = 'm1', text = 'Can we ship?'): Conversation =>
  beginTurn(EMPTY_CONVERSATION, { key, text, at: at(0) });
