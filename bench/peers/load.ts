// The load generator: one process, one job at a time. Closed loop (each connection asks as soon as it was answered) or paced
// (requests leave at their time, whatever became of the earlier ones, and are timed from when they should have left).

import { Client } from 'undici';
import { percentile } from '../kit/figures.ts';
import { tell } from './peer.ts';

export interface LoadRequest {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  /** `{{id}}` becomes a number no other request of this process carries. */
  body?: string;
}

export interface LoadJob {
  url: string;
  connections: number;
  seconds: number;
  /** Requests per second over all connections; absent = closed loop. */
  rate?: number;
  /** Requests in all, where that comes before the end of the time. */
  count?: number;
  /** Sent in turn, over all connections. */
  requests: LoadRequest[];
}

export interface LoadResult {
  answered: number;
  perSecond: number;
  /** Answers other than 2xx, and calls without one. */
  failed: number;
  firstFailure: string | null;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

const ANSWER_LIMIT_MS = 20_000;
const MOST_REQUESTS = 5_000_000;
let serial = 0;

/** What was measured so far, and the next request to send. */
function createRun(job: LoadJob) {
  const latencies: number[] = [];
  let failed = 0;
  let firstFailure: string | null = null;
  let sent = 0;
  const templates = job.requests.map(({ body, ...rest }) => ({ ...rest, pieces: body?.split('{{id}}') }));

  function fail(reason: string): void {
    failed += 1;
    firstFailure ??= reason;
  }

  return {
    latencies,
    fail,
    figures: () => ({ failed, firstFailure }),
    exhausted: () => sent >= (job.count ?? MOST_REQUESTS),
    next() {
      const template = templates[sent % templates.length] as (typeof templates)[number];
      sent += 1;
      serial += 1;
      const { pieces, ...request } = template;
      return pieces ? { ...request, body: pieces.join(`${process.pid}-${serial}`) } : request;
    },
  };
}

type Run = ReturnType<typeof createRun>;

/** Sends one request; resolves when it is over, however it ended. `startedAt` is when it should have left. */
function send(client: Client, run: Run, startedAt: number): Promise<void> {
  return new Promise((resolve) => {
    let status = 0;
    let firstChunk: Buffer | null = null;
    client.dispatch(run.next(), {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode;
      },
      onResponseData(_controller, chunk) {
        firstChunk ??= chunk;
      },
      onResponseEnd() {
        if (status >= 200 && status < 300) run.latencies.push(performance.now() - startedAt);
        else run.fail(`${status} ${firstChunk?.toString().slice(0, 200) ?? ''}`);
        resolve();
      },
      onResponseError(_controller, error) {
        run.fail(error.message);
        resolve();
      },
    });
  });
}

async function runClosed(clients: Client[], run: Run, endsAt: number): Promise<void> {
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < endsAt && !run.exhausted()) await send(client, run, performance.now());
    }),
  );
}

async function runPaced(clients: Client[], run: Run, startsAt: number, endsAt: number, rate: number): Promise<void> {
  const open: Promise<void>[] = [];
  const gapMs = 1000 / rate;
  for (let index = 0, due = startsAt; due < endsAt && !run.exhausted(); index += 1, due += gapMs) {
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    open.push(send(clients[index % clients.length] as Client, run, due));
  }
  await Promise.all(open);
}

async function runJob(job: LoadJob): Promise<LoadResult> {
  const clients = Array.from(
    { length: job.connections },
    () => new Client(job.url, { pipelining: 1, headersTimeout: ANSWER_LIMIT_MS, bodyTimeout: ANSWER_LIMIT_MS }),
  );
  const run = createRun(job);
  const startsAt = performance.now();
  const endsAt = startsAt + job.seconds * 1000;
  if (job.rate === undefined) await runClosed(clients, run, endsAt);
  else await runPaced(clients, run, startsAt, endsAt, job.rate);
  const seconds = (performance.now() - startsAt) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  return {
    answered: run.latencies.length,
    perSecond: run.latencies.length / seconds,
    ...run.figures(),
    p50: percentile(run.latencies, 0.5),
    p99: percentile(run.latencies, 0.99),
  };
}

process.on('message', (job: LoadJob) => {
  runJob(job).then(tell, (error: Error) =>
    tell({ answered: 0, perSecond: 0, failed: 1, firstFailure: error.message, p50: 0, p99: 0 }),
  );
});
tell({});
