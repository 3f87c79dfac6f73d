// Reads what callers really send (chapter 40 §8.2): both protocol versions, older method names, parts of every spelling.
// The result is strict: exactly what the SDK's transports accept. Pure.

import { randomUUID } from 'node:crypto';

type Json = Record<string, unknown>;

export type Inbound =
  | { ok: true; version: '0.3' | '1.0'; request: Json }
  | { ok: false; id: unknown; code: number; message: string; field?: string };

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;

const ALIASES: Record<string, string> = {
  'message/sendSubscribe': 'message/stream',
  'tasks/sendSubscribe': 'message/stream',
  'tasks/send': 'message/send',
  'tasks/pushNotification/set': 'tasks/pushNotificationConfig/set',
  'tasks/pushNotification/get': 'tasks/pushNotificationConfig/get',
};
const SENDING = new Set(['message/send', 'message/stream', 'SendMessage', 'SendStreamingMessage']);

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

class FieldError extends Error {
  readonly field: string;
  constructor(field: string, problem: string) {
    super(`${field} ${problem}`);
    this.field = field;
  }
}

/** One part in the canonical v0.3 spelling. */
function readPart(given: unknown, field: string): Json {
  if (typeof given === 'string') return { kind: 'text', text: given };
  if (!isObject(given)) throw new FieldError(field, 'must be an object');
  if (isObject(given.root)) return readPart(given.root, `${field}.root`);
  const { type: _type, ...part } = given;
  const kind = given.kind ?? given.type ?? ['text', 'file', 'data'].find((name) => name in given);
  if (kind === 'text') {
    if (typeof part.text !== 'string') throw new FieldError(`${field}.text`, 'must be a text');
    return { ...part, kind };
  }
  if (kind === 'data') return { ...part, kind };
  if (
    kind === 'file' &&
    isObject(part.file) &&
    (typeof part.file.uri === 'string' || typeof part.file.bytes === 'string')
  )
    return { ...part, kind };
  // The v1.0 spelling of a file.
  const { url, raw, filename, mediaType, ...rest } = part;
  if (typeof url === 'string' || typeof raw === 'string') {
    const file = {
      ...(typeof url === 'string' ? { uri: url } : { bytes: raw }),
      ...(filename ? { name: filename } : {}),
      ...(mediaType ? { mimeType: mediaType } : {}),
    };
    return { ...rest, kind: 'file', file };
  }
  throw new FieldError(field, 'must be a text, a file with uri or bytes, or data');
}

function readParts(message: Json): Json[] {
  const given = message.parts ?? message.content;
  const field =
    message.parts === undefined && message.content !== undefined ? 'params.message.content' : 'params.message.parts';
  if (typeof given === 'string') return [{ kind: 'text', text: given }];
  if (given === undefined || given === null) throw new FieldError('params.message.parts', 'is required');
  if (!Array.isArray(given)) throw new FieldError(field, 'must be an array of parts or a text');
  if (given.length === 0) throw new FieldError(field, 'must not be empty');
  return given.map((part, index) => readPart(part, `${field}[${index}]`));
}

const isAgentRole = (role: unknown) => role === 'agent' || role === 'ROLE_AGENT';

/** v1.0 JSON has no `kind`, and spells files and roles its own way. */
function toV10Part(part: Json): Json {
  const { kind, file, ...rest } = part;
  if (kind !== 'file' || !isObject(file)) return rest;
  return {
    ...rest,
    ...(typeof file.uri === 'string' ? { url: file.uri } : { raw: file.bytes }),
    ...(file.name ? { filename: file.name } : {}),
    ...(file.mimeType ? { mediaType: file.mimeType } : {}),
  };
}

function readMessage(message: unknown, version: '0.3' | '1.0'): Json {
  if (!isObject(message))
    throw new FieldError('params.message', message === undefined ? 'is required' : 'must be an object');
  const parts = readParts(message);
  const { content: _content, ...kept } = message;
  const messageId =
    typeof message.messageId === 'string' && message.messageId !== '' ? message.messageId : randomUUID();
  if (version === '1.0')
    return {
      ...kept,
      messageId,
      role: isAgentRole(message.role) ? 'ROLE_AGENT' : 'ROLE_USER',
      parts: parts.map(toV10Part),
    };
  return { ...kept, kind: 'message', messageId, role: isAgentRole(message.role) ? 'agent' : 'user', parts };
}

function readParams(params: Json, version: '0.3' | '1.0'): Json {
  const message = readMessage(params.message, version);
  const { configuration } = params;
  if (version === '1.0' || !isObject(configuration) || configuration.blocking !== undefined)
    return { ...params, message };
  // A configuration that does not say otherwise waits; the SDK would take its mere presence for "return at once".
  return { ...params, message, configuration: { ...configuration, blocking: true } };
}

/**
 * @param body the request's text.
 * @param versionHeader `A2A-Version`; absent or empty means 0.3.
 */
export function readInbound(body: string, versionHeader: string | undefined): Inbound {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { ok: false, id: null, code: PARSE_ERROR, message: 'invalid JSON' };
  }
  if (!isObject(parsed))
    return { ok: false, id: null, code: INVALID_REQUEST, message: 'the request must be an object' };
  const id = parsed.id ?? null;
  if (typeof parsed.method !== 'string' || parsed.method === '')
    return { ok: false, id, code: INVALID_REQUEST, message: 'method is required', field: 'method' };
  const method = ALIASES[parsed.method] ?? parsed.method;
  const version = /^[A-Z]/.test(method) || (versionHeader ?? '').startsWith('1') ? '1.0' : '0.3';
  const request: Json = { jsonrpc: '2.0', id, method, params: parsed.params ?? {} };
  if (!SENDING.has(method)) return { ok: true, version, request };
  if (!isObject(request.params))
    return { ok: false, id, code: INVALID_PARAMS, message: 'params must be an object', field: 'params' };
  try {
    return { ok: true, version, request: { ...request, params: readParams(request.params, version) } };
  } catch (error) {
    if (error instanceof FieldError)
      return { ok: false, id, code: INVALID_PARAMS, message: error.message, field: error.field };
    throw error;
  }
}
