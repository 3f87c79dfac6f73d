// Mounts a contract table on Fastify: parameters → principal → body → handler → reply, all by the row.
// Owns parsing, error replies and request metrics. Who may pass is auth's decision (`Authorize`), what happens the domain's.

import { randomUUID } from 'node:crypto';
import type { WebSocket } from '@fastify/websocket';
import type { Route, RouteBody, RouteParams, RouteQuery, RouteReply, RouteTable } from '@molecule/contract';
import { idParams, uuid } from '@molecule/contract';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { invalid, PlatformError } from './errors.ts';
import type { Logger } from './log.ts';
import { answerMalformedAddress, answerMalformedHttp } from './malformed.ts';
import type { Metrics } from './metrics.ts';
import type { Principal } from './principal.ts';
import { endQuietConnections } from './quiet-connections.ts';
import { findUnstorable } from './storable.ts';
import { isStoreFull, isUnavailable } from './store-errors.ts';

export interface Call<R extends Route> {
  params: RouteParams<R>;
  query: RouteQuery<R>;
  body: R['rawBody'] extends true ? Buffer : RouteBody<R>;
  principal: Principal;
  request: FastifyRequest;
  reply: FastifyReply;
}

export type SocketCall<R extends Route> = Pick<Call<R>, 'params' | 'query' | 'principal' | 'request'>;

/** What a handler of a `json` route answers: the body of the default status, or `answer(status, body)`. */
export type Handler<R extends Route> = (
  call: Call<R>,
) => Promise<RouteReply<R> | Answer<RouteReply<R>> | typeof HANDLED>;
export type Handlers<T extends RouteTable> = { [N in keyof T]: Handler<T[N]> };
export type Authorize = (request: FastifyRequest, route: Route, params: Record<string, string>) => Promise<Principal>;

/** Returned by a handler that wrote the reply itself (streams, sockets, pass-through). */
export const HANDLED = Symbol('handled');

class Answer<Body> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Record<string, string>;
  constructor(status: number, body: Body, headers: Record<string, string>) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

export type { Answer };

export function answer<Body>(status: number, body: Body, headers: Record<string, string> = {}): Answer<Body> {
  return new Answer(status, body, headers);
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal;
  }
  interface FastifyContextConfig {
    rawBody?: boolean;
    maxBytes?: number;
  }
}

const JSON_BODY_LIMIT = 1_048_576;
const SLOW_REQUEST_MS = 1_000;

/** @throws invalid_request naming what the store could not keep. */
function assertStorable(value: unknown, whole: string): void {
  const fault = findUnstorable(value);
  if (fault) throw invalid(fault.field || whole, fault.message);
}

/** Parses with the row's schema; the first issue becomes `invalid_request` naming its field. */
export function parseWith<S extends z.ZodType>(schema: S, value: unknown, whole: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue && issue.path.length > 0 ? issue.path.join('.') : whole;
  const missing = issue?.code === 'invalid_type' && issue.input === undefined;
  throw invalid(field, missing ? 'is required' : (issue?.message ?? 'is not valid'));
}

/** The router's pattern of a contract path: its rest of a path has no name there. */
const toPattern = (path: string) => path.replace(/\*[A-Za-z]+$/, '*');

/** The rest of a path under the name the contract gives it. */
function nameRest(route: Route, given: Record<string, string>): Record<string, string> {
  const name = /\*([A-Za-z]+)$/.exec(route.path)?.[1];
  if (name === undefined) return given;
  const { '*': rest = '', ...others } = given;
  return { ...others, [name]: rest };
}

/** Ids are lower case from here on: they are compared with tokens and are the keys of caches. */
function parseParams(route: Route, given: Record<string, string>): Record<string, string> {
  const named = nameRest(route, given);
  const raw = named.id === undefined ? named : { ...named, id: named.id.toLowerCase() };
  if (raw.id !== undefined && !uuid.safeParse(raw.id).success && route.path !== '/workspaces/:id/a2a/queue/:queueId') {
    throw new PlatformError('invalid_workspace_id', 'invalid workspace id', { field: 'id' });
  }
  // A UUID is storable, and was just found to be one.
  if (route.params === idParams) return { id: raw.id as string };
  assertStorable(raw, 'path');
  return route.params ? (parseWith(route.params, raw, 'path') as Record<string, string>) : raw;
}

