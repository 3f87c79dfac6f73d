import { randomUUID } from 'node:crypto';
import type { EventFrame } from '@molecule/contract';
import {
  createManualClock,
  createSeat,
  type FakeAgent,
  failureOf,
  holdCalls,
  messageIdOf,
  type Responder,
  replyBusy,
  replyStatus,
  replyWith,
  reset,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

const clock = createManualClock();
let test: TestPlatform;
const agents: FakeAgent[] = [];
const frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform({ clock, replicas: 1 });
  // Loops run when a test says so.
  await test.platform.supervisor.stop();
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

/** Sends to a busy agent. @returns the id in the queue. */
async function enqueue(
  agent: FakeAgent,
  request: Record<string, unknown> = textRequest('hi'),
  token = test.adminToken,
): Promise<string> {
  const reply = await sendA2a(test, agent.id, request, { token });
  if (reply.status !== 202) throw new Error(`not queued: ${reply.status} ${reply.raw}`);
  return String(reply.body?.queue_id);
}

const read = (agent: { id: string }, queueId: string) => test.admin.getQueueItem({ params: { id: agent.id, queueId } });
const untilStatus = (agent: { id: string }, queueId: string, status: string) =>
  waitFor(`the message is ${status}`, async () => {
    const item = await read(agent, queueId);
    return item.status === status ? item : null;
  });

async function run(name: string): Promise<Record<string, number>> {
  const loop = test.platform.messaging.loops.find((one) => one.name === name);
  if (!loop) throw new Error(`no loop ${name}`);
  return await loop.run(new AbortController().signal);
}

const alter = (queueId: string, change: ReturnType<typeof sql>) =>
  sql`update a2a_queue set ${change} where id = ${queueId}`.execute(test.db.kysely);
/** What waits for a time is due now. */
const makeDue = (queueId: string) => alter(queueId, sql`next_attempt_at = now() - interval '1 second'`);

/** A beat, and the deliveries it leads to. */
async function beat(agent: FakeAgent, fields: Record<string, unknown> = {}): Promise<void> {
  await agent.heartbeat(fields);
  await test.platform.messaging.idle();
}

it('20.35 one message id is one message while it waits, and another body or caller is another', async () => {
  const agent = await startAgent(replyBusy);
  const caller = await startAgent(replyWith('ok'));
  const request = textRequest('once');
  const first = await enqueue(agent, request);
  const again = await sendA2a(test, agent.id, { ...request, id: 'another envelope' });
  expect([again.status, again.body]).toMatchObject([202, { queue_id: first, queue_depth: 1 }]);
  const other = textRequest('other words', { message: { messageId: idOf(request) } });
  expect(await enqueue(agent, other)).not.toBe(first);
  expect(await enqueue(agent, request, caller.token)).not.toBe(first);
  const many = await Promise.all(
    Array.from({ length: 20 }, () => sendA2a(test, agent.id, request, { token: caller.token })),
  );
  expect(new Set(many.map(({ body }) => body?.queue_id)).size).toBe(1);
  expect(many[0]?.body).toMatchObject({ queue_depth: 3 });

  // Once it is answered, a repeat gets that answer, and only another body is another message.
  agent.respond(replyWith('answered'));
  await beat(agent);
  await untilStatus(agent, first, 'completed');
  agent.respond(replyBusy);
  expect((await sendA2a(test, agent.id, request)).body).toMatchObject({ result: { parts: [{ text: 'answered' }] } });
  expect(await enqueue(agent, textRequest('third words', { message: { messageId: idOf(request) } }))).not.toBe(first);
});

it('20.36 an expired message is never dispatched and is dropped; what is no positive number never expires', async () => {
  const agent = await startAgent(replyBusy);
  const expiring = await enqueue(agent, textRequest('soon', { params: { expires_in_seconds: 1 } }));
  const lasting: string[] = [];
  for (const odd of [0, -5, 'x', 1.5, null])
    lasting.push(await enqueue(agent, textRequest('lasting', { params: { expires_in_seconds: odd } })));
  const forever = await enqueue(agent, textRequest('forever', { params: { expires_in_seconds: 1e15 } }));
  expect((await read(agent, expiring)).expires_at).not.toBeNull();
  for (const id of lasting) expect((await read(agent, id)).expires_at).toBeNull();
  expect((await read(agent, forever)).status).toBe('queued');

  await waitFor('it has expired', async () => Date.parse((await read(agent, expiring)).expires_at ?? '') < Date.now());
  agent.respond(replyWith('ok'));
  const called = agent.calls.length;
  await beat(agent);
  await untilStatus(agent, lasting.at(-1) ?? '', 'completed');
  expect(agent.calls.slice(called).map(({ raw }) => raw.includes('"soon"'))).not.toContain(true);
  await run('a2a-queue-sweeper');
  expect(await read(agent, expiring)).toMatchObject({
    status: 'dropped',
    last_error: 'expired',
    attempts: 0,
    answered_at: null,
  });
  const [row] = await test.admin.listActivity({ params: { id: agent.id } });
  expect(row).toMatchObject({ status: 'error', error_detail: 'expired', method: 'message/send' });
});

it('20.37 a beat with room delivers, one without does not', async () => {
  const agent = await startAgent(replyBusy);
  const first = await enqueue(agent);
  agent.respond(replyWith('ok'));
  await beat(agent, { active_tasks: 1 });
  expect((await read(agent, first)).status).toBe('queued');
  await agent.heartbeat({ active_tasks: 0 });
  await untilStatus(agent, first, 'completed');

  const wide = await startAgent(replyBusy, { workspace: { max_concurrent_tasks: 3 } });
  const second = await enqueue(wide);
  wide.respond(replyWith('ok'));
  await beat(wide, { active_tasks: 3 });
  expect((await read(wide, second)).status).toBe('queued');
  await wide.heartbeat({ active_tasks: 2 });
  await untilStatus(wide, second, 'completed');
});

it('20.38 a target that is busy again keeps the message and the attempt; its next beat with room delivers', async () => {
  const agent = await startAgent(replyBusy);
  const id = await enqueue(agent);
  await beat(agent);
  expect(agent.calls).toHaveLength(2);
  const item = await read(agent, id);
  expect(item).toMatchObject({
    status: 'queued',
    attempts: 0,
    last_error: 'the target was busy again',
    dispatched_at: null,
  });
  // Time alone must pass half a minute first …
  await run('a2a-queue-sweeper');
  await test.platform.messaging.idle();
  expect(agent.calls).toHaveLength(2);
  // … word of room need not.
  agent.respond(replyWith('finally'));
  await agent.heartbeat({});
  expect(await untilStatus(agent, id, 'completed')).toMatchObject({ attempts: 1, last_error: null });
});

it('20.39 five failed deliveries are the end; two drains at once are one delivery', async () => {
  const agent = await startAgent(replyBusy);
  const id = await enqueue(agent);
  agent.respond(replyStatus(500, { error: 'no luck' }));
  const called = agent.calls.length;
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    await beat(agent);
    const item = await read(agent, id);
    expect(item).toMatchObject({ attempts: attempt, last_error: 'no luck', status: attempt < 5 ? 'queued' : 'failed' });
    // A failure is not a busy target: a beat alone does not shorten the delay.
    await beat(agent);
    expect(agent.calls.length - called).toBe(attempt);
    await makeDue(id);
  }
  await beat(agent);
  await run('a2a-queue-sweeper');
  expect(agent.calls.length - called).toBe(5);
  expect(await read(agent, id)).toMatchObject({
    status: 'failed',
    answered_at: null,
    completed_at: expect.any(String),
  });
  const rows = await test.admin.listActivity({ params: { id: agent.id }, query: { type: 'a2a_receive' } });
  expect(rows).toMatchObject([{ status: 'error', error_detail: 'no luck' }]);

  const hold = holdCalls(replyWith('ok'));
  const other = await startAgent(replyBusy);
  const second = await enqueue(other);
  other.respond(hold.respond);
  const replica = await startPlatform({ db: test.db, clock });
  try {
    await other.heartbeat({});
    await other.waitForCalls(2);
    for (const { platform } of [test, replica, test, replica]) platform.messaging.drain(other.id);
    await replica.platform.messaging.idle();
    hold.release();
    expect(await untilStatus(other, second, 'completed')).toMatchObject({ attempts: 1 });
    expect(other.calls).toHaveLength(2);
  } finally {
    await replica.stop();
  }
});

