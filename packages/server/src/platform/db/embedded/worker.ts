// The worker thread that hosts PGlite and speaks the PostgreSQL wire protocol over its message port.
// Keeps the engine off the event loop: one ranked full-text query would otherwise block every request.

import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { releaseMemory } from '../../memory.ts';
import { createDatabase, isCreated } from './creation.ts';
import { DurableFiles } from './durable-files.ts';
import { watchFreeSpace } from './free-space.ts';
import { type Connection, Multiplexer, type MultiplexerOptions } from './mux.ts';

export interface WorkerSettings {
  /** Null: in memory. */
  dir: string | null;
  dump: Uint8Array | null;
  /** Free disk space below which writes are refused. */
  minFreeBytes: number;
  /** Longest silence inside a transaction. */
  idleTransactionMs: number;
}

export type ToWorker =
  | { op: 'open'; id: number }
  | { op: 'data'; id: number; bytes: Uint8Array }
  | { op: 'end'; id: number }
  | { op: 'ping' }
  | { op: 'trim' }
  | { op: 'dump' }
  | { op: 'close' };
export type FromWorker =
  | { op: 'ready' }
  /** The database exists now, and this thread is done: making it took memory that only a new one gives back, some 200 MB. */
  | { op: 'created' }
  | { op: 'failed'; message: string; code: 'not_durable' | 'disk_full' | 'unopenable' }
  | { op: 'data'; id: number; bytes: Uint8Array }
  | { op: 'end'; id: number }
  | { op: 'pong' }
  | { op: 'dumped'; image: Uint8Array }
  | { op: 'closed' };

if (!parentPort) throw new Error('this module runs as a worker thread');
const port = parentPort;
const settings = workerData as WorkerSettings;
const say = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

const ENGINE_SETTINGS = {
  wal_sync_method: 'fsync',
  /** Keeps the process near 250 MB; the operating system caches the files anyway. */
  shared_buffers: '16MB',
  /**
   * An analyze holds 300 rows in memory for each, and the engine never gives memory back: at the default of 100 the first one of
   * 26,000 rows of 1.2 KB left the process 49 MB larger, at 20 it is 12 MB, however many rows follow.
   */
  default_statistics_target: '20',
  /** The engine closes what it used longest ago. Every table, index and fork it ever touched would stay open, more than 400. */
  max_files_per_process: '200',
};
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  ...Object.entries(ENGINE_SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
];

interface Opened {
  engine: PGlite;
  files: DurableFiles | null;
}

/** @throws not_durable when a commit does not reach the disk, because a new PGlite no longer lets us hook its sync. */
async function openDurable(dir: string): Promise<Opened> {
  const files = new DurableFiles(dir);
  const engine = await PGlite.create({ fs: files, startParams: START_PARAMETERS });
  const before = files.syncs;
  await engine.exec("select pg_logical_emit_message(false, '', 'sync check', true)");
  if (files.syncs === before)
    throw Object.assign(new Error('the embedded database does not reach the disk'), { code: 'not_durable' });
  return { engine, files };
}

async function openInMemory(): Promise<Opened> {
  const loadDataDir = settings.dump ? new Blob([settings.dump as Uint8Array<ArrayBuffer>]) : undefined;
  const startParams = [...PGlite.defaultStartParams, '-c', `shared_buffers=${ENGINE_SETTINGS.shared_buffers}`];
  return {
    engine: await PGlite.create('memory://', { startParams, ...(loadDataDir ? { loadDataDir } : {}) }),
    files: null,
  };
}

async function execRaw({ engine, files }: Opened, bytes: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await engine.runExclusive(() =>
    engine.execProtocolRawStream(bytes, { onRawData: (data) => void parts.push(data.slice()) }),
  );
  // The engine survives a failed sync and would go on acknowledging; a reopened one starts from what the disk holds.
  if (files?.failure) throw files.failure;
  return Buffer.concat(parts);
}

async function readServerVersion(engine: PGlite): Promise<string> {
  const { rows } = await engine.query<{ server_version: string }>('show server_version');
  return rows[0]?.server_version ?? '';
}

async function serve(opened: Opened): Promise<void> {
  const { engine } = opened;
  const options: MultiplexerOptions = {
    durable: settings.dir !== null,
    serverVersion: await readServerVersion(engine),
    idleTransactionMs: settings.idleTransactionMs,
    ...(settings.dir === null ? {} : { isStoreFull: watchFreeSpace(settings.dir, settings.minFreeBytes) }),
    // Ends this thread; the main thread opens a new one.
    onBroken: (error) =>
      setImmediate(() => {
        throw error;
      }),
  };
  // The multiplexer flushes the log itself, once per batch, before it releases the replies.
  await engine.exec('set synchronous_commit = off');
  const mux = new Multiplexer({ exec: (bytes) => execRaw(opened, bytes) }, options);
  const connections = new Map<number, Connection>();

  function open(id: number): void {
    const peer = {
      // Exact-size copies are transferred: posting a pooled Buffer would clone its whole backing store.
      send(bytes: Buffer) {
        const copy = Uint8Array.from(bytes);
        say({ op: 'data', id, bytes: copy }, [copy.buffer]);
      },
      close: () => say({ op: 'end', id }),
    };
    connections.set(id, mux.connect(peer));
  }

  async function receive(message: ToWorker): Promise<void> {
    switch (message.op) {
      case 'open':
        return open(message.id);
      case 'data': {
        const connection = connections.get(message.id);
        if (connection) mux.receive(connection, message.bytes);
        return;
      }
      case 'end': {
        const connection = connections.get(message.id);
        connections.delete(message.id);
        if (connection) mux.disconnect(connection);
        return;
      }
      case 'ping':
        return say({ op: 'pong' });
      case 'trim':
        return releaseMemory();
      case 'dump': {
        const file = await engine.dumpDataDir('none');
        return say({ op: 'dumped', image: new Uint8Array(await file.arrayBuffer()) });
      }
      case 'close':
        await mux.idle();
        await engine.close();
        return say({ op: 'closed' });
    }
  }
  port.on('message', receive);
}

function failureCode({ code }: { code?: string }): 'not_durable' | 'disk_full' | 'unopenable' {
  if (code === 'not_durable') return code;
  return code === 'ENOSPC' ? 'disk_full' : 'unopenable';
}

try {
  const { dir } = settings;
  if (dir !== null && !isCreated(dir)) {
    const { engine } = await createDatabase(dir, () => openDurable(dir));
    await engine.close();
    say({ op: 'created' });
  } else {
    await serve(dir === null ? await openInMemory() : await openDurable(dir));
    say({ op: 'ready' });
  }
} catch (error) {
  const failure = error as Error & { code?: string };
  say({ op: 'failed', message: failure.message, code: failureCode(failure) });
}
