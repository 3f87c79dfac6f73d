// WebSocket clients: who sees what, bounded buffers, replay by `since_seq`. One slow client never blocks another.

import type { WebSocket } from '@fastify/websocket';
import type { EventFrame } from '@molecule/contract';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Principal } from '../platform/principal.ts';
import { type EventLog, toFrame } from './log.ts';
import * as store from './store.ts';

const MOST_BUFFERED_BYTES = 256 * 16 * 1024;
const MOST_REPLAYED = 1_000;
const PING_MS = 30_000;
const SILENCE_MS = 60_000;

export interface SocketDeps {
  db: Database;
  events: EventLog;
  metrics: Metrics;
  log: Logger;
  canCommunicate(a: string, b: string): Promise<boolean>;
}

interface Client {
  socket: WebSocket;
  /** Null: a canvas, which sees everything. */
  workspaceId: string | null;
  lastPong: number;
  /** Frames that arrive while the missed ones are read; null afterwards. */
  backlog: EventFrame[] | null;
  sending: Promise<void>;
}

const resync = (): EventFrame => ({
  event: 'RESYNC_REQUIRED',
  workspace_id: '',
  timestamp: new Date().toISOString(),
  payload: {},
});

export interface Sockets {
  accept(socket: WebSocket, principal: Principal, sinceSeq: number | undefined): void;
  /** Drops clients that stopped answering; the supervisor calls it. */
  sweep(): number;
  close(): void;
}

export function createSockets({ db, events, metrics, log, canCommunicate }: SocketDeps): Sockets {
  const clients = new Set<Client>();

  function write(client: Client, text: string): void {
    // A client that does not read loses frames; it notices the gap in `seq` and asks again.
    if (client.socket.readyState !== 1 || client.socket.bufferedAmount > MOST_BUFFERED_BYTES) return;
    client.socket.send(text);
  }

  /** Filters keep the order of frames: each waits for the one before. */
  function offer(client: Client, frame: EventFrame, text: string): void {
    if (client.backlog) return void client.backlog.push(frame);
    if (client.workspaceId === null || frame.workspace_id === '') return write(client, text);
    const own = client.workspaceId;
    client.sending = client.sending.then(async () => {
      if (frame.workspace_id === own || (await canCommunicate(own, frame.workspace_id))) write(client, text);
    });
  }

  events.subscribe((frame) => {
    if (clients.size === 0) return;
    const text = JSON.stringify(frame);
    for (const client of clients) offer(client, frame, text);
  });

  async function replay(client: Client, sinceSeq: number): Promise<void> {
    const { first, last } = await store.readBounds(db.kysely);
    const missed = sinceSeq >= last ? [] : await store.listAfter(db.kysely, sinceSeq, MOST_REPLAYED + 1);
    const pruned = sinceSeq > 0 && first > sinceSeq + 1;
    const frames = pruned || missed.length > MOST_REPLAYED ? [resync()] : missed.map(toFrame);
    const sent = frames.at(-1)?.seq ?? sinceSeq;
    const waiting = client.backlog ?? [];
    client.backlog = null;
    for (const frame of frames) offer(client, frame, JSON.stringify(frame));
    for (const frame of waiting)
      if (frame.seq === undefined || frame.seq > sent) offer(client, frame, JSON.stringify(frame));
  }

  return {
    accept(socket, principal, sinceSeq) {
      const client: Client = {
        socket,
        workspaceId: principal.kind === 'workspace' ? principal.workspaceId : null,
        lastPong: Date.now(),
        backlog: sinceSeq === undefined ? null : [],
        sending: Promise.resolve(),
      };
      clients.add(client);
      metrics.sockets.set(clients.size);
      socket.on('pong', () => {
        client.lastPong = Date.now();
      });
      socket.on('close', () => {
        clients.delete(client);
        metrics.sockets.set(clients.size);
      });
      socket.on('error', (error) => log.debug({ err: error }, 'an event socket failed'));
      if (sinceSeq === undefined) return;
      replay(client, sinceSeq).catch((error: unknown) => {
        log.error({ err: error }, 'missed events could not be replayed');
        socket.close(1011, 'replay failed');
      });
    },
    sweep() {
      let dropped = 0;
      for (const client of clients) {
        if (Date.now() - client.lastPong > SILENCE_MS + PING_MS) {
          client.socket.terminate();
          dropped += 1;
        } else if (client.socket.readyState === 1) client.socket.ping();
      }
      return dropped;
    },
    close() {
      for (const client of clients) client.socket.close(1001, 'the platform is stopping');
    },
  };
}
