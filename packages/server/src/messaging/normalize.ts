// Bringing an A2A request of any version into canonical v0.3 (chapter 20 §1.4). Pure; the corpus of §2 is its test.

import { randomUUID } from 'node:crypto';
import { isObject, type Json, parseJson } from './json.ts';
import { readCallerVersion, toV03Request, usesV10, type Version } from './versions/requests.ts';

export interface Normalized {
  ok: true;
  body: Json;
  method: string;
  messageId: string | null;
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
}

/** Receipts name messages by their ids, and a longer one could not be found again. */
const MOST_ID_LENGTH = 200;

const invalidJson = (): Rejected => ({
  ok: false,
  reason: 'invalid_json',
  message: 'invalid JSON',
  field: null,
  id: null,
});

function reject(body: Json, field: string, message: string): Rejected {
  return { ok: false, reason: 'invalid_payload', message: `${field} ${message}`, field, id: body.id ?? null };
}

const textPart = (text: string): Json => ({ kind: 'text', text });

/** A part without `kind` gains one: a copy of its `type`, or what its fields say. */
function withKind(part: unknown): unknown {
  if (typeof part === 'string') return textPart(part);
  if (!isObject(part) || typeof part.kind === 'string') return part;
  if (typeof part.type === 'string') return { ...part, kind: part.type };
  const kind = ['text', 'file', 'data'].find((name) => name in part);
  return kind ? { ...part, kind } : part;
}

/** The parts of a message in whichever shape they came; a string says what is wrong with them. */
function readParts(message: Json): { parts: unknown[]; changed: boolean } | { field: string; problem: string } {
  const { parts, content } = message;
  if (parts !== undefined) {
    if (!Array.isArray(parts)) return { field: 'params.message.parts', problem: 'must be an array of parts' };
    if (parts.length === 0) return { field: 'params.message.parts', problem: 'must not be empty' };
    const kinded = parts.map(withKind);
    return { parts: kinded, changed: 'content' in message || kinded.some((part, index) => part !== parts[index]) };
  }
  if (typeof content === 'string') return { parts: [textPart(content)], changed: true };
  if (Array.isArray(content)) {
    if (content.length === 0) return { field: 'params.message.parts', problem: 'must not be empty' };
    return { parts: content.map(withKind), changed: true };
  }
  if ('content' in message)
    return { field: 'params.message.content', problem: 'must be a text or an array; or give params.message.parts' };
  return { field: 'params.message.parts', problem: 'is required' };
}

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
 */
export function normalizeRequest(bytes: Buffer, versionHeader: string | undefined): Normalized | Rejected {
  const parsed = parseJson(bytes.toString('utf8'));
  if (!isObject(parsed)) return invalidJson();
  const callerVersion = readCallerVersion(parsed, versionHeader);
  const v10 = usesV10(parsed, callerVersion);
  const translated = v10 ? toV03Request(parsed) : parsed;
  const envelope = withEnvelope(translated);
  const { body } = envelope;
  const method = typeof body.method === 'string' ? body.method : '';
  const result = { ok: true as const, method, callerVersion };
  const changedSoFar = v10 || envelope.changed;
  const params = body.params;
  const message = isObject(params) ? params.message : undefined;
  if (message === undefined) return { ...result, body, messageId: null, changed: changedSoFar };
  if (!isObject(message)) return reject(body, 'params.message', 'must be an object');
  const read = readParts(message);
  if ('problem' in read) return reject(body, read.field, read.problem);
  const given = typeof message.messageId === 'string' && message.messageId !== '' ? message.messageId : null;
  if (given !== null && given.length > MOST_ID_LENGTH)
    return reject(body, 'params.message.messageId', `must not be longer than ${MOST_ID_LENGTH} characters`);
  const messageId = given ?? randomUUID();
  if (!read.changed && given) return { ...result, body, messageId, changed: changedSoFar };
  const { content: _content, ...kept } = message;
  return {
    ...result,
    body: { ...body, params: { ...(params as Json), message: { ...kept, messageId, parts: read.parts } } },
    messageId,
    changed: true,
  };
}

/** The delegation a message names in its metadata; null when it names none. */
export function delegationIdOf(message: unknown): string | null {
  const metadata = isObject(message) ? message.metadata : null;
  return isObject(metadata) && typeof metadata.delegation_id === 'string' ? metadata.delegation_id : null;
}

/** The message of a normalised request; null for requests without one. */
export function messageOf({ params }: Json): Json | null {
  return isObject(params) && isObject(params.message) ? params.message : null;
}

/** The JSON-RPC error a sender gets for a message nobody could read. */
export function toRpcRejection({ id, message, field }: Rejected): Json {
  return { jsonrpc: '2.0', id: id ?? null, error: { code: -32602, message, data: { field } } };
}
