// The main-thread side of the worker: sockets that node-postgres believes in, a watchdog, orderly close.
// A worker that gives no sign of life is ended and opened again; queries in flight fail with a retryable code.

import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../../log.ts';
import { DatabaseStartError } from '../start-error.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './worker.ts';

export interface Engine {
  /** A socket for `pg.Client({ stream })`. */
  connect(): Duplex;
  refuseWrites(refusal: { code: string; message: string } | null): void;
  dump(): Promise<Uint8Array>;
  close(): Promise<void>;
  /** How often the watchdog had to reopen the engine. */
  readonly reopened: number;
  /** Ends the worker as if it had hung; for tests of the watchdog. */
  terminate(): Promise<unknown>;
}

export interface EngineOptions extends WorkerSettings {
  log: Logger;
  /** Longest silence of the worker, in milliseconds. */
  watchdogMs: number;
}

class ConnectionLost extends Error {
  readonly code = '57P05';
  constructor() {
    super('Connection terminated: the embedded database was reopened');
  }
}

interface MessageSocket extends Duplex {
  setNoDelay(): MessageSocket;
  setKeepAlive(): MessageSocket;
  ref(): MessageSocket;
  unref(): MessageSocket;
  connect(): MessageSocket;
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { log, watchdogMs } = options;
  const settings: WorkerSettings = { dir: options.dir, dump: options.dump };
  const sockets = new Map<number, Duplex>();
  let worker: Worker;
  let nextId = 1;
  let reopened = 0;
  let closing = false;
  let lastSign = Date.now();
  let opening: Promise<void> = Promise.resolve();
  let onDumped: ((image: Uint8Array) => void) | null = null;
  let onClosed: (() => void) | null = null;

  const send = (message: ToWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer);

  function receive(message: FromWorker): void {
    lastSign = Date.now();
    if (message.op === 'data')
      sockets
        .get(message.id)
        ?.push(Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.byteLength));
    else if (message.op === 'dumped') onDumped?.(message.image);
    else if (message.op === 'closed') onClosed?.();
  }

  function loseConnections(): void {
    for (const socket of sockets.values()) socket.destroy(new ConnectionLost());
    sockets.clear();
  }

  function launch(): Promise<void> {
    const launched = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    worker = launched;
    return new Promise((resolve, reject) => {
      launched.on('message', (message: FromWorker) => {
        if (message.op === 'ready') resolve();
        else if (message.op === 'failed') {
          const hint =
            message.code === 'not_durable'
              ? 'use PostgreSQL instead: DATABASE_URL=postgres://… npm start'
              : 'move the data directory aside, or restore a backup of it';
          reject(
            new DatabaseStartError(
              message.code,
              message.code === 'not_durable'
                ? message.message
                : `the database in ${settings.dir} cannot be opened: ${message.message}`,
              hint,
            ),
          );
        } else receive(message);
      });
      launched.on('error', (error) => {
        reject(error);
        if (launched === worker && !closing) log.error({ err: error }, 'the embedded database failed');
      });
      launched.on('exit', () => {
        if (launched === worker && !closing) reopen('it ended');
        else onClosed?.();
      });
    });
  }

  function reopen(reason: string): void {
    reopened += 1;
    log.error({ reason }, 'reopening the embedded database');
    const old = worker;
    old.removeAllListeners('exit');
    loseConnections();
    opening = old.terminate().then(() => launch());
    opening.catch((error: unknown) => log.fatal({ err: error }, 'the embedded database could not be reopened'));
    lastSign = Date.now();
  }

  opening = launch();
  await opening;

  // A ping answered late means that the worker is stuck in one statement; node-postgres' query_timeout comes first.
  const watchdog = setInterval(
    () => {
      if (Date.now() - lastSign > watchdogMs) reopen(`it was silent for ${watchdogMs} ms`);
      else send({ op: 'ping', at: Date.now() });
    },
    Math.max(50, Math.floor(watchdogMs / 5)),
  );
  watchdog.unref();

  function connect(): Duplex {
    const id = nextId++;
    const socket = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        const copy = Uint8Array.from(chunk);
        send({ op: 'data', id, bytes: copy }, [copy.buffer]);
        done();
      },
      final(done) {
        send({ op: 'end', id });
        sockets.delete(id);
        this.push(null);
        done();
      },
      destroy(error, done) {
        if (sockets.delete(id)) send({ op: 'end', id });
        done(error);
      },
    }) as MessageSocket;
    const itself = () => socket;
    Object.assign(socket, { setNoDelay: itself, setKeepAlive: itself, ref: itself, unref: itself });
    socket.connect = () => {
      const join = () => {
        sockets.set(id, socket);
        send({ op: 'open', id });
        socket.emit('connect');
      };
      opening.then(
        () => process.nextTick(join),
        (error: Error) => socket.destroy(error),
      );
      return socket;
    };
    return socket;
  }

  return {
    connect,
    refuseWrites: (refusal) => send({ op: 'refuse-writes', refusal }),
    dump: () =>
      new Promise((resolve) => {
        onDumped = resolve;
        send({ op: 'dump' });
      }),
    async close() {
      closing = true;
      clearInterval(watchdog);
      await new Promise<void>((resolve) => {
        onClosed = resolve;
        send({ op: 'close' });
      });
      await worker.terminate();
    },
    get reopened() {
      return reopened;
    },
    terminate: () => worker.terminate(),
  };
}
