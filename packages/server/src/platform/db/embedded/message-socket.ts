// A socket node-postgres believes in, whose bytes travel as messages to the database worker.

import { Duplex } from 'node:stream';

export interface SocketWire {
  /** Resolves when the worker takes connections. */
  ready(): Promise<void>;
  open(socket: Duplex): void;
  data(bytes: Uint8Array<ArrayBuffer>): void;
  end(): void;
}

/** What node-postgres calls on a `net.Socket`. */
interface SocketLike extends Duplex {
  setNoDelay(): SocketLike;
  setKeepAlive(): SocketLike;
  ref(): SocketLike;
  unref(): SocketLike;
  connect(): SocketLike;
}

export function createMessageSocket(wire: SocketWire): Duplex {
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      wire.data(Uint8Array.from(chunk));
      done();
    },
    final(done) {
      wire.end();
      this.push(null);
      done();
    },
    destroy(error, done) {
      wire.end();
      done(error);
    },
  }) as SocketLike;

  async function join(): Promise<void> {
    await wire.ready();
    // The pool may have given up waiting.
    if (socket.destroyed) return;
    wire.open(socket);
    socket.emit('connect');
  }

  const itself = () => socket;
  return Object.assign(socket, {
    setNoDelay: itself,
    setKeepAlive: itself,
    ref: itself,
    unref: itself,
    connect() {
      join().catch((error: Error) => socket.destroy(error));
      return socket;
    },
  });
}
