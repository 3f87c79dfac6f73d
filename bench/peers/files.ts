// The agent of the uploads bench: swallows a form and hands a file out, keeping neither. The least the doors of chapter 20 §7.2 do.

import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { readOptions, serve } from './peer.ts';

const CHUNK = Buffer.alloc(64 * 1024, 7);
const { bytes } = readOptions<{ bytes: number }>();

function* file(): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, Math.min(left, CHUNK.length));
}

await serve(
  createServer((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
      Readable.from(file()).pipe(response);
      return;
    }
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ files: [] }));
    });
  }),
);
