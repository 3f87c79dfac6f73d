import { randomUUID } from 'node:crypto';
import {
  chosenStore,
  type FakeAgent,
  hasReplicas,
  holdCalls,
  type ReceivedCall,
  type Responder,
  replyBusy,
  replyResult,
  replyStatus,
  replyWith,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

const LIMIT = 40;
let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform({ env: { A2A_QUEUE_LIMIT_PER_CALLER: String(LIMIT), RATE_LIMIT: '1000000' } });
  // Loops run when a test says so.
  await test.platform.supervisor.stop();
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(respond: Responder, width = 1): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond, workspace: { max_concurrent_tasks: width } });
  agents.push(agent);
  return agent;
}

const words = ({ body }: ReceivedCall): string =>
  (body as { params: { message: { parts: { text: string }[] } } }).params.message.parts[0]?.text ?? '';
const messageIdIn = (request: unknown): string =>
  (request as { params: { message: { messageId: string } } }).params.message.messageId;
const inContext = (contextId: string, text: string) => textRequest(text, { message: { contextId } });

async function enqueue(agent: FakeAgent, request: Record<string, unknown>, token = test.adminToken): Promise<string> {
  const reply = await sendA2a(test, agent.id, request, { token });
  if (reply.status !== 202) throw new Error(`not queued: ${reply.status} ${reply.raw}`);
  return String(reply.body?.queue_id);
}

const statusOf = async (agent: FakeAgent, queueId: string) =>
  (await test.admin.getQueueItem({ params: { id: agent.id, queueId } })).status;
const untilStatus = (agent: FakeAgent, queueId: string, status: string) =>
  waitFor(`the message is ${status}`, async () => (await statusOf(agent, queueId)) === status);

/** Beats until nothing waits for the agent. */
async function drainAll(agent: FakeAgent): Promise<void> {
  await waitFor('the queue is empty', async () => {
    await agent.heartbeat();
    await test.idle();
    const { rows } = await sql<{ open: number }>`
      select count(*)::int as open from a2a_queue where workspace_id = ${agent.id} and status in ('queued', 'dispatched')
    `.execute(test.db.kysely);
    return rows[0]?.open === 0;
  });
}

it('20.113 a queued message goes out with the end of the turn, without a beat, also when the last beat counted that turn', async () => {
  const hold = holdCalls(replyWith('first'));
  const agent = await startAgent(hold.respond);
  const first = sendA2a(test, agent.id, textRequest('first'));
  await agent.waitForCalls(1);
  // The turn has begun, and the platform was told: the agent has no room by what it last said.
  await agent.heartbeat({ active_tasks: 1 });
  agent.respond(replyBusy);
  const second = await enqueue(agent, textRequest('second'));
  agent.respond(replyWith('second'));
  expect(await statusOf(agent, second)).toBe('queued');
  hold.release();
  expect((await first).status).toBe(200);
  await untilStatus(agent, second, 'completed');
});

// Across replicas it is the runtime's own next beat that tells: the names of a beat stay where it came.
it.skipIf(hasReplicas())(
  '20.141 a beat sent before an answer and stored after it takes no room: what waits goes out without another',
  async () => {
    const [held, refused] = [holdCalls(replyWith('first')), holdCalls(replyBusy)];
    const agent = await startAgent(held.respond);
    const request = textRequest('first');
    const first = sendA2a(test, agent.id, request);
    await agent.waitForCalls(1);
    agent.respond(refused.respond);
    const second = sendA2a(test, agent.id, textRequest('second'));
    await agent.waitForCalls(2);
    held.release();
    expect((await first).status).toBe(200);
    agent.respond(replyWith('second'));
    await agent.heartbeat({ active_tasks: 1, active_messages: [messageIdIn(request)] });
    refused.release();
    const { status, body } = await second;
    expect(status).toBe(202);
    await untilStatus(agent, String(body?.queue_id), 'completed');
  },
);

