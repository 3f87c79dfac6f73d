// The main-thread side of the worker: opens it, watches it, closes it. A worker that gives no sign of life, or ends by itself, is
// opened again; queries in flight fail with a code that says so.

import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../../log.ts';
import { DatabaseStartError } from '../start-error.ts';
import { createMessageSocket } from './message-socket.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker.ts';

export interface Engine {
  /** A socket for `pg.Client({ stream })`. */
  connect(): Duplex;
  dump(): Promise<Uint8Array>;
  /** Has the worker collect its garbage. */
  trim(): void;
  close(): Promise<void>;
  /** How often it had to be opened again. */
  readonly reopened: number;
}

export interface EngineOptions extends WorkerSettings {
  log: Logger;
  /** Longest silence of the worker, in milliseconds. */
  watchdogMs: number;
}

/** Whether the statement took effect nobody can tell: like every lost connection to a server. */
class ConnectionLost extends Error {
  readonly code = '08006';
  constructor() {
    super('Connection terminated: the embedded database was reopened');
  }
}

const PINGS_PER_SILENCE = 5;
const OPEN_LIMIT_MS = 120_000;
const CLOSE_LIMIT_MS = 10_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;

function explainFailure(failure: Extract<FromWorker, { op: 'failed' }>, dir: string | null): DatabaseStartError {
  switch (failure.code) {
    case 'not_durable':
      return new DatabaseStartError(
        failure.code,
        failure.message,
        'use PostgreSQL instead: DATABASE_URL=postgres://… npm start',
      );
    case 'disk_full':
      return new DatabaseStartError(
        failure.code,
        `the disk under ${dir} is full`,
        'free some space, or choose another folder: MOLECULE_DATA_DIR=/path npm start',
      );
    case 'unopenable':
      return new DatabaseStartError(
        failure.code,
        `the database in ${dir} cannot be opened: ${failure.message}`,
        'restore a backup of the data directory, or move it aside to start empty',
      );
  }
}

/** A worker that serves. @throws DatabaseStartError; the worker has ended then. */
async function launchWorker(settings: WorkerSettings): Promise<Worker> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: settings,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  try {
    // Rejects with what ended the thread, too.
    const [first] = (await Promise.race([
      once(worker, 'message', { signal: AbortSignal.timeout(OPEN_LIMIT_MS) }),
      once(worker, 'exit').then(() => Promise.reject(new Error('the database worker ended while it opened'))),
    ])) as [FromWorker];
    if (first.op === 'failed') throw explainFailure(first, settings.dir);
    if (first.op === 'ready') return worker;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  await worker.terminate();
  return await launchWorker(settings);
}

/** @throws DatabaseStartError when it cannot be opened the first time. */
export async function openEngine({ log, watchdogMs, ...settings }: EngineOptions): Promise<Engine> {
  const sockets = new Map<number, Duplex>();
  let worker: Worker | null = null;
  let opening: Promise<void> = Promise.resolve();
  let nextId = 1;
  let reopened = 0;
  const closing = new AbortController();
  let unansweredPings = 0;
  let onDumped: ((image: Uint8Array) => void) | null = null;
  let onClosed: (() => void) | null = null;

  const send = (message: ToWorker, transfer: ArrayBuffer[] = []) => worker?.postMessage(message, transfer);

  function receive(message: FromWorker): void {
    unansweredPings = 0;
    if (message.op === 'data') {
      const { bytes } = message;
      sockets.get(message.id)?.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    } else if (message.op === 'end') sockets.get(message.id)?.destroy();
    else if (message.op === 'dumped') onDumped?.(message.image);
    else if (message.op === 'closed') onClosed?.();
  }

  function adopt(launched: Worker): void {
    worker = launched;
    unansweredPings = 0;
    launched.on('message', (message: FromWorker) => {
      if (launched === worker) receive(message);
    });
    launched.on('error', (error) => log.error({ err: error }, 'the embedded database failed'));
    launched.on('exit', () => {
      if (launched !== worker) return;
      if (closing.signal.aborted) onClosed?.();
      else reopen('it ended');
    });
  }

  function reopen(reason: string): void {
    const old = worker;
    if (old === null) return;
    worker = null;
    reopened += 1;
    log.error({ reason }, 'reopening the embedded database');
    for (const socket of sockets.values()) socket.destroy(new ConnectionLost());
    opening = old.terminate().then(launchUntilOpen);
  }

  /** Callers wait as long as their pool lets them. */
  async function launchUntilOpen(): Promise<void> {
    const { signal } = closing;
    for (let delayMs = FIRST_RETRY_MS; !signal.aborted; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
      try {
        return adopt(await launchWorker(settings));
      } catch (error) {
        log.fatal({ err: error, retryMs: delayMs }, 'the embedded database could not be reopened');
        await pause(delayMs, undefined, { ref: false, signal }).catch(() => {});
      }
    }
  }

  adopt(await launchWorker(settings));

  // Pings are counted, not milliseconds: after the machine slept, or this thread was held up, the first late ping proves nothing.
  const watchdog = setInterval(() => {
    if (worker === null) return;
    if (unansweredPings >= PINGS_PER_SILENCE) return reopen(`it was silent for ${watchdogMs} ms`);
    unansweredPings += 1;
    send({ op: 'ping' });
  }, watchdogMs / PINGS_PER_SILENCE);
  watchdog.unref();

  return {
    connect() {
      const id = nextId++;
      return createMessageSocket({
        ready: () => opening,
        open(socket) {
          sockets.set(id, socket);
          send({ op: 'open', id });
        },
        data: (bytes) => send({ op: 'data', id, bytes }, [bytes.buffer]),
        end() {
          if (sockets.delete(id)) send({ op: 'end', id });
        },
      });
    },
    trim: () => send({ op: 'trim' }),
    dump: () =>
      new Promise((resolve) => {
        onDumped = resolve;
        send({ op: 'dump' });
      }),
    async close() {
      closing.abort();
      clearInterval(watchdog);
      await opening;
      if (worker === null) return;
      const limit = AbortSignal.timeout(CLOSE_LIMIT_MS);
      await new Promise<void>((resolve) => {
        onClosed = resolve;
        limit.addEventListener('abort', () => {
          log.error('the embedded database did not close in time; the next start recovers from its log');
          resolve();
        });
        send({ op: 'close' });
      });
      await worker.terminate();
    },
    get reopened() {
      return reopened;
    },
  };
}
