// The event log of one replica: append in the caller's transaction, publish in commit order, broadcast what is not stored.
// The database is the truth and a notification only a hint: what is published is read by cursor (ruling R4).

import type { EventFrame, NewBroadcast, NewEvent } from '@molecule/contract';
import type { Transaction } from 'kysely';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import * as store from './store.ts';

const BROADCAST_CHANNEL = 'molecule_broadcasts';
/** PostgreSQL refuses payloads of 8000 bytes and more. */
const MOST_NOTIFY_BYTES = 7_500;
const MOST_KEPT_CHARACTERS = 200;
const PAGE = 500;
/** A replica that was heard within this time is taken to listen still. */
const PEER_MS = 60_000;
/** The others answer a greeting within milliseconds; whoever is slower is heard later. */
const UNSURE_MS = 5_000;

/** `fromPeer`: a broadcast of another replica. */
type Listener = (frame: EventFrame, fromPeer: boolean) => void;

export interface EventLog {
  append(trx: Transaction<Tables>, event: NewEvent): Promise<void>;
  broadcast(event: NewBroadcast): void;
  subscribe(listener: Listener): () => void;
  onWorkspace(workspaceId: string, listener: Listener): () => void;
  /** Whether other replicas are known to listen, or may; never on the embedded store. */
  hasPeers(): boolean;
  /** Calls back when this replica hears of others after it took itself to be alone. */
  onPeer(listener: () => void): () => void;
  /** Reads and publishes what the cursor has not seen. */
  catchUp(): Promise<number>;
  start(): Promise<void>;
  /** Tells the other replicas that this one listens; those that hear it for the first time answer. */
  greet(): Promise<void>;
  stop(): Promise<void>;
}

/** Tells a reader that it missed something: what it shows must be read anew. */
export const resyncFrame = (): EventFrame => ({
  event: 'RESYNC_REQUIRED',
  workspace_id: '',
  timestamp: new Date().toISOString(),
  payload: {},
});

export function toFrame(event: store.StoredEvent): EventFrame {
  return {
    event: event.event_type,
    workspace_id: event.workspace_id ?? '',
    timestamp: event.created_at.toISOString(),
    payload: event.payload,
    seq: event.seq,
  } as EventFrame;
}

/** Too large for a notification: ids and other short fields stay, and the activity row they name has the rest. Marked `truncated`. */
function shorten(payload: object): Record<string, unknown> {
  const short = Object.entries(payload).filter(
    ([, value]) => typeof value !== 'object' && String(value).length <= MOST_KEPT_CHARACTERS,
  );
  return { ...Object.fromEntries(short), truncated: true };
}

export interface EventLogDeps {
  db: Database;
  log: Logger;
  instanceId: string;
  /** Completes a broadcast that was too large to cross whole; null when what it mirrors is gone. */
  restore(frame: EventFrame): Promise<EventFrame | null>;
}

