// Messaging: the A2A proxy and the queue behind it (chapter 20 §1, §3). Accepted means stored; nothing is marked before it is true.

import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Activity } from '../activity/index.ts';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { Clock } from '../platform/clock.ts';
import { createBatcher, type Database, type Tables } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Outbound } from '../platform/outbound/index.ts';
import type { Presence } from '../platform/presence.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type Attempt, endsTurn, type Liveness, type ProxyCall, type ProxyOutcome } from './call.ts';
import { type CardRouteDeps, mountCardRoutes } from './card-routes.ts';
import { createIntake } from './intake/index.ts';
import type { QueueRow } from './lifecycle.ts';
import { createQueueLoops } from './loops.ts';
import { delegationIdOf, messageOf, saysFailed } from './normalize.ts';
import { type A2aProxy, ceilingFor, createProxy } from './proxy.ts';
import { createQueue } from './queue.ts';
import { createQueueOutcomes, type QueueOutcome, type QueueOutcomesDeps } from './queue-outcomes.ts';
import { createRepeats } from './repeats/index.ts';
import { extractText, extractUsage } from './reply.ts';
import { type Beat, createRoom } from './room.ts';
import { mountMessagingRoutes } from './routes.ts';
import type { FinishedMessage } from './store.ts';
import * as store from './store.ts';
import { createStreams } from './streams/index.ts';
import * as usageStore from './usage/store.ts';

export type { Caller, ProxyCall, ProxyOutcome } from './call.ts';
export { type QueueRow, queueLifecycle } from './lifecycle.ts';
export * as messagingOutlook from './outlook/store.ts';
export { BUSY_AGAIN, type MessageEnd, MOST_ATTEMPTS, type QueueOutcome } from './queue-outcomes.ts';
export { describeFailedReply, extractText, resultOf } from './reply.ts';
export type { Beat } from './room.ts';
export { type FinishedMessage, hasWaiting, type PlatformMessage } from './store.ts';

/** A message between workspaces that names a delegation and was taken: delivered, or stored for delivery. */
export interface DelegationMessage {
  callerId: string;
  targetId: string;
  delegationId: string;
  text: string;
  /** The sender says that it could not do what it was asked for. */
  failed: boolean;
}

/** A queued message that named a delegation; `callerId` is the workspace that sent it. */
export type EndedMessage = Omit<DelegationMessage, 'text' | 'failed'>;

