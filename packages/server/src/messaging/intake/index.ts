// Accepting messages for later (chapter 20 §3): those of one moment are one commit, each sender is answered after it. Knows which
// messages must wait for an earlier one of their caller and context, and who has too many waiting already.

import { randomUUIDv7 } from 'node:crypto';
import type { Events } from '../../events/index.ts';
import { createBatcher, type Database } from '../../platform/db/index.ts';
import { PlatformError } from '../../platform/errors.ts';
import type { Attempt } from '../call.ts';
import { isObject } from '../json.ts';
import { callerKeyOf, laneOf } from './order.ts';
import * as store from './store.ts';

const RETRY_AFTER_SECONDS = 5;
/** The same message stored by several replicas at once is found again at the second look, unless it ended in between. */
const MOST_LOOKS = 5;

export interface IntakeDeps {
  db: Database;
  events: Pick<Events, 'hasPeers'>;
  /** How many messages of one caller may wait for one target. */
  limitPerCaller: number;
}

export interface Accepted {
  id: string;
  /** How many wait for the target; not counted beyond a thousand. */
  depth: number;
  /** An earlier one of the same caller and context goes first. */
  behind: boolean;
}

type Incoming = store.NewMessage & { bytes: number };

/** A positive whole number of seconds; anything else means that the message never expires. */
function expiryOf({ params }: Record<string, unknown>): number | null {
  const seconds = isObject(params) ? params.expires_in_seconds : null;
  return typeof seconds === 'number' && Number.isInteger(seconds) && seconds > 0 ? seconds : null;
}

function toMessage(attempt: Attempt, bodyHash: Buffer): Incoming {
  const { call, target, normalized } = attempt;
  return {
    id: randomUUIDv7(),
    workspaceId: target.id,
    callerId: call.caller.workspaceId,
    origin: call.caller.origin,
    callerKey: callerKeyOf(call.caller),
    lane: laneOf(attempt),
    body: normalized.body,
    bodyHash,
    method: normalized.method,
    messageId: normalized.messageId,
    expiresInSeconds: expiryOf(normalized.body),
    bytes: call.body.length,
  };
}

/** What makes two of them one message, as the table's unique index has it; one without an id is like no other. */
const identityOf = ({ id, workspaceId, callerKey, messageId, bodyHash }: store.NewMessage): string =>
  messageId === null ? id : `${workspaceId} ${callerKey} ${bodyHash.toString('hex')} ${messageId}`;

export function createIntake({ db, events, limitPerCaller }: IntakeDeps) {
  /** Targets that messages may wait for, while this process is the only one that stores any; null until it has looked. */
  let targets: Set<string> | null = null;
  /** Grows with each stored batch: what was read before says nothing of it. */
  let storedBatches = 0;

  async function insert(messages: store.NewMessage[]): Promise<(store.StoredMessage | null)[]> {
    const lanes = messages.flatMap(({ lane }) => lane ?? []);
    // Replicas that accept for one target at once would both count what waits for it without the other's.
    const targetsLocked = events.hasPeers() ? messages.map(({ workspaceId }) => workspaceId) : [];
    const locks = [...lanes, ...targetsLocked];
    if (locks.length === 0) return await store.insertMessages(db.kysely, messages, limitPerCaller);
    return await db.tx(async (trx) => {
      await store.lockLanes(trx, locks);
      return await store.insertMessages(trx, messages, limitPerCaller);
    });
  }

  async function insertAll(messages: store.NewMessage[]): Promise<store.StoredMessage[]> {
    const results = await insert(messages);
    for (let look = 1; look < MOST_LOOKS; look += 1) {
      const places = [...results.keys()].filter((place) => results[place] === null);
      if (places.length === 0) break;
      const again = await insert(places.map((place) => messages[place] as store.NewMessage));
      for (const [index, place] of places.entries()) results[place] = again[index] ?? null;
    }
    return results.map((result) => {
      if (!result) throw new Error('a message was neither stored nor found');
      return result;
    });
  }

  const accepting = createBatcher<Incoming, store.StoredMessage>({
    name: 'accepted messages',
    sizeOf: ({ bytes }) => bytes,
    async flush(messages) {
      const distinct = new Map<string, store.NewMessage>();
      for (const { bytes: _, ...message } of messages)
        if (!distinct.has(identityOf(message))) distinct.set(identityOf(message), message);
      const stored = await insertAll([...distinct.values()]);
      const results = new Map([...distinct.keys()].map((identity, index) => [identity, stored[index]]));
      storedBatches += 1;
      for (const { workspaceId } of messages) targets?.add(workspaceId);
      return messages.map((message) => results.get(identityOf(message)) as store.StoredMessage);
    },
  });

  const asking = createBatcher<{ workspaceId: string; lane: string }, store.OpenLane>({
    name: 'open lanes',
    async flush(asked) {
      const batchesBefore = storedBatches;
      const found = await store.findOpenLanes(db.kysely, asked);
      if (storedBatches === batchesBefore)
        for (const [index, { workspaceId }] of asked.entries())
          if (found[index]?.isTargetEmpty) targets?.delete(workspaceId);
      return found;
    },
  });

  async function knownTargets(): Promise<Set<string>> {
    while (targets === null) {
      const batchesBefore = storedBatches;
      const listed = await store.listTargets(db.kysely);
      if (storedBatches === batchesBefore) targets = new Set(listed);
    }
    return targets;
  }

  return {
    /**
     * Stored when it resolves; a message that waits already is found instead.
     * @throws queue_full when its caller has too many waiting for this target; nothing is stored then.
     */
    async accept(attempt: Attempt, bodyHash: Buffer): Promise<Accepted> {
      const { id, depth, behind } = await accepting.add(toMessage(attempt, bodyHash));
      if (id !== null) return { id, depth, behind };
      throw new PlatformError(
        'queue_full',
        `${limitPerCaller} messages of this caller wait for ${attempt.target.name} already; this one was not stored`,
        { limit: limitPerCaller, retry_after: RETRY_AFTER_SECONDS },
        { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } },
      );
    },
    /** An earlier message of the same caller and context has not ended: this one may not overtake it. */
    async mustWait(attempt: Attempt): Promise<boolean> {
      const lane = laneOf(attempt);
      if (lane === null) return false;
      const workspaceId = attempt.target.id;
      // Alone, this process knows of every message that is stored; else the store is asked.
      if (events.hasPeers()) targets = null;
      else if (!(await knownTargets()).has(workspaceId)) return false;
      return (await asking.add({ workspaceId, lane })).isOpen;
    },
  };
}

export type Intake = ReturnType<typeof createIntake>;