it('20.40 a queued message is seen by its two sides and by operators; to everybody else it does not exist', async () => {
  const target = await startAgent(replyBusy);
  const caller = await startAgent(replyWith('ok'));
  const third = await createSeat(test);
  const queueId = await enqueue(target, textRequest('hi'), caller.token);
  const org = await test.admin.createOrgToken({ body: { name: 'ci' } });
  const at = (id: string, token: string, item = queueId) =>
    test.client(token).getQueueItem({ params: { id, queueId: item } });
  for (const token of [caller.token, target.token, org.auth_token, test.adminToken])
    for (const id of [caller.id, target.id])
      expect(await at(id, token)).toMatchObject({
        queue_id: queueId,
        workspace_id: target.id,
        caller_id: caller.id,
        status: 'queued',
        priority: 50,
        method: 'message/send',
        attempts: 0,
        last_error: null,
        dispatched_at: null,
        completed_at: null,
        expires_at: null,
        accepted_at: expect.any(String),
        injected_at: null,
        answered_at: null,
      });
  const refusals = await Promise.all([
    failureOf(at(target.id, third.token)),
    failureOf(at(third.id, third.token)),
    failureOf(at(third.id, test.adminToken)),
    failureOf(at(target.id, caller.token, randomUUID())),
    failureOf(at(target.id, caller.token, 'no-uuid')),
    failureOf(at('no-uuid', caller.token)),
  ]);
  for (const { status, body } of refusals)
    expect([status, body]).toEqual([404, { error: 'queue item not found', code: 'not_found' }]);
  expect((await fetch(`${test.url}/workspaces/${target.id}/a2a/queue/${queueId}`)).status).toBe(401);
});

