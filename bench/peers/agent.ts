// The agent of the A2A bench: the least a push-mode agent does. Reads the whole message and answers with a v0.3 reply message.

import { createServer } from 'node:http';
import { serve } from './peer.ts';

const TEXT = 'The quarter closed 4 % above plan; the two late invoices are paid. '.repeat(6);
let replies = 0;

await serve(
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { id } = JSON.parse(Buffer.concat(chunks).toString()) as { id: unknown };
      replies += 1;
      const message = {
        kind: 'message',
        role: 'agent',
        messageId: `reply-${replies}`,
        parts: [{ kind: 'text', text: TEXT }],
      };
      const body = JSON.stringify({ jsonrpc: '2.0', id, result: message });
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
        .end(body);
    });
  }),
);
