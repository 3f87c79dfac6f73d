// The baseline of the fan-out bench: a socket server that sends one frame to everybody, and knows nothing else. A message from
// the bench is one event.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { serve } from './peer.ts';

const server = createServer();
const sockets = new WebSocketServer({ server });
const FILLING = 'x'.repeat(160);
let seq = 0;

process.on('message', () => {
  seq += 1;
  const frame = JSON.stringify({
    event: 'EVENT',
    seq,
    timestamp: new Date().toISOString(),
    payload: { text: FILLING },
  });
  for (const socket of sockets.clients) socket.send(frame);
});
await serve(server);
