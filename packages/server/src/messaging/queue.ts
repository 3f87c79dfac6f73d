// The queue of messages whose target was busy (chapter 20 §3): accepted when stored, delivered as soon as the target is free,
// under a lease that is renewed while the call is open and fences every outcome. How a message ends is queue-outcomes.ts' business.

import type { Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { PlatformError } from '../platform/errors.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import type { ProxyOutcome } from './call.ts';
import { type QueueRow, queueLifecycle } from './lifecycle.ts';
import type { A2aProxy } from './proxy.ts';
import type { QueueOutcomes } from './queue-outcomes.ts';
import * as store from './store.ts';

const TIMER_SLACK_MS = 5;

export interface QueueDeps {
  db: Database;
  events: Events;
  log: Logger;
  run: A2aProxy['run'];
  outcomes: QueueOutcomes;
}

export function createQueue({ db, events, log, run, outcomes }: QueueDeps) {
  const claiming = new Set<string>();
  const claimAgain = new Map<string, store.Occasion>();
  const openLeases = new Set<string>();
  /** Deliveries under way, by workspace. */
  const deliveries = new Map<string, Set<Promise<unknown>>>();
  /** Targets this process has stored messages for; may name some whose queue is empty by now. */
  const waitedFor = new Set<string>();
  /** When each target last told of itself, by `performance.now()`. */
  const lastBeats = new Map<string, number>();
  let asked = new Map<string, store.Occasion>();
  let asking: Promise<void> | null = null;
  let closed = false;

  async function claim(
    workspaceId: string,
    occasion: store.Occasion,
    except: readonly string[],
  ): Promise<QueueRow | null> {
    return await db.tx(async (trx) => {
      const id = await store.lockClaimable(trx, workspaceId, occasion, except);
      return id === null
        ? null
        : await applyTransition(trx, events.append, queueLifecycle, 'claim', id, { patch: store.freshLease() });
    });
  }

  async function deliver(item: QueueRow): Promise<void> {
    const token = item.lease_token as string;
    openLeases.add(token);
    try {
      const startedAt = performance.now();
      const outcome = await run({
        targetId: item.workspace_id,
        body: Buffer.from(JSON.stringify(item.body)),
        caller: { workspaceId: item.caller_id, origin: item.origin },
        trusted: true,
        timeoutSeconds: item.timeout_seconds,
        enqueueOnBusy: false,
        logActivity: false,
      }).catch((error: unknown): ProxyOutcome => {
        if (error instanceof PlatformError) return { kind: 'failed', error, normalized: null };
        throw error;
      });
      // The agent had its time and is still at it: nobody waits for the end of that. A timer may be a moment early.
      const limitMs = (item.timeout_seconds ?? Number.POSITIVE_INFINITY) * 1000 - TIMER_SLACK_MS;
      if (outcome.kind === 'busy' && performance.now() - startedAt >= limitMs)
        await outcomes.giveUp(item, `no answer within ${item.timeout_seconds} seconds`);
      else if (await outcomes.settle(item, outcome)) drain(item.workspace_id, 'room');
    } finally {
      openLeases.delete(token);
    }
  }

  function beginDelivery(item: QueueRow): void {
    const { workspace_id: workspaceId } = item;
    const open = deliveries.get(workspaceId) ?? new Set();
    deliveries.set(workspaceId, open);
    const delivery = deliver(item)
      .catch((error: unknown) =>
        log.error({ err: error, queue_id: item.id }, 'a delivery broke off; the message is free when its lease ends'),
      )
      .finally(() => {
        open.delete(delivery);
        if (open.size === 0) deliveries.delete(workspaceId);
      });
    open.add(delivery);
  }

  /**
   * Claims as much as the target has room for, one claim after the other; the deliveries go on by themselves. One that comes back
   * at once, from a target that is busy after all, is not tried again before the next word of room.
   */
  async function claimAll(workspaceId: string, first: store.Occasion): Promise<void> {
    if (claiming.has(workspaceId)) return void claimAgain.set(workspaceId, first);
    claiming.add(workspaceId);
    try {
      for (let occasion: store.Occasion | undefined = first; occasion; occasion = claimAgain.get(workspaceId)) {
        claimAgain.delete(workspaceId);
        const tried: string[] = [];
        for (;;) {
          const item = closed ? null : await claim(workspaceId, occasion, tried);
          if (!item) break;
          tried.push(item.id);
          beginDelivery(item);
        }
      }
    } finally {
      claiming.delete(workspaceId);
      claimAgain.delete(workspaceId);
    }
  }

  async function answerAsked(): Promise<void> {
    while (asked.size > 0 && !closed) {
      const occasions = asked;
      asked = new Map();
      const waiting = new Set(await store.listWaiting(db.kysely, [...occasions.keys()]));
      for (const id of occasions.keys()) if (!waiting.has(id)) waitedFor.delete(id);
      await Promise.all(
        [...waiting].map((id) =>
          claimAll(id, occasions.get(id) ?? 'due').catch((error: unknown) =>
            log.error({ err: error, workspace_id: id }, 'a queue could not be drained; the sweep repeats it'),
          ),
        ),
      );
    }
  }

  function answerSoon(): void {
    asking ??= Promise.resolve()
      .then(answerAsked)
      .catch((error: unknown) =>
        log.error({ err: error }, 'waiting messages could not be looked up; the sweep repeats it'),
      )
      .finally(() => {
        asking = null;
        // Somebody may have asked after the last look and before this line.
        if (asked.size > 0 && !closed) answerSoon();
      });
  }

  /** Detached. Requests of the same moment cost one query; word of room counts for more than a look at the clock. */
  function drain(workspaceId: string, occasion: store.Occasion): void {
    if (closed) return;
    if (asked.get(workspaceId) !== 'room') asked.set(workspaceId, occasion);
    answerSoon();
  }

  /** Resolves when no drain and no delivery is under way. */
  async function idle(): Promise<void> {
    while (asking || deliveries.size > 0) {
      await asking;
      await Promise.all([...deliveries.values()].flatMap((open) => [...open]));
    }
  }

  return {
    drain,
    /** Stored and held by this process from the start: delivered by `begin`, and by whoever recovers its lease if that never comes. */
    async acceptIn(trx: Transaction<Tables>, message: store.PlatformMessage): Promise<QueueRow> {
      const id = await store.insertPlatformMessage(trx, message);
      const patch = store.freshLease();
      const row = await applyTransition(trx, events.append, queueLifecycle, 'claim', id, { patch });
      if (!row) throw new Error('a message that was just stored could not be claimed');
      return row;
    },
    /** Detached. Left to the recovery of leases when the platform is stopping. */
    begin(item: QueueRow): void {
      if (!closed) beginDelivery(item);
    },
    /** A call was answered, so its target has room: for what waits, if anything does. */
    noteAnswered(workspaceId: string): void {
      if (waitedFor.has(workspaceId)) drain(workspaceId, 'room');
    },
    /** Also of a beat another replica took: it may have looked at the queue just before this one stored a message. */
    noteBeat(workspaceId: string): void {
      lastBeats.set(workspaceId, performance.now());
      if (waitedFor.has(workspaceId)) drain(workspaceId, 'room');
    },
    /** A message was stored that its target refused in a call begun at `since`; a turn may have ended in the meantime. */
    noteStored(workspaceId: string, since: number): void {
      waitedFor.add(workspaceId);
      if ((lastBeats.get(workspaceId) ?? 0) > since) drain(workspaceId, 'room');
    },
    forget(workspaceId: string): void {
      lastBeats.delete(workspaceId);
      waitedFor.delete(workspaceId);
    },
    idle,
    renewLeases: async () => (openLeases.size === 0 ? 0 : await store.renewLeases(db.kysely, [...openLeases])),
    async close(): Promise<void> {
      closed = true;
      await idle();
    },
  };
}

export type Queue = ReturnType<typeof createQueue>;
