import {
  type FakeAgent,
  type FakeAgentOptions,
  hasReplicas,
  holdCalls,
  messageIdOf,
  type Responder,
  replyBusy,
  replyStatus,
  replyWith,
  sendA2a,
  startFakeAgent,
  startPlatform,
  streamResults,
  type TestPlatform,
  textRequest,
  waitFor,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform({ env: { A2A_IDLE_TIMEOUT_SECONDS: '20' } });
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(respond: Responder, options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond, ...options });
  agents.push(agent);
  return agent;
}

/** An agent that says how often it was asked. */
function counting(): Responder {
  let turns = 0;
  return (call, response) => replyWith(`turn ${++turns}`)(call, response);
}

const EVENTS = { accept: 'text/event-stream' };
const said = (text: string) => ({ result: { parts: [{ text }] } });

describe('a message that comes again', () => {
  it('while the first is under way joins it, under its own envelope id, however the fields are ordered', async () => {
    const hold = holdCalls(counting());
    const agent = await startAgent(hold.respond);
    const request = textRequest('once');
    const first = sendA2a(test, agent.id, request);
    await agent.waitForCalls(1);
    const { params, method } = request;
    const repeats = Array.from({ length: 20 }, (_, n) =>
      sendA2a(test, agent.id, n % 2 === 0 ? { ...request, id: n } : { params, method, id: n, jsonrpc: '2.0' }),
    );
    hold.release();
    expect((await first).body).toMatchObject({ id: 1, ...said('turn 1') });
    for (const [n, reply] of (await Promise.all(repeats)).entries())
      expect([reply.status, reply.body]).toMatchObject([200, { id: n, ...said('turn 1') }]);
    expect(agent.calls).toHaveLength(1);
  });

  it('after the answer gets it at any moment, also one that is no JSON, and without a row of its own', async () => {
    const agent = await startAgent(counting());
    const request = textRequest('once');
    // Without a pause: between the answer and its row there is no gap.
    for (let id = 1; id <= 50; id += 1)
      expect((await sendA2a(test, agent.id, { ...request, id })).body).toMatchObject({ id, ...said('turn 1') });
    await waitForActivity(test, agent.id);
    expect((await sendA2a(test, agent.id, { ...request, id: 'late' })).body).toMatchObject({
      id: 'late',
      ...said('turn 1'),
    });
    expect(agent.calls).toHaveLength(1);
    expect(await test.admin.listActivity({ params: { id: agent.id } })).toHaveLength(1);

    agent.respond(replyStatus(200, 'plain words'));
    const plain = textRequest('plain');
    for (let n = 0; n < 3; n += 1) expect((await sendA2a(test, agent.id, plain)).raw).toBe('plain words');
    expect(agent.calls).toHaveLength(2);
  });

  it('with another body, by another caller or to another target is a message of its own', async () => {
    const agent = await startAgent(counting());
    const other = await startAgent(counting());
    const message = { messageId: 'a-common-id' };
    const request = textRequest('once', { message });
    expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 1'));
    expect((await sendA2a(test, agent.id, textRequest('twice', { message }))).body).toMatchObject(said('turn 2'));
    expect((await sendA2a(test, agent.id, request, { token: other.token })).body).toMatchObject(said('turn 3'));
    expect((await sendA2a(test, agent.id, { ...request, method: 'message/stream' })).body).toMatchObject(
      said('turn 4'),
    );
    expect((await sendA2a(test, other.id, request)).body).toMatchObject(said('turn 1'));
    expect((await sendA2a(test, agent.id, request, { token: other.token })).body).toMatchObject(said('turn 3'));
    expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 1'));
  });

  it('without an id of its caller’s is another message', async () => {
    const agent = await startAgent(counting());
    const request = textRequest('once', { message: { messageId: '' } });
    expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 1'));
    expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 2'));
  });

  it('after a failure, before or after delivery, runs again; its 2xx is what counts from then on', async () => {
    const agent = await startAgent(replyStatus(500, { error: 'not now' }));
    const request = textRequest('again');
    for (let n = 1; n <= 2; n += 1) {
      expect((await sendA2a(test, agent.id, request)).status).toBe(500);
      expect(agent.calls).toHaveLength(n);
    }
    agent.respond(
      streamResults([{ kind: 'task', id: 't', contextId: 'c', status: { state: 'working' } }], { broken: true }),
    );
    const stream = textRequest('go', { method: 'message/stream' });
    expect((await sendA2a(test, agent.id, stream)).body).toMatchObject({ error: { message: 'stream interrupted' } });
    agent.respond(counting());
    expect((await sendA2a(test, agent.id, stream)).body).toMatchObject(said('turn 1'));
    expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 2'));
    expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 2'));
  });

  it('waits no longer than its own caller does', async () => {
    const hold = holdCalls(replyWith('late'));
    const agent = await startAgent(hold.respond);
    const request = textRequest('slow');
    const first = sendA2a(test, agent.id, request);
    await agent.waitForCalls(1);
    const repeat = await sendA2a(test, agent.id, request, { headers: { 'x-timeout': '1' } });
    expect([repeat.status, repeat.body]).toMatchObject([503, { code: 'agent_busy', retry_after: 30 }]);
    hold.release();
    expect((await first).body).toMatchObject(said('late'));
    expect(agent.calls).toHaveLength(1);
  });

  it.skipIf(hasReplicas())(
    'is delivered when the store cannot say what became of the first, and that is counted',
    async () => {
      const agent = await startAgent(replyStatus(500));
      const request = textRequest('hi');
      expect((await sendA2a(test, agent.id, request)).status).toBe(500);
      agent.respond(counting());
      await test.db.pool.query('alter table a2a_queue rename to queue_away');
      try {
        expect((await sendA2a(test, agent.id, request)).body).toMatchObject(said('turn 1'));
      } finally {
        await test.db.pool.query('alter table queue_away rename to a2a_queue');
      }
      const metrics = await (
        await fetch(`${test.url}/metrics`, { headers: { authorization: `Bearer ${test.adminToken}` } })
      ).text();
      expect(metrics).toContain('molecule_fail_open_total{check="repeat"} 1');
    },
  );
});

