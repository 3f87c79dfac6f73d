// The A2A pipeline from step 6 on (chapter 20 §1.1): hierarchy, budget, payload, mode, address, guard, call.
// The same pipeline serves HTTP callers, the drain and delegations. What an end means is settlement.ts' business.

import type { Activity } from '../activity/index.ts';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import { startDeadline } from '../platform/deadline.ts';
import { PlatformError, platformUnavailable } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Judged, Outbound } from '../platform/outbound/index.ts';
import type { WorkspaceFacts, Workspaces } from '../workspaces/index.ts';
import { type Attempt, type Liveness, type ProxyCall, type ProxyOutcome, RETRY_SECONDS } from './call.ts';
import { createCallLog } from './call-log.ts';
import { type DispatchResult, dispatchToAgent, type OpenCall } from './dispatch.ts';
import { type Normalized, normalizeRequest, toRpcRejection } from './normalize.ts';
import type { Repeats } from './repeats/index.ts';
import { createStreamFold } from './reply.ts';
import { createSettlement, type HoldReason, type SettlementDeps } from './settlement.ts';
import { createFoldingTee, type StreamEnd, type StreamTee } from './streams/tee.ts';
import { createTranslation } from './versions/translation.ts';

const CEILING_MS = 30 * 60_000;
const HEADER_SILENCE_MS = 60_000;

export interface ProxyDeps extends Pick<SettlementDeps, 'enqueue' | 'noteTaken' | 'noteRefused'> {
  config: Config;
  events: Events;
  workspaces: Workspaces;
  activity: Activity;
  outbound: Outbound;
  canCommunicate(a: string, b: string): Promise<boolean>;
  metrics: Metrics;
  log: Logger;
  liveness: Liveness;
  repeats: Repeats;
  /** Why the message is stored without asking its target; null = it is delivered. */
  mustHold(attempt: Attempt): Promise<HoldReason | null>;
  /** The address alone, for when the whole record cannot be read. */
  findAddress(id: string): Promise<WorkspaceFacts | null>;
}

/** Agents and parts of the platform never wait for ever; a person may. */
export function ceilingFor({ caller, timeoutSeconds }: ProxyCall): number | null {
  const most = caller.workspaceId === null && caller.origin === null ? null : CEILING_MS;
  if (!timeoutSeconds) return most;
  return Math.min(timeoutSeconds * 1000, most ?? Number.POSITIVE_INFINITY);
}

/**
 * How long a target may be silent: until the reply's headers a minute, unless it declared to need longer, and never longer than
 * between two pieces of the reply.
 */
function silenceFor(target: WorkspaceFacts, defaultSeconds: number): { headerSilenceMs: number; idleMs: number } {
  const idleMs = (target.idleTimeoutSeconds ?? defaultSeconds) * 1000;
  const declaredMs = (target.idleTimeoutSeconds ?? 0) * 1000;
  return { headerSilenceMs: Math.min(idleMs, Math.max(HEADER_SILENCE_MS, declaredMs)), idleMs };
}

function headersFor({ call, target }: Attempt): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(target.protocolVersion === '0.3' ? {} : { 'a2a-version': target.protocolVersion }),
    ...call.traceHeaders,
    ...(call.caller.workspaceId ? { 'x-workspace-id': call.caller.workspaceId } : {}),
    ...(target.inboundSecret ? { authorization: `Bearer ${target.inboundSecret}` } : {}),
  };
}

function assertBudget(target: WorkspaceFacts): void {
  if (target.budgetLimit !== null && target.monthlySpend >= target.budgetLimit)
    throw new PlatformError('budget_exceeded', 'workspace budget limit exceeded', {
      budget_limit: target.budgetLimit,
      monthly_spend: target.monthlySpend,
    });
}