it('20.41 an operator drops what is older than an age, everywhere or of one workspace; nonsense is refused', async () => {
  const one = await startAgent(replyBusy);
  const two = await startAgent(replyBusy);
  // Without room, so that no sweep tries what is old.
  for (const agent of [one, two]) await agent.heartbeat({ active_tasks: 1 });
  const old = await enqueue(one);
  const olderElsewhere = await enqueue(two);
  for (const id of [old, olderElsewhere]) await alter(id, sql`enqueued_at = now() - interval '90 minutes'`);
  await alter(olderElsewhere, sql`last_error = 'earlier'`);
  const fresh = await enqueue(one);
  for (const bad of ['0', '-1', '1.5', 'soon'])
    expect((await failureOf(test.admin.dropStaleQueueItems({ query: { max_age_minutes: bad } }))).status).toBe(400);
  expect(await test.admin.dropStaleQueueItems({ query: { max_age_minutes: 100_000_000_000 } })).toEqual({ dropped: 0 });
  expect(await test.admin.dropStaleQueueItems({ query: { max_age_minutes: 80, workspace_id: one.id } })).toEqual({
    dropped: 1,
  });
  expect(await test.admin.dropStaleQueueItems()).toEqual({ dropped: 1 });
  expect(await read(one, old)).toMatchObject({ status: 'dropped', last_error: 'dropped: older than 80 minutes' });
  expect(await read(two, olderElsewhere)).toMatchObject({
    status: 'dropped',
    last_error: 'earlier; dropped: older than 60 minutes',
  });
  expect((await read(one, fresh)).status).toBe('queued');
});

