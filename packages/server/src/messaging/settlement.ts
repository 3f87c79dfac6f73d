// What the end of a call means for its caller (chapter 20 §1.9): pass on, queue, or say why not. Every end is logged once here.

import { createHash } from 'node:crypto';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { WorkspaceFacts, Workspaces } from '../workspaces/index.ts';
import { type Attempt, busyError, type Liveness, type ProxyOutcome, RETRY_SECONDS } from './call.ts';
import { type CallLog, STREAM_INTERRUPTED } from './call-log.ts';
import type { DispatchResult } from './dispatch.ts';
import type { Json } from './json.ts';
import { deadOrigin, describeAgentError } from './outcome.ts';
import { parseReply, readBusy, type StreamFold } from './reply.ts';
import { translateBody } from './versions/translation.ts';

export interface SettlementDeps {
  workspaces: Workspaces;
  liveness: Liveness;
  callLog: CallLog;
  log: Logger;
  /**
   * Stores the message for later. @param held why the target was not asked; null = it refused.
   * @throws queue_full
   */
  enqueue(attempt: Attempt, bodyHash: Buffer, held: HoldReason | null): Promise<{ id: string; depth: number }>;
  /** The target said that it is busy. */
  noteRefused(attempt: Attempt): void;
  /** The message was taken: answered, streamed or queued. Never rejects; what must be stored with that is, when it resolves. */
  noteTaken(attempt: Attempt, reply: unknown): Promise<void>;
}

/** Why a target is not asked: it said a moment ago that it is busy, or earlier messages of the same caller and context go first. */
export type HoldReason = 'full' | 'order';

/** What makes two messages the same: the message and its parameters, without the envelope's own id. */
function hashBody({ id: _id, ...rest }: Json): Buffer {
  return createHash('sha256').update(JSON.stringify(rest)).digest();
}

const restarting = () =>
  new PlatformError(
    'agent_restarting',
    'workspace agent unreachable; restart triggered',
    { restarting: true, retry_after: RETRY_SECONDS },
    { headers: { 'retry-after': String(RETRY_SECONDS) } },
  );

