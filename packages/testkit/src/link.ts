// A network between two parties: a relay that can be cut, and that can stall.

import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

export interface Link {
  url: string;
  /** Ends every connection as a broken cable does, and refuses new ones until `heal`. */
  cut(): void;
  /** Nothing goes through any more, and nobody is told, until `heal`. */
  stall(): void;
  heal(): void;
  stop(): Promise<void>;
}

export async function startLink(targetPort: number): Promise<Link> {
  const sockets = new Set<Socket>();
  let state: 'whole' | 'cut' | 'stalled' = 'whole';

  function keep(socket: Socket, other: Socket): void {
    sockets.add(socket);
    if (state === 'stalled') socket.pause();
    socket.on('error', () => other.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  }

  const server = createServer((near) => {
    if (state === 'cut') return void near.resetAndDestroy();
    const far = dial(targetPort, '127.0.0.1');
    keep(near, far);
    keep(far, near);
    near.on('data', (chunk) => far.write(chunk));
    far.on('data', (chunk) => near.write(chunk));
    near.on('end', () => far.end());
    far.on('end', () => near.end());
    if (state === 'stalled') for (const socket of [near, far]) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const dropAll = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cut() {
      state = 'cut';
      dropAll();
    },
    stall() {
      state = 'stalled';
      for (const socket of sockets) socket.pause();
    },
    heal() {
      state = 'whole';
      for (const socket of sockets) socket.resume();
    },
    async stop() {
      server.close();
      dropAll();
      await once(server, 'close');
    },
  };
}