it('20.97 a person’s queued message is one row with the reply and one broadcast that names it', async () => {
  const agent = await startAgent(replyBusy);
  const request = textRequest('from the chat');
  const id = await enqueue(agent, request);
  expect(await test.admin.listActivity({ params: { id: agent.id } })).toEqual([]);
  agent.respond(replyWith('from the queue'));
  await agent.heartbeat({});
  await untilStatus(agent, id, 'completed');
  const rows = await test.admin.listActivity({ params: { id: agent.id } });
  expect(rows).toMatchObject([
    {
      activity_type: 'a2a_receive',
      method: 'message/send',
      source_id: null,
      status: 'ok',
      request_body: request,
      response_body: { result: { parts: [{ text: 'from the queue' }] } },
    },
  ]);
  const told = await waitFor('the reply is broadcast', () => {
    const found = frames.filter((frame) => frame.event === 'A2A_RESPONSE' && frame.workspace_id === agent.id);
    return found.length > 0 ? found : null;
  });
  expect(told).toMatchObject([{ payload: { message_id: idOf(request), queue_id: id, activity_id: rows[0]?.id } }]);
});

it('20.101 accepted, injected and answered are marked when they are true, and never before', async () => {
  const agent = await startAgent(replyBusy);
  const request = textRequest('hi');
  const id = await enqueue(agent, request);
  expect(await read(agent, id)).toMatchObject({
    accepted_at: expect.any(String),
    injected_at: null,
    answered_at: null,
  });
  const hold = holdCalls(replyWith('done'));
  agent.respond(hold.respond);
  await agent.heartbeat({});
  await agent.waitForCalls(2);
  const handed = await read(agent, id);
  expect(handed).toMatchObject({
    status: 'dispatched',
    dispatched_at: expect.any(String),
    injected_at: null,
    answered_at: null,
  });
  await agent.heartbeat({ active_tasks: 1, active_messages: [idOf(request), 'unknown'] });
  const injected = await read(agent, id);
  expect(injected).toMatchObject({ injected_at: expect.any(String), answered_at: null });
  await agent.heartbeat({ active_tasks: 1, active_messages: [idOf(request)] });
  hold.release();
  const answered = await untilStatus(agent, id, 'completed');
  expect(answered).toMatchObject({
    accepted_at: handed.accepted_at,
    injected_at: injected.injected_at,
    answered_at: expect.any(String),
  });
  const receipts = frames.filter((frame) => frame.event === 'RECEIPT_UPDATED' && frame.payload.queue_id === id);
  expect(receipts.map(({ payload }) => payload)).toMatchObject([
    { message_id: idOf(request), queue_id: id, injected_at: injected.injected_at },
    { message_id: idOf(request), queue_id: id, answered_at: answered.answered_at },
  ]);

  // A poll row: fetched is not injected, an operator's cursor marks nothing, the agent's own cursor does.
  const seat = await createSeat(test, { delivery_mode: 'poll' });
  const first = String((await sendA2a(test, seat.id, textRequest('first'))).body?.activity_id);
  const second = String((await sendA2a(test, seat.id, textRequest('second'))).body?.activity_id);
  const row = async (rowId: string) =>
    (await test.admin.listActivity({ params: { id: seat.id } })).find((one) => one.id === rowId);
  const own = test.client(seat.token);
  expect(await own.listActivity({ params: { id: seat.id } })).toHaveLength(2);
  await test.admin.listActivity({ params: { id: seat.id }, query: { since_id: second } });
  for (const one of [first, second]) expect(await row(one)).toMatchObject({ accepted_at: expect.any(String) });
  for (const one of [first, second]) expect(await row(one)).not.toHaveProperty('injected_at');
  await own.listActivity({ params: { id: seat.id }, query: { since_id: first } });
  expect(await row(first)).toMatchObject({ injected_at: expect.any(String) });
  expect(await row(second)).not.toHaveProperty('injected_at');

  // Unread for eight days: retention leaves it alone, and takes what was read.
  await sql`update activity_logs set created_at = now() - interval '8 days' where id in (${first}, ${second})`.execute(
    test.db.kysely,
  );
  await test.platform.activity.loops
    .find(({ name }) => name === 'activity-retention')
    ?.run(new AbortController().signal);
  expect([await row(first), await row(second)]).toMatchObject([undefined, { id: second }]);
});

