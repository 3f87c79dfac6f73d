// What the soak does all the time, each at its own pace: calls, streams, delegations, pages, notices, event sockets and streams
// that come and go, beats.

import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { readOptions, tell } from './peer.ts';

interface Seat {
  id: string;
  token: string;
}

const { url, adminToken, caller, target, part } = readOptions<{
  url: string;
  adminToken: string;
  caller: Seat;
  target: Seat;
  /** Tells its messages from those of another part. */
  part: string;
}>();
const counts: Record<string, number> = {};
let failed = 0;
let firstFailure: string | null = null;
let serial = 0;
const sockets = new Set<WebSocket>();

async function send(method: string, path: string, token: string, body?: unknown, accept = 'application/json') {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, accept, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 200)}`);
}

/** One that waits holds back the later ones of its talk, so talks are short. */
const MESSAGES_PER_TALK = 5;

const rpc = (method: string) => {
  serial += 1;
  const parts = [{ kind: 'text', text: 'Name what is late. '.repeat(20) }];
  const message = {
    role: 'user',
    messageId: `${part}-${serial}`,
    contextId: `talk-${part}-${Math.floor(serial / MESSAGES_PER_TALK)}`,
    parts,
  };
  return { jsonrpc: '2.0', id: serial, method, params: { message } };
};

async function openSocket(): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, {
    headers: { authorization: `Bearer ${adminToken}` },
  });
  sockets.add(socket);
  // It stays for a few events, as a page does that is looked at and closed.
  let events = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', () => {
      events += 1;
      if (events === 20) socket.close();
    });
    socket.on('close', () => resolve());
  });
  sockets.delete(socket);
}

async function openEventStream(): Promise<void> {
  const leave = new AbortController();
  const response = await fetch(`${url}/workspaces/${target.id}/events/stream`, {
    headers: { authorization: `Bearer ${target.token}` },
    signal: leave.signal,
  });
  await response.body?.getReader().read();
  leave.abort();
}

const beat = (seat: Seat) => ({
  workspace_id: seat.id,
  error_rate: 0,
  active_tasks: 0,
  current_task: '',
  uptime_seconds: 60,
  active_messages: [],
  active_delegations: [],
});

/** How often each is begun, per second. */
const WORK: Record<string, { perSecond: number; run(): Promise<void> }> = {
  call: { perSecond: 40, run: () => send('POST', `/workspaces/${target.id}/a2a`, caller.token, rpc('message/send')) },
  stream: {
    perSecond: 5,
    run: () => send('POST', `/workspaces/${target.id}/a2a`, caller.token, rpc('message/stream'), 'text/event-stream'),
  },
  delegation: {
    perSecond: 2,
    run: () =>
      send('POST', `/workspaces/${caller.id}/delegate`, caller.token, {
        target_id: target.id,
        task: 'Name what is late.',
      }),
  },
  page: { perSecond: 5, run: () => send('GET', `/workspaces/${target.id}/activity?limit=100`, adminToken) },
  notice: {
    perSecond: 2,
    run: () => send('POST', `/workspaces/${target.id}/notify`, target.token, { message: 'Done.' }),
  },
  socket: { perSecond: 5, run: openSocket },
  eventStream: { perSecond: 5, run: openEventStream },
  beat: { perSecond: 4, run: () => send('POST', '/registry/heartbeat', target.token, beat(target)) },
  ownBeat: { perSecond: 1, run: () => send('POST', '/registry/heartbeat', caller.token, beat(caller)) },
};

async function repeat(name: string, until: number): Promise<void> {
  const { perSecond, run } = WORK[name] as (typeof WORK)[string];
  const open = new Set<Promise<void>>();
  for (let due = performance.now(); due < until; due += 1000 / perSecond) {
    await pause(Math.max(0, due - performance.now()));
    const one = run()
      .then(() => {
        counts[name] = (counts[name] ?? 0) + 1;
      })
      .catch((error: Error) => {
        failed += 1;
        firstFailure ??= error.message;
      })
      .finally(() => open.delete(one));
    open.add(one);
  }
  await Promise.all(open);
}

process.on('message', ({ seconds }: { seconds: number }) => {
  const until = performance.now() + seconds * 1000;
  const working = Object.keys(WORK).map((name) => repeat(name, until));
  // Without the others' work no more events come, so the sockets that wait for some would stay for ever.
  pause(seconds * 1000).then(() => {
    for (const socket of sockets) socket.close();
  });
  Promise.all(working).then(() => tell({ counts, failed, firstFailure }));
});
tell({});