export function createEventLog({ db, log, instanceId, restore }: EventLogDeps): EventLog {
  const listeners = new Set<Listener>();
  const byWorkspace = new Map<string, Set<Listener>>();
  const peerListeners = new Set<() => void>();
  let cursor: number | null = null;
  let reading: Promise<number> | null = null;
  let again = false;
  let unlisten: (() => Promise<void>)[] = [];
  /** Until when somebody else is taken to listen. Alone, a broadcast need not cross the database; unsure, it does. */
  let peersUntil = 0;
  /** Broadcasts that wait for the other replicas; sent in one round trip. */
  let outgoing: string[] = [];
  let sending = false;
  /** Broadcasts of other replicas are published in the order they came, also when one must be completed first. */
  let receiving: Promise<void> = Promise.resolve();

  function publish(frame: EventFrame, fromPeer = false): void {
    for (const listener of listeners) deliver(listener, frame, fromPeer);
    for (const listener of byWorkspace.get(frame.workspace_id) ?? []) deliver(listener, frame, fromPeer);
  }

  /** One broken listener must not keep an event from the others. */
  function deliver(listener: Listener, frame: EventFrame, fromPeer: boolean): void {
    try {
      listener(frame, fromPeer);
    } catch (error) {
      log.error({ err: error, event: frame.event }, 'an event listener failed');
    }
  }

  async function readNew(): Promise<number> {
    let count = 0;
    do {
      again = false;
      for (;;) {
        const rows = await store.listAfter(db.kysely, cursor ?? 0, PAGE);
        for (const row of rows) {
          cursor = row.seq;
          publish(toFrame(row));
        }
        count += rows.length;
        if (rows.length < PAGE) break;
      }
    } while (again);
    return count;
  }

  function catchUp(): Promise<number> {
    if (cursor === null) return Promise.resolve(0);
    if (reading) {
      again = true;
      return reading;
    }
    reading = readNew().finally(() => {
      reading = null;
    });
    return reading;
  }

  const wake = () => {
    catchUp().catch((error: unknown) =>
      log.error({ err: error }, 'events could not be read; the next tick repeats it'),
    );
  };

  async function sendOutgoing(): Promise<void> {
    while (outgoing.length > 0) {
      const payloads = outgoing;
      outgoing = [];
      await store.notifyAll(db.kysely, BROADCAST_CHANNEL, payloads);
    }
  }

  const hasPeers = () => db.kind === 'postgres' && peersUntil >= Date.now();

  function relay(frame: EventFrame): void {
    if (!hasPeers()) return;
    const whole = JSON.stringify({ from: instanceId, frame });
    outgoing.push(
      Buffer.byteLength(whole) <= MOST_NOTIFY_BYTES
        ? whole
        : JSON.stringify({ from: instanceId, frame: { ...frame, payload: shorten(frame.payload) } }),
    );
    if (sending) return;
    sending = true;
    sendOutgoing()
      .catch((error: unknown) => log.warn({ err: error }, 'other replicas could not be told of a broadcast'))
      .finally(() => {
        sending = false;
      });
  }

  async function greet(): Promise<void> {
    if (db.kind === 'postgres')
      await store.notifyAll(db.kysely, BROADCAST_CHANNEL, [JSON.stringify({ from: instanceId })]);
  }

  /** Whoever was not known before may not know this one either. */
  function notePeer(): void {
    const isNew = peersUntil < Date.now();
    peersUntil = Date.now() + PEER_MS;
    if (!isNew) return;
    greet().catch((error: unknown) => log.warn({ err: error }, 'another replica could not be greeted'));
    for (const listener of peerListeners) listener();
  }

  async function publishForeign(frame: EventFrame): Promise<void> {
    const whole = (frame.payload as { truncated?: true }).truncated ? await restore(frame) : null;
    publish(whole ?? frame, true);
  }

  function receiveForeign(payload: string): void {
    if (payload === '') {
      notePeer();
      publish(resyncFrame());
      return;
    }
    const { from, frame } = JSON.parse(payload) as { from: string; frame?: EventFrame };
    if (from === instanceId) return;
    notePeer();
    if (!frame) return;
    receiving = receiving
      .then(() => publishForeign(frame))
      .catch((error: unknown) => {
        log.warn({ err: error, event: frame.event }, 'a broadcast of another replica could not be completed');
        publish(frame, true);
      });
  }

  return {
    append: store.appendEvent,
    broadcast(event) {
      const frame = { ...event, timestamp: new Date().toISOString() } as EventFrame;
      publish(frame);
      relay(frame);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onWorkspace(workspaceId, listener) {
      const known = byWorkspace.get(workspaceId) ?? new Set();
      byWorkspace.set(workspaceId, known.add(listener));
      return () => {
        known.delete(listener);
        if (known.size === 0) byWorkspace.delete(workspaceId);
      };
    },
    hasPeers,
    onPeer(listener) {
      peerListeners.add(listener);
      return () => peerListeners.delete(listener);
    },
    catchUp,
    greet,
    async start() {
      unlisten = [await db.listen(store.EVENTS_CHANNEL, wake)];
      if (db.kind === 'postgres') unlisten.push(await db.listen(BROADCAST_CHANNEL, receiveForeign));
      peersUntil = Date.now() + UNSURE_MS;
      await greet();
      cursor = (await store.readBounds(db.kysely)).last;
      // What was told while the cursor was read had no place to count from.
      wake();
    },
    async stop() {
      for (const end of unlisten) await end();
      await reading?.catch(() => undefined);
      await receiving;
      listeners.clear();
      byWorkspace.clear();
    },
  };
}
