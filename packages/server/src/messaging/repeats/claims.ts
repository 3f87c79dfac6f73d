// Which replica works on a message, told to the others by a row that lives with the call (chapter 20 §1.11). A replica that is alone
// writes none: it claims what it has under way when it hears of another. The claims of a killed replica end with its presence.

import { randomUUID } from 'node:crypto';
import type { Events } from '../../events/index.ts';
import { createBatcher, type Database } from '../../platform/db/index.ts';
import { startDeadline } from '../../platform/deadline.ts';
import type { Logger } from '../../platform/log.ts';
import type { Presence } from '../../platform/presence.ts';
import type { Attempt } from '../call.ts';
import { digestOf } from './identity.ts';
import * as store from './store.ts';

/** The end of a call is notified; of a replica that was killed, or a notification that got lost, only looking again tells. */
const LOOK_AGAIN_MS = 2_000;

export class WaitOverError extends Error {}

export interface ClaimsDeps {
  db: Database;
  events: Pick<Events, 'hasPeers' | 'onPeer'>;
  presence: Presence;
  log: Logger;
  /** The calls of this replica a repeat could come to. */
  listOpen(): Attempt[];
}

/** Another replica is at it. */
export interface HeldElsewhere {
  /**
   * Resolves when it is worth looking again.
   * @param mostMs how long the caller may still wait; null = as long as it takes.
   * @throws WaitOverError when that time is over, or this platform stops.
   */
  change(mostMs: number | null): Promise<void>;
}

export function createClaims({ db, events, presence, log, listOpen }: ClaimsDeps) {
  const held = new Map<Attempt, store.Claim>();
  const waiting = new Map<string, () => void>();
  let listening: Promise<() => Promise<void>> | null = null;
  let stopped = false;

  const taking = createBatcher<store.Claim, boolean>({
    name: 'claims of calls',
    async flush(claims) {
      await presence.assert();
      const mine = await store.claim(db.kysely, presence.holder, claims);
      return claims.map((claim) => mine.has(store.keyText(claim)));
    },
  });
  const releasing = createBatcher<store.Claim, null>({
    name: 'ended claims of calls',
    async flush(claims) {
      await store.release(db.kysely, claims);
      return claims.map(() => null);
    },
  });

  const claimFor = (attempt: Attempt): store.Claim => ({ key: digestOf(attempt), token: randomUUID() });

  /** A claim that stays behind keeps repeats waiting for as long as this replica lives, and no longer than their own time. */
  function letGo(claim: store.Claim): void {
    releasing
      .add(claim)
      .catch((error: unknown) => log.error({ err: error }, 'other replicas could not be told that a call is over'));
  }

  function wakeAll(): void {
    for (const wake of waiting.values()) wake();
  }

  async function listen(): Promise<void> {
    listening ??= db
      .listen(store.CLAIMS_CHANNEL, (key) => (key === '' ? wakeAll() : waiting.get(key)?.()))
      .catch((error: unknown) => {
        listening = null;
        throw error;
      });
    await listening;
  }

  /** For a call that began when this replica was alone. */
  async function claimOpen(attempt: Attempt): Promise<void> {
    const claim = claimFor(attempt);
    if (!(await taking.add(claim))) return;
    if (listOpen().includes(attempt) && !held.has(attempt)) held.set(attempt, claim);
    else letGo(claim);
  }

  const forgetPeers = events.onPeer(() => {
    for (const attempt of listOpen())
      if (!held.has(attempt))
        claimOpen(attempt).catch((error: unknown) =>
          log.error({ err: error }, 'another replica could not be told of a call under way'),
        );
  });

  return {
    /** @returns null when the message is this replica's to deliver, as far as other replicas are concerned. */
    async take(attempt: Attempt): Promise<HeldElsewhere | null> {
      if (!events.hasPeers()) return null;
      await listen();
      const claim = claimFor(attempt);
      const key = store.keyText(claim);
      // Before the claim is tried: the end of the call may be told before the answer to that arrives.
      const changed = Promise.withResolvers<void>();
      waiting.set(key, changed.resolve);
      const isMine = await taking.add(claim).catch((error: unknown) => {
        waiting.delete(key);
        throw error;
      });
      if (isMine) {
        waiting.delete(key);
        held.set(attempt, claim);
        return null;
      }
      return {
        async change(mostMs) {
          const waitMs = Math.min(LOOK_AGAIN_MS, mostMs ?? LOOK_AGAIN_MS);
          const deadline = startDeadline({ silenceMs: waitMs, ceilingMs: null, onExpire: () => changed.resolve() });
          if (stopped || waitMs <= 0) changed.resolve();
          await changed.promise;
          deadline.cancel();
          waiting.delete(key);
          if (stopped || waitMs <= 0) throw new WaitOverError();
        },
      };
    },
    /** The call is over, and what it left can be read. */
    release(attempt: Attempt): void {
      const claim = held.get(attempt);
      if (!claim) return;
      held.delete(attempt);
      letGo(claim);
    },
    /** Nobody waits for another replica any longer. */
    stop(): void {
      stopped = true;
      wakeAll();
    },
    async close(): Promise<void> {
      forgetPeers();
      await releasing.idle();
      const unlisten = await listening?.catch(() => null);
      await unlisten?.();
    },
  };
}