/** Fastify's own refusals, said in the contract's codes. */
function translateFastifyError(error: FastifyError, request: FastifyRequest): PlatformError | null {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': {
      const most = request.routeOptions.config.maxBytes ?? JSON_BODY_LIMIT;
      return new PlatformError('body_too_large', `the body is larger than ${most} bytes`, { max_bytes: most });
    }
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new PlatformError('invalid_json', 'invalid JSON');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new PlatformError('unsupported_media_type', 'the content type must be application/json');
    default:
      return error.statusCode === 400 ? new PlatformError('invalid_request', 'the request is malformed') : null;
  }
}

/** The error a caller may see, for anything that was thrown. */
export function toPlatformError(error: unknown, request: FastifyRequest): PlatformError {
  if (error instanceof PlatformError) return error;
  if (isStoreFull(error))
    return new PlatformError(
      'store_full',
      'the disk under the datastore is nearly full; free some space and repeat',
      { retry_after: 30 },
      { headers: { 'retry-after': '30' }, cause: error },
    );
  if (isUnavailable(error))
    return new PlatformError(
      'platform_unavailable',
      'the datastore does not answer',
      { retry_after: 5 },
      { headers: { 'retry-after': '5' }, cause: error },
    );
  return (
    translateFastifyError(error as FastifyError, request) ??
    new PlatformError(
      'internal',
      'the platform failed to handle this request',
      { request_id: request.id },
      { cause: error },
    )
  );
}

export interface HttpServerOptions {
  log: Logger;
  metrics: Metrics;
  trustedProxies: string[];
}

/** Rows are parsed by their own schemas. Fastify's compilers, unless others are named, are loaded at the start and take 3 MB. */
function refuseSchema(): never {
  throw new Error('routes are described in the contract, not by schemas of Fastify');
}

/** A Fastify instance with the error table, body parsing and metrics in place, and no route. */
export function createHttpServer({ log, metrics, trustedProxies }: HttpServerOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: JSON_BODY_LIMIT,
    trustProxy: trustedProxies.length > 0 ? trustedProxies : false,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 1024 },
    forceCloseConnections: 'idle',
    clientErrorHandler: answerMalformedHttp,
    frameworkErrors: answerMalformedAddress,
    schemaController: { compilersFactory: { buildValidator: refuseSchema, buildSerializer: refuseSchema } },
  });
  endQuietConnections(app);
  app.decorateRequest('principal');
  app.decorateRequest('bearer');
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (request.routeOptions.config.rawBody) return done(null, body);
    if (body.length === 0) return done(null, undefined);
    parseJson(request, body.toString(), done);
  });
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler((error: unknown, request, reply) => {
    const failure = toPlatformError(error, request);
    if (failure.status >= 500)
      log.error(
        {
          err: failure.cause ?? error,
          reqId: request.id,
          method: request.method,
          path: request.routeOptions.url,
          error_code: failure.code,
        },
        'request failed',
      );
    return reply.status(failure.status).headers(failure.headers).send(failure.body());
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .status(404)
      .send({ error: `no route for ${request.method} ${request.url.split('?')[0]}`, code: 'route_not_found' }),
  );
  app.addHook('onResponse', async (request, reply) => {
    const labels = {
      method: request.method,
      path: request.routeOptions.url ?? 'unmatched',
      status: String(reply.statusCode),
    };
    metrics.requests.inc(labels);
    metrics.requestSeconds.inc(labels, reply.elapsedTime / 1000);
    if (reply.elapsedTime > SLOW_REQUEST_MS)
      log.info({ reqId: request.id, ...labels, ms: Math.round(reply.elapsedTime) }, 'slow request');
  });
  return app;
}

