// The platform at the edge of the process: a real HTTP server that answers as a test tells it and keeps what it was sent.

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PlatformCall {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads of a body what it expects there
  body: any;
}

export interface Answer {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** Sent as it is, instead of `body`. */
  raw?: string;
}

/** Null leaves the caller without an answer. */
export type Respond = (call: PlatformCall) => Answer | null | Promise<Answer | null>;

export interface ScriptedPlatform {
  url: string;
  port: number;
  calls: PlatformCall[];
  /** `route` is `METHOD /path`; replaces how its next calls are answered. */
  on(route: string, respond: Respond): void;
  callsTo(route: string): PlatformCall[];
  /** Resolves when the route was called so often in all. */
  waitFor(route: string, count?: number): Promise<PlatformCall[]>;
  stop(): Promise<void>;
}

function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param workspaceId its own routes answer as the platform does for a root without peers. */
export async function startScriptedPlatform(workspaceId: string, port = 0): Promise<ScriptedPlatform> {
  const calls: PlatformCall[] = [];
  const waiting: { route: string; count: number; resolve: (calls: PlatformCall[]) => void }[] = [];
  const own = `/workspaces/${workspaceId}`;
  const answers = new Map<string, Respond>([
    ['POST /registry/register', () => ({ body: { status: 'registered', delivery_mode: 'push' } })],
    ['POST /registry/heartbeat', () => ({ body: { status: 'ok' } })],
    [`GET /registry/${workspaceId}/peers`, () => ({ body: [] })],
    [`GET ${own}`, () => ({ body: { id: workspaceId, name: 'Ada', parent_id: null } })],
    [`GET ${own}/state`, () => ({ body: { workspace_id: workspaceId, status: 'online', deleted: false } })],
    [`GET ${own}/delegations`, () => ({ body: [] })],
    [`GET ${own}/activity`, () => ({ body: [] })],
    [`GET ${own}/instructions/resolve`, () => ({ body: { workspace_id: workspaceId, instructions: '' } })],
    [`POST ${own}/notify`, () => ({ body: { status: 'sent' } })],
    [`POST ${own}/a2a`, ({ body }) => ({ body: { jsonrpc: '2.0', id: body?.id, result: { kind: 'message' } } })],
  ]);

  const callsTo = (route: string) => calls.filter((call) => `${call.method} ${call.path}` === route);

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://platform.local');
    const call: PlatformCall = {
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: parse(Buffer.concat(chunks).toString()),
    };
    calls.push(call);
    const route = `${call.method} ${call.path}`;
    const respond: Respond = answers.get(route) ?? (() => ({ status: 404, body: { error: 'not found' } }));
    const answer = await respond(call);
    for (const wait of waiting)
      if (wait.route === route && callsTo(route).length >= wait.count) wait.resolve(callsTo(route));
    if (answer === null) return;
    response
      .writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers })
      .end(answer.raw ?? JSON.stringify(answer.body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: listening } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${listening}`,
    port: listening,
    calls,
    on: (route, respond) => void answers.set(route, respond),
    callsTo,
    waitFor: (route, count = 1) =>
      callsTo(route).length >= count
        ? Promise.resolve(callsTo(route))
        : new Promise((resolve) => waiting.push({ route, count, resolve })),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