it.skipIf(hasReplicas())('20.141 an answer that is a task still at work makes no room', async () => {
  const agent = await startAgent(replyResult({ kind: 'task', id: 't', contextId: 'c', status: { state: 'working' } }));
  const request = textRequest('first', { params: { configuration: { blocking: false } } });
  expect((await sendA2a(test, agent.id, request)).status).toBe(200);
  agent.respond(replyBusy);
  const second = await enqueue(agent, textRequest('second'));
  const called = agent.calls.length;
  await agent.heartbeat({ active_tasks: 1, active_messages: [messageIdIn(request)] });
  await test.idle();
  expect(agent.calls).toHaveLength(called);
  agent.respond(replyWith('second'));
  await agent.heartbeat();
  await untilStatus(agent, second, 'completed');
});

// The embedded store has one connection: a lock that one holds is held against all.
it.runIf(chosenStore() === 'postgres')(
  '20.142 what waits goes out with the answer before the store has taken the end, but for the next of its context',
  async () => {
    const agent = await startAgent(replyBusy);
    const first = await enqueue(agent, inContext('c', 'first'));
    const behind = await enqueue(agent, inContext('c', 'behind'));
    const second = await enqueue(agent, textRequest('second'));
    const hold = holdCalls(replyWith('ok'));
    const called = agent.calls.length;
    agent.respond(hold.respond);
    await agent.heartbeat();
    await agent.waitForCalls(called + 1);
    await test.db.tx(async (trx) => {
      await sql`select 1 from a2a_queue where id = ${first} for update`.execute(trx);
      hold.release();
      await untilStatus(agent, second, 'completed');
      expect(await Promise.all([first, behind].map((id) => statusOf(agent, id)))).toEqual(['dispatched', 'queued']);
    });
    await untilStatus(agent, behind, 'completed');
    expect(agent.calls.slice(called).map(words)).toEqual(['first', 'second', 'behind']);
  },
);

it('20.114 messages of one caller and context go out in the order of their acceptance, one after the other, however wide the target', async () => {
  const agent = await startAgent(replyBusy, 4);
  const caller = await startAgent(replyWith('ok'));
  const ids: string[] = [];
  for (const text of ['1', '2', '3']) ids.push(await enqueue(agent, inContext('c', text), caller.token));
  // Neither another context, nor the same one of another caller, nor none waits for them.
  await enqueue(agent, inContext('d', 'other context'), caller.token);
  await enqueue(agent, inContext('c', 'other caller'));
  await enqueue(agent, textRequest('no context'), caller.token);

  const hold = holdCalls(replyWith('ok'));
  const called = agent.calls.length;
  agent.respond(hold.respond);
  await agent.heartbeat();
  await agent.waitForCalls(called + 4);
  expect(agent.calls.slice(called).map(words).sort()).toEqual(['1', 'no context', 'other caller', 'other context']);
  expect(await Promise.all(ids.map((id) => statusOf(agent, id)))).toEqual(['dispatched', 'queued', 'queued']);
  hold.release();
  await untilStatus(agent, ids[2] ?? '', 'completed');
  expect(
    agent.calls
      .slice(called)
      .map(words)
      .filter((text) => text.length === 1),
  ).toEqual(['1', '2', '3']);
});

it.skipIf(hasReplicas())(
  '20.114 one that is put off is not overtaken; its end, failed or dropped, frees the next',
  async () => {
    const agent = await startAgent(replyBusy, 4);
    const [first, second, third] = [
      await enqueue(agent, inContext('c', '1')),
      await enqueue(agent, inContext('c', '2')),
      await enqueue(agent, inContext('c', '3')),
    ];
    agent.respond(replyStatus(500, { error: 'no luck' }));
    const called = agent.calls.length;
    await agent.heartbeat();
    await test.idle();
    agent.respond(replyWith('ok'));
    await agent.heartbeat();
    await test.idle();
    expect(agent.calls.slice(called).map(words)).toEqual(['1']);
    // A direct call would overtake all three: it is stored behind them, though the agent would take it.
    const fourth = await enqueue(agent, inContext('c', '4'));
    expect(agent.calls).toHaveLength(called + 1);

    await sql`update a2a_queue set enqueued_at = now() - interval '90 minutes' where id = ${first}`.execute(
      test.db.kysely,
    );
    expect(await test.admin.dropStaleQueueItems({ query: { max_age_minutes: 80, workspace_id: agent.id } })).toEqual({
      dropped: 1,
    });
    await sql`update a2a_queue set attempts = 4 where id = ${second}`.execute(test.db.kysely);
    agent.respond(replyStatus(500, { error: 'no luck' }));
    await agent.heartbeat();
    await untilStatus(agent, second, 'failed');
    agent.respond(replyWith('ok'));
    await agent.heartbeat();
    await untilStatus(agent, fourth, 'completed');
    expect(agent.calls.slice(called).map(words)).toEqual(['1', '2', '3', '4']);
    expect(await statusOf(agent, third)).toBe('completed');
    // Nothing waits any more, so the next one of the context goes straight through.
    expect((await sendA2a(test, agent.id, inContext('c', '5'))).status).toBe(200);
  },
);

