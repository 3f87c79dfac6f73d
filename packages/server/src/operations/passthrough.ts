// Hands one request on to another server and its answer back, piece by piece. Owns the bounds and which headers travel; which
// paths may go where is the proxies' business (chapter 10 §5.5). Redirects are passed on, never followed.

import { type Readable, Transform } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PlatformError } from '../platform/errors.ts';
import { Agent, type Dispatcher } from '../platform/http-client.ts';
import type { Logger } from '../platform/log.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

const CONNECT_TIMEOUT_MS = 9_000;
/** Until the answer begins, and between two pieces of it. */
const SILENCE_MS = 60_000;
const MOST_REQUEST_BYTES = 1_048_576;
const MOST_ANSWER_BYTES = 64 * 1_048_576;
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** Of the connection to this platform, or what only this platform may say of it. */
const NOT_SENT = [
  'host',
  'expect',
  'content-length',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
];

type Headers = Record<string, string | string[]>;

export interface Destination {
  /** Begins with `/` and is sent as it stands. */
  path: string;
  /** Replaces what the client sent; null leaves it out. Names in lower case. */
  requestHeaders?: Readonly<Record<string, string | null>>;
  /** Left out of the answer, besides those this platform sets itself. */
  withheld?: readonly string[];
}

export interface Passthrough {
  /** @throws upstream_unreachable, body_too_large */
  forward(request: FastifyRequest, reply: FastifyReply, destination: Destination): Promise<FastifyReply>;
}

/** Without what belongs to one connection only, which its `Connection` header may extend. */
function travelling(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  left: readonly string[],
): Headers {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const dropped = new Set([...HOP_BY_HOP, ...named, ...left]);
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] => entry[1] !== undefined && !dropped.has(entry[0].toLowerCase()),
    ),
  );
}

function countTo(limit: number, tooLarge: () => Error): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > limit ? tooLarge() : null, chunk);
    },
  });
}

const bodyTooLarge = () =>
  new PlatformError('body_too_large', `the body is larger than ${MOST_REQUEST_BYTES} bytes`, {
    max_bytes: MOST_REQUEST_BYTES,
  });

/** As it comes, refused at once by its declared length and else where it grows too long. */
function boundedBody(request: FastifyRequest): Readable | null {
  const payload = request.body as Readable | undefined;
  if (payload === undefined) return null;
  if (Number(request.headers['content-length'] ?? 0) > MOST_REQUEST_BYTES) throw bodyTooLarge();
  const counted = countTo(MOST_REQUEST_BYTES, bodyTooLarge);
  payload.once('error', (error) => counted.destroy(error));
  // Whoever reads it is told; when nobody does any more, nothing is lost.
  counted.on('error', () => {});
  return payload.pipe(counted);
}

function requestHeadersOf(request: FastifyRequest, replaced: Destination['requestHeaders'] = {}): Headers {
  const headers = travelling(request.headers, [...NOT_SENT, ...Object.keys(replaced)]);
  for (const [name, value] of Object.entries(replaced)) if (value !== null) headers[name] = value;
  return {
    ...headers,
    'x-forwarded-for': request.ip,
    'x-forwarded-host': request.host,
    'x-forwarded-proto': request.protocol,
  };
}

function answerHeadersOf(answer: Dispatcher.ResponseData, withheld: readonly string[] = []): Headers {
  const headers = travelling(answer.headers, [...withheld, ...Object.keys(SECURITY_HEADERS)]);
  for (const name of Object.keys(headers)) if (name.startsWith('access-control-')) delete headers[name];
  return headers;
}

/** Bodies of a scope are not parsed: they go on as they come. */
export function keepBodiesRaw(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

/** @param base where to, with the path that stands before every destination; connections end with the scope. */
export function createPassthrough(scope: FastifyInstance, base: string, log: Logger): Passthrough {
  const { origin, pathname } = new URL(base);
  const prefix = pathname.replace(/\/+$/, '');
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  });
  scope.addHook('onClose', () => agent.destroy());

  async function send(request: FastifyRequest, reply: FastifyReply, destination: Destination) {
    const left = new AbortController();
    reply.raw.once('close', () => left.abort());
    const body = boundedBody(request);
    try {
      return await agent.request({
        origin,
        path: prefix + destination.path,
        method: request.method as Dispatcher.HttpMethod,
        headers: requestHeadersOf(request, destination.requestHeaders),
        signal: left.signal,
        body,
      });
    } catch (error) {
      if (error instanceof PlatformError) throw error;
      log.warn({ err: error, origin }, 'a request could not be passed on');
      throw new PlatformError('upstream_unreachable', 'the server behind this address does not answer');
    }
  }

  return {
    async forward(request, reply, destination) {
      const answer = await send(request, reply, destination);
      reply.status(answer.statusCode).headers(answerHeadersOf(answer, destination.withheld));
      if (request.method === 'HEAD' || answer.statusCode === 204 || answer.statusCode === 304) {
        await answer.body.dump();
        return reply.send();
      }
      const counted = countTo(
        MOST_ANSWER_BYTES,
        () => new Error(`the answer is larger than ${MOST_ANSWER_BYTES} bytes`),
      );
      answer.body.once('error', (error) => counted.destroy(error));
      counted.once('close', () => answer.body.destroy());
      return reply.send(answer.body.pipe(counted));
    },
  };
}
