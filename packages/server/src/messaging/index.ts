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
import type { Workspaces } from '../workspaces/index.ts';
import type { Liveness, ProxyCall, ProxyOutcome } from './call.ts';
import type { QueueRow } from './lifecycle.ts';
import { createQueueLoops } from './loops.ts';
import { type A2aProxy, createProxy } from './proxy.ts';
import { createQueue, type QueueOutcome } from './queue.ts';
import { extractText, extractUsage, resultOf } from './reply.ts';
import { mountMessagingRoutes } from './routes.ts';
import type { FinishedMessage } from './store.ts';
import * as store from './store.ts';

export type { Caller, ProxyCall, ProxyOutcome } from './call.ts';
export { type QueueRow, queueLifecycle } from './lifecycle.ts';
export type { QueueOutcome } from './queue.ts';
export { extractText, parseReply, resultOf } from './reply.ts';
export type { FinishedMessage } from './store.ts';

/** A message between workspaces that reached its target; `reply` is null for an inbox delivery. */
export interface DeliveredMessage {
  callerId: string;
  targetId: string;
  message: unknown;
  reply: unknown;
}

export interface Messaging {
  proxy(call: ProxyCall): Promise<ProxyOutcome>;
  /** Detached: delivers what waits for this workspace as far as it has room. */
  drain(workspaceId: string): void;
  drainNow(workspaceId: string): Promise<void>;
  noteActive(workspaceId: string, messageIds: string[]): Promise<void>;
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
  liveness: Liveness;
  onQueueOutcome(item: QueueRow, outcome: QueueOutcome): Promise<void>;
  /** A callee in poll mode answers by a message of its own. */
  onDelivered(message: DeliveredMessage): Promise<void>;
}

/** How long a held call may go on when the platform stops. */
const STOP_GRACE_MS = 3_000;

type MessageParams = { message?: { metadata?: { delegation_id?: unknown } }; expires_in_seconds?: unknown };

/** A positive whole number; anything else means that the message never expires. */
function expiryOf(body: Record<string, unknown>): number | null {
  const seconds = (body.params as MessageParams | undefined)?.expires_in_seconds;
  return typeof seconds === 'number' && Number.isInteger(seconds) && seconds > 0 ? seconds : null;
}

export function createMessaging(deps: MessagingDeps): Messaging {
  const { db, config, events, workspaces, activity, outbound, canCommunicate, log, liveness, clock } = deps;
  const usage = createBatcher<store.CallFigures, null>({
    name: 'token usage',
    flush: async (figures) => {
      await store.addUsage(db.kysely, figures);
      return figures.map(() => null);
    },
  });
  const outboundCallers = createBatcher<string, null>({
    name: 'outbound times',
    flush: async (ids) => {
      await store.touchOutbound(db.kysely, [...new Set(ids)]);
      return ids.map(() => null);
    },
  });
  const background = new Set<Promise<unknown>>();

  /** Work after the answer; `close` waits for it. */
  function later(work: Promise<unknown>, what: string): void {
    const tracked = work
      .catch((error: unknown) => log.error({ err: error }, what))
      .finally(() => background.delete(tracked));
    background.add(tracked);
  }

  const proxy: A2aProxy = createProxy({
    config,
    events,
    workspaces,
    activity,
    outbound,
    canCommunicate,
    log,
    liveness,
    findAddress: (id) => store.findAddress(db.kysely, id),
    enqueue: ({ target, caller, normalized, bodyHash }) =>
      store.enqueue(db.kysely, {
        workspaceId: target.id,
        callerId: caller.workspaceId,
        origin: caller.origin,
        body: normalized.body,
        bodyHash,
        method: normalized.method,
        messageId: normalized.messageId,
        callerVersion: normalized.callerVersion,
        expiresInSeconds: expiryOf(normalized.body),
      }),
    settle({ target, caller, normalized, reply }) {
      const tokens = extractUsage(reply);
      if (tokens) later(usage.add({ workspaceId: target.id, ...tokens }), 'token usage could not be stored');
      if (caller.workspaceId === null) return;
      later(outboundCallers.add(caller.workspaceId), 'the last outbound time could not be stored');
      const message = (normalized.body.params as MessageParams | undefined)?.message;
      if (typeof message?.metadata?.delegation_id === 'string')
        later(
          deps.onDelivered({ callerId: caller.workspaceId, targetId: target.id, message, reply }),
          'a delegation answer could not be stored',
        );
    },
  });
  const queue = createQueue({ db, events, activity, log, run: proxy.run, onOutcome: deps.onQueueOutcome });

  // A target that came online has room: what waits for it goes out now, not with the next beat.
  const unsubscribe = events.subscribe((frame) => {
    if (frame.event === 'WORKSPACE_ONLINE') queue.drain(frame.workspace_id);
  });

  return {
    proxy: proxy.run,
    drain: queue.drain,
    drainNow: queue.drainNow,
    findFinished: (delegations) => store.findFinished(db.kysely, delegations),
    async noteActive(workspaceId, messageIds) {
      await activity.noteActive(workspaceId, messageIds);
      for (const receipt of await store.markInjected(db.kysely, workspaceId, messageIds)) {
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
    },
    dropFor: queue.dropFor,
    loops: createQueueLoops({ db, queue, clock }),
    async close() {
      unsubscribe();
      await proxy.stop(0);
      await queue.close();
      while (background.size > 0) await Promise.allSettled([...background]);
    },
    mount(app, authorize) {
      // Callers are still connected here, so those whose turn outlasts the grace learn that their message is stored.
      app.addHook('preClose', () => proxy.stop(STOP_GRACE_MS));
      mountMessagingRoutes(app, authorize, { db, proxy, queue });
    },
  };
}