export function createProxy(deps: ProxyDeps) {
  const {
    config,
    events,
    workspaces,
    activity,
    outbound,
    canCommunicate,
    metrics,
    log,
    liveness,
    repeats,
    findAddress,
  } = deps;
  const callLog = createCallLog({ activity, events, log });
  const settlement = createSettlement({ ...deps, callLog });
  /** Calls under way. No Set: what passed through a long-lived one stays alive until the next full collection, 26 kB a call. */
  const open: OpenCall[] = [];
  let stopping = false;

  function forget(call: OpenCall): void {
    const last = open.pop();
    if (last === undefined || last === call) return;
    open[call.place] = last;
    last.place = call.place;
  }

  async function assertReachable({ caller, targetId, trusted }: ProxyCall): Promise<void> {
    if (trusted || caller.workspaceId === null || caller.workspaceId === targetId) return;
    if (!(await canCommunicate(caller.workspaceId, targetId)))
      throw new PlatformError('access_denied', 'access denied: workspaces cannot communicate per hierarchy rules');
  }

  /** A budget or mode that cannot be read must not stop a message, so the bare address is enough; loudly. */
  async function findTarget(id: string): Promise<WorkspaceFacts> {
    let target: WorkspaceFacts | null;
    try {
      target = await workspaces.facts(id);
    } catch (error) {
      log.error({ err: error, workspace_id: id }, 'a target could not be read; it is called without budget and mode');
      metrics.failOpen.inc({ check: 'budget_and_mode' });
      target = await findAddress(id).catch((cause: unknown) => {
        throw new PlatformError('internal', 'lookup failed', {}, { cause });
      });
    }
    if (!target || target.status === 'removed') throw new PlatformError('not_found', 'workspace not found');
    return target;
  }

  /** A poll-mode agent reads its inbox: the stored row is the delivery. */
  async function deliverToInbox(attempt: Attempt): Promise<ProxyOutcome> {
    const { target, normalized } = attempt;
    try {
      const stored = await activity.log({
        ...callLog.row(attempt, 'ok', null, null),
        durationMs: null,
        inbox: true,
      });
      await deps.noteTaken(attempt, null);
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

  /** False for one that nobody can start: the way to it leads through a paused seat, or nothing starts workloads here. */
  async function wake(target: WorkspaceFacts): Promise<boolean> {
    if (!liveness.hasBackend()) return false;
    if ((await workspaces.listAncestry(target.id)).some((one) => one.status === 'paused')) return false;
    liveness.restart(target.id, 'woken by a message');
    return true;
  }

  /** The message is stored already: whatever becomes of the waking, its sender is answered. */
  async function wakeReader(target: WorkspaceFacts): Promise<void> {
    try {
      await wake(target);
    } catch (error) {
      log.error({ err: error, workspace_id: target.id }, 'a sleeping agent could not be woken to read its inbox');
    }
  }

  async function noUrlError(target: WorkspaceFacts): Promise<PlatformError> {
    const { status } = target;
    const isWaking = status === 'hibernating' || (status === 'hibernated' && (await wake(target)));
    if (!isWaking) return new PlatformError('agent_no_url', 'workspace has no URL', { status });
    return new PlatformError(
      'agent_waking',
      'workspace is waking from hibernation',
      { waking: true, retry_after: RETRY_SECONDS },
      { headers: { 'retry-after': String(RETRY_SECONDS) } },
    );
  }

  /** What a stop cuts off is not over: another process reads the rest from the agent. */
  function endOf(result: DispatchResult): StreamEnd {
    if (result.kind === 'streamed' && !result.broken) return 'complete';
    return stopping ? 'left' : 'interrupted';
  }

  async function callAgent(attempt: Attempt, judged: Judged): Promise<ProxyOutcome> {
    const { call, target, normalized, translation } = attempt;
    const fold = createStreamFold();
    let tee: StreamTee | null = null;
    // What the caller sent is forwarded byte for byte, unless it was mended or the target speaks another version.
    const asSent = !normalized.changed && target.protocolVersion === '0.3';
    const sent = dispatchToAgent({
      judged,
      dispatcher: outbound.dispatcherFor(judged),
      body: asSent ? call.body : Buffer.from(JSON.stringify(translation.toTarget(normalized.body))),
      headers: headersFor(attempt),
      ...silenceFor(target, config.a2aIdleTimeoutSeconds),
      ceilingMs: ceilingFor(call),
      watch: (onSign) => events.onWorkspace(target.id, onSign),
      onStream: () => {
        tee = call.openStream?.(attempt, fold) ?? createFoldingTee(fold, translation);
        return tee;
      },
    });
    sent.place = open.push(sent) - 1;
    if (stopping) sent.stop();
    const result = await sent.result;
    forget(sent);
    const told = Promise.withResolvers<void>();
    try {
      const isHandedOn = (await (tee as StreamTee | null)?.end(endOf(result), told.promise)) ?? false;
      return await settlement.settleResult(attempt, result, fold, isHandedOn);
    } finally {
      told.resolve(attempt.logged ?? undefined);
    }
  }

  /** Of what can wait. @throws platform_unavailable when the store cannot say: a message of a context overtakes no other. */
  async function findHold(attempt: Attempt): Promise<HoldReason | null> {
    const { call, target, normalized } = attempt;
    if (!call.enqueueOnBusy || target.capabilities.session === true || normalized.messageId === null) return null;
    try {
      return await deps.mustHold(attempt);
    } catch (error) {
      throw platformUnavailable(error, 'what waits before this message');
    }
  }

  function startAttempt(call: ProxyCall, target: WorkspaceFacts, normalized: Normalized): Attempt {
    const translation = createTranslation(normalized.callerVersion, target.protocolVersion, normalized.method);
    return { call, target, normalized, translation, startedAt: performance.now(), logged: null };
  }

  async function deliver(attempt: Attempt): Promise<ProxyOutcome> {
    const { target } = attempt;
    if (target.deliveryMode === 'poll') {
      const outcome = await deliverToInbox(attempt);
      if (outcome.kind === 'inbox' && target.status === 'hibernated') await wakeReader(target);
      return outcome;
    }
    // One that falls asleep still has its address, but what arrives there now is lost with it.
    if (!target.url || target.status === 'hibernating') throw await noUrlError(target);
    const judged = await outbound.judge(target.url, 'dispatch', { trusted: target.urlSource === 'provisioner' });
    if (!judged.ok) throw new PlatformError('agent_url_refused', 'workspace URL is not publicly routable');
    const held = await findHold(attempt);
    return held ? await settlement.hold(attempt, held) : await callAgent(attempt, judged);
  }

  return {
    /** Everything after authentication. Resolves with what happened; throws PlatformError for what was refused before the call. */
    async run(call: ProxyCall): Promise<ProxyOutcome> {
      await assertReachable(call);
      const target = await findTarget(call.targetId);
      assertBudget(target);
      const normalized = normalizeRequest(call.body, call.versionHeader, call.idempotencyKey);
      if (normalized.ok) return await repeats.once(startAttempt(call, target, normalized), deliver);
      if (normalized.reason === 'invalid_json') throw new PlatformError('invalid_json', 'invalid JSON');
      return { kind: 'rejected', body: toRpcRejection(normalized) };
    },
    /** Gives the open calls a moment to end by themselves, then ends the wait for them. */
    async stop(graceMs: number): Promise<void> {
      stopping = true;
      const { promise: over, resolve } = Promise.withResolvers<void>();
      const deadline = startDeadline({ silenceMs: graceMs, ceilingMs: null, onExpire: () => resolve() });
      await Promise.race([Promise.all([...open].map(({ result }) => result)), over]);
      deadline.cancel();
      for (const call of [...open]) call.stop();
      repeats.stop();
    },
  };
}

export type A2aProxy = ReturnType<typeof createProxy>;
