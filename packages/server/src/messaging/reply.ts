// Reading an agent's reply: its text, trace and usage; and folding a stream of frames into the result it amounts to. Pure.

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const MOST_PLAIN_TEXT = 65_536;

/** An agent's reply body as JSON; what is not JSON is kept as text. */
export function parseReply(body: Buffer): unknown {
  if (body.length === 0) return null;
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(0, MOST_PLAIN_TEXT);
  }
}

/** All text parts and artifact texts, joined with newlines; parts by `kind` or `type`. */
export function extractText(result: unknown): string {
  if (!isObject(result)) return typeof result === 'string' ? result : '';
  const texts: string[] = [];
  const add = (parts: unknown) => {
    if (!Array.isArray(parts)) return;
    for (const part of parts)
      if (isObject(part) && (part.kind ?? part.type) === 'text' && typeof part.text === 'string' && part.text !== '')
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
  /** The result the frames amount to so far; null before the first. */
  result(): unknown;
}

/** Task, status and artifact frames become one task; a message frame is the result itself. */
export function createStreamFold(): StreamFold {
  let task: Json | null = null;
  let message: Json | null = null;
  const artifacts = new Map<string, Json>();

  function addArtifact(update: Json): void {
    const artifact = isObject(update.artifact) ? update.artifact : {};
    const id = String(artifact.artifactId ?? '');
    const known = artifacts.get(id);
    const parts = Array.isArray(artifact.parts) ? artifact.parts : [];
    if (!known || update.append !== true) return void artifacts.set(id, { ...artifact, parts: [...parts] });
    appendParts(known.parts as unknown[], parts);
  }

  return {
    add(frame) {
      const result = resultOf(frame);
      if (!isObject(result)) return;
      if (result.kind === 'message') message = result;
      else if (result.kind === 'task') {
        task = { ...result };
        if (Array.isArray(result.artifacts))
          for (const artifact of result.artifacts)
            if (isObject(artifact)) artifacts.set(String(artifact.artifactId ?? ''), { ...artifact });
      } else if (result.kind === 'status-update')
        task = { ...(task ?? { kind: 'task', id: result.taskId, contextId: result.contextId }), status: result.status };
      else if (result.kind === 'artifact-update') {
        task ??= { kind: 'task', id: result.taskId, contextId: result.contextId };
        addArtifact(result);
      }
    },
    result() {
      if (message) return message;
      return task ? { ...task, ...(artifacts.size > 0 ? { artifacts: [...artifacts.values()] } : {}) } : null;
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
