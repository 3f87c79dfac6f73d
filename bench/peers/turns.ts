// The agent of the queue bench, and whoever talks to it: one process, so that one clock times a message from where it was sent to
// where its turn begins. Works on so many messages at a time and refuses more; its beats are those of the runtime, by its own code.

import { createServer, type ServerResponse } from 'node:http';
import { createCredentials } from '@molecule/runtime/credentials';
import { createHeartbeat } from '@molecule/runtime/link/heartbeat';
import { createPlatformClient } from '@molecule/runtime/link/platform-client';
import { createTaskCounter } from '@molecule/runtime/link/task-counter';
import { systemTimers } from '@molecule/runtime/link/timers';
import { createWedge } from '@molecule/runtime/link/wedge';
import { createLogger } from '@molecule/runtime/logger';
import { Pool } from 'undici';
import { percentile } from '../kit/figures.ts';
import type { Seat } from '../kit/seats.ts';
import { readOptions, serve, tell } from './peer.ts';

export interface Settings {
  do: 'settle';
  platform: string;
  target: Seat;
  caller: Seat;
  /** Turns at once; 0 = always busy. */
  width: number;
  /** Shortest and longest turn, in milliseconds. */
  turnMs: [number, number];
}

export type TurnsJob =
  | Settings
  /** Messages that find the agent busy, and go out when it is free. */
  | { do: 'free'; samples: number }
  /** A caller that sends so many messages a second, whatever becomes of the earlier ones. */
  | { do: 'call'; seconds: number; perSecond: number };

export interface Spread {
  p50: number;
  p99: number;
}

export interface FreeResult {
  /** The end of a turn to the beginning of the turn of a message that waited for it. */
  freed: Spread;
  /** Sending a message that is refused while the turn ends to the beginning of its own turn. */
  free: Spread;
  /** Sending a message to the free agent to the beginning of its turn: nothing is queued. */
  direct: Spread;
}

export interface CallResult extends Spread {
  calls: number;
  /** Of those, how many waited in the queue. */
  queued: number;
}

/** The runtime's beats are so long apart, but for the end of a turn. */
const BEAT_REST_MS = 250;
const ARRIVES_WITHIN_MS = 60_000;
const HELD = 'held';

const { folder } = readOptions<{ folder: string }>();
const counter = createTaskCounter();
let settings: Settings;
let platform: Pool;
let isBeating = false;
let serial = 0;
const arrivals = new Map<string, PromiseWithResolvers<number>>();
const ends = new Map<string, PromiseWithResolvers<number>>();
const gates = new Map<string, PromiseWithResolvers<void>>();
let onRefusal = (): void => {};

const spreadOf = (values: number[]): Spread => ({ p50: percentile(values, 0.5), p99: percentile(values, 0.99) });
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function place<T>(map: Map<string, PromiseWithResolvers<T>>, id: string): PromiseWithResolvers<T> {
  const known = map.get(id) ?? Promise.withResolvers<T>();
  map.set(id, known);
  return known;
}

async function post(path: string, token: string, body: unknown): Promise<number> {
  const reply = await platform.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
    headersTimeout: ARRIVES_WITHIN_MS,
  });
  await reply.body.dump();
  return reply.statusCode;
}

/** The seat is registered already: what the runtime does first is left out. */
function startBeating(): void {
  if (isBeating) return;
  isBeating = true;
  const log = createLogger({ level: 'error' });
  const credentials = createCredentials(folder, {}, log);
  credentials.saveAuthToken(settings.target.token);
  const refuse = () => {
    throw new Error('the platform does not know the seat of this bench');
  };
  createHeartbeat({
    client: createPlatformClient({
      platformUrl: settings.platform,
      workspaceId: settings.target.id,
      credentials,
      log,
    }),
    credentials,
    counter,
    wedge: createWedge(),
    adapter: { capabilities: () => ({}), idleTimeoutOverride: () => null },
    timers: systemTimers,
    log,
    version: 'bench',
    afterBeat() {},
    onUnknown: refuse,
    onDeleted: refuse,
  }).start();
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text);
}

async function takeTurn(id: string, rpcId: unknown, response: ServerResponse): Promise<void> {
  place(arrivals, id).resolve(performance.now());
  const endTask = counter.beginTask({ turnId: id, label: id, messageId: id });
  const [shortest, longest] = settings.turnMs;
  if (id.startsWith(HELD)) await place(gates, id).promise;
  else if (longest > 0) await pause(shortest + Math.random() * (longest - shortest));
  endTask();
  place(ends, id).resolve(performance.now());
  const result = { kind: 'message', role: 'agent', messageId: `reply-${id}`, parts: [{ kind: 'text', text: 'done' }] };
  answer(response, 200, { jsonrpc: '2.0', id: rpcId, result });
}

