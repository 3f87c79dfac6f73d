import type { EventFrame } from '@molecule/contract';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  holdCalls,
  messageIdOf,
  type Responder,
  replyBusy,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';

let test: TestPlatform;
let lead: FakeAgent;
const agents: FakeAgent[] = [];
const frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform({ env: { DELEGATION_STUCK_THRESHOLD_S: '600' } });
  // Loops run when a test says so.
  await test.platform.supervisor.stop();
  test.platform.events.subscribe((frame) => frames.push(frame));
  lead = await startAgent(replyWith('ok'));
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
});

async function startAgent(respond: Responder, options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond, ...options });
  agents.push(agent);
  return agent;
}

async function delegate(target: { id: string }): Promise<string> {
  const body = { target_id: target.id, task: 'do it' };
  return (await test.client(lead.token).delegate({ params: { id: lead.id }, body })).delegation_id;
}
const ledgerRow = (id: string) =>
  test.db.kysely.selectFrom('delegations').selectAll().where('delegation_id', '=', id).executeTakeFirstOrThrow();
const untilLedger = (id: string, status: string) =>
  waitFor(`the delegation is ${status}`, async () => {
    const row = await ledgerRow(id);
    return row.status === status ? row : null;
  });
const untilHandedOver = (id: string) =>
  waitFor('the queue holds it', async () => {
    const row = await ledgerRow(id);
    return row.status !== 'queued' && row.lease_token === null ? row : null;
  });
const alter = (id: string, change: ReturnType<typeof sql>) =>
  sql`update delegations set ${change} where delegation_id = ${id}`.execute(test.db.kysely);
async function run(name: string): Promise<Record<string, number>> {
  const loop = test.platform.delegation.loops.find((one) => one.name === name);
  if (!loop) throw new Error(`no loop ${name}`);
  return await loop.run(new AbortController().signal);
}
async function inboxOf(id: string) {
  const rows = await test.admin.listActivity({ params: { id: lead.id }, query: { type: 'a2a_receive', limit: 500 } });
  return rows.filter((row) => (row.response_body as { delegation_id?: string } | undefined)?.delegation_id === id);
}
const mirrorOf = async (id: string) =>
  (await test.client(lead.token).listDelegations({ params: { id: lead.id } })).filter(
    (row) => row.delegation_id === id,
  );
const failedEvents = (id: string) =>
  frames.filter((frame) => frame.event === 'DELEGATION_FAILED' && frame.payload.delegation_id === id);

it('20.50 20.103 the sweep fails what is past its deadline, marks what fell silent, leaves the rest, and tells the caller', async () => {
  const worker = await startAgent(replyBusy);
  const [late, silent, never, done, alive] = await Promise.all([1, 2, 3, 4, 5].map(() => delegate(worker)));
  for (const id of [late, silent, never, done, alive]) await untilHandedOver(id as string);
  await alter(
    late as string,
    sql`deadline = now() - interval '1 second', last_heartbeat = now() - interval '20 minutes'`,
  );
  await alter(silent as string, sql`last_heartbeat = now() - interval '11 minutes'`);
  await alter(done as string, sql`deadline = now() - interval '1 second'`);
  await alter(alive as string, sql`last_heartbeat = now() - interval '9 minutes'`);
  await test.client(lead.token).updateDelegation({
    params: { id: lead.id, delegationId: done as string },
    body: { status: 'completed', response_preview: 'meanwhile' },
  });

  expect(await run('delegation-sweeper')).toEqual({ failed: 1, stuck: 1, raced: 0 });
  expect(await ledgerRow(late as string)).toMatchObject({
    status: 'failed',
    error_detail: 'deadline exceeded by sweeper',
  });
  const stuck = await ledgerRow(silent as string);
  expect(stuck).toMatchObject({ status: 'stuck', error_detail: expect.stringContaining('no heartbeat for 6') });
  expect((await ledgerRow(never as string)).status).toBe('dispatched');
  expect((await ledgerRow(alive as string)).status).toBe('dispatched');
  expect(await ledgerRow(done as string)).toMatchObject({ status: 'completed', result_preview: 'meanwhile' });

  for (const [id, error] of [
    [late, 'deadline exceeded by sweeper'],
    [silent, stuck.error_detail],
  ] as [string, string][]) {
    await waitFor('the failure is told', () => failedEvents(id).length > 0);
    expect(failedEvents(id).map(({ payload }) => payload)).toEqual([
      { delegation_id: id, target_id: worker.id, error },
    ]);
    expect(await inboxOf(id)).toMatchObject([
      { method: 'delegate_result', status: 'error', error_detail: error, source_id: worker.id },
    ]);
    expect((await mirrorOf(id)).map(({ status }) => status)).toEqual(['failed', 'failed']);
  }
  expect(await run('delegation-sweeper')).toEqual({ failed: 0, stuck: 0, raced: 0 });
  expect(await inboxOf(late as string)).toHaveLength(1);

  // What is final stays final, also when the answer comes after all.
  worker.respond(replyWith('too late'));
  await worker.heartbeat({});
  await untilLedger(alive as string, 'completed');
  await test.platform.messaging.idle();
  expect([(await ledgerRow(late as string)).status, (await ledgerRow(silent as string)).status]).toEqual([
    'failed',
    'stuck',
  ]);
});

