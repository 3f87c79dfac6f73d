// Who asks for the rest of a stream, and of which (chapter 20 §1.10): `Last-Event-ID`, or `params.metadata.after_seq`, on a
// resubscribe to its task or on the message that began it.

import type { Caller } from '../call.ts';
import { isObject, type Json } from '../json.ts';
import { type Normalized, normalizeRequest } from '../normalize.ts';

export interface ResumeRequest {
  normalized: Normalized;
  /** What names the stream. */
  of: { taskId: string } | { messageId: string };
  /** The last event seen; 0 = none. Null when that is no number. */
  after: number | null;
}

export interface A2aRequest {
  targetId: string;
  body: Buffer;
  caller: Caller;
  versionHeader: string | undefined;
  idempotencyKey: string | undefined;
  lastEventId: string | undefined;
}

const STREAM_UNKNOWN = -32001;
const INVALID_PARAMS = -32602;
const UNSUPPORTED = -32004;

const refusal = (code: number, message: string, data: Json) => ({ error: { code, message, data } });

/** The answer for a stream that is not there, is no longer kept, or is somebody else's. */
export const streamUnknown = () => refusal(STREAM_UNKNOWN, 'Task not found', { reason: 'stream_unknown' });
export const streamUnlogged = () =>
  refusal(UNSUPPORTED, 'the stream is too large to be resumed; resubscribe without Last-Event-ID', {
    reason: 'stream_log_too_large',
  });
export const eventUnknown = () =>
  refusal(INVALID_PARAMS, 'Last-Event-ID names no event of this stream', {
    reason: 'event_unknown',
    field: 'Last-Event-ID',
  });

function afterSeqOf({ params }: Json): unknown {
  const metadata = isObject(params) ? params.metadata : undefined;
  return isObject(metadata) ? metadata.after_seq : undefined;
}

function readEventId(given: unknown): number | null {
  const eventId = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
  return typeof eventId === 'number' && Number.isSafeInteger(eventId) && eventId >= 0 ? eventId : null;
}

function namedBy({ method, body, messageId }: Normalized): ResumeRequest['of'] | null {
  const params = isObject(body.params) ? body.params : {};
  switch (method) {
    case 'message/stream':
      return messageId === null ? null : { messageId };
    case 'tasks/resubscribe':
      return typeof params.id === 'string' ? { taskId: params.id } : null;
    default:
      return null;
  }
}

/** @returns null for every other request; most are told apart without being read. */
export function readResumeRequest({
  body,
  versionHeader,
  idempotencyKey,
  lastEventId,
}: A2aRequest): ResumeRequest | null {
  if (lastEventId === undefined && !body.includes('"after_seq"')) return null;
  const normalized = normalizeRequest(body, versionHeader, idempotencyKey);
  if (!normalized.ok) return null;
  const given = lastEventId ?? afterSeqOf(normalized.body);
  const of = namedBy(normalized);
  return given === undefined || !of ? null : { normalized, of, after: readEventId(given) };
}
