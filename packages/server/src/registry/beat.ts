// Turning a raw heartbeat into a stored snapshot (chapter 10 §4 step 4) and a snapshot into status edges (step 8). Pure.

import type { HeartbeatBody } from '@molecule/contract';
import type { WorkspaceTransition } from '../workspaces/index.ts';
import type { BeatResult, BeatSnapshot } from './store.ts';

const MOST_CENTS = 1_000_000_000_000;
const MOST_ERROR_BYTES = 4_096;
const MOST_TASK_BYTES = 1_024;
const DEGRADED_FROM = 0.5;
const RECOVERED_BELOW = 0.1;

/** Cuts at a byte limit without splitting a character. */
export function truncateBytes(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  let end = most;
  const bytes = Buffer.from(text);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString();
}

/** NaN, infinite and negative figures become 0. */
function clamp(value: number | null | undefined, most: number): number {
  if (value === null || value === undefined || Number.isNaN(value) || value < 0) return 0;
  return Math.min(value, most);
}

/** Empty entries are dropped; null when nothing is left, which clears the stored overrides. */
function toMetadata(metadata: HeartbeatBody['runtime_metadata']): string | null {
  const capabilities =
    metadata?.capabilities && Object.keys(metadata.capabilities).length > 0 ? metadata.capabilities : null;
  const idle =
    metadata?.idle_timeout_seconds && metadata.idle_timeout_seconds > 0
      ? Math.floor(metadata.idle_timeout_seconds)
      : null;
  if (!capabilities && idle === null) return null;
  return JSON.stringify({
    ...(capabilities ? { capabilities } : {}),
    ...(idle === null ? {} : { idle_timeout_seconds: idle }),
  });
}

/** Nothing runs, fails or has changed: nobody waits for such a beat, except that it comes. */
export function isAtRest(body: HeartbeatBody): boolean {
  return !(
    body.active_tasks ||
    body.current_task ||
    body.error_rate ||
    body.sample_error ||
    body.runtime_state ||
    body.needs_restart ||
    body.active_messages?.length ||
    body.active_delegations?.length
  );
}

export function toSnapshot(body: HeartbeatBody, tokenId: string): BeatSnapshot {
  const spend = Math.floor(clamp(body.monthly_spend, MOST_CENTS));
  const sampleError = truncateBytes(body.sample_error ?? '', MOST_ERROR_BYTES);
  return {
    id: body.workspace_id,
    tokenId,
    errorRate: clamp(body.error_rate, 1),
    sampleError: sampleError === '' ? null : sampleError,
    activeTasks: Math.floor(clamp(body.active_tasks, 1_000_000)),
    uptimeSeconds: Math.floor(clamp(body.uptime_seconds, Number.MAX_SAFE_INTEGER)),
    currentTask: truncateBytes(body.current_task ?? '', MOST_TASK_BYTES),
    monthlySpend: spend > 0 ? spend : null,
    metadata: toMetadata(body.runtime_metadata),
    needsRestart: body.needs_restart ?? null,
    runtimeVersion: body.runtime_version ? truncateBytes(body.runtime_version, 100) : null,
  };
}

/** The one status edge a beat asks for, judged on the status its own snapshot read; null = none. */
export function judgeBeat(body: HeartbeatBody, beat: BeatSnapshot, row: BeatResult): WorkspaceTransition | null {
  const nativeStatus = row.capabilities?.status_mgmt === true;
  const wedged = body.runtime_state === 'wedged';
  switch (row.status) {
    case 'online':
      if (wedged) return 'wedge';
      return !nativeStatus && beat.errorRate >= DEGRADED_FROM ? 'error_rate' : null;
    case 'degraded':
      return !nativeStatus && beat.errorRate < RECOVERED_BELOW && !body.runtime_state ? 'recover' : null;
    case 'offline':
      return 'beat_after_offline';
    case 'provisioning':
    case 'awaiting_agent':
      return 'beat_after_provisioning';
    default:
      return null;
  }
}
