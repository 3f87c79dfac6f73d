// A development aid: answers the canvas's HTTP and WebSocket wire with fixture data and serves the built canvas.
// `node dev/stub-platform.ts [port] [empty|statuses|extremes|many]`. It holds no rule of the product.

import { createReadStream, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import type { WorkspaceView } from '@molecule/contract';
import { WebSocketServer } from 'ws';
import {
  buildEveryStatus,
  buildExtremes,
  buildOrganisation,
  buildWorkspace,
  idOf,
  listCalls,
  seatId,
} from './fixture.ts';
import { listHistory } from './history.ts';

const DIST = process.env.CANVAS_DIST ?? join(import.meta.dirname, '../dist');
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
const HEARTBEAT_MS = 5_000;
const SECRETS = ['GITHUB_TOKEN', 'GITHUB_WEBHOOK_SECRET', 'OPENROUTER_API_KEY', 'BILLING_DB_URL', 'STRIPE_TEST_KEY'];

function buildMany(): WorkspaceView[] {
  return Array.from({ length: 200 }, (_, index) => ({
    ...buildWorkspace(seatId(500 + index), { name: `Agent ${index + 1}`, role: 'One of many.' }, null),
    x: 60 + (index % 16) * 260,
    y: 90 + Math.floor(index / 16) * 150,
  }));
}

const SCENES: Record<string, () => WorkspaceView[]> = {
  org: buildOrganisation,
  statuses: buildEveryStatus,
  many: buildMany,
  extremes: buildExtremes,
  empty: () => [],
};

export interface StubPlatform {
  url: string;
  workspaces: Map<string, WorkspaceView>;
  /** Requests in order, for looking at. */
  requests: { method: string; path: string; body: unknown }[];
  emit(event: string, workspaceId: string, payload: Record<string, unknown>): void;
  stop(): Promise<void>;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function serveFile(response: ServerResponse, path: string): void {
  const file = join(DIST, normalize(path));
  const found = path !== '/' && extname(path) !== '' && file.startsWith(DIST) && existsSync(file);
  if (!found && path !== '/' && path !== '/login') {
    send(response, 404, { error: 'not found', code: 'route_not_found' });
    return;
  }
  const target = found ? file : join(DIST, 'index.html');
  response.writeHead(200, { 'content-type': TYPES[extname(target)] ?? 'application/octet-stream' });
  createReadStream(target).pipe(response);
}

export async function startStub(port = 0, scene = 'org'): Promise<StubPlatform> {
  const workspaces = new Map((SCENES[scene] ?? buildOrganisation)().map((row) => [row.id, row]));
  const requests: StubPlatform['requests'] = [];
  const secrets = new Map(scene === 'empty' ? [] : SECRETS.map((key) => [key, new Date(0).toISOString()]));
  let viewport = { x: 0, y: 0, zoom: 1 };
  let seq = 0;
  const sockets = new WebSocketServer({ noServer: true });

  function emit(event: string, workspaceId: string, payload: Record<string, unknown>): void {
    const isRecorded = event.startsWith('WORKSPACE_') && event !== 'WORKSPACE_HEARTBEAT';
    const frame = {
      event,
      workspace_id: workspaceId,
      timestamp: new Date().toISOString(),
      payload,
      ...(isRecorded ? { seq: ++seq } : {}),
    };
    for (const client of sockets.clients) client.send(JSON.stringify(frame));
  }

  function create(body: Record<string, unknown>): WorkspaceView {
    const point = body.canvas as { x: number; y: number } | undefined;
    const row = buildWorkspace(crypto.randomUUID(), { name: String(body.name) }, (body.parent_id as string) ?? null);
    Object.assign(row, { role: body.role ?? null, x: point?.x ?? 0, y: point?.y ?? 0, status: 'provisioning' });
    workspaces.set(row.id, row);
    emit('WORKSPACE_PROVISIONING', row.id, {
      name: row.name,
      tier: row.tier,
      runtime: row.runtime,
      x: row.x,
      y: row.y,
    });
    setTimeout(() => {
      row.status = 'online';
      emit('WORKSPACE_ONLINE', row.id, { agent_card: row.agent_card });
    }, 1500);
    return row;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stub');
    const method = request.method ?? 'GET';
    const body = method === 'GET' ? {} : await readBody(request);
    requests.push({ method, path: pathname, body });
    const [, , id = '', rest = ''] = pathname.match(/^\/(workspaces)\/([^/]+)\/?(.*)$/) ?? [];
    if (pathname === '/auth/session')
      return send(response, 200, { status: 'signed_in', principal: 'session', expires_at: new Date().toISOString() });
    if (pathname === '/workspaces' && method === 'GET') return send(response, 200, [...workspaces.values()]);
    if (pathname === '/workspaces') {
      const row = create(body);
      return send(response, 201, { ...row, awareness_namespace: row.awareness_namespace });
    }
    if (pathname === '/canvas/viewport') {
      if (method === 'PUT') viewport = body as typeof viewport;
      return send(response, 200, method === 'PUT' ? { status: 'saved' } : viewport);
    }
    if (pathname === '/org/templates')
      return send(response, 200, [
        {
          dir: 'sample-team',
          name: 'Sample team',
          description: 'A lead and its reports plan a product launch.',
          workspaces: 6,
          required_env: [],
          recommended_env: [{ any_of: ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY'] }],
        },
      ]);
    if (pathname === '/org/import') {
      for (const row of buildOrganisation()) workspaces.set(row.id, row);
      emit('RESYNC_REQUIRED', '', {});
      const rows = [...workspaces.values()].map(({ id: seat, name, tier }) => ({ id: seat, name, tier }));
      return send(response, 201, { org: 'Sample team', workspaces: rows, count: rows.length });
    }
    if (pathname.startsWith('/settings/secrets')) {
      if (method === 'PUT') secrets.set(String(body.key), new Date().toISOString());
      if (method === 'DELETE') secrets.delete(pathname.split('/').at(-1) ?? '');
      const rows = [...secrets].map(([key, at]) => ({
        key,
        has_value: true,
        scope: 'global',
        created_at: at,
        updated_at: at,
      }));
      return send(response, 200, method === 'GET' ? rows : { status: 'saved', key: body.key });
    }
    if (pathname === '/admin/info')
      return send(response, 200, {
        version: '0.1.0',
        store: 'embedded',
        backend: 'none',
        platform_url: '',
        started_at: '',
        model_keys: [],
        dev_hatch: false,
      });
    if (!id) return serveFile(response, pathname);
    const row = workspaces.get(id);
    if (!row) return send(response, 404, { error: 'no such workspace', code: 'not_found' });
    if (rest === 'activity') {
      const isOverlay = searchParams.get('type') === 'delegation' && searchParams.get('source') === 'agent';
      return send(response, 200, isOverlay ? listCalls(id) : listHistory(id, searchParams));
    }
    if (rest === 'restart') {
      Object.assign(row, { status: 'provisioning', last_sample_error: null });
      emit('WORKSPACE_PROVISIONING', id, {
        name: row.name,
        tier: row.tier,
        runtime: row.runtime,
        parent_id: row.parent_id,
      });
      setTimeout(() => {
        row.status = 'online';
        emit('WORKSPACE_ONLINE', id, {});
      }, 2000);
      return send(response, 200, { status: 'provisioning' });
    }
    if (rest === 'budget')
      return send(response, 200, {
        budget_limit: row.budget_limit,
        monthly_spend: row.monthly_spend,
        budget_remaining: null,
      });
    if (rest === 'logs') return send(response, 200, { lines: ['started', 'ready'], truncated: false });
    if (rest === 'a2a')
      return send(response, 200, {
        jsonrpc: '2.0',
        id: body.id,
        result: {
          kind: 'message',
          role: 'agent',
          messageId: crypto.randomUUID(),
          parts: [{ kind: 'text', text: '**Understood.** This is the stub.' }],
        },
      });
    if (rest !== '') return send(response, 200, []);
    if (method === 'PATCH') {
      const before = row.parent_id;
      Object.assign(row, body);
      if (row.parent_id !== before)
        emit('WORKSPACE_MOVED', id, { parent_id: row.parent_id, previous_parent_id: before });
      return send(response, 200, { status: 'updated' });
    }
    if (method === 'DELETE') {
      workspaces.delete(id);
      emit('WORKSPACE_REMOVED', id, { cascade_deleted: 0 });
      return send(response, 200, { status: 'removed', cascade_deleted: 0 });
    }
    return send(response, 200, row);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) =>
      send(response, 500, { error: String(error), code: 'internal' }),
    );
  });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client));
  });
  const beat = setInterval(() => {
    for (const row of workspaces.values())
      if (row.status === 'online')
        emit('WORKSPACE_HEARTBEAT', row.id, { active_tasks: row.active_tasks, uptime_seconds: 1 });
  }, HEARTBEAT_MS);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${address.port}`,
    workspaces,
    requests,
    emit,
    async stop() {
      clearInterval(beat);
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const stub = await startStub(Number(process.argv[2] ?? 8090), process.argv[3]);
  console.log(`Stub platform at ${stub.url} (lead: ${idOf('eng')})`);
}
