import type { EventFrame } from '@molecule/contract';
import {
  breakOffAfter,
  type FakeAgent,
  holdCalls,
  type Responder,
  replyBusy,
  replyBusyWith,
  replyStatus,
  replyWith,
  reset,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';

let test: TestPlatform;
const agents: FakeAgent[] = [];
const frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform({ env: { A2A_IDLE_TIMEOUT_SECONDS: '1' } });
  test.platform.events.subscribe((frame) => frames.push(frame));
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(respond: Responder, options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond, ...options });
  agents.push(agent);
  return agent;
}

const idOf = (request: Record<string, unknown>) =>
  (request.params as { message: { messageId: string } }).message.messageId;
const rowOf = (agent: { id: string }, request: Record<string, unknown>) =>
  waitForActivity(test, agent.id, (row) => JSON.stringify(row.request_body ?? null).includes(idOf(request)));
const queuedFor = (agent: { id: string }) =>
  test.db.kysely.selectFrom('a2a_queue').selectAll().where('workspace_id', '=', agent.id).execute();

describe('an agent that answers', () => {
  it('passes status and body on as they are, JSON or not, and logs both sides', async () => {
    const agent = await startAgent(replyStatus(201, '{"jsonrpc":"2.0",  "id":1,"result":{"odd": "spacing"}}'));
    const request = textRequest('hi');
    const reply = await sendA2a(test, agent.id, request);
    expect([reply.status, reply.raw]).toEqual([201, '{"jsonrpc":"2.0",  "id":1,"result":{"odd": "spacing"}}']);
    expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await rowOf(agent, request)).toMatchObject({
      activity_type: 'a2a_receive',
      source_id: null,
      target_id: agent.id,
      status: 'ok',
      request_body: request,
      response_body: { result: { odd: 'spacing' } },
      summary: expect.stringMatching(/^message\/send → agent-/),
      duration_ms: expect.any(Number),
    });
    agent.respond(replyStatus(200, 'plain words'));
    expect((await sendA2a(test, agent.id, textRequest('hi'))).raw).toBe('plain words');
  });

  it('20.32 an error status goes to the caller with the agent’s own words when they are text, else with its phrase', async () => {
    const agent = await startAgent(replyStatus(503, { error: 429 }));
    const odd = await sendA2a(test, agent.id, textRequest('hi'));
    expect([odd.status, odd.body?.error, odd.body?.code]).toEqual([503, 'Service Unavailable', 'agent_error']);
    agent.respond(replyStatus(418, { error: 'I am a teapot' }));
    const said = await sendA2a(test, agent.id, textRequest('hi'));
    expect([said.status, said.body?.error]).toEqual([418, 'I am a teapot']);
    agent.respond(replyStatus(302, '', { location: 'http://127.0.0.1:1/' }));
    const moved = await sendA2a(test, agent.id, textRequest('hi'));
    expect([moved.status, moved.body?.error, moved.headers.get('location')]).toEqual([302, 'Found', null]);
    expect(agent.calls).toHaveLength(3);
    expect((await fetch(`${test.url}/health`)).status).toBe(200);
  });

  it('20.31 headers of success and then a broken body: 502, delivered, and the row says so', async () => {
    const agent = await startAgent(breakOffAfter(200));
    const request = textRequest('hi');
    const reply = await sendA2a(test, agent.id, request);
    expect([reply.status, reply.body]).toMatchObject([
      502,
      { error: 'failed to read agent response', delivery_confirmed: true, code: 'agent_response_unreadable' },
    ]);
    expect(await rowOf(agent, request)).toMatchObject({ status: 'ok' });
    agent.respond(breakOffAfter(500));
    const failed = textRequest('again');
    expect((await sendA2a(test, agent.id, failed)).body).toMatchObject({ delivery_confirmed: false });
    expect(await rowOf(agent, failed)).toMatchObject({ status: 'error' });
  });

  it('a reply of more than 10 MiB is cut off with 502, and the platform goes on', async () => {
    const agent = await startAgent(replyStatus(200, `"${'x'.repeat(10 * 1024 * 1024)}"`));
    const reply = await sendA2a(test, agent.id, textRequest('hi'));
    expect([reply.status, reply.body]).toMatchObject([
      502,
      { error: 'agent response too large', delivery_confirmed: true },
    ]);
    agent.respond(replyStatus(200, `"${'x'.repeat(1024 * 1024)}"`));
    expect((await sendA2a(test, agent.id, textRequest('hi'))).status).toBe(200);
  });

  it('20.34 a tool trace is stored, listed and broadcast; texts no store can hold are stored without what it cannot', async () => {
    const trace = [{ tool: 'search', input: 'x' }];
    const agent = await startAgent(
      replyWith('NUL \0, half a pair \ud800, and a written \\u0000', { metadata: { tool_trace: trace } }),
    );
    const request = textRequest('hi');
    expect((await sendA2a(test, agent.id, request)).status).toBe(200);
    const row = await rowOf(agent, request);
    expect(row.tool_trace).toEqual(trace);
    expect(JSON.stringify(row.response_body)).toContain(
      JSON.stringify('NUL , half a pair \ufffd, and a written \\u0000').slice(1, -1),
    );
    const logged = await waitFor('the row is told', async () =>
      frames.find((frame) => frame.event === 'ACTIVITY_LOGGED' && frame.payload.id === row.id),
    );
    expect(logged.payload).toMatchObject({ tool_trace: trace });
  });

  it('a reply nested beyond reason is passed on and logged as text', async () => {
    const deep = `{"result":${'['.repeat(5_000)}${']'.repeat(5_000)}}`;
    const agent = await startAgent(replyStatus(200, deep));
    const request = textRequest('hi');
    expect((await sendA2a(test, agent.id, request)).raw).toBe(deep);
    expect((await rowOf(agent, request)).response_body).toBe(deep);
  });

  it('tokens are counted per day, the caller’s last call is noted, and a person’s reply is broadcast', async () => {
    const agent = await startAgent(replyWith('counted', { usage: { input_tokens: 7, output_tokens: 99_000_000 } }));
    const caller = await startAgent(replyWith('ok'));
    const request = textRequest('hi');
    await sendA2a(test, agent.id, request);
    await sendA2a(test, agent.id, textRequest('hi'), { token: caller.token });
    const usage = await waitFor('both calls are counted', async () => {
      const rows = await test.db.kysely
        .selectFrom('workspace_token_usage')
        .selectAll()
        .where('workspace_id', '=', agent.id)
        .execute();
      return rows[0]?.call_count === 2 ? rows : null;
    });
    expect(usage).toMatchObject([{ input_tokens: 14, output_tokens: 20_000_000 }]);
    await waitFor('the last call is noted', async () => {
      const row = await test.db.kysely
        .selectFrom('workspaces')
        .select('last_outbound_at')
        .where('id', '=', caller.id)
        .executeTakeFirst();
      return row?.last_outbound_at;
    });
    const told = await waitFor('the reply is broadcast', () =>
      frames.filter((frame) => frame.event === 'A2A_RESPONSE' && frame.workspace_id === agent.id),
    );
    expect(told).toMatchObject([
      {
        payload: {
          message_id: idOf(request),
          method: 'message/send',
          activity_id: (await rowOf(agent, request)).id,
          response_body: { result: { parts: [{ text: 'counted' }] } },
        },
      },
    ]);
  });
});

