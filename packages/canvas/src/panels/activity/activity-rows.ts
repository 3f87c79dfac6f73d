// Activity rows as a person reads them: what kind, with whom, in which words, where it stands. Pure.

import type { ActivityRow } from '@molecule/contract';
import { isObject, readMessage, readReply, readText } from '../chat/a2a-shapes.ts';

export type Kind =
  | 'chat'
  | 'in'
  | 'out'
  | 'delegation'
  | 'task'
  | 'log'
  | 'skill'
  | 'memory'
  | 'schedule'
  | 'event'
  | 'error'
  | 'other';

/** Three marks for what is answered in steps, else one word. */
export type Standing =
  | { is: 'receipt'; pickedUp: boolean; answered: boolean; word: string }
  | { is: 'error'; word: string }
  | { is: 'plain'; word: string };

export interface Entry {
  row: ActivityRow;
  kind: Kind;
  /** The other workspace; null for a person or the platform. */
  peerId: string | null;
  /** Said by a person. */
  isPerson: boolean;
  summary: string;
  standing: Standing;
  tookMs: number | null;
  /** The row of its result, when this is a delegation. */
  result: ActivityRow | null;
}

const ERRORS = new Set(['error', 'failed', 'timeout', 'stuck']);
export const hasFailed = (entry: Entry): boolean => entry.standing.is === 'error';

const KINDS: Record<string, Kind> = {
  a2a_send: 'out',
  delegation: 'delegation',
  task_update: 'task',
  agent_log: 'log',
  skill_promotion: 'skill',
  memory_write: 'memory',
  memory_write_org: 'memory',
  memory_write_global: 'memory',
  cron_run: 'schedule',
  error: 'error',
};

function kindOf(row: ActivityRow): Kind {
  if (row.activity_type !== 'a2a_receive') return KINDS[row.activity_type] ?? 'other';
  if (row.source_id !== null) return 'in';
  if (!row.origin) return 'chat';
  return row.origin === 'system:cron' ? 'schedule' : 'event';
}

export function delegationIdOf(row: ActivityRow): string | null {
  for (const part of [row.metadata, row.request_body, row.response_body]) {
    const id = isObject(part) ? part.delegation_id : null;
    if (typeof id === 'string' && id !== '') return id;
  }
  return null;
}

/** Stored summaries of calls name the method; the words that were said are worth more. */
function summarize(row: ActivityRow): string {
  const stored = row.summary ?? row.method ?? '';
  const request = isObject(row.request_body) ? row.request_body : {};
  const response = isObject(row.response_body) ? row.response_body : {};
  if (row.activity_type === 'delegation') return String(request.task ?? response.text ?? stored);
  if (row.activity_type === 'a2a_receive' || row.activity_type === 'a2a_send') {
    const said = readText(readMessage(row.request_body));
    const reply = readReply(row.response_body, row.created_at, null)?.text;
    return said || (typeof request.task === 'string' ? request.task : '') || reply || stored;
  }
  return stored;
}

const receipt = (pickedUp: boolean, answered: boolean, word: string): Standing => ({
  is: 'receipt',
  pickedUp,
  answered,
  word,
});

function standingOf(row: ActivityRow, kind: Kind): Standing {
  if (ERRORS.has(row.status)) return { is: 'error', word: row.status === 'error' ? 'error' : row.status };
  if (kind === 'delegation') {
    if (row.status === 'completed') return receipt(true, true, 'answered');
    if (row.status === 'in_progress') return receipt(true, false, 'picked up');
    return receipt(false, false, row.status === 'queued' ? 'queued' : 'sent');
  }
  if (kind === 'chat' || kind === 'in') {
    if (row.response_body) return receipt(true, true, 'answered');
    if (row.answered_at) return receipt(true, true, 'answered');
    if (row.injected_at) return receipt(true, false, 'seen');
    if (row.accepted_at) return receipt(false, false, 'accepted');
  }
  return { is: 'plain', word: row.status };
}

function toEntry(row: ActivityRow, self: string, result: ActivityRow | null): Entry {
  const kind = kindOf(row);
  // The copy in the inbox says ok where the delegation's own row says completed.
  const status = result?.status === 'ok' ? 'completed' : result?.status;
  const settled = status ? { ...row, status } : row;
  const peer = row.source_id !== null && row.source_id !== self ? row.source_id : row.target_id;
  return {
    row,
    kind,
    peerId: peer === self ? null : peer,
    isPerson: kind === 'chat',
    summary: summarize(row),
    standing: standingOf(settled, kind),
    tookMs:
      result && status !== 'queued' ? Date.parse(result.created_at) - Date.parse(row.created_at) : row.duration_ms,
    result,
  };
}

/** The id of the delegation a row is about, and whether it tells the result: its own row, or the copy in the inbox. */
function readDelegation(row: ActivityRow): { id: string; isResult: boolean } | null {
  const isResult = row.method === 'delegate_result';
  const id = row.activity_type === 'delegation' || isResult ? delegationIdOf(row) : null;
  return id ? { id, isResult } : null;
}

/** The delegation's own end says most, then the copy of it in the inbox, then that it waits. */
function rankResult(row: ActivityRow): number {
  if (row.status === 'queued') return 0;
  return row.activity_type === 'delegation' ? 2 : 1;
}

/** Newest first, as listed; all rows of one delegation are one entry where its task is listed. */
export function listEntries(rows: readonly ActivityRow[], self: string): Entry[] {
  const results = new Map<string, ActivityRow>();
  const tasks = new Set<string>();
  for (const row of rows) {
    const about = readDelegation(row);
    if (!about) continue;
    const known = results.get(about.id);
    if (!about.isResult) tasks.add(about.id);
    else if (!known || rankResult(row) > rankResult(known)) results.set(about.id, row);
  }
  return rows.flatMap((row) => {
    const about = readDelegation(row);
    if (!about) return [toEntry(row, self, null)];
    const result = results.get(about.id) ?? null;
    if (about.isResult) return tasks.has(about.id) || result !== row ? [] : [toEntry(row, self, null)];
    return [toEntry(row, self, result)];
  });
}

export interface Bucket {
  count: number;
  failed: number;
}

/** Entries per equal slice of the time before `nowMs`, oldest first. */
export function bucketEntries(entries: readonly Entry[], rangeMs: number, nowMs: number, slices = 48): Bucket[] {
  const buckets = Array.from({ length: slices }, () => ({ count: 0, failed: 0 }));
  for (const entry of entries) {
    const age = nowMs - Date.parse(entry.row.created_at);
    const bucket = buckets[slices - 1 - Math.floor((Math.max(0, age) / rangeMs) * slices)];
    if (!bucket) continue;
    bucket.count += 1;
    if (hasFailed(entry)) bucket.failed += 1;
  }
  return buckets;
}