it('20.100 a turn that outlives the platform is run once, its reply is stored, and a late writer changes nothing', async () => {
  const agent = await startAgent(replyBusy);
  const request = textRequest('a long turn');
  const id = await enqueue(agent, request);
  // The agent knows a message by its id: a repeat waits for the running turn and gets its answer.
  const turns = new Map<string, Promise<Responder>>();
  const turn = Promise.withResolvers<Responder>();
  agent.respond(async (call, response) => {
    const key = messageIdOf(call);
    if (!turns.has(key)) turns.set(key, turn.promise);
    const answer = await turns.get(key);
    await answer?.(call, response);
  });

  // A first platform hands the message over and is gone before the answer.
  const first = await startPlatform({ db: test.db });
  first.platform.messaging.drain(agent.id);
  await agent.waitForCalls(2);
  const { lease_token: firstLease } = await test.db.kysely
    .selectFrom('a2a_queue')
    .select('lease_token')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const lapse = () => alter(id, sql`lease_until = now() - interval '1 second'`);
  await lapse();

  // Beats come first: they say that the turn is alive, and renew the lease.
  await run('a2a-lease-recovery');
  expect((await read(agent, id)).status).toBe('dispatched');
  await agent.heartbeat({ active_tasks: 1, active_messages: [idOf(request)] });
  clock.advance(61_000);
  await run('a2a-lease-recovery');
  expect(await read(agent, id)).toMatchObject({ status: 'dispatched', injected_at: expect.any(String) });

  // Beats that do not list it any more let the lease end: the message is handed over again, and the agent knows it.
  await agent.heartbeat({ active_tasks: 0 });
  await lapse();
  await run('a2a-lease-recovery');
  await agent.waitForCalls(3);
  const { lease_token: secondLease } = await test.db.kysely
    .selectFrom('a2a_queue')
    .select('lease_token')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  expect(secondLease).not.toBe(firstLease);

  // The first platform's connection breaks: it would put the message back, but its lease is outdated.
  agent.calls.length = 3;
  turn.resolve((call, response) => {
    const isFirst = call === agent.calls[1];
    return (isFirst ? replyStatus(500, { error: 'a late writer' }) : replyWith('the answer'))(call, response);
  });
  const done = await untilStatus(agent, id, 'completed');
  await first.stop();
  expect(await read(agent, id)).toEqual(done);
  expect(turns.size).toBe(1);
  const rows = await test.admin.listActivity({ params: { id: agent.id } });
  expect(rows).toMatchObject([{ status: 'ok', response_body: { result: { parts: [{ text: 'the answer' }] } } }]);
});

it('a message that five processes died with is given up', async () => {
  const agent = await startAgent(replyBusy);
  const id = await enqueue(agent);
  await alter(
    id,
    sql`status = 'dispatched', attempts = 5, lease_token = gen_random_uuid(), lease_until = now() - interval '1 second'`,
  );
  clock.advance(61_000);
  await run('a2a-lease-recovery');
  expect(await read(agent, id)).toMatchObject({ status: 'failed', last_error: 'every process that delivered it died' });
  expect(await test.admin.listActivity({ params: { id: agent.id } })).toMatchObject([{ status: 'error' }]);
});