export function createSettlement({
  workspaces,
  liveness,
  callLog,
  log,
  enqueue,
  noteTaken,
  noteRefused,
}: SettlementDeps) {
  /** The agent is gone: said once, and started again. @returns false when it lives or nobody can tell. */
  async function settleDead(target: WorkspaceFacts): Promise<boolean> {
    if (target.runtime === 'external' || !liveness.hasBackend()) return false;
    const { running, error } = await liveness
      .check(target.id)
      .catch((cause: Error) => ({ running: true, error: cause }));
    if (error) log.warn({ err: error, workspace_id: target.id }, 'the backend could not say whether an agent runs');
    if (running || error) return false;
    const reason = 'a call found its process gone';
    await workspaces.transition('go_offline', target.id, {
      patch: { last_sample_error: reason, current_task: '', active_tasks: 0 },
      details: { reason },
    });
    workspaces.forget(target.id);
    liveness.restart(target.id, 'a call found it dead');
    return true;
  }

  function fail(attempt: Attempt, error: PlatformError, reply: unknown = null): ProxyOutcome {
    callLog.later(attempt, 'error', reply, error.message);
    return { kind: 'failed', error, normalized: attempt.normalized };
  }

  async function store(attempt: Attempt, held: HoldReason | null): Promise<ProxyOutcome> {
    const { target, normalized } = attempt;
    const reason = held === 'order' ? 'earlier messages of this context go first' : `${target.name} is busy`;
    try {
      const { id, depth } = await enqueue(attempt, hashBody(normalized.body), held);
      await noteTaken(attempt, null);
      return {
        kind: 'queued',
        body: {
          queued: true,
          queue_id: id,
          queue_depth: depth,
          message: `${reason}; the message is stored and will be delivered`,
        },
        normalized,
      };
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'queue_full') return fail(attempt, error);
      log.error({ err: error, workspace_id: target.id }, 'a message for a busy agent could not be stored');
      return fail(attempt, busyError(false));
    }
  }

  async function settleBusy(attempt: Attempt, saysNativeSession: boolean): Promise<ProxyOutcome> {
    const { call, target, normalized } = attempt;
    const nativeSession = saysNativeSession || target.capabilities.session === true;
    if (!call.enqueueOnBusy) return { kind: 'busy', error: busyError(nativeSession), normalized };
    // A native session buffers by itself: a second buffer in front of it would deliver twice.
    return nativeSession ? fail(attempt, busyError(true)) : await store(attempt, null);
  }

  async function settleReply(attempt: Attempt, status: number, body: Buffer): Promise<ProxyOutcome> {
    const { normalized, target, translation } = attempt;
    const reply = translation.fromTarget(parseReply(body));
    if (status >= 200 && status < 300) {
      callLog.later(attempt, 'ok', reply, null, body.length);
      await noteTaken(attempt, reply);
      return { kind: 'answered', status, body: translateBody(translation, body, reply), reply, normalized };
    }
    const { busy, nativeSession } = readBusy(reply);
    if (status === 503 && busy) {
      noteRefused(attempt);
      return await settleBusy(attempt, nativeSession);
    }
    if (deadOrigin(status) && (await settleDead(target))) return fail(attempt, restarting());
    return fail(attempt, describeAgentError(status, reply), reply);
  }

  /** @param isHandedOn another process reads the rest of it, and logs the call. */
  async function settleStream(
    attempt: Attempt,
    broken: boolean,
    fold: StreamFold,
    isHandedOn: boolean,
  ): Promise<ProxyOutcome> {
    const { normalized, translation } = attempt;
    const reply = fold.reply(normalized.body.id ?? null);
    if (!isHandedOn) callLog.later(attempt, broken ? 'error' : 'ok', reply, broken ? STREAM_INTERRUPTED : null);
    await noteTaken(attempt, reply);
    return { kind: 'streamed', reply, broken, normalized, translation };
  }

  function settleUnreadable(attempt: Attempt, status: number): ProxyOutcome {
    const confirmed = status < 400;
    // The headers said that the message arrived, so the row says so too.
    callLog.later(attempt, confirmed ? 'ok' : 'error', null, 'failed to read agent response');
    return {
      kind: 'failed',
      error: new PlatformError('agent_response_unreadable', 'failed to read agent response', {
        delivery_confirmed: confirmed,
      }),
      normalized: attempt.normalized,
    };
  }

  return {
    /** Stored without asking the target. */
    hold: store,
    async settleResult(
      attempt: Attempt,
      result: DispatchResult,
      fold: StreamFold,
      isHandedOn: boolean,
    ): Promise<ProxyOutcome> {
      const { target } = attempt;
      switch (result.kind) {
        case 'reply':
          return await settleReply(attempt, result.status, result.body);
        case 'streamed':
          return await settleStream(attempt, result.broken, fold, isHandedOn);
        case 'too_large':
          return fail(
            attempt,
            new PlatformError('agent_response_too_large', 'agent response too large', { delivery_confirmed: true }),
          );
        case 'body_failed':
          return settleUnreadable(attempt, result.status);
        case 'stopped':
          // Stored like a message for a busy agent, so that the next start delivers it.
          return await settleBusy(attempt, false);
        case 'silent':
          return (await settleDead(target)) ? fail(attempt, restarting()) : await settleBusy(attempt, false);
        case 'unreachable':
          log.warn({ err: result.error, workspace_id: target.id }, 'an agent could not be reached');
          return fail(
            attempt,
            (await settleDead(target))
              ? restarting()
              : new PlatformError('agent_unreachable', 'failed to reach workspace agent', { status: target.status }),
          );
        case 'not_built':
          log.warn({ err: result.error, workspace_id: target.id }, 'a request to an agent could not be constructed');
          return fail(attempt, new PlatformError('request_build_failed', 'failed to create proxy request'));
      }
    },
  };
}

export type Settlement = ReturnType<typeof createSettlement>;
