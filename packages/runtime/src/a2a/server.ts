// The agent's HTTP server (chapter 40 §8): A2A over JSON-RPC in both protocol versions, the card, health, and the platform's own
// doors. On bare node:http: the routes are few and an idle agent must stay small.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LegacyJsonRpcTransportHandler } from '@a2a-js/sdk/compat/v0_3/server';
import { JsonRpcTransportHandler, ServerCallContext } from '@a2a-js/sdk/server';
import {
  type Adapter,
  type AgentConfig,
  type Capabilities,
  type Executor,
  readCapabilities,
} from '../adapters/adapter.ts';
import type { Credentials } from '../credentials.ts';
import type { RuntimeEnvironment } from '../environment.ts';
import type { ResultsFile } from '../link/results-file.ts';
import type { TaskCounter } from '../link/task-counter.ts';
import type { Wedge } from '../link/wedge.ts';
import type { Logger, Redact } from '../logger.ts';
import { AgentStopping } from '../turn/failure.ts';
import { createPipeline } from '../turn/pipeline.ts';
import { createTurnQueue } from '../turn/queue.ts';
import { buildCard, buildSdkCard } from './card.ts';
import { ingestFiles } from './file-ingest.ts';
import { FileRefusal, rootsOf, sendFile } from './file-read.ts';
import { BodyTooLarge, bearerMatches, readBody, sendEvents, sendJson } from './http.ts';
import { readInbound } from './inbound.ts';
import { createPushSender } from './push.ts';
import { BUSY, CALLER, createRequestHandler, INBOX, type InboxCall } from './request-handler.ts';
import { createTaskStore } from './tasks.ts';
import { createTranscriptDoor } from './transcript.ts';

// By `import` every part of node:http is evaluated, also Node's own web sockets: 13 MB in each agent.
const { createServer } = process.getBuiltinModule('node:http');

const MOST_BODY_BYTES = 10 * 1024 * 1024;
const RETRY_AFTER_SECONDS = 30;
const NATIVE_SESSION_DEPTH = 8;
const SILENCE_MS = 25_000;
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

export interface A2aServerOptions {
  config: AgentConfig;
  adapter: Adapter;
  executor: Executor;
  credentials: Credentials;
  taskCounter: TaskCounter;
  resultsFile: ResultsFile;
  environment: RuntimeEnvironment;
  wedge: Wedge;
  version: string;
  log: Logger;
  redact: Redact;
  /** The advertised address; known once the port is. */
  url: () => string;
  /** Longest silence of an event stream. */
  silenceMs?: number;
  /** Pauses before a turn is repeated on an overloaded model. */
  retryDelaysMs: readonly number[];
}