/** Replies are parsed where a wrong one should be found, not where every microsecond counts. */
function serializeReply(route: Route, status: number, body: unknown): unknown {
  const schema = route.replies[status];
  if (!schema || (route.transport ?? 'json') !== 'json') return body;
  return schema.parse(body);
}

function mountRoute(app: FastifyInstance, route: Route, handler: Handler<Route>, authorize: Authorize): void {
  const defaultStatus = Math.min(...Object.keys(route.replies).map(Number));
  app.route({
    method: route.method,
    url: toPattern(route.path),
    // A HEAD of a stream would hold a connection open and never carry a byte.
    exposeHeadRoute: route.transport !== 'sse',
    bodyLimit: route.bodyLimit ?? JSON_BODY_LIMIT,
    config: { rawBody: route.rawBody ?? false, maxBytes: route.bodyLimit ?? JSON_BODY_LIMIT },
    onRequest: async (request) => {
      // Ids are judged before any query, and the caller before the body is read.
      request.params = parseParams(route, request.params as Record<string, string>);
      request.principal = await authorize(request, route, request.params as Record<string, string>);
    },
    handler: async (request, reply) => {
      const query = route.query ? parseWith(route.query, request.query, 'query') : {};
      if (route.query) assertStorable(query, 'query');
      // No body at all is an empty one; `null` is not.
      const body = route.body
        ? parseWith(route.body, request.body === undefined ? {} : request.body, 'body')
        : request.body;
      if (!route.rawBody) assertStorable(body, 'body');
      const result = await handler({
        params: request.params as never,
        query: query as never,
        body: body as never,
        principal: request.principal,
        request,
        reply,
      });
      if (result === HANDLED) return reply;
      const status = result instanceof Answer ? result.status : defaultStatus;
      const payload = result instanceof Answer ? result.body : result;
      if (result instanceof Answer) reply.headers(result.headers);
      return reply.status(status).send(serializeReply(route, status, payload));
    },
  });
}

export interface SocketGate<R extends Route, Prepared> {
  /** May refuse. Asked for a plain request too: a browser is told nothing of a refused upgrade, and can ask for the reason so. */
  check(call: SocketCall<R>): Promise<void>;
  /** Of an upgrade only; may refuse as well. */
  prepare(call: SocketCall<R>): Promise<Prepared>;
}

/** Mounts a WebSocket row. The principal is judged, and `gate` may refuse, before the upgrade is answered. */
export function mountSocket<R extends Route, Prepared = void>(
  app: FastifyInstance,
  route: R,
  authorize: Authorize,
  accept: (socket: WebSocket, call: SocketCall<R>, prepared: Prepared) => void,
  gate?: SocketGate<R, Prepared>,
): void {
  const prepared = new WeakMap<FastifyRequest, Prepared>();
  const callOf = (request: FastifyRequest): SocketCall<R> => ({
    params: request.params as never,
    query: request.query as never,
    principal: request.principal,
    request,
  });
  app.route({
    method: 'GET',
    url: toPattern(route.path),
    exposeHeadRoute: false,
    preValidation: async (request) => {
      request.params = parseParams(route, request.params as Record<string, string>);
      request.principal = await authorize(request, route, request.params as Record<string, string>);
      if (route.query) request.query = parseWith(route.query, request.query, 'query');
      await gate?.check(callOf(request));
      if (gate && request.ws) prepared.set(request, await gate.prepare(callOf(request)));
    },
    handler: async (_request, reply) =>
      reply
        .status(426)
        .headers({ upgrade: 'websocket' })
        .send({ error: 'open this address as a WebSocket', code: 'invalid_request' }),
    wsHandler: (socket, request) => accept(socket, callOf(request), prepared.get(request) as Prepared),
  });
}

/** Mounts every row of a table. A missing or superfluous handler is a compile error. */
export function mount<const T extends RouteTable>(
  app: FastifyInstance,
  routes: T,
  handlers: Handlers<T>,
  authorize: Authorize,
): void {
  for (const [name, route] of Object.entries(routes))
    mountRoute(app, route, handlers[name] as unknown as Handler<Route>, authorize);
}
