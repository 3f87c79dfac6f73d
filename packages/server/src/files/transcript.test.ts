// The session log of an agent through the platform: whose credential the agent sees, and what is told of one that has none.

import { createSeat, type FakeAgent, startFakeAgent, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startRuntimeSeat } from '../../test/runtime-seats.ts';

const PAGE = {
  runtime: 'claude-code',
  supported: true,
  lines: [{ type: 'agent', content: 'hello', ts: '2026-01-02T03:04:05.678Z' }],
  cursor: 1,
  more: false,
  source: 'file',
};

let test: TestPlatform;
const stopping: (() => Promise<void>)[] = [];

beforeAll(async () => {
  test = await startPlatform();
});
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
});
afterAll(async () => {
  await test?.stop();
});

async function startTeller(answer: unknown = PAGE, status = 200): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, {
    respond: (_call, response) =>
      void response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(typeof answer === 'string' ? answer : JSON.stringify(answer)),
  });
  stopping.push(agent.stop);
  return agent;
}

async function read(id: string, query = '', headers: Record<string, string> = {}) {
  const response = await fetch(`${test.url}/workspaces/${id}/transcript${query}`, {
    headers: { authorization: `Bearer ${test.adminToken}`, ...headers },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function signIn(): Promise<string> {
  const response = await fetch(`${test.url}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: test.adminToken }),
  });
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}

describe('GET /workspaces/:id/transcript', () => {
  it('20.107 a session of the canvas gets it, and the agent sees its inbound secret as the bearer; only since and limit travel', async () => {
    const agent = await startTeller();
    const response = await fetch(`${test.url}/workspaces/${agent.id}/transcript?since=3&limit=20&extra=1`, {
      headers: { cookie: await signIn() },
    });
    expect([response.status, await response.json()]).toEqual([200, PAGE]);
    const [call] = agent.calls;
    expect(call?.path).toBe('/transcript?since=3&limit=20');
    const { platform_inbound_secret: secret } = await test.db.kysely
      .selectFrom('workspaces')
      .select('platform_inbound_secret')
      .where('id', '=', agent.id)
      .executeTakeFirstOrThrow();
    expect(call?.headers.authorization).toBe(`Bearer ${secret}`);
    expect(call?.headers.cookie).toBeUndefined();

    // An agent that asks for its own shows its own.
    expect((await read(agent.id, '', { authorization: `Bearer ${agent.token}` })).status).toBe(200);
    expect(agent.calls[1]?.headers.authorization).toBe(`Bearer ${agent.token}`);
    const stranger = await createSeat(test);
    expect((await read(agent.id, '', { authorization: `Bearer ${stranger.token}` })).status).toBe(401);
    expect(agent.calls).toHaveLength(2);
  });

  it('a card that points at a metadata host → 400, and the host is not named', async () => {
    const { id, token } = await createSeat(test);
    await test.client(token).register({
      body: { id, agent_card: { name: 'x', url: 'http://169.254.169.254/latest' }, delivery_mode: 'poll' },
    });
    const { status, body } = await read(id);
    expect([status, body]).toEqual([400, { error: 'workspace URL not allowed', code: 'unsafe_url' }]);
  });

  it('no workspace → 404, no address → 503, nobody there → 502 without its address, wrong numbers → 400', async () => {
    expect((await read(crypto.randomUUID())).status).toBe(404);
    const { id } = await createSeat(test);
    expect(await read(id)).toMatchObject({ status: 503, body: { code: 'agent_no_url' } });
    const agent = await startTeller();
    await agent.stop();
    const gone = await read(agent.id);
    expect([gone.status, gone.body.code]).toEqual([502, 'agent_unreachable']);
    expect(JSON.stringify(gone.body)).not.toContain(String(agent.port));
    for (const query of ['?since=x', '?since=-1', '?limit=0', '?limit=1001', '?limit=1.5'])
      expect([query, (await read(agent.id, query)).status]).toEqual([query, 400]);
  });

  it('an agent without a log says supported:false; one that answers something else is not passed on', async () => {
    const without = await startTeller({ error: 'no such route' }, 404);
    expect(await read(without.id)).toEqual({
      status: 200,
      body: { runtime: 'echo', supported: false, lines: [], cursor: 0, more: false },
    });
    const answers: [unknown, number, number, string][] = [
      [{ error: 'no' }, 401, 502, 'agent_error'],
      ['<html>', 200, 502, 'agent_response_unreadable'],
      [{ lines: 'many' }, 200, 502, 'agent_response_unreadable'],
      [{ ...PAGE, extra: 'x'.repeat(1024 * 1024) }, 200, 502, 'agent_response_too_large'],
    ];
    for (const [answer, given, status, code] of answers) {
      const { id } = await startTeller(answer, given);
      const reply = await read(id);
      expect([reply.status, reply.body.code]).toEqual([status, code]);
    }
  });

  it('of the real runtime: what was said, page by page', async () => {
    const seat = await startRuntimeSeat(test, { name: 'Ada' });
    stopping.push(seat.stop);
    const message = {
      role: 'user',
      messageId: crypto.randomUUID(),
      parts: [{ kind: 'text', text: '[[echo: reply "Nothing."]] What is new?' }],
    };
    await test.admin.raw('POST', `/workspaces/${seat.id}/a2a`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method: 'message/send', params: { message } }),
    });
    const first = await read(seat.id, '?limit=1');
    expect(first).toMatchObject({
      status: 200,
      body: {
        runtime: 'echo',
        supported: true,
        cursor: 1,
        more: true,
        lines: [{ type: 'user', content: expect.stringContaining('What is new?') }],
      },
    });
    expect((await read(seat.id, '?since=1')).body).toMatchObject({
      cursor: 2,
      more: false,
      lines: [{ type: 'agent' }],
    });
  });
});
