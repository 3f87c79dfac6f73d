import { createServer } from 'node:net';
import {
  breakColumn,
  createSeat,
  failureOf,
  hasReplicas,
  mendColumn,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitForActivity,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startProcessSeats } from '../../test/process-seats.ts';

let test: TestPlatform;
beforeAll(async () => {
  test = await startPlatform({ resolve: async (host) => (host === 'metadata.example' ? ['169.254.169.254'] : []) });
});
afterAll(async () => {
  await test?.stop();
});

const messageIdOf = (request: Record<string, unknown>) =>
  (request.params as { message: { messageId: string } }).message.messageId;

async function setWorkspace(
  id: string,
  fields: { status?: string; url?: string | null; source?: string },
): Promise<void> {
  await sql`update workspaces set status = coalesce(${fields.status ?? null}::workspace_status, status), url = ${fields.url ?? null},
    url_source = ${fields.source ?? 'agent'}, last_sample_error = coalesce(last_sample_error, 'x') where id = ${id}`.execute(
    test.db.kysely,
  );
  test.platform.workspaces.forget(id);
}

it.skipIf(hasReplicas())('20.13 a body of 1 MiB is taken, one byte more is 413 with the limit', async () => {
  const agent = await startFakeAgent(test);
  const sized = (bytes: number) => {
    const empty = JSON.stringify(textRequest(''));
    return empty.replace('"text":""', `"text":"${'x'.repeat(bytes - empty.length)}"`);
  };
  expect(sized(1_048_576)).toHaveLength(1_048_576);
  expect((await sendA2a(test, agent.id, sized(1_048_576))).status).toBe(200);
  const over = await sendA2a(test, agent.id, sized(1_048_577));
  expect([over.status, over.body?.max_bytes, over.body?.code]).toEqual([413, 1_048_576, 'body_too_large']);
  expect(agent.calls).toHaveLength(1);
  await agent.stop();
});