function receive(text: string, response: ServerResponse): void {
  const { id, params } = JSON.parse(text) as { id: unknown; params: { message: { messageId: string } } };
  if (counter.active() >= settings.width) {
    answer(response, 503, { jsonrpc: '2.0', id, error: { code: -32000, message: 'busy', data: { busy: true } } });
    onRefusal();
    return;
  }
  void takeTurn(params.message.messageId, id, response);
}

function send(id: string): Promise<number> {
  const message = { kind: 'message', role: 'user', messageId: id, parts: [{ kind: 'text', text: `message ${id}` }] };
  return post(`/workspaces/${settings.target.id}/a2a`, settings.caller.token, {
    jsonrpc: '2.0',
    id,
    method: 'message/send',
    params: { message },
  });
}

async function expectStatus(status: Promise<number>, expected: number, what: string): Promise<void> {
  const got = await status;
  if (got !== expected) throw new Error(`${what} was answered ${got} and not ${expected}`);
}

function nextId(kind: string): string {
  serial += 1;
  return `${kind}-${process.pid}-${serial}`;
}

/** Every sample begins at another moment of the agent's quarter of a second, and after the word that it was busy is old. */
const settleDown = () => pause(150 + Math.random() * BEAT_REST_MS);

async function measureFree(samples: number): Promise<FreeResult> {
  const [freed, free, direct]: number[][] = [[], [], []];
  for (let sample = 0; sample < samples; sample += 1) {
    const [held, waiting] = [nextId(HELD), nextId('waiting')];
    const heldCall = send(held);
    await place(arrivals, held).promise;
    await expectStatus(send(waiting), 202, 'a message to the busy agent');
    const freedAt = performance.now();
    place(gates, held).resolve();
    freed?.push((await place(arrivals, waiting).promise) - freedAt);
    await expectStatus(heldCall, 200, 'a held call');
    await settleDown();

    const [second, refused] = [nextId(HELD), nextId('refused')];
    const secondCall = send(second);
    await place(arrivals, second).promise;
    onRefusal = () => setImmediate(() => place(gates, second).resolve());
    const refusedAt = performance.now();
    const refusal = send(refused);
    free?.push((await place(arrivals, refused).promise) - refusedAt);
    onRefusal = () => {};
    await expectStatus(refusal, 202, 'a message to the busy agent');
    await expectStatus(secondCall, 200, 'a held call');
    await settleDown();

    const straight = nextId('direct');
    const sentAt = performance.now();
    const call = send(straight);
    direct?.push((await place(arrivals, straight).promise) - sentAt);
    await expectStatus(call, 200, 'a direct call');
    await settleDown();
  }
  return { freed: spreadOf(freed ?? []), free: spreadOf(free ?? []), direct: spreadOf(direct ?? []) };
}

/** From sending to the end of the turn, whether the answer came with the call or the message waited in the queue first. */
async function measureCalls(seconds: number, perSecond: number): Promise<CallResult> {
  const latencies: number[] = [];
  const open: Promise<void>[] = [];
  let queued = 0;
  const startsAt = performance.now();
  for (let count = 0; count < seconds * perSecond; count += 1) {
    const due = startsAt + (count * 1000) / perSecond;
    await pause(Math.max(0, due - performance.now()));
    const id = nextId('call');
    const status = send(id).then((got) => {
      if (got === 202) queued += 1;
      else if (got !== 200) throw new Error(`a call was answered ${got}`);
    });
    open.push(Promise.all([place(ends, id).promise.then((at) => latencies.push(at - due)), status]).then(() => {}));
  }
  await Promise.all(open);
  return { ...spreadOf(latencies), calls: latencies.length, queued };
}

async function run(job: TurnsJob): Promise<object> {
  if (job.do === 'free') return await measureFree(job.samples);
  if (job.do === 'call') return await measureCalls(job.seconds, job.perSecond);
  settings = job;
  platform = new Pool(job.platform, { connections: 64, pipelining: 1 });
  startBeating();
  return {};
}

process.on('message', (job: TurnsJob) => {
  run(job).then(tell, (error: Error) => {
    process.stderr.write(`turns: ${error.stack}\n`);
    process.exit(1);
  });
});

await serve(
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => receive(Buffer.concat(chunks).toString(), response));
  }),
);