it.skipIf(hasReplicas())(
  '20.114 while the store cannot say what waits, a message of a context is not sent: its caller comes again',
  async () => {
    const agent = await startAgent(replyBusy);
    await enqueue(agent, inContext('c', 'earlier'));
    agent.respond(replyWith('ok'));
    await test.db.pool.query('alter table a2a_queue rename to queue_away');
    try {
      expect((await sendA2a(test, agent.id, inContext('c', '1'))).status).toBe(503);
    } finally {
      await test.db.pool.query('alter table queue_away rename to a2a_queue');
    }
    expect(agent.calls.map(words)).toEqual(['earlier']);
    await enqueue(agent, inContext('c', '1'));
  },
);

it('20.115 a caller with many waiting delays the message of another by no more than a few deliveries', async () => {
  const agent = await startAgent(replyBusy);
  const [flood, other] = [await startAgent(replyWith('ok')), await startAgent(replyWith('ok'))];
  for (let at = 0; at < 30; at += 1) await enqueue(agent, textRequest(`flood ${at}`), flood.token);
  const called = agent.calls.length;
  // What the agent has taken of the flood does not count against it either: turns go on from where they are.
  let served = 0;
  agent.respond(async (call, response) => {
    served += 1;
    if (served > 10) return replyBusy(call, response);
    return replyWith('ok')(call, response);
  });
  await agent.heartbeat();
  await waitFor('ten are delivered', () => served > 10);
  await test.idle();
  for (const text of ['other 0', 'other 1', 'other 2']) await enqueue(agent, textRequest(text), other.token);
  const before = agent.calls.length;
  agent.respond(replyWith('ok'));
  await drainAll(agent);
  const order = agent.calls.slice(before).map(words);
  expect(new Set(agent.calls.slice(called).map(words)).size).toBe(33);
  for (const [nth, text] of ['other 0', 'other 1', 'other 2'].entries())
    expect(order.indexOf(text)).toBeLessThanOrEqual(2 * nth + 2);
  // Nobody is taken out of the order of its own messages.
  expect(order.filter((text) => text.startsWith('flood'))).toEqual(
    Array.from({ length: 20 }, (_, at) => `flood ${at + 10}`),
  );
});

