// The baseline of the A2A bench: a reverse proxy as one writes it with node:http and undici. Buffers both bodies, knows nobody.

import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { Pool } from 'undici';
import { readOptions, serve } from './peer.ts';

const { upstream } = readOptions<{ upstream: string }>();
const pool = new Pool(upstream, { connections: 256, pipelining: 1 });

async function forward(request: IncomingMessage) {
  const body = await buffer(request);
  const reply = await pool.request({
    method: 'POST',
    path: request.url ?? '/',
    headers: { 'content-type': 'application/json', authorization: request.headers.authorization ?? '' },
    body,
  });
  return { status: reply.statusCode, body: Buffer.from(await reply.body.arrayBuffer()) };
}

await serve(
  createServer((request, response) => {
    forward(request).then(
      ({ status, body }) =>
        response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body),
      (error: Error) => response.writeHead(502).end(error.message),
    );
  }),
);
