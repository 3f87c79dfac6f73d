// A scripted model provider on loopback that speaks the providers' own wires, streaming and not: chat completions, messages,
// responses. A test says as a function of the request what is answered; the server keeps what it was asked.

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chatWire } from './model-wires/chat.ts';
import { messagesWire } from './model-wires/messages.ts';
import { responsesWire } from './model-wires/responses.ts';
import type { OutgoingReply, ReadRequest, Wire } from './model-wires/wire.ts';

export type { ModelChatEntry, ModelToolCall } from './model-wires/wire.ts';

export interface ModelRequest extends ReadRequest {
  wire: Wire['name'];
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
  /** 0 for the first request the server got. */
  index: number;
  /** The newest words of the user. */
  userText: string;
  /** What the tools answered since the model last spoke; empty = the model is asked, not told. */
  toolResults: string[];
}

export interface ModelAnswer {
  /** In pieces; an async iterable may wait between two of them. */
  text?: string | Iterable<string> | AsyncIterable<string>;
  toolCalls?: { name: string; input: unknown; id?: string }[];
  usage?: { input: number; output: number };
  finish?: 'length' | 'content-filter';
  /** Breaks the stream off after the text, as a provider in trouble does: `overloaded_error`, `server_error`. */
  brokenBy?: { type: string; message: string };
}

export interface ModelRefusal {
  /** 401, 429, 529 … */
  status: number;
  type?: string;
  message?: string;
  headers?: Record<string, string>;
}

/** May be asynchronous: the answer begins when the promise resolves. */
export type ModelScript = (request: ModelRequest) => ModelAnswer | ModelRefusal | Promise<ModelAnswer | ModelRefusal>;

export interface ModelServer {
  /** Without a path. */
  url: string;
  /** With `/v1`, as `*_BASE_URL` wants it. */
  baseUrl: string;
  requests: ModelRequest[];
  /** Replaces the script from the next request on. */
  respond(script: ModelScript): void;
  /** Resolves when there were so many requests in all. */
  waitForRequests(count: number): Promise<ModelRequest[]>;
  /** Resolves when a reader has left in the middle of an answer. */
  waitForHangUp(): Promise<void>;
  stop(): Promise<void>;
}

export const MODEL_NAME = 'scripted-model';
const WIRES: readonly Wire[] = [chatWire, messagesWire, responsesWire];
const USAGE = { input: 11, output: 7 };

async function* piecesOf(text: ModelAnswer['text']): AsyncGenerator<string, void, undefined> {
  if (typeof text === 'string') {
    if (text !== '') yield text;
  } else if (text) yield* text;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
}

function sendJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function toRequest(wire: Wire, request: IncomingMessage, body: Record<string, unknown>, index: number): ModelRequest {
  const read = wire.read(body);
  const lastSpoken = read.messages.findLastIndex(({ role }) => role === 'assistant');
  return {
    ...read,
    wire: wire.name,
    headers: request.headers,
    body,
    index,
    userText: read.messages.findLast(({ role }) => role === 'user')?.text ?? '',
    toolResults: read.messages
      .slice(lastSpoken + 1)
      .filter(({ role }) => role === 'tool')
      .map(({ text }) => text),
  };
}

function toOutgoing(answer: ModelAnswer, { model, index }: ModelRequest): OutgoingReply {
  return {
    id: `reply-${index}`,
    model,
    text: piecesOf(answer.text),
    toolCalls: (answer.toolCalls ?? []).map((call, at) => ({ id: `call-${index}-${at}`, ...call })),
    finish: answer.finish ?? null,
    usage: answer.usage ?? USAGE,
    brokenBy: answer.brokenBy ?? null,
  };
}

/** @param script what is answered until `respond` replaces it. */
export async function startModelServer(script: ModelScript = () => ({ text: 'ok' })): Promise<ModelServer> {
  const requests: ModelRequest[] = [];
  const waiting: { count: number; resolve: (requests: ModelRequest[]) => void }[] = [];
  const hungUp = Promise.withResolvers<void>();
  let current = script;

  async function stream(response: ServerResponse, wire: Wire, reply: OutgoingReply, request: ModelRequest) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.flushHeaders();
    for await (const frame of wire.encodeStream(reply, request.body)) {
      if (response.destroyed) return;
      if (!response.write(frame)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    response.end();
  }

  async function answer(wire: Wire, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = toRequest(wire, incoming, await readBody(incoming), requests.length);
    requests.push(request);
    for (const wait of waiting.filter(({ count }) => requests.length >= count)) wait.resolve(requests);
    response.on('close', () => {
      if (!response.writableFinished) hungUp.resolve();
    });
    const said = await current(request);
    if ('status' in said) {
      const { status, type = 'error', message = `scripted ${status}`, headers = {} } = said;
      return sendJson(response, status, wire.encodeError(status, type, message), headers);
    }
    const reply = toOutgoing(said, request);
    if (request.stream) return await stream(response, wire, reply, request);
    const pieces = await Array.fromAsync(reply.text);
    if (reply.brokenBy)
      return sendJson(response, 500, wire.encodeError(500, reply.brokenBy.type, reply.brokenBy.message));
    sendJson(response, 200, wire.encodeWhole(reply, pieces.join('')));
  }

  const server = createServer(async (request, response) => {
    const wire = request.method === 'POST' ? WIRES.find(({ path }) => path === request.url?.split('?')[0]) : undefined;
    try {
      if (wire) await answer(wire, request, response);
      else if (request.method === 'GET' && request.url === '/v1/models')
        sendJson(response, 200, { object: 'list', data: [{ id: MODEL_NAME, object: 'model' }] });
      else sendJson(response, 404, { error: { message: `no such route: ${request.method} ${request.url}` } });
    } catch (error) {
      // A script that throws must fail its test with its own words, not with a hanging client.
      if (response.headersSent) response.destroy(error as Error);
      else sendJson(response, 500, { error: { message: `the script failed: ${String(error)}` } });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    baseUrl: `${url}/v1`,
    requests,
    respond(next) {
      current = next;
    },
    waitForRequests: (count) =>
      requests.length >= count ? Promise.resolve(requests) : new Promise((resolve) => waiting.push({ count, resolve })),
    waitForHangUp: () => hungUp.promise,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