it('20.51 a task that outlives the call reaches the caller’s inbox exactly once, also when the row cannot be stored at first', async () => {
  const worker = await startAgent(replyBusy);
  const id = await delegate(worker);
  await untilHandedOver(id);
  // The mirror and the inbox are away just when the answer comes.
  const hold = holdCalls(replyWith('after all'));
  worker.respond(hold.respond);
  await worker.heartbeat({});
  await worker.waitForCalls(2);
  await test.db.pool.query(
    `alter table activity_logs add constraint no_results check (method <> 'delegate_result') not valid`,
  );
  try {
    hold.release();
    await untilLedger(id, 'completed');
    await test.platform.messaging.idle();
    expect(await inboxOf(id)).toEqual([]);
    expect(await run('delegation-repair')).toMatchObject({ told: 0 });
  } finally {
    await test.db.pool.query('alter table activity_logs drop constraint no_results');
  }
  for (const _pass of [1, 2]) await run('delegation-repair');
  expect(await inboxOf(id)).toMatchObject([
    {
      method: 'delegate_result',
      source_id: worker.id,
      target_id: lead.id,
      status: 'ok',
      response_body: { text: 'after all', delegation_id: id },
    },
  ]);
  expect((await mirrorOf(id)).map(({ status }) => status)).toEqual(['completed', 'completed']);
});

it('20.102 a callee’s beat that lists a delegation puts it in progress and keeps it alive; a third workspace is told nothing', async () => {
  const hold = holdCalls(replyWith('done'));
  const worker = await startAgent(hold.respond);
  const id = await delegate(worker);
  await worker.waitForCalls(1);
  expect(await ledgerRow(id)).toMatchObject({ status: 'dispatched', last_heartbeat: null, injected_at: null });
  await worker.heartbeat({ active_tasks: 1, active_delegations: [id, 'unknown'] });
  const first = await ledgerRow(id);
  expect(first).toMatchObject({
    status: 'in_progress',
    last_heartbeat: expect.any(Date),
    injected_at: expect.any(Date),
  });
  await waitFor('the receipt is told', () =>
    frames.find((frame) => frame.event === 'RECEIPT_UPDATED' && frame.payload.delegation_id === id),
  );
  await worker.heartbeat({ active_tasks: 1, active_delegations: [id] });
  const second = await ledgerRow(id);
  expect(second.last_heartbeat?.getTime()).toBeGreaterThan(first.last_heartbeat?.getTime() ?? 0);
  expect(second.injected_at).toEqual(first.injected_at);

  const beat = (agent: { id: string; token: string }, delegationId = id) =>
    test.client(agent.token).heartbeatDelegation({ params: { id: agent.id, delegationId } });
  const third = await createSeat(test);
  expect((await failureOf(beat(third))).status).toBe(404);
  expect((await failureOf(beat(lead, 'unknown'))).status).toBe(404);
  for (const side of [lead, worker]) expect(await beat(side)).toEqual({ status: 'ok' });
  // Listing what is not its own changes nothing.
  await alter(id, sql`last_heartbeat = null`);
  const stranger = await startAgent(replyWith('ok'));
  await stranger.heartbeat({ active_delegations: [id] });
  expect((await ledgerRow(id)).last_heartbeat).toBeNull();

  hold.release();
  await untilLedger(id, 'completed');
  expect(await beat(worker)).toEqual({ status: 'ok' });
  expect((await ledgerRow(id)).last_heartbeat).toBeNull();
});

