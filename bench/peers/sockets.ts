// Many event sockets in one process, as that many canvases have them: counts what each got, and how late.

import WebSocket from 'ws';
import { percentile } from '../kit/figures.ts';
import { tell } from './peer.ts';

/** `events`: how many recorded events each of them must get to be done. */
export type SocketJob =
  | { do: 'open'; url: string; token: string; count: number }
  | { do: 'reconnect' }
  | { do: 'await'; events: number; ms: number }
  | { do: 'close' };

export interface SocketFigures {
  /** Frames that came as they happened; replayed ones are not timed. */
  live: number;
  replayed: number;
  /** A client got one twice. */
  doubled: number;
  /** Over all clients: events that were due and did not come. */
  missed: number;
  /** Milliseconds from the platform's own time stamp. */
  p50: number;
  p99: number;
}

interface Client {
  socket: WebSocket;
  seen: Set<number>;
  last: number;
  /** Frames with an earlier time stamp are replays. */
  openedAt: number;
}

const OPEN_AT_ONCE = 50;
let target = { url: '', token: '' };
let clients: Client[] = [];
let latencies: number[] = [];
let replayed = 0;
let doubled = 0;

function read(client: Client, text: string): void {
  const frame = JSON.parse(text) as { seq?: number; timestamp: string };
  if (frame.seq === undefined) return;
  if (client.seen.has(frame.seq)) doubled += 1;
  client.seen.add(frame.seq);
  client.last = Math.max(client.last, frame.seq);
  const stampedAt = Date.parse(frame.timestamp);
  if (stampedAt < client.openedAt) replayed += 1;
  else latencies.push(Date.now() - stampedAt);
}

function open(client: Client): Promise<void> {
  const after = client.last > 0 ? `?since_seq=${client.last}` : '';
  const socket = new WebSocket(`${target.url.replace('http', 'ws')}/ws${after}`, {
    headers: { authorization: `Bearer ${target.token}` },
  });
  client.socket = socket;
  socket.on('message', (data) => read(client, data.toString()));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () => {
      client.openedAt = Date.now();
      socket.off('error', reject);
      // The end of a socket is the bench's doing.
      socket.on('error', () => {});
      resolve();
    });
  });
}

async function openAll(): Promise<void> {
  for (let at = 0; at < clients.length; at += OPEN_AT_ONCE)
    await Promise.all(clients.slice(at, at + OPEN_AT_ONCE).map(open));
}

function figures(events: number): SocketFigures {
  const missed = clients.reduce((sum, { seen }) => sum + Math.max(0, events - seen.size), 0);
  const result = { live: latencies.length, replayed, doubled, missed };
  return { ...result, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

async function carryOut(job: SocketJob): Promise<object> {
  const startedAt = performance.now();
  switch (job.do) {
    case 'open':
      target = job;
      latencies = [];
      replayed = 0;
      doubled = 0;
      clients = Array.from({ length: job.count }, () => ({
        socket: null as unknown as WebSocket,
        seen: new Set(),
        last: 0,
        openedAt: 0,
      }));
      await openAll();
      return { ms: performance.now() - startedAt };
    case 'reconnect':
      for (const { socket } of clients) socket.terminate();
      await openAll();
      return { ms: performance.now() - startedAt };
    case 'await':
      while (performance.now() - startedAt < job.ms && clients.some(({ seen }) => seen.size < job.events))
        await new Promise((resolve) => setTimeout(resolve, 5));
      return { ...figures(job.events), ms: performance.now() - startedAt };
    case 'close':
      for (const { socket } of clients) socket.terminate();
      clients = [];
      return {};
  }
}

process.on('message', (job: SocketJob) => {
  carryOut(job).then(tell, (error: Error) => tell({ failure: error.message }));
});
tell({});
