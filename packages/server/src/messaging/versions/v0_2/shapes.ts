// The shapes messages had before v0.3, and those that half-converted clients send (chapter 20 §1.4, 4 and 6): text or parts in
// `content`, parts told apart by `type` or by their fields alone.

import { isObject, type Json } from '../../json.ts';

const textPart = (text: string): Json => ({ kind: 'text', text });

/** A part without `kind` gains one: a copy of its `type`, or what its fields say. */
function withKind(part: unknown): unknown {
  if (typeof part === 'string') return textPart(part);
  if (!isObject(part) || typeof part.kind === 'string') return part;
  if (typeof part.type === 'string') return { ...part, kind: part.type };
  const kind = ['text', 'file', 'data'].find((name) => name in part);
  return kind ? { ...part, kind } : part;
}

/** The parts of a message in whichever shape they came, or what is wrong with them. */
export function readParts(message: Json): { parts: unknown[]; changed: boolean } | { field: string; problem: string } {
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