describe('an agent that does not answer', () => {
  it('20.30 a reset by a living agent queues the message; a native session and a queue that is down do not', async () => {
    const agent = await startAgent(reset);
    const first = await sendA2a(test, agent.id, textRequest('one'));
    expect([first.status, first.body]).toMatchObject([
      202,
      { queued: true, queue_depth: 1, queue_id: expect.any(String) },
    ]);
    const second = await sendA2a(test, agent.id, textRequest('two'));
    expect(second.body).toMatchObject({ queue_depth: 2 });

    const native = await startAgent(reset);
    await native.heartbeat({ runtime_metadata: { capabilities: { session: true } } });
    const request = textRequest('hi');
    const busy = await sendA2a(test, native.id, request);
    expect([busy.status, busy.headers.get('retry-after'), busy.body]).toMatchObject([
      503,
      '30',
      { busy: true, native_session: true, retry_after: 30, code: 'agent_busy' },
    ]);
    expect(await queuedFor(native)).toEqual([]);
    expect(await rowOf(native, request)).toMatchObject({ status: 'error' });

    await test.db.pool.query('alter table a2a_queue rename to queue_away');
    try {
      const down = await sendA2a(test, agent.id, textRequest('three'));
      expect([down.status, down.body]).toMatchObject([503, { busy: true, retry_after: 30 }]);
      expect(down.body).not.toHaveProperty('native_session');
    } finally {
      await test.db.pool.query('alter table queue_away rename to a2a_queue');
    }
  });

  it('20.96 a busy answer queues without asking whether the agent lives; a native one is passed on', async () => {
    const agent = await startAgent(replyBusy);
    const queued = await sendA2a(test, agent.id, textRequest('hi'));
    expect([queued.status, queued.body]).toMatchObject([202, { queued: true, queue_depth: 1 }]);
    const plain = await startAgent(replyStatus(503, { busy: true }));
    expect((await sendA2a(test, plain.id, textRequest('hi'))).status).toBe(202);
    const own = await startAgent(replyBusyWith({ native_session: true }));
    const native = await sendA2a(test, own.id, textRequest('hi'));
    expect([native.status, native.body]).toMatchObject([503, { native_session: true }]);
    expect(await queuedFor(own)).toHaveLength(0);
    expect((await test.admin.getWorkspace({ params: { id: agent.id } })).status).toBe('online');
  });

  it('20.33 a caller that hangs up changes nothing: the turn ends and its row is written', async () => {
    const hold = holdCalls(replyWith('done anyway'));
    const agent = await startAgent(hold.respond);
    const request = textRequest('hi');
    const abort = new AbortController();
    const call = fetch(`${test.url}/workspaces/${agent.id}/a2a`, {
      method: 'POST',
      headers: { authorization: `Bearer ${test.adminToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: abort.signal,
    });
    await agent.waitForCalls(1);
    abort.abort();
    await expect(call).rejects.toThrow();
    hold.release();
    expect(await rowOf(agent, request)).toMatchObject({
      status: 'ok',
      response_body: { result: { parts: [{ text: 'done anyway' }] } },
    });
  });

  it('20.26 20.25 silence for the idle window queues the message; beats keep a quiet agent’s call alive', async () => {
    const agent = await startAgent(() => {});
    const silent = await sendA2a(test, agent.id, textRequest('hi'));
    expect([silent.status, silent.body]).toMatchObject([202, { queued: true }]);

    const hold = holdCalls(replyWith('worked hard'));
    const busy = await startAgent(hold.respond);
    const startedAt = performance.now();
    const call = sendA2a(test, busy.id, textRequest('hi'));
    // Eight times as often as the window is long, over more than two windows, with the same task.
    const beating = { on: true };
    const beats = (async () => {
      while (beating.on) await busy.heartbeat({ active_tasks: 1, current_task: 'the same' });
    })();
    await busy.waitForCalls(1);
    await waitFor('two windows have passed', () => performance.now() - startedAt > 2_500);
    hold.release();
    expect([(await call).status, (await call).body]).toMatchObject([
      200,
      { result: { parts: [{ text: 'worked hard' }] } },
    ]);
    beating.on = false;
    await beats;
  });

  it('20.27 an agent that declared a longer window gets it, until a beat without it', async () => {
    const hold = holdCalls(replyWith('at last'));
    const agent = await startAgent(hold.respond);
    await agent.heartbeat({ runtime_metadata: { idle_timeout_seconds: 5 } });
    const startedAt = performance.now();
    const call = sendA2a(test, agent.id, textRequest('hi'));
    await waitFor('the default window has passed', () => performance.now() - startedAt > 1_800);
    hold.release();
    expect((await call).status).toBe(200);

    await agent.heartbeat({});
    agent.respond(() => {});
    expect((await sendA2a(test, agent.id, textRequest('hi'))).status).toBe(202);
  });

  it('X-Timeout limits the whole call', async () => {
    const agent = await startAgent(() => {});
    await agent.heartbeat({ runtime_metadata: { idle_timeout_seconds: 60 } });
    const reply = await sendA2a(test, agent.id, textRequest('hi'), { headers: { 'x-timeout': '1' } });
    expect([reply.status, reply.body]).toMatchObject([202, { queued: true }]);
    agent.respond(replyWith('ok'));
    for (const ignored of ['soon', '-1', '1.5', '0'])
      expect((await sendA2a(test, agent.id, textRequest('hi'), { headers: { 'x-timeout': ignored } })).status).toBe(
        200,
      );
  });
});

describe('an agent on a backend', () => {
  let seats: ProcessSeats;
  let stand: FakeAgent;
  beforeAll(async () => {
    seats = await startProcessSeats();
    // What the sweeps of the backend find out by themselves is none of the proxy's doing.
    await seats.platform.supervisor.stop();
    stand = await startFakeAgent(test, { respond: replyStatus(502) });
  });
  afterAll(async () => {
    await stand?.stop();
    await seats?.stop();
  });

  /** An online seat whose address answers as the test says, with a workload that runs. */
  async function createSeatAt(url: string): Promise<string> {
    const id = await seats.create();
    await seats.until(id, 'online');
    await seats.db.kysely
      .updateTable('workspaces')
      .set({ url, url_source: 'provisioner' })
      .where('id', '=', id)
      .execute();
    seats.platform.workspaces.forget(id);
    return id;
  }

  it('20.21 a gateway error of an agent that runs is passed on, and the seat stays as it was', async () => {
    const id = await createSeatAt(stand.url);
    const starts = seats.starts(id).length;
    stand.respond(replyStatus(502, { error: 'bad gateway' }));
    const reply = await sendA2a(seats, id, textRequest('hi'));
    expect([reply.status, reply.body]).toMatchObject([502, { error: 'bad gateway' }]);
    expect(reply.body).not.toHaveProperty('restarting');
    expect((await seats.row(id)).status).toBe('online');
    expect(seats.named(id, 'WORKSPACE_OFFLINE')).toEqual([]);
    expect(seats.starts(id).length).toBe(starts);
  });

  it('20.22 gateway statuses of a dead agent are a restart, other errors are passed on without a look', async () => {
    for (const status of [502, 503, 504, 521, 522, 523, 524]) {
      const id = await createSeatAt(stand.url);
      // Ends the workload with what it stored: the starts are counted from here.
      await seats.platform.provisioning.remove(id);
      stand.respond(replyStatus(status));
      const reply = await sendA2a(seats, id, textRequest('hi'));
      expect([status, reply.status, reply.headers.get('retry-after'), reply.body]).toMatchObject([
        status,
        503,
        '15',
        { error: 'workspace agent unreachable; restart triggered', restarting: true, retry_after: 15 },
      ]);
      await waitFor('the end is told', () => seats.named(id, 'WORKSPACE_OFFLINE').length === 1);
      await waitFor('the agent is started again', () => seats.starts(id).length === 1);
      await seats.until(id, 'online');
    }
    const id = await createSeatAt(stand.url);
    await seats.platform.provisioning.remove(id);
    for (const status of [500, 501, 520, 525]) {
      stand.respond(replyStatus(status));
      expect((await sendA2a(seats, id, textRequest('hi'))).status).toBe(status);
    }
    expect(seats.named(id, 'WORKSPACE_OFFLINE')).toEqual([]);
  });
});
