// How delegations read on the wire (chapter 20 §4.1). Pure.

import { truncate } from '../activity/index.ts';
import type { DelegationRow } from './lifecycle.ts';
import type { MirrorRow } from './store.ts';

const PREVIEW_LENGTH = 300;

const optional = (time: Date | null) => time?.toISOString();

/** Fields without a value are left out. */
const withoutUndefined = <T extends Record<string, unknown>>(row: T): T =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as T;

/** A row of the caller's own list. */
export function toListed(row: MirrorRow) {
  return withoutUndefined({
    id: row.id,
    type: 'delegation' as const,
    method: row.method,
    source_id: row.source_id,
    target_id: row.target_id,
    summary: row.summary ?? '',
    status: row.status,
    created_at: row.created_at,
    delegation_id: row.delegation_id ?? undefined,
    error: row.error_detail ?? undefined,
    response_preview: row.text === null ? undefined : truncate(row.text, PREVIEW_LENGTH),
    accepted_at: row.created_at,
    injected_at: optional(row.injected_at),
    answered_at: optional(row.answered_at),
  });
}

/** A row of the ledger, for administrators. */
export function toAdmin(row: DelegationRow) {
  return withoutUndefined({
    delegation_id: row.delegation_id,
    caller_id: row.caller_id,
    callee_id: row.callee_id,
    task_preview: row.task_preview,
    status: row.status as 'queued',
    last_heartbeat: optional(row.last_heartbeat),
    deadline: row.deadline,
    result_preview: row.result_preview ?? undefined,
    error_detail: row.error_detail ?? undefined,
    retry_count: row.retry_count,
    parent_delegation_id: row.parent_delegation_id ?? undefined,
    path: row.path ?? undefined,
    accepted_at: row.created_at,
    injected_at: optional(row.injected_at),
    answered_at: optional(row.answered_at),
    created_at: row.created_at,
    updated_at: row.updated_at,
  });
}
