// Downloading what an agent attached: streamed from the agent that holds it, byte by byte, and never from anywhere else.

import { createHash, randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform();
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await test?.stop();
});

async function startHolder(options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, options);
  agents.push(agent);
  return agent;
}

const download = (id: string, path: string, client = test.admin) =>
  client.raw('GET', `/workspaces/${id}/chat/download?path=${encodeURIComponent(path)}`);

const statusOf = async (id: string, path: string) => {
  const response = await download(id, path);
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  };
};

describe('GET /workspaces/:id/chat/download', () => {
  it('streams the agent’s file with its type, length and name; the agent sees the inbound secret', async () => {
    const bytes = randomBytes(3 * 1024 * 1024);
    const disposition = 'attachment; filename="a_b.bin"; filename*=UTF-8\'\'a%22b.bin';
    const agent = await startHolder({
      respond: (_call, response) => {
        response.writeHead(200, {
          'content-type': 'image/png',
          'content-length': bytes.length,
          'content-disposition': disposition,
          'set-cookie': 'stolen=1',
          'x-internal': 'secret',
        });
        response.end(bytes);
      },
    });
    const response = await download(agent.id, '/workspace/sub/a b.bin');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/png');
    expect(response.headers.get('content-length')).toBe(String(bytes.length));
    expect(response.headers.get('content-disposition')).toBe(disposition);
    expect([response.headers.get('set-cookie'), response.headers.get('x-internal')]).toEqual([null, null]);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const got = Buffer.from(await response.arrayBuffer());
    const hash = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    expect(hash(got)).toBe(hash(bytes));
    const [call] = await agent.waitForCalls(1);
    expect(call?.path).toBe('/internal/file/read?path=%2Fworkspace%2Fsub%2Fa+b.bin');
    const { platform_inbound_secret: secret } = await test.db.kysely
      .selectFrom('workspaces')
      .select('platform_inbound_secret')
      .where('id', '=', agent.id)
      .executeTakeFirstOrThrow();
    expect(call?.headers.authorization).toBe(`Bearer ${secret}`);
  });

  it('begins to answer before the agent has sent the whole file', async () => {
    const { promise: agentResponse, resolve } = Promise.withResolvers<ServerResponse>();
    const agent = await startHolder({
      respond: (_call, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 6 });
        response.write('abc');
        resolve(response);
      },
    });
    const response = await download(agent.id, '/workspace/slow.txt');
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('abc');
    (await agentResponse).end('def');
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('def');
    expect((await reader.read()).done).toBe(true);
  });

  it('what the agent answers is passed on as it is: 404, 403, 413 with their own words', async () => {
    for (const status of [400, 401, 403, 404, 413, 500]) {
      const agent = await startHolder({
        respond: (_call, response) =>
          void response
            .writeHead(status, { 'content-type': 'application/json' })
            .end(JSON.stringify({ error: `agent says ${status}` })),
      });
      const reply = await statusOf(agent.id, '/workspace/x');
      expect([reply.status, reply.body]).toEqual([status, { error: `agent says ${status}` }]);
    }
  });

  it('an agent that breaks off in the middle ends the download, not the platform', async () => {
    const agent = await startHolder({
      respond: (_call, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('abc', () => response.destroy());
      },
    });
    const response = await download(agent.id, '/workspace/x');
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect((await test.admin.health()).status).toBe('ok');
  });

  it('a caller who hangs up ends the agent’s stream too', async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const agent = await startHolder({
      respond: (_call, response) => {
        response.writeHead(200, {}).write('abc');
        response.once('close', () => resolve());
      },
    });
    const response = await download(agent.id, '/workspace/endless');
    await response.body?.cancel();
    await ended;
  });

  it('paths outside the four roots, relative or not canonical → 400 before the agent is called', async () => {
    const agent = await startHolder();
    for (const path of [
      '',
      'a.txt',
      '/etc/passwd',
      '/workspace',
      '/workspace/',
      '/workspace/../etc/passwd',
      '/workspace//a',
      '/workspace/./a',
      '/workspaces/a',
      '/workspace/a/..',
      '/home/x\0y',
    ]) {
      const { status, body } = await statusOf(agent.id, path);
      expect([path, status, body.code]).toEqual([path, 400, 'invalid_request']);
    }
    for (const root of ['/configs', '/workspace', '/home', '/plugins'])
      expect((await download(agent.id, `${root}/a`)).status).toBe(200);
    expect(agent.calls).toHaveLength(4);
    expect((await test.admin.raw('GET', `/workspaces/${agent.id}/chat/download`)).status).toBe(400);
  });

  it('unknown and removed workspaces → 404; another workspace → 401; its own agent may', async () => {
    const agent = await startHolder();
    expect((await statusOf(crypto.randomUUID(), '/workspace/a')).status).toBe(404);
    const stranger = await createSeat(test);
    expect((await download(agent.id, '/workspace/a', test.client(stranger.token))).status).toBe(401);
    expect((await download(agent.id, '/workspace/a', test.client(agent.token))).status).toBe(200);
    await test.admin.deleteWorkspace({ params: { id: agent.id } });
    expect((await statusOf(agent.id, '/workspace/a')).status).toBe(404);
  });

  it('20.71 push without an address → 503 "not registered yet"; undeclared or poll → 422, which no retry helps', async () => {
    const agent = await startHolder({ register: false });
    await sql`update workspaces set url = null, url_source = null where id = ${agent.id}`.execute(test.db.kysely);
    test.platform.workspaces.forget(agent.id);
    const early = await statusOf(agent.id, '/workspace/a');
    expect([early.status, early.body.error]).toEqual([503, expect.stringContaining('not registered yet')]);
    const { id: undeclared } = await createSeat(test);
    const never = await statusOf(undeclared, '/workspace/a');
    expect([never.status, never.body.error]).toEqual([422, expect.stringContaining('push mode')]);
    expect(String(never.body.error)).not.toContain('yet');
    const poller = await startHolder({ deliveryMode: 'poll' });
    expect((await statusOf(poller.id, '/workspace/a')).status).toBe(422);
    expect(poller.calls).toHaveLength(0);
  });

  it('no inbound secret → one is made, 503 says when to retry, and the next try carries what the agent then holds', async () => {
    const agent = await startHolder();
    const forget = async () => {
      await sql`update workspaces set platform_inbound_secret = null where id = ${agent.id}`.execute(test.db.kysely);
      test.platform.registry.inboundSecrets.forget(agent.id);
    };
    await forget();
    const first = await statusOf(agent.id, '/workspace/a');
    expect([first.status, first.body.retry_after_seconds, first.headers.get('retry-after')]).toEqual([503, 30, '30']);
    expect(first.body.error).toContain('retry');
    expect(agent.calls).toHaveLength(0);
    const { body } = await agent.heartbeat();
    expect((await download(agent.id, '/workspace/a')).status).toBe(200);
    expect(agent.calls[0]?.headers.authorization).toBe(`Bearer ${body.platform_inbound_secret}`);

    await forget();
    await sql`alter table workspaces add constraint no_secret check (platform_inbound_secret is null) not valid`.execute(
      test.db.kysely,
    );
    try {
      const { status, body } = await statusOf(agent.id, '/workspace/a');
      expect([status, body.error]).toEqual([503, expect.stringContaining('Reprovision')]);
    } finally {
      await sql`alter table workspaces drop constraint no_secret`.execute(test.db.kysely);
    }
  });

  it('an address the guard refuses, and one where nobody listens → 502', async () => {
    const agent = await startHolder();
    const { url } = agent;
    await agent.stop();
    expect((await statusOf(agent.id, '/workspace/a')).body.code).toBe('agent_unreachable');
    await sql`update workspaces set url = 'http://169.254.169.254/', url_source = 'agent' where id = ${agent.id}`.execute(
      test.db.kysely,
    );
    test.platform.workspaces.forget(agent.id);
    const refused = await statusOf(agent.id, '/workspace/a');
    expect([refused.status, refused.body.code]).toEqual([502, 'agent_url_refused']);
    expect(JSON.stringify(refused.body)).not.toContain('169.254');
    expect(JSON.stringify(refused.body)).not.toContain(url);
  });

  it('the failure of a download is one of the platform’s own errors, with a stable code', async () => {
    const { id } = await createSeat(test);
    const error = await failureOf(test.admin.downloadChatFile({ params: { id }, query: { path: '/workspace/a' } }));
    expect(error.code).toBe('agent_not_reachable');
  });
});
