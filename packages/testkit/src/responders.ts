// How a scripted peer answers: replies, refusals, streams, and the ways a connection goes wrong.

import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ReceivedCall, Responder } from './peer.ts';

export const rpcIdOf = (call: ReceivedCall): unknown => (call.body as { id?: unknown } | null)?.id ?? null;
export const messageIdOf = (call: ReceivedCall): string =>
  (call.body as { params?: { message?: { messageId?: string } } } | null)?.params?.message?.messageId ?? '';

/** Any status and body; a string goes out as it is. */
export function replyStatus(status: number, body: unknown = {}, headers: Record<string, string> = {}): Responder {
  return (_call, response) => {
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** A JSON-RPC reply with this result. */
export function replyResult(result: unknown): Responder {
  return (call, response) => replyStatus(200, { jsonrpc: '2.0', id: rpcIdOf(call), result })(call, response);
}

/** A v0.3 reply message with one text part. */
export function replyWith(text: string, extra: Record<string, unknown> = {}): Responder {
  return (call, response) => {
    const parts = [{ kind: 'text', text }];
    return replyResult({ kind: 'message', role: 'agent', messageId: randomUUID(), parts, ...extra })(call, response);
  };
}

/** The runtime's own busy answer (chapter 40 §9). */
export function replyBusyWith(data: Record<string, unknown> = {}): Responder {
  return (call, response) =>
    replyStatus(
      503,
      {
        jsonrpc: '2.0',
        id: rpcIdOf(call),
        error: {
          code: -32000,
          message: 'busy',
          data: { busy: true, retry_after: 30, active_tasks: 1, queue_depth: 0, native_session: false, ...data },
        },
      },
      { 'retry-after': '30' },
    )(call, response);
}
export const replyBusy: Responder = replyBusyWith();

/** The connection is reset before any answer. */
export const reset: Responder = (_call, response) => {
  response.socket?.resetAndDestroy();
};

/** Headers and the beginning of a body, then the connection breaks. */
export function breakOffAfter(status: number, part = '{"jsonrpc":"2.0","id":1,"res'): Responder {
  return (_call, response) => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': '100000' });
    response.write(part, () => response.socket?.destroy());
  };
}

const writeFrame = (response: ServerResponse, frame: unknown) => response.write(`data: ${JSON.stringify(frame)}\n\n`);

/** Server-sent events: each result in a JSON-RPC frame. `broken`: the connection breaks instead of ending. */
export function streamResults(results: unknown[], options: { broken?: boolean } = {}): Responder {
  return (call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const result of results) writeFrame(response, { jsonrpc: '2.0', id: rpcIdOf(call), result });
    if (options.broken) response.write(': last words\n\n', () => response.socket?.destroy());
    else response.end();
  };
}

/** Holds every call until `release`, which answers those held and lets the next ones through. */
export function holdCalls(then: Responder): { respond: Responder; release(): void } {
  const held = Promise.withResolvers<void>();
  return {
    async respond(call, response) {
      await held.promise;
      await then(call, response);
    },
    release: () => held.resolve(),
  };
}
