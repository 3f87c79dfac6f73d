// Reading an agent's reply (canonical v0.3): its text, failure, trace and usage; and folding the frames of a stream into the one
// reply they amount to. Pure.

import { isObject, type Json, parseJson } from './json.ts';

const MOST_PLAIN_TEXT = 65_536;

/** An agent's reply body as JSON; what is not JSON is kept as text. */
export function parseReply(body: Buffer): unknown {
  if (body.length === 0) return null;
  const text = body.toString('utf8');
  const parsed = parseJson(text);
  return parsed === undefined ? text.slice(0, MOST_PLAIN_TEXT) : parsed;
}

/** All text parts and artifact texts, joined with newlines; parts by `kind` or `type`. */
export function extractText(result: unknown): string {
  if (!isObject(result)) return typeof result === 'string' ? result : '';
  const texts: string[] = [];
  const add = (parts: unknown) => {
    if (!Array.isArray(parts)) return;
    for (const part of parts)
      if (
        isObject(part) &&
        (part.kind ?? part.type ?? 'text') === 'text' &&
        typeof part.text === 'string' &&
        part.text !== ''
      )
        texts.push(part.text);
  };
  add(result.parts);
  if (Array.isArray(result.artifacts))
    for (const artifact of result.artifacts) if (isObject(artifact)) add(artifact.parts);
  // A task says its last word in the status only when no artifact carries it.
  if (texts.length === 0 && isObject(result.status) && isObject(result.status.message))
    add(result.status.message.parts);
  return texts.join('\n');
}

export function resultOf(reply: unknown): unknown {
  return isObject(reply) && 'result' in reply ? reply.result : reply;
}

const LOST_STATES = new Set(['failed', 'rejected', 'canceled']);

/** Why a 2xx reply is no answer: a JSON-RPC error, or a task that ended without one; null when it is an answer. */
export function describeFailedReply(reply: unknown): string | null {
  if (isObject(reply) && isObject(reply.error))
    return typeof reply.error.message === 'string' ? reply.error.message : 'the agent answered with an error';
  const result = resultOf(reply);
  const state = isObject(result) && isObject(result.status) ? String(result.status.state) : '';
  return LOST_STATES.has(state) ? extractText(result) || `the task was ${state}` : null;
}

const OPEN_STATES = new Set(['submitted', 'working']);

/** The agent's turn goes on behind this reply: it was asked not to wait for its end. */
export function isWorking(reply: unknown): boolean {
  const result = resultOf(reply);
  return isObject(result) && isObject(result.status) && OPEN_STATES.has(String(result.status.state));
}

/** `metadata.tool_trace` of a message, a task or its last status message. */
export function extractToolTrace(reply: unknown): unknown {
  const result = resultOf(reply);
  if (!isObject(result)) return null;
  const status = isObject(result.status) && isObject(result.status.message) ? result.status.message : null;
  for (const carrier of [result, status])
    if (carrier && isObject(carrier.metadata) && carrier.metadata.tool_trace) return carrier.metadata.tool_trace;
  return null;
}

const MOST_TOKENS = 10_000_000;
const clampTokens = (value: unknown) =>
  typeof value === 'number' && value > 0 ? Math.min(Math.floor(value), MOST_TOKENS) : 0;

/** `result.usage`, else `usage`, else the usage our runtime puts into the metadata. */
export function extractUsage(reply: unknown): { input: number; output: number } | null {
  const result = resultOf(reply);
  const metadata = isObject(result) && isObject(result.metadata) ? result.metadata : {};
  const status =
    isObject(result) &&
    isObject(result.status) &&
    isObject(result.status.message) &&
    isObject(result.status.message.metadata)
      ? result.status.message.metadata
      : {};
  const usage = [
    isObject(result) ? result.usage : null,
    isObject(reply) ? reply.usage : null,
    metadata.usage,
    status.usage,
  ].find(isObject);
  if (!usage) return null;
  const counted = { input: clampTokens(usage.input_tokens), output: clampTokens(usage.output_tokens) };
  return counted.input + counted.output > 0 ? counted : null;
}

/** The busy answer of chapter 40 §9, or a plain `busy: true`. */
export function readBusy(body: unknown): { busy: boolean; nativeSession: boolean } {
  const error = isObject(body) && isObject(body.error) ? body.error : null;
  const data = error && isObject(error.data) ? error.data : {};
  const busy = data.busy === true || (isObject(body) && body.busy === true);
  return {
    busy,
    nativeSession: busy && (data.native_session === true || (isObject(body) && body.native_session === true)),
  };
}

export interface StreamFold {
  /** Takes one JSON-RPC frame. */
  add(frame: unknown): void;
  /** The JSON-RPC reply the frames amount to so far: an error frame is its error; `result` is null before the first. */
  reply(id: unknown): Json;
}

/** Task, status and artifact frames become one task; a message frame is the result itself. */
export function createStreamFold(): StreamFold {
  let task: Json | null = null;
  let message: Json | null = null;
  let error: Json | null = null;
  const artifacts = new Map<string, Json & { parts: unknown[] }>();

  const partsOf = (artifact: Json): unknown[] => (Array.isArray(artifact.parts) ? [...artifact.parts] : []);
  const idOf = (artifact: Json) => String(artifact.artifactId ?? '');

  function addArtifact(artifact: Json, append: boolean): void {
    const known = append ? artifacts.get(idOf(artifact)) : undefined;
    if (known) appendParts(known.parts, partsOf(artifact));
    else artifacts.set(idOf(artifact), { ...artifact, parts: partsOf(artifact) });
  }

  function addResult(result: Json): void {
    switch (result.kind) {
      case 'message':
        message = result;
        return;
      case 'task':
        task = { ...result };
        for (const artifact of Array.isArray(result.artifacts) ? result.artifacts : [])
          if (isObject(artifact)) addArtifact(artifact, false);
        return;
      case 'status-update':
        task = { ...(task ?? { kind: 'task', id: result.taskId, contextId: result.contextId }), status: result.status };
        return;
      case 'artifact-update':
        task ??= { kind: 'task', id: result.taskId, contextId: result.contextId };
        if (isObject(result.artifact)) addArtifact(result.artifact, result.append === true);
    }
  }

  return {
    add(frame) {
      if (!isObject(frame)) return;
      if (isObject(frame.error)) error = frame.error;
      if (isObject(frame.result)) addResult(frame.result);
    },
    reply(id) {
      if (error) return { jsonrpc: '2.0', id, error };
      const whole = task ? { ...task, ...(artifacts.size > 0 ? { artifacts: [...artifacts.values()] } : {}) } : null;
      return { jsonrpc: '2.0', id, result: message ?? whole };
    },
  };
}

/** Chunks of one text are one text part, so that the stored reply reads as it was streamed. */
function appendParts(known: unknown[], added: unknown[]): void {
  for (const part of added) {
    const last = known.at(-1);
    if (isObject(part) && isObject(last) && typeof part.text === 'string' && typeof last.text === 'string')
      known[known.length - 1] = { ...last, text: last.text + part.text };
    else known.push(part);
  }
}