export interface A2aServer {
  listen(port: number, host: string): Promise<{ port: number }>;
  /** The executor is there: `/readyz` says so. */
  setReady(): void;
  /** Turns at once; a smaller number lets the running ones end. */
  setWidth(width: number): void;
  card(): Record<string, unknown>;
  /**
   * A message that came by the inbox, into the same turns as one that was posted, however many wait.
   * @param params of `message/send`.
   * @returns why it cannot be read; null when `call` was told of its turn, or the server takes no turns any more.
   */
  admit(params: Record<string, unknown>, callerId: string | null, call: InboxCall): Promise<string | null>;
  /** Refuses new turns, waits for the running ones, then cancels what is left. */
  close(graceMs: number): Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void> | void;

const headerOf = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** What an adapter cannot say it does not do. */
function discoverCapabilities(adapter: Adapter, log: Logger): Partial<Capabilities> {
  try {
    return readCapabilities(adapter);
  } catch (error) {
    log.warn({ err: error }, 'the adapter could not say what it can do');
    return {};
  }
}

export function createA2aServer(options: A2aServerOptions): A2aServer {
  const { config, adapter, credentials, taskCounter, environment, wedge, log, url } = options;
  const capabilities = discoverCapabilities(adapter, log);
  const nativeSession = capabilities.session === true;
  const depth = environment.queueDepth ?? (nativeSession ? NATIVE_SESSION_DEPTH : 0);
  let width = config.maxConcurrentTasks;
  const queue = createTurnQueue({ width, depth });
  const tasks = createTaskStore({ directory: environment.credentialsDir, log });
  const roots = rootsOf(environment);
  const startedAt = Date.now();
  let ready = false;

  const pipeline = createPipeline({
    config,
    executor: options.executor,
    nativeRetry: capabilities.retry === true,
    taskCounter,
    resultsFile: options.resultsFile,
    clearWedge: wedge.clear,
    redact: options.redact,
    log,
    retryDelaysMs: options.retryDelaysMs,
  });
  const cardInput = () => ({ config, runtime: adapter.name(), url: url() });
  const requestHandler = createRequestHandler({
    card: () => buildSdkCard(cardInput()),
    tasks,
    queue,
    pipeline,
    push: createPushSender({ allowPrivate: LOOPBACK.includes(new URL(environment.platformUrl).hostname), log }),
    nativeSession,
  });
  const transports = {
    '0.3': new LegacyJsonRpcTransportHandler(requestHandler),
    '1.0': new JsonRpcTransportHandler(requestHandler),
  };

  function sendBusy(response: ServerResponse, id: unknown): void {
    const data = {
      busy: true,
      retry_after: RETRY_AFTER_SECONDS,
      active_tasks: queue.running(),
      queue_depth: queue.waiting(),
      native_session: nativeSession,
    };
    sendJson(
      response,
      503,
      { jsonrpc: '2.0', id, error: { code: -32000, message: 'the agent is busy', data } },
      { 'retry-after': String(RETRY_AFTER_SECONDS) },
    );
  }

  const handleRpc: Handler = async (request, response) => {
    if (environment.requireA2aAuth && !bearerMatches(request, credentials.inboundSecret()))
      return sendJson(response, 401, { error: 'a bearer is required', code: 'unauthorized' });
    const inbound = readInbound(await readBody(request, MOST_BODY_BYTES), headerOf(request, 'a2a-version'));
    if (!inbound.ok) {
      const { id, code, message, field } = inbound;
      return sendJson(response, 200, {
        jsonrpc: '2.0',
        id,
        error: { code, message, ...(field ? { data: { field } } : {}) },
      });
    }
    const { version } = inbound;
    const id = inbound.request.id;
    const call = new ServerCallContext({
      requestedVersion: version,
      state: new Map<string, unknown>([[CALLER, headerOf(request, 'x-workspace-id') || null]]),
    });
    const result = await transports[version].handle(inbound.request, call);
    if (!(Symbol.asyncIterator in result)) {
      if (call.state.get(BUSY)) return sendBusy(response, id);
      return sendJson(response, 200, result);
    }
    // The first frame decides: a refusal is an ordinary reply, not a stream that breaks off.
    const frames = result as AsyncGenerator<unknown, void, undefined>;
    let first: IteratorResult<unknown, void>;
    try {
      first = await frames.next();
    } catch (error) {
      if (call.state.get(BUSY)) return sendBusy(response, id);
      const mapped =
        version === '1.0'
          ? JsonRpcTransportHandler.mapToJSONRPCError(error)
          : LegacyJsonRpcTransportHandler.mapToLegacyJSONRPCError(error as Error);
      return sendJson(response, 200, { jsonrpc: '2.0', id, error: mapped });
    }
    await sendEvents(response, startingWith(first, frames), options.silenceMs ?? SILENCE_MS);
  };

  /** Doors of the platform: closed to everybody without the inbound secret, and while there is none. */
  const guarded =
    (handler: Handler): Handler =>
    (request, response, target) => {
      if (bearerMatches(request, credentials.inboundSecret())) return handler(request, response, target);
      sendJson(response, 401, { error: 'the inbound secret is required', code: 'unauthorized' });
    };

  const cancelTurns: Handler = async (request, response) => {
    const body = await readBody(request, MOST_BODY_BYTES);
    let taskId: unknown;
    try {
      taskId = body === '' ? undefined : (JSON.parse(body) as { task_id?: unknown } | null)?.task_id;
    } catch {
      return sendJson(response, 400, { error: 'invalid JSON', code: 'invalid_json' });
    }
    const chosen = tasks.running().filter(({ task }) => taskId === undefined || task.id === taskId);
    for (const entry of chosen) entry.cancel.abort(new Error('canceled'));
    await Promise.all(chosen.map(({ done }) => done));
    sendJson(response, 200, { canceled: chosen.map(({ task }) => task.id) });
  };

  const diagnose: Handler = (_request, response) =>
    sendJson(response, 200, {
      runtime_version: options.version,
      node_version: process.version,
      adapter: adapter.name(),
      capabilities,
      uptime_seconds: Math.floor((Date.now() - startedAt) / 1000),
      queue: { width, depth, running: queue.running(), waiting: queue.waiting() },
      tasks: tasks.list().length,
      wedge: wedge.reason(),
    });

  const sendCard: Handler = (_request, response) => sendJson(response, 200, buildCard(cardInput()));
  const takeFiles: Handler = async (request, response) =>
    sendJson(response, 200, { files: await ingestFiles(request, environment.workspaceRoot) });
  const readFile: Handler = (request, response, target) =>
    sendFile(request, response, target.searchParams.get('path') ?? '', roots);

  const routes: Record<string, Handler> = {
    'POST /': handleRpc,
    'POST /a2a': handleRpc,
    'GET /.well-known/agent-card.json': sendCard,
    'GET /.well-known/agent.json': sendCard,
    'GET /healthz': (_request, response) => sendJson(response, 200, { status: 'ok' }),
    'GET /readyz': (_request, response) =>
      sendJson(response, ready ? 200 : 503, { status: ready ? 'ready' : 'starting' }),
    'GET /transcript': createTranscriptDoor({ adapter, credentials, redact: options.redact }),
    'GET /internal/file/read': guarded(readFile),
    'POST /internal/chat/uploads/ingest': guarded(takeFiles),
    'GET /internal/diagnostics': guarded(diagnose),
    'POST /internal/cancel': guarded(cancelTurns),
  };

  function fail(response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      // A reader that left in the middle is no fault of ours.
      if (!response.destroyed) log.warn({ err: error }, 'a reply broke off');
      response.destroy();
    } else if (error instanceof FileRefusal)
      sendJson(
        response,
        error.status,
        { error: error.message, code: error.code },
        // A body that is refused by its declared length is not worth reading.
        error.status === 413 && !response.req.readableDidRead ? { connection: 'close' } : {},
      );
    else if (error instanceof BodyTooLarge)
      sendJson(response, 413, { error: 'the body is too large', code: 'body_too_large' }, { connection: 'close' });
    else {
      log.error({ err: error }, 'a request failed');
      sendJson(response, 500, { error: 'internal error', code: 'internal' });
    }
  }

