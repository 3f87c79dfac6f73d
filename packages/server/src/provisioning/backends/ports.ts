// Host ports for workloads. Chosen before the container exists, so that its address is stored before it can register, and stays
// the same when the engine restarts the container by itself.

import { createServer } from 'node:net';

/** Free at this moment; whoever binds it learns whether it still is. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

export function createPorts() {
  /** Given to a start that has not bound its port yet. */
  const taken = new Set<number>();
  return {
    async withPort<T>(work: (port: number) => Promise<T>): Promise<T> {
      let port = await findFreePort();
      while (taken.has(port)) port = await findFreePort();
      taken.add(port);
      try {
        return await work(port);
      } finally {
        taken.delete(port);
      }
    },
  };
}
