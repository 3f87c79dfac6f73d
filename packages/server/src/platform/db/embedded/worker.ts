// The worker thread that hosts PGlite and speaks the PostgreSQL wire protocol over its message port.
// Keeps the engine off the event loop: one ranked full-text query would otherwise block every request.

import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { DurableFiles } from './durable-files.ts';
import { Multiplexer } from './mux.ts';

export interface WorkerSettings {
  /** Null: in memory. */
  dir: string | null;
  dump: Uint8Array | null;
}

export type ToWorker =
  | { op: 'open'; id: number }
  | { op: 'data'; id: number; bytes: Uint8Array }
  | { op: 'end'; id: number }
  | { op: 'ping'; at: number }
  | { op: 'refuse-writes'; refusal: { code: string; message: string } | null }
  | { op: 'dump' }
  | { op: 'close' };
export type FromWorker =
  | { op: 'ready' }
  | { op: 'failed'; message: string; code: 'not_durable' | 'unopenable' }
  | { op: 'data'; id: number; bytes: Uint8Array }
  | { op: 'pong'; at: number }
  | { op: 'dumped'; image: Uint8Array }
  | { op: 'closed' };

if (!parentPort) throw new Error('this module runs as a worker thread');
const port = parentPort;
const settings = workerData as WorkerSettings;
const say = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

/** 16 MB of shared buffers keep the process near 250 MB; the operating system caches the files anyway. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  '-c',
  'wal_sync_method=fsync',
  '-c',
  'shared_buffers=16MB',
];

async function openDurable(dir: string): Promise<PGlite> {
  const files = new DurableFiles(dir);
  const engine = await PGlite.create({ fs: files, startParams: START_PARAMETERS });
  const before = files.syncs;
  await engine.exec("select pg_logical_emit_message(false, '', 'sync check', true)");
  if (files.syncs === before)
    throw Object.assign(new Error('the embedded database does not reach the disk'), { code: 'not_durable' });
  return engine;
}

async function open(): Promise<PGlite> {
  if (settings.dir !== null) return await openDurable(settings.dir);
  const loadDataDir = settings.dump ? new Blob([settings.dump as Uint8Array<ArrayBuffer>]) : undefined;
  return await PGlite.create('memory://', { ...(loadDataDir ? { loadDataDir } : {}) });
}

async function execRaw(engine: PGlite, bytes: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await engine.runExclusive(() =>
    engine.execProtocolRawStream(bytes, { onRawData: (data) => void parts.push(data.slice()) }),
  );
  return Buffer.concat(parts);
}

async function serve(engine: PGlite): Promise<void> {
  const durable = settings.dir !== null;
  // The multiplexer flushes the log itself, once per batch, before it releases the replies.
  await engine.exec('set synchronous_commit = off');
  const mux = new Multiplexer({ exec: (bytes) => execRaw(engine, bytes) }, { durable });
  const connections = new Map<number, ReturnType<Multiplexer['connect']>>();
  port.on('message', async (message: ToWorker) => {
    switch (message.op) {
      case 'open':
        // Exact-size copies are transferred: posting a pooled Buffer would clone its whole backing store.
        connections.set(
          message.id,
          mux.connect((bytes) => {
            const copy = Uint8Array.from(bytes);
            say({ op: 'data', id: message.id, bytes: copy }, [copy.buffer]);
          }),
        );
        break;
      case 'data': {
        const connection = connections.get(message.id);
        if (connection) mux.receive(connection, message.bytes);
        break;
      }
      case 'end': {
        const connection = connections.get(message.id);
        connections.delete(message.id);
        if (connection) mux.disconnect(connection);
        break;
      }
      case 'ping':
        say({ op: 'pong', at: message.at });
        break;
      case 'refuse-writes':
        mux.refuseWrites(message.refusal);
        break;
      case 'dump': {
        const file = await engine.dumpDataDir('none');
        say({ op: 'dumped', image: new Uint8Array(await file.arrayBuffer()) });
        break;
      }
      case 'close':
        await engine.close();
        say({ op: 'closed' });
        break;
    }
  });
}

try {
  await serve(await open());
  say({ op: 'ready' });
} catch (error) {
  const failure = error as Error & { code?: string };
  say({ op: 'failed', message: failure.message, code: failure.code === 'not_durable' ? 'not_durable' : 'unopenable' });
}
