// What makes two requests one message (chapter 20 §1.11): target, caller, message id, and everything in the body but the id of its
// envelope. Pure.

import { createHash } from 'node:crypto';
import type { Attempt } from '../call.ts';
import { isObject } from '../json.ts';

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);
const sorted = (_name: string, value: unknown) =>
  isObject(value) ? Object.fromEntries(Object.entries(value).sort(byName)) : value;

/** One text for one message, in whichever order its fields came. */
export function contentOf({ normalized }: Attempt): string {
  const { id: _id, ...content } = normalized.body;
  return JSON.stringify(content, sorted);
}

/** All but the content. */
export function addressOf({ call, target, normalized }: Attempt): string {
  const { caller } = call;
  return `${target.id} ${caller.workspaceId ?? ''} ${caller.origin ?? ''} ${normalized.messageId}`;
}

export function digestOf(attempt: Attempt): Buffer {
  return createHash('sha256').update(addressOf(attempt)).update('\n').update(contentOf(attempt)).digest();
}