it('a message id in a beat is a receipt of the delegation it carries', async () => {
  const hold = holdCalls(replyWith('done'));
  const worker = await startAgent(hold.respond);
  const id = await delegate(worker);
  await worker.waitForCalls(1);
  await worker.heartbeat({ active_tasks: 1, active_messages: [id] });
  expect(await ledgerRow(id)).toMatchObject({ status: 'dispatched', injected_at: expect.any(Date), answered_at: null });
  hold.release();
  expect(await untilLedger(id, 'completed')).toMatchObject({ answered_at: expect.any(Date) });
});

it('what nobody carries out is taken up again with the same message, and an outdated job changes nothing', async () => {
  // Stored by a platform that ended before it could send anything.
  const worker = await startAgent(replyWith('resumed'));
  const stored = async (id: string, change: ReturnType<typeof sql>) => {
    await sql`insert into delegations (delegation_id, caller_id, callee_id, task, task_preview)
      values (${id}, ${lead.id}, ${worker.id}, 'do it', 'do it')`.execute(test.db.kysely);
    await alter(id, change);
  };
  await stored('never-sent', sql`status = 'queued'`);
  await stored(
    'cut-off',
    sql`status = 'dispatched', lease_token = gen_random_uuid(), lease_until = now() - interval '1 second'`,
  );
  await stored(
    'alive-elsewhere',
    sql`status = 'dispatched', lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'`,
  );
  await waitFor('both are taken up', async () => {
    await run('delegation-runner');
    return (
      (await ledgerRow('never-sent')).status === 'completed' && (await ledgerRow('cut-off')).status === 'completed'
    );
  });
  expect(worker.calls.map(messageIdOf).sort()).toEqual(['cut-off', 'never-sent']);
  expect((await ledgerRow('alive-elsewhere')).status).toBe('dispatched');

  // Its lease passed on while it waited for the agent.
  const hold = holdCalls(replyWith('too late'));
  worker.respond(hold.respond);
  const id = await delegate(worker);
  await worker.waitForCalls(3);
  await alter(id, sql`lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'`);
  const row = await ledgerRow(id);
  const idle = waitFor('the job has ended', async () => (await run('delegation-runner')).renewed === 0);
  hold.release();
  await worker.waitForCalls(3);
  await idle;
  expect(await ledgerRow(id)).toMatchObject({ status: 'dispatched', lease_token: row.lease_token, answered_at: null });
});

it('an answer from the queue that a crash kept from its delegation is passed on later', async () => {
  const worker = await startAgent(replyBusy);
  const answered = await delegate(worker);
  const dropped = await delegate(worker);
  for (const id of [answered, dropped]) await untilHandedOver(id);
  // The message ended, and the platform with it.
  const end = (id: string, change: ReturnType<typeof sql>) =>
    sql`update a2a_queue set completed_at = now(), ${change} where idempotency_key = ${id}`.execute(test.db.kysely);
  await end(answered, sql`status = 'completed', answered_at = now(), response_body = '{"text":"from the queue"}'`);
  await end(dropped, sql`status = 'dropped', last_error = 'expired'`);
  await run('delegation-repair');
  // A moment's grace for whoever is just passing it on.
  expect([(await ledgerRow(answered)).status, (await ledgerRow(dropped)).status]).toEqual(['dispatched', 'dispatched']);
  for (const id of [answered, dropped]) await alter(id, sql`updated_at = now() - interval '1 minute'`);
  await run('delegation-repair');
  expect(await ledgerRow(answered)).toMatchObject({ status: 'completed', result_preview: 'from the queue' });
  expect(await ledgerRow(dropped)).toMatchObject({ status: 'failed', error_detail: 'expired' });
  for (const id of [answered, dropped]) expect(await inboxOf(id)).toHaveLength(1);
});
