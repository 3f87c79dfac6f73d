// Bringing an A2A request of any version into canonical v0.3 (chapter 20 §1.4): the envelope and the message every version has.
// The words of each version are versions/' business. Pure; the corpus of §2 is its test.

import { randomUUID } from 'node:crypto';
import { isObject, type Json, parseJson } from './json.ts';
import { readCallerVersion, toCanonicalRequest } from './versions/callers.ts';
import { readParts } from './versions/v0_2/shapes.ts';
import { toV10Reply } from './versions/v1_0/replies.ts';
import type { Version } from './versions/version.ts';

export interface Normalized {
  ok: true;
  body: Json;
  method: string;
  messageId: string | null;
  /** The caller chose the message's id; one made here cannot come a second time. */
  hasOwnId: boolean;
  /** The caller's own vocabulary; its reply is converted back to it. */
  callerVersion: Version;
  /** False: the bytes the caller sent can be forwarded as they are. */
  changed: boolean;
}

export interface Rejected {
  ok: false;
  reason: 'invalid_json' | 'invalid_payload';
  message: string;
  field: string | null;
  /** The JSON-RPC id to echo. */
  id: unknown;
  callerVersion: Version;
}

/** Receipts name messages by their ids, and a longer one could not be found again. */
const MOST_ID_LENGTH = 200;

const invalidJson = (): Rejected => ({
  ok: false,
  reason: 'invalid_json',
  message: 'invalid JSON',
  field: null,
  id: null,
  callerVersion: '0.3',
});

/** Wraps a bare `{method, params}`, and gives an id where none is. */
function withEnvelope(body: Json): { body: Json; changed: boolean } {
  if (!('jsonrpc' in body))
    return {
      body: { jsonrpc: '2.0', id: body.id ?? randomUUID(), method: body.method ?? '', params: body.params ?? {} },
      changed: true,
    };
  if (!('id' in body)) return { body: { ...body, id: randomUUID() }, changed: true };
  return { body, changed: false };
}

/**
 * @param bytes the request body.
 * @param versionHeader `A2A-Version`, if sent.
 * @param idempotencyKey `Idempotency-Key`, if sent: the id of a message that has none.
 */
export function normalizeRequest(
  bytes: Buffer,
  versionHeader: string | undefined,
  idempotencyKey?: string,
): Normalized | Rejected {
  const parsed = parseJson(bytes.toString('utf8'));
  if (!isObject(parsed)) return invalidJson();
  const callerVersion = readCallerVersion(parsed, versionHeader);
  const canonical = toCanonicalRequest(parsed, callerVersion);
  const envelope = withEnvelope(canonical);
  const { body } = envelope;
  const method = typeof body.method === 'string' ? body.method : '';
  const result = { ok: true as const, method, callerVersion };
  const changedSoFar = canonical !== parsed || envelope.changed;
  const reject = (field: string, problem: string): Rejected => ({
    ok: false,
    reason: 'invalid_payload',
    message: `${field} ${problem}`,
    field,
    id: body.id ?? null,
    callerVersion,
  });
  const params = body.params;
  const message = isObject(params) ? params.message : undefined;
  if (idempotencyKey && idempotencyKey.length > MOST_ID_LENGTH)
    return reject('Idempotency-Key', `must not be longer than ${MOST_ID_LENGTH} characters`);
  if (message === undefined) return { ...result, body, messageId: null, hasOwnId: false, changed: changedSoFar };
  if (!isObject(message)) return reject('params.message', 'must be an object');
  const read = readParts(message);
  if ('problem' in read) return reject(read.field, read.problem);
  const given = typeof message.messageId === 'string' && message.messageId !== '' ? message.messageId : null;
  if (given !== null && given.length > MOST_ID_LENGTH)
    return reject('params.message.messageId', `must not be longer than ${MOST_ID_LENGTH} characters`);
  if (given && idempotencyKey && given !== idempotencyKey)
    return reject('Idempotency-Key', 'must be the same as params.message.messageId where both are given');
  const chosen = given || idempotencyKey;
  const messageId = chosen || randomUUID();
  const hasOwnId = Boolean(chosen);
  if (!read.changed && given) return { ...result, body, messageId, hasOwnId, changed: changedSoFar };
  const { content: _content, ...kept } = message;
  return {
    ...result,
    body: { ...body, params: { ...(params as Json), message: { ...kept, messageId, parts: read.parts } } },
    messageId,
    hasOwnId,
    changed: true,
  };
}

/** The delegation a message names in its metadata; null when it names none. */
export function delegationIdOf(message: unknown): string | null {
  const metadata = isObject(message) ? message.metadata : null;
  return isObject(metadata) && typeof metadata.delegation_id === 'string' ? metadata.delegation_id : null;
}

/** The answer of a poll-mode callee that failed: it has no JSON-RPC error to say so with. */
export function saysFailed(message: unknown): boolean {
  const metadata = isObject(message) ? message.metadata : null;
  return isObject(metadata) && metadata.failed === true;
}

/** The message of a normalised request; null for requests without one. */
export function messageOf({ params }: Json): Json | null {
  return isObject(params) && isObject(params.message) ? params.message : null;
}

/** The JSON-RPC error a sender gets for a message nobody could read, in its own version. */
export function toRpcRejection({ id, message, field, callerVersion }: Rejected): Json {
  const rejection = { jsonrpc: '2.0', id: id ?? null, error: { code: -32602, message, data: { field } } };
  return callerVersion === '1.0' ? (toV10Reply(rejection, '') as Json) : rejection;
}