it('20.110 a repeat of a stream gets its end as one frame or as JSON, one in another version in its own, one of a queued or inbox message its place', async () => {
  const task = { kind: 'task', id: 't', contextId: 'c', status: { state: 'working' } };
  const done = { kind: 'status-update', taskId: 't', contextId: 'c', status: { state: 'completed' }, final: true };
  const agent = await startAgent(streamResults([task, done]));
  const stream = textRequest('go', { method: 'message/stream' });
  const frames = await sendA2a(test, agent.id, stream, { headers: EVENTS });
  expect(frames.raw.match(/^data:/gm)).toHaveLength(2);
  const end = { jsonrpc: '2.0', result: { ...task, status: { state: 'completed' } } };
  for (const stored of [false, true]) {
    if (stored) await waitForActivity(test, agent.id);
    const frame = await sendA2a(test, agent.id, { ...stream, id: 2 }, { headers: EVENTS });
    expect(frame.headers.get('content-type')).toBe('text/event-stream');
    expect(frame.raw.match(/^data: .*\n\n$/gm)).toHaveLength(1);
    expect(JSON.parse(frame.raw.slice('data: '.length))).toEqual({ ...end, id: 2 });
    const whole = await sendA2a(test, agent.id, { ...stream, id: 3 });
    expect([whole.headers.get('content-type'), whole.body]).toEqual(['application/json', { ...end, id: 3 }]);
  }
  expect(agent.calls).toHaveLength(1);

  agent.respond(counting());
  const message = { messageId: 'spoken-twice' };
  expect((await sendA2a(test, agent.id, textRequest('hi', { message }))).body).toMatchObject(said('turn 1'));
  const v10 = {
    jsonrpc: '2.0',
    id: 7,
    method: 'SendMessage',
    params: { message: { role: 'ROLE_USER', ...message, parts: [{ text: 'hi' }] } },
  };
  const known = textRequest('hi', { message: { ...message, kind: 'message' } });
  expect((await sendA2a(test, agent.id, known)).body).toMatchObject(said('turn 2'));
  expect((await sendA2a(test, agent.id, v10)).body).toEqual({
    jsonrpc: '2.0',
    id: 7,
    result: { message: { role: 'ROLE_AGENT', messageId: expect.any(String), parts: [{ text: 'turn 2' }] } },
  });

  agent.respond(replyBusy);
  const queued = textRequest('later');
  const place = (await sendA2a(test, agent.id, queued)).body?.queue_id;
  const calls = agent.calls.length;
  const again = await sendA2a(test, agent.id, { ...queued, id: 'again' });
  expect([again.status, again.body, agent.calls.length]).toMatchObject([
    202,
    { queued: true, queue_id: place, queue_depth: 1 },
    calls,
  ]);
  agent.respond(counting());
  await agent.heartbeat();
  await test.idle();
  expect((await sendA2a(test, agent.id, { ...queued, id: 'once more' })).body).toMatchObject({
    id: 'once more',
    ...said('turn 1'),
  });

  const reader = await startAgent(counting(), { deliveryMode: 'poll' });
  const letter = textRequest('a letter');
  const replies = await Promise.all(Array.from({ length: 5 }, () => sendA2a(test, reader.id, letter)));
  replies.push(await sendA2a(test, reader.id, letter));
  expect(new Set(replies.map(({ body }) => body?.activity_id)).size).toBe(1);
  expect(replies.at(-1)?.body).toMatchObject({ status: 'queued', delivery_mode: 'poll', method: 'message/send' });
  expect(await test.admin.listActivity({ params: { id: reader.id } })).toHaveLength(1);
});

it('20.111 an Idempotency-Key is the id of a message that has none, must agree with one it has, and has 200 characters at most', async () => {
  const agent = await startAgent(counting());
  const request = textRequest('keyed', { message: { messageId: undefined } });
  const withKey = (key: string) => ({ headers: { 'idempotency-key': key } });
  expect((await sendA2a(test, agent.id, request, withKey('order-1'))).body).toMatchObject(said('turn 1'));
  expect(messageIdOf(agent.calls[0] as never)).toBe('order-1');
  expect((await sendA2a(test, agent.id, request, withKey('order-1'))).body).toMatchObject(said('turn 1'));
  expect((await sendA2a(test, agent.id, request, withKey('order-2'))).body).toMatchObject(said('turn 2'));
  const named = textRequest('keyed', { message: { messageId: 'order-1' } });
  expect((await sendA2a(test, agent.id, named, withKey('order-1'))).body).toMatchObject(said('turn 1'));
  for (const [body, key] of [
    [named, 'order-3'],
    [request, 'k'.repeat(201)],
    [{ jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { id: 't' } }, 'k'.repeat(201)],
  ] as const) {
    const refused = await sendA2a(test, agent.id, body, withKey(key));
    expect([refused.status, refused.body]).toMatchObject([
      400,
      { error: { code: -32602, data: { field: 'Idempotency-Key' } } },
    ]);
  }
  expect((await sendA2a(test, agent.id, request, withKey('k'.repeat(200)))).body).toMatchObject(said('turn 3'));
  expect(agent.calls).toHaveLength(3);
  await waitFor(
    'all are logged',
    async () => (await test.admin.listActivity({ params: { id: agent.id } })).length === 3,
  );
});
