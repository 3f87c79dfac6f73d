// What a logged row says to those who listen (chapter 20 §5.6) and how a stored row reads on the wire. Pure.

import type { activityRow, EventFrame } from '@molecule/contract';
import type { z } from 'zod';
import type { InsertedActivity, NewActivity, StoredActivity } from './store.ts';

const MOST_BODY_BYTES = 256 * 1024;

/** A body that is too large to broadcast is left out and flagged; null bodies are left out silently. */
function withBody(
  name: 'request_body' | 'response_body',
  body: unknown,
  mostBytes = Number.POSITIVE_INFINITY,
): Record<string, unknown> {
  if (body === undefined || body === null) return {};
  const fits = mostBytes <= MOST_BODY_BYTES || Buffer.byteLength(JSON.stringify(body)) <= MOST_BODY_BYTES;
  return fits ? { [name]: body } : { [`${name}_truncated`]: true };
}

export function toLoggedPayload(row: NewActivity, stored: InsertedActivity) {
  return {
    id: stored.id,
    created_at: stored.created_at.toISOString(),
    activity_type: row.type,
    method: row.method ?? null,
    summary: row.summary ?? null,
    status: row.status ?? 'ok',
    source_id: row.sourceId ?? null,
    target_id: row.targetId ?? null,
    ...(row.origin ? { origin: row.origin } : {}),
    duration_ms: row.durationMs ?? null,
    error_detail: row.errorDetail ?? null,
    ...(row.messageId ? { message_id: row.messageId } : {}),
    ...(row.inbox ? { accepted_at: stored.created_at.toISOString() } : {}),
    ...(row.metadata ? { metadata: row.metadata } : {}),
    ...(row.toolTrace ? { tool_trace: row.toolTrace } : {}),
    ...withBody('request_body', row.requestBody, row.bodyBytes),
    ...withBody('response_body', row.responseBody, row.bodyBytes),
  };
}

export function toWire(row: StoredActivity): z.input<typeof activityRow> {
  return {
    id: row.id,
    workspace_id: row.workspace_id,
    activity_type: row.activity_type,
    source_id: row.source_id,
    target_id: row.target_id,
    ...(row.origin === null ? {} : { origin: row.origin }),
    method: row.method,
    summary: row.summary,
    ...(row.request_body === null ? {} : { request_body: row.request_body }),
    ...(row.response_body === null ? {} : { response_body: row.response_body }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    ...(row.tool_trace === null ? {} : { tool_trace: row.tool_trace }),
    duration_ms: row.duration_ms,
    status: row.status,
    error_detail: row.error_detail,
    ...(row.inbox ? { accepted_at: row.created_at } : {}),
    ...(row.injected_at ? { injected_at: row.injected_at } : {}),
    ...(row.answered_at ? { answered_at: row.answered_at } : {}),
    created_at: row.created_at,
  };
}

/** What a stored row was logged as; for replicas that were told of it by its id alone. */
function toNewActivity(row: StoredActivity): NewActivity {
  return {
    workspaceId: row.workspace_id,
    type: row.activity_type,
    sourceId: row.source_id,
    targetId: row.target_id,
    origin: row.origin,
    messageId: row.message_id,
    metadata: row.metadata,
    method: row.method,
    summary: row.summary,
    requestBody: row.request_body,
    responseBody: row.response_body,
    toolTrace: row.tool_trace,
    durationMs: row.duration_ms,
    status: row.status,
    errorDetail: row.error_detail,
  };
}

/** The whole payload of a broadcast that mirrors a row, out of what crossed and the row; null for other events. */
export function restorePayload(frame: EventFrame, row: StoredActivity): object | null {
  const { truncated: _truncated, ...crossed } = frame.payload as Record<string, unknown>;
  switch (frame.event) {
    case 'ACTIVITY_LOGGED':
      return toLoggedPayload(toNewActivity(row), row);
    case 'A2A_RESPONSE':
      return { ...crossed, response_body: row.response_body };
    case 'AGENT_MESSAGE': {
      const said = row.response_body as { result?: unknown; parts?: { file?: unknown }[] } | null;
      const attachments = said?.parts?.map(({ file }) => file);
      return { ...crossed, message: String(said?.result ?? ''), ...(attachments ? { attachments } : {}) };
    }
    default:
      return null;
  }
}

/** Cuts to `most` characters without splitting one. */
export function truncate(text: string, most: number): string {
  // Twice as many UTF-16 units hold at least as many characters, and a long text is not taken apart whole.
  return text.length <= most ? text : [...text.slice(0, most * 2)].slice(0, most).join('');
}
