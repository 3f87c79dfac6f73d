// What goes through the A2A pipeline and what comes out of it: the words its parts share.

import { PlatformError } from '../platform/errors.ts';
import type { WorkspaceFacts } from '../workspaces/index.ts';
import type { Json } from './json.ts';
import type { Normalized } from './normalize.ts';
import { isWorking, type StreamFold } from './reply.ts';
import type { StreamTee } from './streams/tee.ts';
import type { Translation } from './versions/translation.ts';

/** Who calls: a workspace, a person or operator (both null), or a part of the platform (`origin`). */
export interface Caller {
  workspaceId: string | null;
  origin: string | null;
}

export interface ProxyCall {
  targetId: string;
  body: Buffer;
  caller: Caller;
  versionHeader?: string | undefined;
  /** The id of a message that has none; must agree with one it has. */
  idempotencyKey?: string | undefined;
  /** Seconds; null = no explicit deadline. */
  timeoutSeconds?: number | null;
  traceHeaders?: Record<string, string>;
  /** Skips the hierarchy check: the caller is the platform itself or was checked when it was accepted. */
  trusted?: boolean;
  enqueueOnBusy: boolean;
  logActivity: boolean;
  /** Takes an event stream live, and folds it too; absent: it is only folded into one reply. */
  openStream?: (attempt: Attempt, fold: StreamFold) => StreamTee;
}

export type ProxyOutcome =
  /** `body` is the agent's reply in the caller's version, `reply` the canonical one. */
  | { kind: 'answered'; status: number; body: Buffer; reply: unknown; normalized: Normalized }
  /** `reply` is what the frames amount to, canonical. `broken`: it ended early. */
  | { kind: 'streamed'; reply: Json; broken: boolean; normalized: Normalized; translation: Translation }
  | {
      kind: 'queued';
      body: { queued: true; queue_id: string; queue_depth: number; message: string };
      normalized: Normalized;
    }
  | {
      kind: 'inbox';
      body: { status: 'queued'; delivery_mode: 'poll'; method: string; activity_id: string };
      normalized: Normalized;
    }
  /** The target said that it is busy, and queueing was not wanted. */
  | { kind: 'busy'; error: PlatformError; normalized: Normalized }
  | { kind: 'rejected'; body: Json }
  | { kind: 'failed'; error: PlatformError; normalized: Normalized | null };

/** Whether the agent's turn ended with the call: it was answered, and not with a task that goes on. */
export function endsTurn(outcome: ProxyOutcome): boolean {
  if (outcome.kind === 'streamed') return !outcome.broken;
  return outcome.kind === 'answered' && !isWorking(outcome.reply);
}

/** One call on its way: who asked for what, of whom, since when. */
export interface Attempt {
  call: ProxyCall;
  target: WorkspaceFacts;
  normalized: Normalized;
  translation: Translation;
  /** `performance.now()` at the start. */
  startedAt: number;
  /** Resolves when its end can be read in the activity log, or never will be; null before the end, and where nothing is logged. */
  logged: Promise<void> | null;
}

export interface Liveness {
  check(id: string): Promise<{ running: boolean; error?: Error }>;
  hasBackend(): boolean;
  restart(id: string, reason: string): void;
}

export const RETRY_SECONDS = 15;
const BUSY_RETRY_SECONDS = 30;

export const busyError = (nativeSession: boolean) =>
  new PlatformError(
    'agent_busy',
    'the agent is busy',
    { busy: true, retry_after: BUSY_RETRY_SECONDS, ...(nativeSession ? { native_session: true } : {}) },
    { headers: { 'retry-after': String(BUSY_RETRY_SECONDS) } },
  );
