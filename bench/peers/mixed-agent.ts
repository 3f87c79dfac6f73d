// The agent of the soak: answers, streams when it is asked to, and is busy now and then, so that messages wait for it.

import { createServer, type ServerResponse } from 'node:http';
import { serve } from './peer.ts';

const TEXT = 'The quarter closed 4 % above plan; the two late invoices are paid. '.repeat(6);
/** Every so many messages finds it busy. */
const BUSY_EVERY = 50;
const CHUNKS = 8;
let calls = 0;

function sendJson(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
}

function sendStream(response: ServerResponse, id: unknown): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const task = { id: `task-${calls}`, contextId: `context-${calls}` };
  const frame = (result: object) => response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`);
  frame({ kind: 'task', ...task, status: { state: 'working' } });
  for (let chunk = 0; chunk < CHUNKS; chunk += 1)
    frame({
      kind: 'artifact-update',
      taskId: task.id,
      contextId: task.contextId,
      append: chunk > 0,
      artifact: { artifactId: 'a', parts: [{ kind: 'text', text: TEXT }] },
    });
  frame({
    kind: 'status-update',
    taskId: task.id,
    contextId: task.contextId,
    final: true,
    status: { state: 'completed' },
  });
  response.end();
}

await serve(
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { id, method } = JSON.parse(Buffer.concat(chunks).toString()) as { id: unknown; method: string };
      calls += 1;
      if (calls % BUSY_EVERY === 0)
        return sendJson(response, 503, {
          jsonrpc: '2.0',
          id,
          error: { code: -32000, message: 'the agent is busy', data: { busy: true, retry_after: 1 } },
        });
      if (method === 'message/stream') return sendStream(response, id);
      const message = {
        kind: 'message',
        role: 'agent',
        messageId: `reply-${calls}`,
        parts: [{ kind: 'text', text: TEXT }],
      };
      sendJson(response, 200, { jsonrpc: '2.0', id, result: message });
    });
  }),
);
