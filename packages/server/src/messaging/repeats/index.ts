// Idempotent sends (chapter 20 §1.11): a message whose id its caller gave is executed once, wherever and whenever it comes again.
// A repeat joins the call under way, on this replica or another, or gets what is stored of the first; else it is a call of its own.
// When the store cannot say, the message goes out: receivers know their messages again, and a store that is down must stop none.

import type { Events } from '../../events/index.ts';
import type { Clock } from '../../platform/clock.ts';
import { createBatcher, type Database } from '../../platform/db/index.ts';
import { startDeadline } from '../../platform/deadline.ts';
import type { Logger } from '../../platform/log.ts';
import type { Loop } from '../../platform/loops.ts';
import type { Metrics } from '../../platform/metrics.ts';
import type { Presence } from '../../platform/presence.ts';
import { type Attempt, busyError, type ProxyCall, type ProxyOutcome } from '../call.ts';
import { outcomeOf, toRepeat } from './answers.ts';
import { createClaims, WaitOverError } from './claims.ts';
import { createMemory } from './memory.ts';
import { createOpenCalls, type OpenCall } from './open-calls.ts';
import * as store from './store.ts';

export interface RepeatsDeps {
  db: Database;
  events: Pick<Events, 'hasPeers' | 'onPeer'>;
  presence: Presence;
  metrics: Metrics;
  log: Logger;
  clock: Clock;
  /** How long a call may take in all, in milliseconds; null = as long as it takes. */
  ceilingFor(call: ProxyCall): number | null;
}

type Deliver = (attempt: Attempt) => Promise<ProxyOutcome>;

/** A repeat finds what such an outcome says in the log, as soon as it is written. */
const isAnswer = (outcome: ProxyOutcome) =>
  outcome.kind === 'answered' || (outcome.kind === 'streamed' && !outcome.broken);

export function createRepeats({ db, events, presence, metrics, log, clock, ceilingFor }: RepeatsDeps) {
  const calls = createOpenCalls();
  const claims = createClaims({ db, events, presence, log, listOpen: calls.list });
  const memory = createMemory({ db, events, clock, listOpen: calls.list });
  const lookups = createBatcher<Attempt, store.Known | null>({
    name: 'repeats',
    sizeOf: ({ call }) => call.body.length,
    flush: findKnown,
  });

  async function findKnown(attempts: Attempt[]): Promise<(store.Known | null)[]> {
    const results = attempts.map((): store.Known | null => null);
    const places = await store.listHeardOf(db.kysely, attempts);
    if (places.length === 0) return results;
    const heardOf = places.map((place) => attempts[place] as Attempt);
    for (const known of await store.listKnown(db.kysely, heardOf)) results[places[known.place] as number] = known;
    return results;
  }

  function leftOf({ call, startedAt }: Attempt): number | null {
    const ceilingMs = ceilingFor(call);
    return ceilingMs === null ? null : ceilingMs - (performance.now() - startedAt);
  }

  /** @returns null when nothing is stored and no other replica is at it. */
  async function findEarlier(attempt: Attempt): Promise<store.Known | null> {
    for (;;) {
      const elsewhere = await claims.take(attempt);
      // After the claim, for whoever held it before let go of it when its answer was stored.
      const known = await lookups.add(attempt);
      if (known || !elsewhere) return known;
      await elsewhere.change(leftOf(attempt));
    }
  }

  async function findOutcome(attempt: Attempt): Promise<ProxyOutcome | null> {
    try {
      const known = await findEarlier(attempt);
      return known && toRepeat(outcomeOf(known, attempt), attempt);
    } catch (error) {
      if (error instanceof WaitOverError) throw busyError(false);
      log.error(
        { err: error, workspace_id: attempt.target.id },
        'whether a message is a repeat could not be looked up; it is delivered',
      );
      metrics.failOpen.inc({ check: 'repeat' });
      return null;
    }
  }

  /** The call of somebody else takes as long as it takes; this caller may have set a time of its own. */
  async function join(first: Promise<ProxyOutcome>, attempt: Attempt): Promise<ProxyOutcome> {
    const leftMs = leftOf(attempt);
    if (leftMs === null) return await first;
    const over = Promise.withResolvers<never>();
    const deadline = startDeadline({
      silenceMs: leftMs,
      ceilingMs: null,
      onExpire: () => over.reject(busyError(false)),
    });
    return await Promise.race([first, over.promise]).finally(deadline.cancel);
  }

  function forget(call: OpenCall, attempt: Attempt): void {
    calls.remove(call);
    claims.release(attempt);
  }

  return {
    /** Runs the call, unless it is a repeat: its caller gets the outcome of the first then. */
    async once(attempt: Attempt, deliver: Deliver): Promise<ProxyOutcome> {
      // What is logged by somebody else, or carries an id made here, cannot be asked for again.
      if (!attempt.normalized.hasOwnId || !attempt.call.logActivity) return await deliver(attempt);
      const first = calls.find(attempt)?.outcome;
      if (first) return toRepeat(await join(first, attempt), attempt);
      const outcome = memory.isNew(attempt)
        ? deliver(attempt)
        : findOutcome(attempt).then((known) => known ?? deliver(attempt));
      const call = calls.add(attempt, outcome);
      try {
        const settled = await outcome;
        if (isAnswer(settled) && attempt.logged) void attempt.logged.then(() => forget(call, attempt));
        else forget(call, attempt);
        return settled;
      } catch (error) {
        forget(call, attempt);
        throw error;
      }
    },
    /** The row of this message is about to be stored, although no call of this process made it. */
    note: memory.note,
    /** Callers that wait for another replica are told to come again. */
    stop: claims.stop,
    async close(): Promise<void> {
      memory.close();
      await claims.close();
    },
    loops: [
      memory.loop,
      {
        name: 'a2a-claims-retention',
        why: 'Claims of replicas that were killed would be kept for ever.',
        everyMs: 3_600_000,
        timeoutMs: 20_000,
        runs: 'one-replica',
        run: async () => ({ deleted: await store.dropAbandoned(db.kysely) }),
      } satisfies Loop,
    ],
  };
}

export type Repeats = ReturnType<typeof createRepeats>;