export interface Messaging {
  proxy(call: ProxyCall): Promise<ProxyOutcome>;
  /** In the caller's transaction: a message of the platform itself, held by this process. `begin` it after the commit. */
  acceptIn(trx: Transaction<Tables>, message: store.PlatformMessage): Promise<QueueRow>;
  /** Detached: delivers what `acceptIn` stored. After a crash before that, another process does. */
  begin(item: QueueRow): void;
  /** The target says that it has room. Detached: delivers what waits for it. */
  drain(workspaceId: string): void;
  /** Resolves when no delivery is under way or about to begin. */
  idle(): Promise<void>;
  /** A beat was stored; receipts of what it lists may not be yet. `hasWaiting`: a message waits for this target. */
  noteBeat(workspaceId: string, beat: Beat, hasWaiting: boolean): void;
  /** A beat lists these messages: they are in a turn. */
  noteActive(workspaceId: string, messageIds: string[]): Promise<void>;
  /** In the transaction that removes these workspaces. */
  dropFor(trx: Transaction<Tables>, workspaceIds: string[], reason: string): Promise<void>;
  /** Of these delegations, those whose queued message has ended, with how. */
  findFinished(delegationIds: string[]): Promise<FinishedMessage[]>;
  loops: Loop[];
  close(): Promise<void>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface MessagingDeps {
  db: Database;
  config: Config;
  events: Events;
  workspaces: Workspaces;
  activity: Activity;
  outbound: Outbound;
  canCommunicate(a: string, b: string): Promise<boolean>;
  metrics: Metrics;
  log: Logger;
  clock: Clock;
  presence: Presence;
  liveness: Liveness;
  /** This platform's address as a caller sees it (chapter 20 §12). */
  publicUrl: CardRouteDeps['publicUrl'];
  /** A queued message that named a delegation ended. */
  onQueueOutcome(message: EndedMessage, outcome: QueueOutcome): Promise<void>;
  onEndIn: QueueOutcomesDeps['onEndIn'];
  /** Its sender is not told that the message was taken before this resolves. */
  onDelegationMessage(message: DelegationMessage): Promise<void>;
}

/** Figures beside a call are read by people: four writes a second are enough. */
const FIGURES_REST_MS = 250;
/** What another replica tells of a beat it took. */
const beatOf = ({ active_tasks: activeTasks }: { active_tasks: number }): Beat => ({
  receivedAt: performance.now(),
  activeTasks,
  messageIds: [],
});

/** How long a held call may go on when the platform stops. */
const STOP_GRACE_MS = 3_000;

export function createMessaging(deps: MessagingDeps): Messaging {
  const { db, config, events, workspaces, activity, log, clock } = deps;
  const usage = createBatcher<usageStore.CallFigures, null>({
    name: 'token usage',
    restMs: FIGURES_REST_MS,
    flush: async (figures) => {
      await usageStore.addUsage(db.kysely, figures);
      return figures.map(() => null);
    },
  });
  const outboundCallers = createBatcher<string, null>({
    name: 'outbound times',
    restMs: FIGURES_REST_MS,
    flush: async (ids) => {
      await usageStore.touchOutbound(db.kysely, [...new Set(ids)]);
      return ids.map(() => null);
    },
  });
  const background = new Set<Promise<unknown>>();
  /** Callers whose last outbound time is about to be written. */
  const outboundNoted = new Set<string>();

  /** Work after the answer; `close` waits for it. */
  function later(work: Promise<unknown>, failure: string): void {
    const tracked = work
      .catch((error: unknown) => log.error({ err: error }, failure))
      .finally(() => background.delete(tracked));
    background.add(tracked);
  }

  function noteOutbound(callerId: string): void {
    if (outboundNoted.has(callerId)) return;
    outboundNoted.add(callerId);
    later(
      outboundCallers.add(callerId).finally(() => outboundNoted.delete(callerId)),
      'the last outbound time could not be stored',
    );
  }

  async function noteTaken({ call, target, normalized }: Attempt, reply: unknown): Promise<void> {
    const tokens = extractUsage(reply);
    if (tokens) later(usage.add({ workspaceId: target.id, ...tokens }), 'token usage could not be stored');
    const callerId = call.caller.workspaceId;
    if (callerId === null) return;
    noteOutbound(callerId);
    const message = messageOf(normalized.body);
    const delegationId = delegationIdOf(message);
    if (delegationId === null) return;
    await deps
      .onDelegationMessage({
        callerId,
        targetId: target.id,
        delegationId,
        text: extractText(message),
        failed: saysFailed(message),
      })
      .catch((error: unknown) =>
        log.error({ err: error, workspace_id: target.id }, 'a message that ends a delegation did not end it'),
      );
  }

  const room = createRoom();
  const intake = createIntake({ db, events, limitPerCaller: config.a2aQueueLimitPerCaller });
  const repeats = createRepeats({ ...deps, ceilingFor });
  const proxy: A2aProxy = createProxy({
    ...deps,
    repeats,
    noteTaken,
    findAddress: (id) => store.findAddress(db.kysely, id),
    async mustHold(attempt) {
      if (queue.isFull(attempt.target.id)) return 'full';
      return (await intake.mustWait(attempt)) ? 'order' : null;
    },
    noteRefused: ({ target, startedAt }) => room.noteRefused(target.id, startedAt),
    async enqueue(attempt, bodyHash, held) {
      const { id, depth, behind } = await intake.accept(attempt, bodyHash);
      queue.noteStored(attempt.target.id, attempt.startedAt);
      // What it was to wait for has ended in the meantime.
      if (held === 'order' && !behind) queue.drain(attempt.target.id, 'room');
      return { id, depth };
    },
  });
  /** For people to read: a message that was answered must not go out again because a name could not be looked up. */
  async function nameOf(id: string): Promise<string> {
    try {
      return (await workspaces.facts(id))?.name ?? id;
    } catch (error) {
      log.warn({ err: error, workspace_id: id }, 'the name of a workspace could not be read; its id stands in the log');
      return id;
    }
  }

  const outcomes = createQueueOutcomes({
    db,
    events,
    activity,
    log,
    onEndIn: deps.onEndIn,
    nameOf,
    async onOutcome(item, outcome) {
      const delegationId = delegationIdOf(messageOf(item.body as Record<string, unknown>));
      if (delegationId !== null && item.caller_id !== null)
        await deps.onQueueOutcome({ callerId: item.caller_id, targetId: item.workspace_id, delegationId }, outcome);
    },
  });
  const streams = createStreams({ ...deps, run: proxy.run, noteMessage: repeats.note });
  const queue = createQueue({ db, events, log, run: proxy.run, outcomes, room });

  /** A call from outside the queue: what waits for the same target goes next. */
  async function run(call: ProxyCall): Promise<ProxyOutcome> {
    const startedAt = performance.now();
    const outcome = await proxy.run(call);
    if (outcome.kind === 'streamed' || (outcome.kind === 'answered' && endsTurn(outcome)))
      queue.noteAnswered(call.targetId, startedAt, outcome.normalized.messageId);
    return outcome;
  }

  const unsubscribe = events.subscribe((frame, fromPeer) => {
    switch (frame.event) {
      case 'WORKSPACE_ONLINE':
        // A target that came up has room: what waits for it goes out now, not with the next beat.
        return queue.drain(frame.workspace_id, 'room');
      case 'WORKSPACE_HEARTBEAT':
        if (fromPeer) room.noteBeat(frame.workspace_id, beatOf(frame.payload));
        return queue.drainAfterBeat(frame.workspace_id);
      case 'WORKSPACE_REMOVED':
        return queue.forget(frame.workspace_id);
    }
  });

  async function noteActive(workspaceId: string, messageIds: string[]): Promise<void> {
    await activity.noteActive(workspaceId, messageIds);
    for (const receipt of await store.markInjected(db.kysely, workspaceId, messageIds))
      events.broadcast({
        event: 'RECEIPT_UPDATED',
        workspace_id: workspaceId,
        payload: {
          message_id: receipt.idempotency_key,
          queue_id: receipt.id,
          injected_at: receipt.injected_at.toISOString(),
        },
      });
  }

  return {
    proxy: run,
    acceptIn: queue.acceptIn,
    begin: queue.begin,
    drain: (workspaceId) => queue.drain(workspaceId, 'room'),
    idle: queue.idle,
    noteBeat: queue.noteBeat,
    noteActive,
    dropFor: outcomes.dropFor,
    findFinished: (delegations) => store.findFinished(db.kysely, delegations),
    loops: [
      ...createQueueLoops({ db, queue, outcomes, clock, retentionDays: config.activityRetentionDays }),
      ...repeats.loops,
      ...streams.loops,
    ],
    async close() {
      unsubscribe();
      await proxy.stop(0);
      await queue.close();
      await repeats.close();
      await streams.close();
      while (background.size > 0) await Promise.allSettled([...background]);
    },
    mount(app, authorize) {
      // Callers are still connected here, so those whose turn outlasts the grace learn that their message is stored.
      app.addHook('preClose', () => {
        streams.stop();
        return proxy.stop(STOP_GRACE_MS);
      });
      mountCardRoutes(app, authorize, deps);
      mountMessagingRoutes(app, authorize, { db, run, outcomes, streams });
    },
  };
}