it('20.116 a caller with as many waiting as may is refused, nothing is stored, and others are not affected', async () => {
  const agent = await startAgent(replyBusy);
  const [flood, other] = [await startAgent(replyWith('ok')), await startAgent(replyWith('ok'))];
  const requests = Array.from({ length: LIMIT + 10 }, (_, at) => textRequest(`flood ${at}`));
  const replies = await Promise.all(
    requests.map((request) => sendA2a(test, agent.id, request, { token: flood.token })),
  );
  expect(replies.filter(({ status }) => status === 202)).toHaveLength(LIMIT);
  const refused = replies.filter(({ status }) => status !== 202);
  for (const { status, body, headers } of refused) {
    expect([status, body]).toMatchObject([429, { code: 'queue_full', limit: LIMIT, retry_after: expect.any(Number) }]);
    expect(headers.get('retry-after')).toBe(String(body?.retry_after));
  }
  const count = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from a2a_queue where workspace_id = ${agent.id} and caller_id = ${flood.id}
    `.execute(test.db.kysely);
    return rows[0]?.count;
  };
  expect(await count()).toBe(LIMIT);
  // The same message as one that waits is that one, also now.
  const kept = requests[replies.findIndex(({ status }) => status === 202)] as Record<string, unknown>;
  expect((await sendA2a(test, agent.id, kept, { token: flood.token })).status).toBe(202);
  await enqueue(agent, textRequest('of another'), other.token);
  await enqueue(agent, textRequest('of a person'));
  // A delegation that is refused says so.
  const task = { target_id: agent.id, task: 'one more' };
  const { delegation_id: id } = await test.client(flood.token).delegate({ params: { id: flood.id }, body: task });
  const row = await waitFor('the delegation has failed', async () => {
    const rows = await test.client(flood.token).listDelegations({ params: { id: flood.id } });
    return rows.find((one) => one.delegation_id === id && one.status === 'failed');
  });
  expect(row.error).toContain(`${LIMIT} messages of this caller wait`);

  // One place is free again as soon as one is delivered.
  let taken = false;
  agent.respond((call, response) => {
    const answer = taken ? replyBusy : replyWith('ok');
    taken = true;
    return answer(call, response);
  });
  await agent.heartbeat();
  await test.idle();
  agent.respond(replyBusy);
  expect(await count()).toBe(LIMIT);
  await enqueue(agent, textRequest('there is room'), flood.token);
});

it('20.117 messages of one moment are few commits, and each sender is answered with its own id', async () => {
  const hold = holdCalls(replyBusy);
  const agent = await startAgent(hold.respond);
  const senders = await Promise.all([0, 1, 2, 3].map(() => startAgent(replyWith('ok'))));
  const requests = Array.from({ length: 80 }, (_, at) => textRequest(`m${at}`));
  const sent = requests.map((request, at) =>
    sendA2a(test, agent.id, request, { token: senders[at % 4]?.token ?? null }),
  );
  // Refused at the same moment.
  await agent.waitForCalls(80);
  hold.release();
  const replies = await Promise.all(sent);
  for (const { status } of replies) expect(status).toBe(202);
  expect(replies.map(({ body }) => Number(body?.queue_depth)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 80 }, (_, at) => at + 1),
  );
  const { rows } = await sql<{ id: string; message: string; moment: string }>`
    select id, idempotency_key as message, xmin::text as moment from a2a_queue where workspace_id = ${agent.id}
  `.execute(test.db.kysely);
  const byId = new Map(rows.map((row) => [row.id, row.message]));
  for (const [at, { body }] of replies.entries())
    expect(byId.get(String(body?.queue_id))).toBe(messageIdIn(requests[at]));
  expect(new Set(rows.map(({ moment }) => moment)).size).toBeLessThan(40);
});

it('20.114 20.115 whoever sends whatever to whichever width, no context is out of order and no caller waits for the others', async () => {
  const callers = await Promise.all([0, 1, 2].map(() => startAgent(replyWith('ok'))));
  const message = fc.record({ caller: fc.nat(2), context: fc.constantFrom('', 'a', 'b') });
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { minLength: 1, maxLength: 14 }),
      fc.integer({ min: 1, max: 3 }),
      async (sent, width) => {
        const agent = await startAgent(replyBusy, width);
        for (const [at, { caller, context }] of sent.entries())
          await enqueue(
            agent,
            textRequest(`${caller} ${context} ${at}`, context ? { message: { contextId: context } } : {}),
            callers[caller]?.token,
          );
        const called = agent.calls.length;
        agent.respond(replyWith('ok'));
        await drainAll(agent);
        const order = agent.calls.slice(called).map((call) => {
          const [caller = '', context = '', at = ''] = words(call).split(' ');
          return { caller, context, at: Number(at) };
        });
        expect(order.map(({ at }) => at).sort((a, b) => a - b)).toEqual(sent.map((_, at) => at));
        for (const caller of ['0', '1', '2'])
          for (const context of ['a', 'b']) {
            const places = order.filter((one) => one.caller === caller && one.context === context).map(({ at }) => at);
            expect(places).toEqual(places.toSorted((a, b) => a - b));
          }
        await agent.stop();
      },
    ),
    { numRuns: 12 },
  );
}, 60_000);

it('an id is found again when another replica stored the message at the same moment', async () => {
  const agent = await startAgent(replyBusy);
  const replica = await startPlatform({ db: test.db });
  try {
    const request = textRequest(randomUUID());
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        sendA2a(at % 2 === 0 ? test : replica, agent.id, request, { token: test.adminToken }),
      ),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 202));
    expect(new Set(replies.map(({ body }) => body?.queue_id)).size).toBe(1);
  } finally {
    await replica.stop();
  }
});
