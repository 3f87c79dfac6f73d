// Ends the connections on which nothing is being answered, as soon as the server begins to close. Node alone would wait for
// those that never asked anything (browsers open some in advance) and for those kept alive after an answer given meanwhile.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests that run are left to finish; upgraded connections are their owners' business. */
export function endQuietConnections(app: FastifyInstance): void {
  /** Answers under way, by connection. */
  const open = new Map<Socket, number>();
  let closing = false;

  function settle(socket: Socket): void {
    const left = (open.get(socket) ?? 1) - 1;
    if (open.has(socket)) open.set(socket, left);
    if (closing && left === 0) socket.end();
  }

  app.server.on('connection', (socket: Socket) => {
    open.set(socket, 0);
    socket.once('close', () => open.delete(socket));
  });
  app.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    open.set(socket, (open.get(socket) ?? 0) + 1);
    response.once('close', () => settle(socket));
  });
  app.server.on('upgrade', ({ socket }: IncomingMessage) => open.delete(socket));
  app.addHook('preClose', async () => {
    closing = true;
    for (const [socket, answers] of open) if (answers === 0) socket.destroy();
  });
}