it('a target that comes up gets what its predecessor failed on at once, one that just stored a message too', async () => {
  const agent = await startAgent(reset);
  const id = await enqueue(agent);
  agent.respond(replyStatus(500));
  await beat(agent);
  expect(await read(agent, id)).toMatchObject({ status: 'queued', attempts: 1 });
  agent.respond(replyWith('a new life'));
  await test.client(agent.token).register({
    body: { id: agent.id, url: agent.url, agent_card: { name: 'fake' }, delivery_mode: 'push' },
  });
  await untilStatus(agent, id, 'completed');
});

it('a turn that ends while its refusal is on the way is not waited for', async () => {
  const hold = holdCalls(replyBusy);
  const agent = await startAgent(hold.respond);
  const sent = enqueue(agent);
  await agent.waitForCalls(1);
  await agent.heartbeat({ active_tasks: 0 });
  agent.respond(replyWith('ok'));
  hold.release();
  await untilStatus(agent, await sent, 'completed');
});

it('a target that refuses everything after all is asked once for each message, not again and again', async () => {
  const agent = await startAgent(replyBusy, { workspace: { max_concurrent_tasks: 8 } });
  for (let count = 0; count < 8; count += 1) await enqueue(agent);
  const called = agent.calls.length;
  await beat(agent);
  expect(agent.calls).toHaveLength(called + 8);
  await beat(agent);
  expect(agent.calls).toHaveLength(called + 16);
});

it('messages go by priority and then by age, as many at a time as the target takes', async () => {
  const hold = holdCalls(replyWith('ok'));
  const agent = await startAgent(replyBusy, { workspace: { max_concurrent_tasks: 2 } });
  const ids: string[] = [];
  for (const words of ['info', 'task', 'critical']) ids.push(await enqueue(agent, textRequest(words)));
  await alter(ids[0] ?? '', sql`priority = 10`);
  await alter(ids[2] ?? '', sql`priority = 100`);
  agent.respond(hold.respond);
  const called = agent.calls.length;
  await agent.heartbeat({});
  await agent.waitForCalls(called + 2);
  const statuses = await Promise.all(ids.map(async (id) => (await read(agent, id)).status));
  expect(statuses).toEqual(['queued', 'dispatched', 'dispatched']);
  hold.release();
  await untilStatus(agent, ids[0] ?? '', 'completed');
  const words = agent.calls.slice(called).map(({ raw }) => /"text":"(\w+)"/.exec(raw)?.[1]);
  expect([new Set(words.slice(0, 2)), words[2]]).toEqual([new Set(['critical', 'task']), 'info']);
});

it('a target that reads an inbox by now gets the message there, and it is not answered by that', async () => {
  const agent = await startAgent(replyBusy);
  const id = await enqueue(agent);
  await sql`update workspaces set delivery_mode = 'poll' where id = ${agent.id}`.execute(test.db.kysely);
  test.platform.workspaces.forget(agent.id);
  await beat(agent);
  expect(await read(agent, id)).toMatchObject({ status: 'completed', answered_at: null });
  const rows = await test.admin.listActivity({ params: { id: agent.id } });
  expect(rows).toMatchObject([{ accepted_at: expect.any(String), method: 'message/send' }]);
  expect(rows[0]).not.toHaveProperty('answered_at');
});

it('removing a workspace drops what waits for it; what ended long ago is forgotten', async () => {
  const agent = await startAgent(replyBusy);
  const waiting = await enqueue(agent);
  await test.admin.deleteWorkspace({ params: { id: agent.id } });
  expect(await read(agent, waiting)).toMatchObject({ status: 'dropped', last_error: 'workspace removed' });
  expect(await run('a2a-queue-retention')).toEqual({ deleted: 0 });
  await alter(waiting, sql`completed_at = now() - interval '8 days'`);
  expect(await run('a2a-queue-retention')).toEqual({ deleted: 1 });
  expect((await failureOf(read(agent, waiting))).status).toBe(404);
});
