// Which entries wait for an answer for so long that the reason is worth a question. Pure.

import { readMessage } from '../chat/a2a-shapes.ts';
import type { WhyTarget } from '../why/why-store.ts';
import { delegationIdOf, type Entry } from './activity-rows.ts';

const SLOW_MS = 60_000;

/**
 * What an entry without an answer is asked about; null where nothing is waited for, or not for long yet.
 * @param workspaceId whose log the entry is in.
 */
export function whyTargetOf(entry: Entry, workspaceId: string, nowMs: number): WhyTarget | null {
  const { row, standing, kind } = entry;
  if (standing.is !== 'receipt' || standing.answered || nowMs - Date.parse(row.created_at) < SLOW_MS) return null;
  if (kind === 'delegation') {
    const delegationId = delegationIdOf(row);
    return delegationId ? { workspaceId: row.source_id ?? workspaceId, delegationId } : null;
  }
  const messageId = readMessage(row.request_body)?.messageId;
  return typeof messageId === 'string' ? { workspaceId, messageId } : { workspaceId };
}