  const server = createServer(async (request, response) => {
    try {
      const target = new URL(request.url ?? '/', 'http://agent.local');
      const handler = routes[`${request.method} ${target.pathname}`];
      if (handler) await handler(request, response, target);
      else sendJson(response, 404, { error: 'no such route', code: 'not_found' });
    } catch (error) {
      fail(response, error);
    }
  });
  // A blocking turn may take half an hour without a byte.
  server.requestTimeout = 0;
  server.timeout = 0;
  server.keepAliveTimeout = 65_000;

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),
    setReady() {
      ready = true;
    },
    setWidth(next) {
      width = next;
      queue.setWidth(next);
    },
    card: () => buildCard(cardInput()),
    async admit(params, callerId, call) {
      const body = { jsonrpc: '2.0', id: 1, method: 'message/send', params };
      const inbound = readInbound(JSON.stringify(body), undefined);
      if (!inbound.ok) return inbound.message;
      // The turn itself is followed through `call`: nobody waits for a reply here.
      const request = {
        ...inbound.request,
        params: { ...(inbound.request.params as object), configuration: { blocking: false } },
      };
      const state = new Map<string, unknown>([
        [CALLER, callerId],
        [INBOX, call],
      ]);
      const context = new ServerCallContext({ requestedVersion: inbound.version, state });
      const reply = (await transports[inbound.version].handle(request, context)) as { error?: { message: string } };
      return reply.error && !state.get(BUSY) ? reply.error.message : null;
    },
    async close(graceMs) {
      ready = false;
      queue.shut();
      const running = () => Promise.all(tasks.running().map(({ done }) => done));
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([running(), new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))]);
      clearTimeout(timer);
      for (const entry of tasks.running()) entry.cancel.abort(new AgentStopping());
      await running();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      // Replies that are being written get a moment; connections kept open for more do not.
      setTimeout(() => server.closeAllConnections(), 500).unref();
      await closed;
    },
  };
}

async function* startingWith(first: IteratorResult<unknown, void>, rest: AsyncGenerator<unknown, void, undefined>) {
  try {
    if (!first.done) yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}
