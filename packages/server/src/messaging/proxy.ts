// The A2A pipeline from step 6 on (chapter 20 §1): hierarchy, budget, payload, mode, address, guard, call, outcome, log.
// The same pipeline serves HTTP callers, the drain and delegations; only how the outcome is told differs.

import { createHash, randomUUID } from 'node:crypto';
import type { Activity } from '../activity/index.ts';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Judged, Outbound } from '../platform/outbound/index.ts';
import type { WorkspaceFacts, Workspaces } from '../workspaces/index.ts';
import { type DispatchResult, dispatchToAgent, type StreamSink } from './dispatch.ts';
import { type Json, type Normalized, normalizeRequest, toRpcRejection } from './normalize.ts';
import { deadOrigin, describeAgentError } from './outcome.ts';
import { createStreamFold, extractToolTrace, readBusy } from './reply.ts';
import { toV10Reply } from './versions/v1.ts';

const CEILING_MS = 30 * 60_000;
const HEADER_SILENCE_MS = 60_000;
const RETRY_SECONDS = 15;
const BUSY_RETRY_SECONDS = 30;

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
  /** Seconds; null = no explicit deadline. */
  timeoutSeconds?: number | null;
  traceHeaders?: Record<string, string>;
  /** Skips the hierarchy check: the caller is the platform itself or was checked when it was accepted. */
  trusted?: boolean;
  enqueueOnBusy: boolean;
  logActivity: boolean;
  /** Takes an event stream live; absent: it is folded into one reply. */
  openStream?: (headers: Record<string, string>) => StreamSink;
}

export type ProxyOutcome =
  | { kind: 'answered'; status: number; body: Buffer; normalized: Normalized }
  | { kind: 'streamed'; result: unknown; broken: boolean; normalized: Normalized }
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

export interface ProxyDeps {
  config: Config;
  events: Events;
  workspaces: Workspaces;
  activity: Activity;
  outbound: Outbound;
  canCommunicate(a: string, b: string): Promise<boolean>;
  metrics: Metrics;
  log: Logger;
  liveness: {
    check(id: string): Promise<{ running: boolean; error?: Error }>;
    hasBackend(): boolean;
    restart(id: string, reason: string): void;
  };
  enqueue(input: {
    target: WorkspaceFacts;
    caller: Caller;
    normalized: Normalized;
    bodyHash: Buffer;
  }): Promise<{ id: string; depth: number }>;
  /** Off the hot path: usage, last outbound, inbox delegation answers. */
  settle(input: {
    target: WorkspaceFacts;
    caller: Caller;
    normalized: Normalized;
    status: number;
    reply: unknown;
  }): void;
}

interface Attempt {
  call: ProxyCall;
  target: WorkspaceFacts;
  normalized: Normalized;
  startedAt: number;
}

const ms = (startedAt: number) => Math.round(performance.now() - startedAt);

function parseReply(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return body.length === 0 ? null : { text: body.toString('utf8').slice(0, 4_096) };
  }
}

