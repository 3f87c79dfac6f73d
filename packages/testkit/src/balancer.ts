// A round-robin proxy in front of several platforms, as a load balancer without any affinity: every request, and every socket,
// goes to the next one. Knows nothing of what it carries.

import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface Balancer {
  url: string;
  stop(): Promise<void>;
}

/** Headers as they came, in order, repeated ones included. */
function writeHead({ method, url, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** @param targets addresses of the platforms, `http://host:port`. */
export async function startBalancer(targets: readonly string[]): Promise<Balancer> {
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  let turn = 0;
  const next = () => new URL(targets[turn++ % targets.length] as string);

  const server: Server = createServer((incoming, outgoing) => {
    const { hostname, port } = next();
    const forwarded = request(
      { agent, hostname, port, method: incoming.method, path: incoming.url, headers: incoming.rawHeaders as never },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(outgoing);
        answer.on('error', () => outgoing.destroy());
      },
    );
    // An answer that came before all of the request was read is the answer.
    forwarded.on('error', () => {
      if (!outgoing.headersSent) outgoing.destroy();
    });
    // Whoever hangs up here hangs up there.
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });

  server.on('upgrade', (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const { hostname, port } = next();
    const upstream = connect(Number(port), hostname, () => {
      upstream.write(writeHead(incoming));
      if (head.length > 0) upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await once(server, 'close');
    },
  };
}
