// The queue of messages whose target was busy (chapter 20 §3): accepted when stored, delivered as soon as the target is free,
// under a lease that is renewed while the call is open and fences every outcome. How a message ends is queue-outcomes.ts' business.

import type { Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { PlatformError } from '../platform/errors.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import { endsTurn, type ProxyOutcome } from './call.ts';
import { type QueueRow, queueLifecycle } from './lifecycle.ts';
import type { A2aProxy } from './proxy.ts';
import type { QueueOutcomes } from './queue-outcomes.ts';
import type { Beat, Room } from './room.ts';
import * as store from './store.ts';

const TIMER_SLACK_MS = 5;
/** However much room a target tells of. */
const MOST_CLAIMED_AT_ONCE = 100;

export interface QueueDeps {
  db: Database;
  events: Events;
  log: Logger;
  run: A2aProxy['run'];
  outcomes: QueueOutcomes;
  room: Room;
}

export function createQueue({ db, events, log, run, outcomes, room }: QueueDeps) {
  const claiming = new Set<string>();
  const claimAgain = new Map<string, store.Occasion>();
  const openLeases = new Set<string>();
  /** Targets of messages that were answered, by message, until their end is stored: their turns take no room any more. */
  const answered = new Map<string, string>();
  /** Deliveries under way, by workspace. */
  const deliveries = new Map<string, Set<Promise<unknown>>>();
  /** Targets this process has stored messages for, and how many; may name some whose queue is empty by now. */
  const waitedFor = new Map<string, number>();
  let asked = new Map<string, store.Occasion>();
  let asking: Promise<void> | null = null;
  let closed = false;

  function knownOf(workspaceId: string): store.Known {
    const ids = [...answered].flatMap(([id, target]) => (target === workspaceId ? id : []));
    return { over: room.overSinceBeat(workspaceId), answered: ids };
  }

  async function claimOne(workspaceId: string, occasion: store.Occasion): Promise<store.Claimed | null> {
    if (!events.hasPeers()) return await store.claimNext(db.kysely, workspaceId, occasion, knownOf(workspaceId));
    return await db.tx(async (trx) => {
      // Two replicas that claim at once would both count on the same room.
      await store.lockClaims(trx, workspaceId);
      return await store.claimNext(trx, workspaceId, occasion, knownOf(workspaceId));
    });
  }

  /** As many as the target has room for. @returns how many. */
  async function claim(workspaceId: string, occasion: store.Occasion): Promise<number> {
    const claimed: store.Claimed[] = [];
    try {
      for (let left = 1; left > 0 && claimed.length < MOST_CLAIMED_AT_ONCE; ) {
        const startedAt = performance.now();
        const next = await claimOne(workspaceId, occasion);
        if (!next) break;
        claimed.push(next);
        left = next.room - 1;
        if (left === 0) room.noteUsedUp(workspaceId, startedAt);
      }
    } finally {
      // Not before the last claim: one that comes back at once would be claimed again. What is claimed goes out, whatever failed since.
      for (const item of claimed) beginDelivery(item);
    }
    return claimed.length;
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
      const isOver = endsTurn(outcome);
      if (isOver) {
        answered.set(item.id, item.workspace_id);
        room.noteEnded(item.workspace_id, startedAt, item.idempotency_key);
        drain(item.workspace_id, 'room');
      }
      // The agent had its time and is still at it: nobody waits for the end of that. A timer may be a moment early.
      const limitMs = (item.timeout_seconds ?? Number.POSITIVE_INFINITY) * 1000 - TIMER_SLACK_MS;
      if (outcome.kind === 'busy' && performance.now() - startedAt >= limitMs)
        await outcomes.giveUp(item, `no answer within ${item.timeout_seconds} seconds`);
      else if ((await outcomes.settle(item, outcome)) && !(isOver && item.lane === null))
        drain(item.workspace_id, 'room');
    } finally {
      answered.delete(item.id);
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
   * Claims what the target has room for; the deliveries go on by themselves. One that comes back at once, from a target that is busy
   * after all, is not tried again before the next word of room.
   */
  async function claimAll(workspaceId: string, first: store.Occasion): Promise<number> {
    if (claiming.has(workspaceId)) {
      claimAgain.set(workspaceId, first);
      return 0;
    }
    let count = 0;
    claiming.add(workspaceId);
    try {
      for (let occasion: store.Occasion | undefined = first; occasion; occasion = claimAgain.get(workspaceId)) {
        claimAgain.delete(workspaceId);
        if (!closed) count += await claim(workspaceId, occasion);
      }
    } catch (error) {
      log.error({ err: error, workspace_id: workspaceId }, 'a queue could not be drained; the sweep repeats it');
    } finally {
      claiming.delete(workspaceId);
      claimAgain.delete(workspaceId);
    }
    return count;
  }

  async function answerAsked(): Promise<void> {
    while (asked.size > 0 && !closed) {
      const occasions = [...asked];
      asked = new Map();
      const [[id, occasion] = ['', 'due' as const], ...others] = occasions;
      // One alone is claimed for at once: most often something waits for it.
      if (others.length === 0 && (await claimAll(id, occasion)) > 0) continue;
      const storedBefore = new Map(occasions.map(([one]) => [one, waitedFor.get(one)]));
      const waiting = new Set(await store.listWaiting(db.kysely, [...storedBefore.keys()]));
      // Not one that a message was stored for since the look began.
      for (const [one, count] of storedBefore)
        if (!waiting.has(one) && waitedFor.get(one) === count) waitedFor.delete(one);
      if (others.length > 0)
        await Promise.all(occasions.map(([one, why]) => (waiting.has(one) ? claimAll(one, why) : 0)));
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
    /** A call that began at `since` was answered, so its target has room: for what waits, here or as another replica stored it. */
    noteAnswered(workspaceId: string, since: number, messageId: string | null): void {
      room.noteEnded(workspaceId, since, messageId);
      if (waitedFor.has(workspaceId) || events.hasPeers()) drain(workspaceId, 'room');
    },
    /** Its count is stored. */
    noteBeat(workspaceId: string, beat: Beat, hasWaiting: boolean): void {
      room.noteBeat(workspaceId, beat);
      if (hasWaiting && !waitedFor.has(workspaceId)) waitedFor.set(workspaceId, 0);
    },
    /** All of a beat is stored, here or by another replica that may have looked at the queue just before this one stored a message. */
    drainAfterBeat(workspaceId: string): void {
      if (waitedFor.has(workspaceId)) drain(workspaceId, 'room');
    },
    /** A message was stored of a call that began at `since`: a turn may have ended in the meantime. */
    noteStored(workspaceId: string, since: number): void {
      waitedFor.set(workspaceId, (waitedFor.get(workspaceId) ?? 0) + 1);
      if (room.heardSince(workspaceId, since)) drain(workspaceId, 'room');
    },
    /** What comes for this target now is stored without asking it. */
    isFull: (workspaceId: string): boolean => room.isFull(workspaceId, waitedFor.has(workspaceId)),
    forget(workspaceId: string): void {
      room.forget(workspaceId);
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
