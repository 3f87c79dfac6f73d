// A scripted A2A peer at the edge of the process: a plain HTTP server that answers as a test tells it and keeps what it was sent.
// Registers and beats like a real agent, so the platform under test cannot tell the difference.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError, createClient } from '@molecule/contract';
import type { TestPlatform } from './platform.ts';

export interface ReceivedCall {
  headers: IncomingMessage['headers'];
  path: string;
  body: unknown;
  raw: string;
}

export type Responder = (call: ReceivedCall, response: ServerResponse) => void | Promise<void>;

export interface FakeAgent {
  id: string;
  token: string;
  url: string;
  calls: ReceivedCall[];
  /** Replaces how the next calls are answered. */
  respond(responder: Responder): void;
  /** Resolves when the peer has been called `count` times in all. */
  waitForCalls(count: number): Promise<ReceivedCall[]>;
  heartbeat(beat?: Record<string, unknown>): Promise<{ status: number; body: Record<string, unknown> }>;
  stop(): Promise<void>;
}

export interface FakeAgentOptions {
  name?: string;
  parentId?: string | null;
  /** Extra fields of POST /workspaces. */
  workspace?: Record<string, unknown>;
  card?: Record<string, unknown>;
  deliveryMode?: 'push' | 'poll';
  /** False: the row exists and the peer listens, but nobody registered it. */
  register?: boolean;
  respond?: Responder;
}

/** A v0.3 reply message with one text part. */
export function replyWith(text: string): Responder {
  return (call, response) => {
    const id = (call.body as { id?: unknown } | null)?.id ?? null;
    const result = {
      kind: 'message',
      role: 'agent',
      messageId: `reply-${Math.random().toString(36).slice(2)}`,
      parts: [{ kind: 'text', text }],
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  };
}

/** The runtime's own busy answer (chapter 40 §9). */
export const replyBusy: Responder = (call, response) => {
  const id = (call.body as { id?: unknown } | null)?.id ?? null;
  const error = {
    code: -32000,
    message: 'busy',
    data: { busy: true, retry_after: 30, active_tasks: 1, queue_depth: 0, native_session: false },
  };
  response
    .writeHead(503, { 'content-type': 'application/json', 'retry-after': '30' })
    .end(JSON.stringify({ jsonrpc: '2.0', id, error }));
};

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return null;
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * Creates a workspace on the platform, listens as its agent and registers (push at its loopback address unless told otherwise).
 * The loopback address is stored as the backend's own (`url_source=provisioner`), which the outbound guard lets pass.
 */
export async function startFakeAgent(test: TestPlatform, options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const calls: ReceivedCall[] = [];
  const waiting: { count: number; resolve: (calls: ReceivedCall[]) => void }[] = [];
  let responder = options.respond ?? replyWith('ok');
  const server = createServer(async (request, response) => {
    const raw = await readBody(request);
    const call = { headers: request.headers, path: request.url ?? '', body: parse(raw), raw };
    calls.push(call);
    for (const wait of waiting.filter((one) => calls.length >= one.count)) wait.resolve(calls);
    await responder(call, response);
  });
  const url = await listen(server);
  const created = await test.admin.createWorkspace({
    body: {
      name: options.name ?? `agent-${calls.length}-${Math.random().toString(36).slice(2, 8)}`,
      runtime: 'echo',
      parent_id: options.parentId ?? null,
      ...options.workspace,
    },
  });
  const id = created.id;
  const token = await test.db.tx(async (trx) => (await test.platform.auth.tokens.mint(trx, id)).token);
  const mode = options.deliveryMode ?? 'push';
  if (mode === 'push')
    await test.db.kysely
      .updateTable('workspaces')
      .set({ url, url_source: 'provisioner' })
      .where('id', '=', id)
      .execute();
  test.platform.workspaces.forget(id);
  const card = options.card ?? { name: 'fake', protocolVersion: '0.3.0', capabilities: { streaming: true } };
  if (options.register !== false) {
    await createClient({ baseUrl: test.url, token }).register({
      body: { id, agent_card: card, delivery_mode: mode, ...(mode === 'push' ? { url } : {}) },
    });
  }

  return {
    id,
    token,
    url,
    calls,
    respond(next) {
      responder = next;
    },
    waitForCalls: (count) =>
      calls.length >= count ? Promise.resolve(calls) : new Promise((resolve) => waiting.push({ count, resolve })),
    async heartbeat(beat = {}) {
      try {
        const body = await createClient({ baseUrl: test.url, token }).heartbeat({
          body: {
            workspace_id: id,
            error_rate: 0,
            active_tasks: 0,
            uptime_seconds: 1,
            current_task: '',
            ...beat,
          } as never,
        });
        return { status: 200, body };
      } catch (error) {
        if (error instanceof ApiError) return { status: error.status, body: error.body };
        throw error;
      }
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