it('20.14 a poll target without an address gets the message into its inbox, and nobody is connected to', async () => {
  let connections = 0;
  const listener = createServer(() => {
    connections += 1;
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const seat = await createSeat(test, { delivery_mode: 'poll' });
  const withAddress = await createSeat(test, { delivery_mode: 'poll' });
  const { port } = listener.address() as { port: number };
  await setWorkspace(withAddress.id, { url: `http://127.0.0.1:${port}`, source: 'provisioner' });
  const caller = await startFakeAgent(test);
  const before = textRequest('earlier');
  const first = await sendA2a(test, seat.id, before);
  const request = textRequest('for the inbox');
  const reply = await sendA2a(test, seat.id, request, { token: caller.token });
  expect([reply.status, reply.body]).toEqual([
    200,
    { status: 'queued', delivery_mode: 'poll', method: 'message/send', activity_id: expect.any(String) },
  ]);
  const rows = await test.client(seat.token).listActivity({
    params: { id: seat.id },
    query: { since_id: String(first.body?.activity_id), type: 'a2a_receive' },
  });
  expect(rows).toMatchObject([
    {
      id: reply.body?.activity_id,
      source_id: caller.id,
      target_id: seat.id,
      method: 'message/send',
      request_body: request,
    },
  ]);
  expect((await sendA2a(test, withAddress.id, request)).body).toMatchObject({ delivery_mode: 'poll' });
  expect(connections).toBe(0);
  listener.close();
  await caller.stop();
});

it('a v0.2 message is normalised before it reaches the inbox, and one the store cannot take is 503', async () => {
  const seat = await createSeat(test, { delivery_mode: 'poll' });
  const reply = await sendA2a(test, seat.id, {
    method: 'message/send',
    params: { message: { role: 'user', content: 'old' } },
  });
  const [row] = await test.admin.listActivity({ params: { id: seat.id } });
  expect(row).toMatchObject({
    id: reply.body?.activity_id,
    request_body: { params: { message: { parts: [{ kind: 'text', text: 'old' }] } } },
  });
  await test.db.pool.query('alter table activity_logs rename to activity_away');
  try {
    const down = await sendA2a(test, seat.id, textRequest('hi'));
    expect([down.status, down.body?.retry_after, down.body?.code]).toEqual([503, 5, 'inbox_unavailable']);
  } finally {
    await test.db.pool.query('alter table activity_away rename to activity_logs');
  }
});

it('20.15 a mode that cannot be read means push, and the agent gets the message', async () => {
  const agent = await startFakeAgent(test);
  await breakColumn(test.db, 'workspaces', 'delivery_mode');
  try {
    test.platform.workspaces.forget(agent.id);
    expect((await sendA2a(test, agent.id, textRequest('hi'))).status).toBe(200);
  } finally {
    await mendColumn(test.db, 'workspaces');
  }
  expect(agent.calls).toHaveLength(1);
  await agent.stop();
});

it('a target that cannot be read at all is 500 for a person', async () => {
  const agent = await startFakeAgent(test);
  await test.db.pool.query('alter table workspaces rename to workspaces_away');
  try {
    test.platform.workspaces.forget(agent.id);
    const reply = await sendA2a(test, agent.id, textRequest('hi'));
    expect([reply.status, reply.body?.error]).toEqual([500, 'lookup failed']);
  } finally {
    await test.db.pool.query('alter table workspaces_away rename to workspaces');
  }
  await agent.stop();
});

it('20.16 a push target without an address says what it is doing', async () => {
  const { id } = await createSeat(test, { delivery_mode: 'push' });
  for (const status of ['provisioning', 'failed', 'offline']) {
    await setWorkspace(id, { status });
    const reply = await sendA2a(test, id, textRequest('hi'));
    expect([reply.status, reply.body]).toMatchObject([
      503,
      { error: 'workspace has no URL', status, code: 'agent_no_url' },
    ]);
  }
  await setWorkspace(id, { status: 'hibernating' });
  const asleep = await sendA2a(test, id, textRequest('hi'));
  expect([asleep.status, asleep.headers.get('retry-after'), asleep.body]).toMatchObject([
    503,
    '15',
    { waking: true, retry_after: 15 },
  ]);
});

it('20.17 a hibernated target is woken once, and takes the message when it is up', async () => {
  const seats = await startProcessSeats();
  try {
    const id = await seats.create();
    await seats.until(id, 'online');
    await seats.platform.workspaces.transition('hibernate', id);
    // Ends the workload with what it stored: the starts are counted from here.
    await seats.platform.provisioning.remove(id);
    await seats.platform.workspaces.transition('hibernated', id, { patch: { url: null, url_source: null } });
    const replies = await Promise.all([1, 2, 3].map((word) => sendA2a(seats, id, textRequest(String(word)))));
    for (const reply of replies)
      expect([reply.status, reply.headers.get('retry-after'), reply.body]).toMatchObject([
        503,
        '15',
        { waking: true, retry_after: 15, error: expect.stringContaining('waking from hibernation') },
      ]);
    await seats.until(id, 'online');
    expect((await sendA2a(seats, id, textRequest('now'))).status).toBe(200);
    expect(seats.starts(id)).toHaveLength(1);
  } finally {
    await seats.stop();
  }
});

it('20.18 an address of the metadata service is refused at every door, also behind a name', async () => {
  const caller = await createSeat(test);
  const { id } = await createSeat(test);
  for (const url of ['http://169.254.169.254/', 'http://metadata.example/']) {
    await setWorkspace(id, { status: 'online', url });
    await sql`update workspaces set delivery_mode = 'push' where id = ${id}`.execute(test.db.kysely);
    test.platform.workspaces.forget(id);
    const proxied = await sendA2a(test, id, textRequest('hi'));
    expect([proxied.status, proxied.body]).toMatchObject([502, { error: 'workspace URL is not publicly routable' }]);
    expect(proxied.raw).not.toContain('169.254');
    const discovered = await failureOf(test.client(caller.token).discover({ params: { id } }));
    expect([discovered.status, discovered.message]).toEqual([503, 'workspace URL failed safety check']);
  }
  // Past the guard's own verdict there is no connection to be had.
  const { createOutbound } = await import('../platform/outbound/index.ts');
  const { createLog } = await import('../platform/log.ts');
  const outbound = createOutbound({ mode: 'strict', log: createLog('silent') });
  const forged = { ok: true as const, url: new URL('http://169.254.169.254/'), addresses: null };
  expect(() => outbound.dispatcherFor(forged)).toThrow(
    expect.objectContaining({ code: 'request_build_failed', status: 500 }),
  );
  await outbound.close();
});

it('20.24 an external agent that refuses the connection is 502, logged, and stays as it was', async () => {
  const agent = await startFakeAgent(test, { workspace: { runtime: undefined, external: true } });
  await agent.stop();
  const request = textRequest('hi');
  const reply = await sendA2a(test, agent.id, request);
  expect([reply.status, reply.body]).toMatchObject([
    502,
    { error: 'failed to reach workspace agent', code: 'agent_unreachable' },
  ]);
  expect((await test.admin.getWorkspace({ params: { id: agent.id } })).status).toBe('online');
  expect(
    await waitForActivity(test, agent.id, (row) => JSON.stringify(row.request_body).includes(messageIdOf(request))),
  ).toMatchObject({ status: 'error', error_detail: 'failed to reach workspace agent' });
});

it('20.19 in development an agent may live on a private network of this machine, but nowhere addresses are not for agents', async () => {
  const dev = await startPlatform({ db: test.db, dataDir: test.dataDir, env: { MOLECULE_ENV: 'development' } });
  try {
    const register = async (url: string) => {
      const seat = await createSeat(dev);
      const body = { id: seat.id, agent_card: { name: 'x' }, delivery_mode: 'push' as const, url };
      return await dev.client(seat.token).register({ body });
    };
    for (const host of ['172.18.0.5', '10.1.2.3', '192.168.1.20', '[fd00::5]'])
      expect(await register(`http://${host}:8000`)).toMatchObject({ status: 'registered' });
    for (const host of ['169.254.169.254', '192.0.2.1', '100.64.0.1'])
      expect(await failureOf(register(`http://${host}:8000`))).toMatchObject({ status: 400, code: 'unsafe_url' });
  } finally {
    await dev.stop();
  }
});

it('20.92 an agent that was asleep comes back by a beat alone and finds what was sent meanwhile, in order', async () => {
  const seat = await createSeat(test, { delivery_mode: 'poll' });
  const beat = () =>
    test.client(seat.token).heartbeat({ body: { workspace_id: seat.id, active_tasks: 0, uptime_seconds: 1 } as never });
  const statusOf = async () => (await test.admin.getWorkspace({ params: { id: seat.id } })).status;
  await beat();
  const first = String((await sendA2a(test, seat.id, textRequest('before'))).body?.activity_id);
  await test.platform.workspaces.transition('await_agent', seat.id, { details: { reason: 'no heartbeat' } });
  expect(await statusOf()).toBe('awaiting_agent');
  const words = ['one', 'two', 'three'];
  for (const word of words) expect((await sendA2a(test, seat.id, textRequest(word))).status).toBe(200);
  await beat();
  expect(await statusOf()).toBe('online');
  const missed = await test.client(seat.token).listActivity({ params: { id: seat.id }, query: { since_id: first } });
  const texts = missed.map(
    ({ request_body: body }) =>
      (body as ReturnType<typeof textRequest> & { params: { message: { parts: { text: string }[] } } }).params.message
        .parts[0]?.text,
  );
  expect(texts).toEqual(words);
});