export function createProxy(deps: ProxyDeps) {
  const { config, events, workspaces, activity, outbound, canCommunicate, log, liveness } = deps;

  async function assertReachable({ caller, targetId, trusted }: ProxyCall): Promise<void> {
    if (trusted || caller.workspaceId === null || caller.workspaceId === targetId) return;
    if (!(await canCommunicate(caller.workspaceId, targetId)))
      throw new PlatformError('access_denied', 'access denied: workspaces cannot communicate per hierarchy rules');
  }

  function assertBudget(target: WorkspaceFacts): void {
    if (target.budgetLimit !== null && target.monthlySpend >= target.budgetLimit)
      throw new PlatformError('budget_exceeded', 'workspace budget limit exceeded', {
        budget_limit: target.budgetLimit,
        monthly_spend: target.monthlySpend,
      });
  }

  function rowFor(
    { call, target, normalized, startedAt }: Attempt,
    status: 'ok' | 'error',
    reply: unknown,
    errorDetail: string | null,
  ) {
    return {
      workspaceId: target.id,
      type: 'a2a_receive',
      sourceId: call.caller.workspaceId,
      targetId: target.id,
      origin: call.caller.origin,
      messageId: normalized.messageId,
      method: normalized.method,
      summary: `${normalized.method} → ${target.name}`,
      requestBody: normalized.body,
      responseBody: reply ?? null,
      toolTrace: extractToolTrace(reply),
      durationMs: ms(startedAt),
      status,
      errorDetail,
    };
  }

  /** Stored after the caller has its answer; a person's canvas is told with the row's id. */
  function logOutcome(
    attempt: Attempt,
    status: 'ok' | 'error',
    reply: unknown,
    errorDetail: string | null,
    queueId: string | null = null,
  ): void {
    if (!attempt.call.logActivity) return;
    const { call, target, normalized, startedAt } = attempt;
    activity
      .log(rowFor(attempt, status, reply, errorDetail))
      .then((stored) => {
        if (status !== 'ok' || call.caller.workspaceId !== null || call.caller.origin !== null) return;
        events.broadcast({
          event: 'A2A_RESPONSE',
          workspace_id: target.id,
          payload: {
            response_body: reply,
            method: normalized.method,
            duration_ms: ms(startedAt),
            message_id: normalized.messageId,
            activity_id: stored.id,
            ...(queueId ? { queue_id: queueId } : {}),
          },
        });
      })
      .catch((error: unknown) => log.error({ err: error, workspace_id: target.id }, 'a call could not be logged'));
  }

  /** The agent is gone: said once, and started again. @returns false when it lives or nobody can tell. */
  async function settleDead(target: WorkspaceFacts): Promise<boolean> {
    if (target.runtime === 'external' || !liveness.hasBackend()) return false;
    const { running, error } = await liveness.check(target.id);
    if (running || error) return false;
    await workspaces.transition('go_offline', target.id, { patch: { current_task: '', active_tasks: 0 } });
    workspaces.forget(target.id);
    liveness.restart(target.id, 'a call found it dead');
    return true;
  }

  const restarting = () =>
    new PlatformError(
      'agent_restarting',
      'workspace agent unreachable; restart triggered',
      { restarting: true, retry_after: RETRY_SECONDS },
      { headers: { 'retry-after': String(RETRY_SECONDS) } },
    );

  const busyError = (nativeSession: boolean) =>
    new PlatformError(
      'agent_busy',
      'the agent is busy',
      { busy: true, retry_after: BUSY_RETRY_SECONDS, ...(nativeSession ? { native_session: true } : {}) },
      { headers: { 'retry-after': String(BUSY_RETRY_SECONDS) } },
    );

  function fail(attempt: Attempt, error: PlatformError, reply: unknown = null): ProxyOutcome {
    logOutcome(attempt, 'error', reply, error.message);
    return { kind: 'failed', error, normalized: attempt.normalized };
  }

  async function settleBusy(attempt: Attempt, nativeSession: boolean): Promise<ProxyOutcome> {
    const { call, target, normalized } = attempt;
    const native = nativeSession || target.capabilities.session === true;
    if (native) return fail(attempt, busyError(true));
    if (!call.enqueueOnBusy) return { kind: 'busy', error: busyError(false), normalized };
    try {
      const bodyHash = createHash('sha256')
        .update(JSON.stringify(hashedPart(normalized.body)))
        .digest();
      const { id, depth } = await deps.enqueue({ target, caller: call.caller, normalized, bodyHash });
      return {
        kind: 'queued',
        body: {
          queued: true,
          queue_id: id,
          queue_depth: depth,
          message: `${target.name} is busy; the message is stored and will be delivered`,
        },
        normalized,
      };
    } catch (error) {
      log.error({ err: error, workspace_id: target.id }, 'a message for a busy agent could not be stored');
      return fail(attempt, busyError(false));
    }
  }

  async function settleReply(attempt: Attempt, status: number, body: Buffer): Promise<ProxyOutcome> {
    const { call, target, normalized } = attempt;
    if (status >= 200 && status < 300) {
      const convert = normalized.callerVersion === '1.0' && normalized.changed;
      const reply = parseReply(body);
      logOutcome(attempt, 'ok', reply, null);
      deps.settle({ target, caller: call.caller, normalized, status, reply });
      return {
        kind: 'answered',
        status,
        body: convert ? Buffer.from(JSON.stringify(toV10Reply(reply))) : body,
        normalized,
      };
    }
    const reply = parseReply(body);
    const { busy, nativeSession } = readBusy(reply);
    if (status === 503 && busy) return await settleBusy(attempt, nativeSession);
    if (deadOrigin(status) && (await settleDead(target))) return fail(attempt, restarting());
    return fail(attempt, describeAgentError(status, reply), reply);
  }

  async function settleResult(
    attempt: Attempt,
    result: DispatchResult,
    fold: ReturnType<typeof createStreamFold>,
  ): Promise<ProxyOutcome> {
    const { call, target, normalized } = attempt;
    switch (result.kind) {
      case 'reply':
        return await settleReply(attempt, result.status, result.body);
      case 'streamed': {
        const reply = { jsonrpc: '2.0', id: normalized.body.id, result: fold.result() };
        logOutcome(attempt, result.broken ? 'error' : 'ok', reply, result.broken ? 'stream interrupted' : null);
        deps.settle({ target, caller: call.caller, normalized, status: result.status, reply });
        return { kind: 'streamed', result: fold.result(), broken: result.broken, normalized };
      }
      case 'too_large':
        return fail(
          attempt,
          new PlatformError('agent_response_too_large', 'agent response too large', { delivery_confirmed: true }),
        );
      case 'body_failed': {
        const confirmed = result.status < 400;
        // The headers said that the message arrived, so the row says so too.
        logOutcome(attempt, confirmed ? 'ok' : 'error', null, 'failed to read agent response');
        return {
          kind: 'failed',
          error: new PlatformError('agent_response_unreadable', 'failed to read agent response', {
            delivery_confirmed: confirmed,
          }),
          normalized,
        };
      }
      case 'silent':
        return (await settleDead(target)) ? fail(attempt, restarting()) : await settleBusy(attempt, false);
      case 'unreachable':
        log.warn({ err: result.error, workspace_id: target.id }, 'an agent could not be reached');
        return fail(
          attempt,
          (await settleDead(target))
            ? restarting()
            : new PlatformError('agent_unreachable', 'failed to reach workspace agent'),
        );
      case 'not_built':
        log.warn({ err: result.error, workspace_id: target.id }, 'a request to an agent could not be constructed');
        return fail(attempt, new PlatformError('request_build_failed', 'failed to create proxy request'));
    }
  }

  /** A poll-mode agent reads its inbox: the stored row is the delivery. */
  async function settlePoll(attempt: Attempt): Promise<ProxyOutcome> {
    const { call, target, normalized } = attempt;
    try {
      const stored = await activity.log({ ...rowFor(attempt, 'ok', null, null), durationMs: null, inbox: true });
      deps.settle({ target, caller: call.caller, normalized, status: 200, reply: null });
      return {
        kind: 'inbox',
        body: { status: 'queued', delivery_mode: 'poll', method: normalized.method, activity_id: stored.id },
        normalized,
      };
    } catch (error) {
      log.error({ err: error, workspace_id: target.id }, 'an inbox row could not be stored');
      return {
        kind: 'failed',
        error: new PlatformError(
          'inbox_unavailable',
          'the message could not be stored',
          { retry_after: 5 },
          { headers: { 'retry-after': '5' } },
        ),
        normalized,
      };
    }
  }

  function noUrlError(target: WorkspaceFacts): PlatformError {
    if (target.status !== 'hibernated' && target.status !== 'hibernating')
      return new PlatformError('agent_no_url', 'workspace has no URL', { status: target.status });
    if (target.status === 'hibernated') liveness.restart(target.id, 'woken by a message');
    return new PlatformError(
      'agent_waking',
      'workspace is waking from hibernation',
      { waking: true, retry_after: RETRY_SECONDS },
      { headers: { 'retry-after': String(RETRY_SECONDS) } },
    );
  }

  function headersFor({ call, target }: Attempt): Record<string, string> {
    return {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...call.traceHeaders,
      ...(call.caller.workspaceId ? { 'x-workspace-id': call.caller.workspaceId } : {}),
      ...(target.inboundSecret ? { authorization: `Bearer ${target.inboundSecret}` } : {}),
    };
  }

  function ceilingFor({ caller, timeoutSeconds }: ProxyCall): number | null {
    const fromAgent = caller.workspaceId !== null;
    if (timeoutSeconds) return Math.min(timeoutSeconds * 1000, fromAgent ? CEILING_MS : Number.POSITIVE_INFINITY);
    return fromAgent ? CEILING_MS : null;
  }

  /** Splits the bytes of an event stream into frames for the stored copy, and converts them where the caller speaks v1.0. */
  function teeStream(attempt: Attempt, sink: StreamSink, fold: ReturnType<typeof createStreamFold>): StreamSink {
    const convert = attempt.normalized.callerVersion === '1.0';
    let pending = '';
    const decoder = new TextDecoder();
    return {
      write(chunk) {
        pending += decoder.decode(chunk, { stream: true });
        const frames = pending.split(/\r?\n\r?\n/);
        pending = frames.pop() ?? '';
        const parsed = frames.map((frame) => readFrame(frame));
        for (const frame of parsed) if (frame !== null) fold.add(frame);
        if (!convert) return sink.write(chunk);
        const text = parsed
          .map((frame, index) =>
            frame === null ? `${frames[index]}\n\n` : `data: ${JSON.stringify(toV10Reply(frame))}\n\n`,
          )
          .join('');
        return text === '' ? true : sink.write(Buffer.from(text));
      },
      onDrain: (resume) => sink.onDrain(resume),
    };
  }

  async function callAgent(attempt: Attempt, judged: Judged): Promise<ProxyOutcome> {
    const { call, target, normalized } = attempt;
    const idleMs = (target.idleTimeoutSeconds ?? config.a2aIdleTimeoutSeconds) * 1000;
    const fold = createStreamFold();
    const discard: StreamSink = { write: () => true, onDrain: (resume) => resume() };
    const result = await dispatchToAgent({
      judged,
      dispatcher: outbound.dispatcherFor(judged),
      body: normalized.changed ? Buffer.from(JSON.stringify(normalized.body)) : call.body,
      headers: headersFor(attempt),
      headerSilenceMs: Math.max(HEADER_SILENCE_MS, idleMs),
      idleMs,
      ceilingMs: ceilingFor(call),
      watch: (onSign) => events.onWorkspace(target.id, onSign),
      onStream: (headers) => teeStream(attempt, call.openStream?.(headers) ?? discard, fold),
    });
    return await settleResult(attempt, result, fold);
  }

  /** Everything after authentication. Resolves with what happened; throws PlatformError for what was refused before the call. */
  async function run(call: ProxyCall): Promise<ProxyOutcome> {
    await assertReachable(call);
    const target = await workspaces.facts(call.targetId);
    if (!target || target.status === 'removed') throw new PlatformError('not_found', 'workspace not found');
    assertBudget(target);
    const normalized = normalizeRequest(call.body, call.versionHeader);
    if (!normalized.ok) {
      if (normalized.reason === 'invalid_json') throw new PlatformError('invalid_json', 'invalid JSON');
      return { kind: 'rejected', body: toRpcRejection(normalized) };
    }
    const attempt: Attempt = { call, target, normalized, startedAt: performance.now() };
    if (target.deliveryMode === 'poll') return await settlePoll(attempt);
    if (!target.url) throw noUrlError(target);
    const judged = await outbound.judge(target.url, 'dispatch', { trusted: target.urlSource === 'provisioner' });
    if (!judged.ok) throw new PlatformError('agent_url_refused', 'workspace URL is not publicly routable');
    return await callAgent(attempt, judged);
  }

  return { run, logOutcome, newMessageId: () => randomUUID() };
}

/** What makes two messages the same: the message and its parameters, without the envelope's own id. */
function hashedPart(body: Json): unknown {
  const { id: _id, ...rest } = body;
  return rest;
}

function readFrame(frame: string): unknown {
  const data = frame
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
  if (data === '') return null;
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

export type A2aProxy = ReturnType<typeof createProxy>;
