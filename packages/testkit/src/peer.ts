// A plain HTTP server at the edge of the process: answers as a test tells it and keeps what it was sent.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedCall {
  headers: IncomingMessage['headers'];
  path: string;
  body: unknown;
  raw: string;
}

export type Responder = (call: ReceivedCall, response: ServerResponse) => void | Promise<void>;

export interface Peer {
  url: string;
  port: number;
  calls: ReceivedCall[];
  /** Replaces how the next calls are answered. */
  respond(responder: Responder): void;
  /** Resolves when the peer has been called `count` times in all. */
  waitForCalls(count: number): Promise<ReceivedCall[]>;
  stop(): Promise<void>;
}

/** Null when the caller left before the end: that was no call. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch (error) {
    if (request.destroyed) return null;
    throw error;
  }
  return Buffer.concat(chunks).toString();
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return null;
  }
}

/** Listens on the loopback, on a free port unless told otherwise. */
export async function startPeer(respond: Responder, wantedPort = 0): Promise<Peer> {
  const calls: ReceivedCall[] = [];
  const waiting: { count: number; resolve: (calls: ReceivedCall[]) => void }[] = [];
  let responder = respond;
  const server = createServer(async (request, response) => {
    const raw = await readBody(request);
    if (raw === null) return;
    const call = { headers: request.headers, path: request.url ?? '', body: parse(raw), raw };
    calls.push(call);
    for (const wait of waiting.filter((one) => calls.length >= one.count)) wait.resolve(calls);
    await responder(call, response);
  });
  await new Promise<void>((resolve) => server.listen(wantedPort, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    calls,
    respond(next) {
      responder = next;
    },
    waitForCalls: (count) =>
      calls.length >= count ? Promise.resolve(calls) : new Promise((resolve) => waiting.push({ count, resolve })),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
