// Reads A2A objects (v0.2, v0.3) into what a chat shows: texts, files, the tool trace. Pure; an unknown shape reads as nothing.

import type { AgentReply, ChatFile, TraceStep } from './turns.ts';

export type Json = Record<string, unknown>;
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kindOf = (part: Json) => part.kind ?? part.type;
const partsOf = (carrier: Json): Json[] => (Array.isArray(carrier.parts) ? carrier.parts.filter(isObject) : []);

/** The part lists of a message or task: its own, one per artifact, else those of its status message. */
function listPartGroups(carrier: unknown): Json[][] {
  if (!isObject(carrier)) return [];
  const artifacts = Array.isArray(carrier.artifacts) ? carrier.artifacts.filter(isObject) : [];
  const groups = [partsOf(carrier), ...artifacts.map(partsOf)].filter((parts) => parts.length > 0);
  if (groups.length > 0) return groups;
  return isObject(carrier.status) ? listPartGroups(carrier.status.message) : [];
}

const textsOf = (parts: Json[]) =>
  parts.filter((part) => kindOf(part) === 'text' && typeof part.text === 'string').map((part) => part.text as string);

/** Text parts joined by a line, artifacts by an empty one, as a stream of them reads. */
export function readText(carrier: unknown): string {
  if (typeof carrier === 'string') return carrier;
  return listPartGroups(carrier)
    .map((parts) => textsOf(parts).join('\n'))
    .filter((text) => text !== '')
    .join('\n\n');
}

export function readFiles(carrier: unknown): ChatFile[] {
  return listPartGroups(carrier)
    .flat()
    .flatMap((part) => {
      const file = kindOf(part) === 'file' && isObject(part.file) ? part.file : null;
      if (!file || typeof file.uri !== 'string' || file.uri === '') return [];
      return [
        {
          uri: file.uri,
          name: typeof file.name === 'string' && file.name ? file.name : 'file',
          ...(typeof file.mimeType === 'string' ? { mimeType: file.mimeType } : {}),
          ...(typeof file.size === 'number' ? { size: file.size } : {}),
        },
      ];
    });
}

/** Attachments of an agent's own message; each needs a uri and a name. */
export function readAttachments(attachments: unknown): ChatFile[] {
  if (!Array.isArray(attachments)) return [];
  return attachments.filter(isObject).flatMap((file) => {
    if (typeof file.name !== 'string' || file.name === '') return [];
    return readFiles({ parts: [{ kind: 'file', file }] });
  });
}

export function readTrace(trace: unknown): TraceStep[] {
  if (!Array.isArray(trace)) return [];
  return trace.filter(isObject).map((step) => ({
    tool: String(step.tool ?? ''),
    input: typeof step.input === 'string' ? step.input : JSON.stringify(step.input ?? ''),
    output_preview: String(step.output_preview ?? ''),
    ms: Number(step.ms ?? 0),
    ok: step.ok !== false,
  }));
}

/** Where an agent of ours leaves its trace: on the reply, or on the message of a task's status. */
export function findTrace(result: unknown): unknown {
  if (!isObject(result)) return null;
  if (isObject(result.metadata) && result.metadata.tool_trace) return result.metadata.tool_trace;
  const said = isObject(result.status) ? result.status.message : null;
  return isObject(said) && isObject(said.metadata) ? (said.metadata.tool_trace ?? null) : null;
}

/** The result inside a JSON-RPC reply; a stored message of an agent has its text as `result` itself. */
export function readReply(body: unknown, at: string, durationMs: number | null, trace?: unknown): AgentReply | null {
  if (!isObject(body)) return null;
  const result = body.result ?? (body.error ? null : body);
  const text = readText(result);
  const files = typeof result === 'string' ? readFiles({ parts: body.parts }) : readFiles(result);
  if (text === '' && files.length === 0) return null;
  return { text, files, at, durationMs, trace: readTrace(trace ?? findTrace(result)) };
}

/** The message inside a stored request. */
export function readMessage(body: unknown): Json | null {
  const params = isObject(body) && isObject(body.params) ? body.params : null;
  return params && isObject(params.message) ? params.message : null;
}
