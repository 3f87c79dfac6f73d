// Reads what an agent answers (A2A v0.3): frames of a stream as they come, the text so far, and the files.

import { createStreamFold, extractText } from '@molecule/server/messaging/reply';

type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface ReplyFile {
  name: string;
  uri: string;
}

/** File parts with an address: of the message, of the artifacts, of a task's last word. */
export function listFiles(result: unknown): ReplyFile[] {
  if (!isObject(result)) return [];
  const artifacts = Array.isArray(result.artifacts) ? result.artifacts.filter(isObject) : [];
  const status = isObject(result.status) && isObject(result.status.message) ? [result.status.message] : [];
  return [result, ...artifacts, ...status]
    .flatMap(({ parts }) => (Array.isArray(parts) ? parts : []))
    .flatMap((part) => {
      const file = isObject(part) && isObject(part.file) ? part.file : {};
      return typeof file.uri === 'string' ? [{ uri: file.uri, name: String(file.name ?? 'file') }] : [];
    });
}

function readFrame(block: string): unknown {
  const data = block
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
  return data === '' ? null : JSON.parse(data);
}

/** JSON of each server-sent event, as it arrives. */
export async function* readFrames(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of body) {
    const blocks = (pending + decoder.decode(chunk, { stream: true })).split(/\r?\n\r?\n/);
    pending = blocks.pop() ?? '';
    for (const block of blocks) yield readFrame(block);
  }
}

export interface StreamedReply {
  /** @returns the text this frame adds, for a reader who has seen all before. */
  add(frame: unknown): string;
  /** All text so far: chunks of one artifact run on, artifacts are apart by an empty line. */
  text(): string;
  /** The JSON-RPC reply the frames amount to, once the last one came; null before. */
  whole(): Json | null;
}

export function createStreamedReply(): StreamedReply {
  const fold = createStreamFold();
  let text = '';
  let isOver = false;

  function take(result: Json): string {
    if (result.kind === 'message' || (result.kind === 'status-update' && result.final === true)) isOver = true;
    if (result.kind !== 'artifact-update') return '';
    const chunk = extractText(result.artifact);
    return result.append === true || text === '' || chunk === '' ? chunk : `\n\n${chunk}`;
  }

  return {
    add(frame) {
      fold.add(frame);
      if (!isObject(frame)) return '';
      if (isObject(frame.error)) isOver = true;
      const added = isObject(frame.result) ? take(frame.result) : '';
      text += added;
      return added;
    },
    text: () => text,
    whole: () => (isOver ? fold.reply(null) : null),
  };
}
