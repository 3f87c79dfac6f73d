// Whose turn it is (chapter 20 §3): who counts as one caller, and which messages go one after the other. Pure.

import { createHash } from 'node:crypto';
import type { Attempt, Caller } from '../call.ts';
import { messageOf } from '../normalize.ts';

/** People and operators together are one caller. The table's `caller_key` is built alike. */
export const callerKeyOf = ({ workspaceId, origin }: Caller): string => workspaceId ?? origin ?? '';

const toUuid = (digest: Buffer): string =>
  digest.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** Messages of one lane are delivered one after the other. @returns null for a message without a context. */
export function laneOf({ call, normalized }: Attempt): string | null {
  const contextId = messageOf(normalized.body)?.contextId;
  if (typeof contextId !== 'string' || contextId === '') return null;
  const digest = createHash('sha256')
    .update(`${call.targetId} ${callerKeyOf(call.caller)} ${contextId}`)
    .digest();
  return toUuid(digest);
}
