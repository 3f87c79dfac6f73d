// WebSocket clients: who sees what, bounded queues, replay by `since_seq`. One slow client never blocks another.

import type { WebSocket } from '@fastify/websocket';
import type { EventFrame } from '@molecule/contract';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import { type EventLog, resyncFrame, toFrame } from './log.ts';
import * as store from './store.ts';

const MOST_QUEUED = 256;
const MOST_BUFFERED_BYTES = 4 * 1024 * 1024;
const MOST_REPLAYED = 1_000;
const PING_MS = 30_000;
const SILENCE_MS = 60_000;

export interface SocketDeps {
  db: Database;
  events: EventLog;
  metrics: Metrics;
  log: Logger;
  clock: Clock;
  canCommunicate(a: string, b: string): Promise<boolean>;
}

export interface Viewer {
  /** Null: a canvas, which sees everything. */
  workspaceId: string | null;
  sinceSeq: number | undefined;
  /** Asked now and then: false once the credential that opened the socket is gone. */
  isStillAllowed(): Promise<boolean>;
}

interface Client extends Viewer {
  socket: WebSocket;
  lastPingAt: number;
  lastPongAt: number;
  /** The last number a replay settled; it may be ahead of what this replica has published. */
  replayedTo: number;
  queue: EventFrame[];
  /** Something takes frames from the queue, or the missed ones are still being read. */
  busy: boolean;
  /** A frame did not fit; the client is told as soon as there is room. */
  lagging: boolean;
}

export interface Sockets {
  accept(socket: WebSocket, viewer: Viewer): void;
  /** Pings, and drops clients that stopped answering or lost their right; the supervisor calls it. */
  sweep(): Promise<number>;
  close(): void;
}

export function createSockets({ db, events, metrics, log, clock, canCommunicate }: SocketDeps): Sockets {
  const clients = new Set<Client>();

  /** Resolves when the frame has left; rejects when the socket is gone. */
  function send(client: Client, frame: EventFrame): Promise<void> {
    return new Promise((resolve, reject) =>
      client.socket.send(JSON.stringify(frame), (error) => (error ? reject(error) : resolve())),
    );
  }

  const isNews = (client: Client, frame: EventFrame) => frame.seq === undefined || frame.seq > client.replayedTo;

  async function isVisible(client: Client, frame: EventFrame): Promise<boolean> {
    if (client.workspaceId === null || frame.workspace_id === '' || frame.workspace_id === client.workspaceId)
      return true;
    return await canCommunicate(client.workspaceId, frame.workspace_id);
  }

  /** The queue of one client, frame by frame in order. A socket that does not take them lets the queue fill, and no more. */
  async function drain(client: Client): Promise<void> {
    client.busy = true;
    try {
      for (;;) {
        if (client.queue.length === 0 && client.lagging) {
          client.lagging = false;
          client.queue.push(resyncFrame());
        }
        const frame = client.queue.shift();
        if (!frame || client.socket.readyState !== client.socket.OPEN) break;
        if (isNews(client, frame) && (await isVisible(client, frame))) await send(client, frame);
      }
    } catch (error) {
      log.debug({ err: error }, 'an event socket failed while it was written to');
      client.socket.terminate();
    } finally {
      client.busy = false;
    }
  }

  /** A client that reads costs no waiting; for the others a place in the queue, and beyond it the frame is dropped. */
  function offer(client: Client, frame: EventFrame, text: string): void {
    const { socket } = client;
    if (!isNews(client, frame)) return;
    if (!client.busy && client.workspaceId === null && socket.bufferedAmount < MOST_BUFFERED_BYTES) {
      if (socket.readyState === socket.OPEN) socket.send(text);
      return;
    }
    if (client.queue.length >= MOST_QUEUED) {
      client.lagging = true;
      return;
    }
    client.queue.push(frame);
    if (!client.busy) void drain(client);
  }

  events.subscribe((frame) => {
    if (clients.size === 0) return;
    const text = JSON.stringify(frame);
    for (const client of clients) offer(client, frame, text);
  });

  /** What a client missed, null when that is too much or unknown, and up to which number that settles it. */
  async function readMissed(sinceSeq: number): Promise<{ frames: EventFrame[] | null; upTo: number }> {
    const { first, last } = await store.readBounds(db.kysely);
    // Ahead of the log: it belongs to another database. Behind its first row: the rows between were pruned.
    if (sinceSeq > last || (sinceSeq > 0 && first > sinceSeq + 1)) return { frames: null, upTo: last };
    const missed = await store.listAfter(db.kysely, sinceSeq, MOST_REPLAYED + 1);
    if (missed.length > MOST_REPLAYED) return { frames: null, upTo: last };
    return { frames: missed.map(toFrame), upTo: missed.at(-1)?.seq ?? sinceSeq };
  }

  /** Live frames wait in the queue meanwhile; those that the replay has settled already are no news. */
  async function replay(client: Client, sinceSeq: number): Promise<void> {
    const { frames, upTo } = await readMissed(sinceSeq);
    client.replayedTo = upTo;
    if (frames === null) {
      // Who reads everything anew has missed nothing of what came until now.
      client.queue = [];
      client.lagging = true;
    } else for (const frame of frames) if (await isVisible(client, frame)) await send(client, frame);
    await drain(client);
  }

  async function keepsPlace(client: Client): Promise<boolean> {
    const now = clock.now();
    if (now - client.lastPongAt > SILENCE_MS) return false;
    if (now - client.lastPingAt >= PING_MS && client.socket.readyState === client.socket.OPEN) {
      client.lastPingAt = now;
      client.socket.ping();
    }
    return await client.isStillAllowed();
  }

  return {
    accept(socket, viewer) {
      const now = clock.now();
      const client: Client = {
        ...viewer,
        socket,
        lastPingAt: now,
        lastPongAt: now,
        replayedTo: 0,
        queue: [],
        busy: viewer.sinceSeq !== undefined,
        lagging: false,
      };
      clients.add(client);
      metrics.sockets.set(clients.size);
      socket.on('pong', () => {
        client.lastPongAt = clock.now();
      });
      socket.on('close', () => {
        clients.delete(client);
        metrics.sockets.set(clients.size);
      });
      socket.on('error', (error) => log.debug({ err: error }, 'an event socket failed'));
      if (viewer.sinceSeq === undefined) return;
      replay(client, viewer.sinceSeq).catch((error: unknown) => {
        log.error({ err: error }, 'missed events could not be replayed');
        socket.close(1011, 'replay failed');
      });
    },
    async sweep() {
      let dropped = 0;
      for (const client of [...clients]) {
        if (await keepsPlace(client)) continue;
        client.socket.terminate();
        dropped += 1;
      }
      return dropped;
    },
    close() {
      for (const client of clients) client.socket.close(1001, 'the platform is stopping');
    },
  };
}
