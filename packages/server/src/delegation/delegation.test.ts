import { randomUUID } from 'node:crypto';
import type { EventFrame } from '@molecule/contract';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  holdCalls,
  messageIdOf,
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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';

let test: TestPlatform;
let lead: FakeAgent;
const agents: FakeAgent[] = [];
const frames: EventFrame[] = [];

beforeAll(async () => {
  // Settings that once switched these features on change nothing (ruling R3).
  test = await startPlatform({
    env: {
      DELEGATION_LEDGER_WRITE: '0',
      DELEGATION_RESULT_INBOX_PUSH: '0',
      DELEGATION_SYNC_VIA_INBOX: '0',
    },
  });
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

const clientOf = (agent: { token: string }) => test.client(agent.token);
const delegate = (
  target: { id: string },
  body: Partial<{ task: string; idempotency_key: string }> = {},
  caller: { id: string; token: string } = lead,
) => clientOf(caller).delegate({ params: { id: caller.id }, body: { target_id: target.id, task: 'do it', ...body } });

const ledgerRow = (id: string) =>
  test.db.kysely.selectFrom('delegations').selectAll().where('delegation_id', '=', id).executeTakeFirst();
const untilLedger = (id: string, status: string) =>
  waitFor(`the delegation is ${status}`, async () => {
    const row = await ledgerRow(id);
    return row?.status === status ? row : null;
  });
const listed = async (id: string, caller: { id: string; token: string } = lead) =>
  (await clientOf(caller).listDelegations({ params: { id: caller.id } })).filter((row) => row.delegation_id === id);
const resultRow = async (id: string, caller?: { id: string; token: string }) =>
  (await listed(id, caller)).find((row) => row.method === 'delegate_result');
const untilResult = (id: string, status: string, caller?: { id: string; token: string }) =>
  waitFor(`the result is ${status}`, async () => {
    const row = await resultRow(id, caller);
    return row?.status === status ? row : null;
  });
const inboxOf = async (caller: { id: string; token: string }, id: string) =>
  (await clientOf(caller).listActivity({ params: { id: caller.id }, query: { type: 'a2a_receive' } })).filter(
    (row) => row.method === 'delegate_result' && (row.response_body as { delegation_id?: string }).delegation_id === id,
  );
const told = (id: string) =>
  frames.filter(
    (frame) =>
      frame.event.startsWith('DELEGATION_') && (frame.payload as { delegation_id?: string }).delegation_id === id,
  );
const untilTold = (id: string, event: string) => waitFor(event, () => told(id).find((frame) => frame.event === event));

describe('delegating', () => {
  it('carries the task as a message of the caller and puts the whole answer into its inbox, once', async () => {
    const answer = 'word '.repeat(2_000).trim();
    const worker = await startAgent(replyWith(answer));
    const {
      delegation_id: id,
      status,
      target_id,
    } = (await delegate(worker, { task: 'count' })) as { delegation_id: string; status: string; target_id: string };
    expect([status, target_id]).toEqual(['delegated', worker.id]);
    const result = await untilResult(id, 'completed');
    expect(worker.calls).toMatchObject([
      {
        headers: { 'x-workspace-id': lead.id },
        body: {
          jsonrpc: '2.0',
          method: 'message/send',
          params: {
            message: {
              role: 'user',
              messageId: id,
              parts: [{ kind: 'text', text: 'count' }],
              metadata: { delegation_id: id },
            },
          },
        },
      },
    ]);
    expect(result).toMatchObject({
      type: 'delegation',
      source_id: lead.id,
      target_id: worker.id,
      response_preview: answer.slice(0, 300),
      accepted_at: expect.any(String),
      injected_at: expect.any(String),
      answered_at: expect.any(String),
    });
    expect(await listed(id)).toMatchObject([
      { method: 'delegate_result' },
      { method: 'delegate', status: 'completed' },
    ]);
    expect(await inboxOf(lead, id)).toMatchObject([
      { source_id: worker.id, target_id: lead.id, status: 'ok', response_body: { text: answer, delegation_id: id } },
    ]);
    await untilTold(id, 'DELEGATION_COMPLETE');
    expect(told(id).map(({ event, payload }) => [event, payload])).toEqual([
      ['DELEGATION_SENT', { delegation_id: id, target_id: worker.id, task_preview: 'count' }],
      ['DELEGATION_STATUS', { delegation_id: id, target_id: worker.id, status: 'dispatched' }],
      ['DELEGATION_COMPLETE', { delegation_id: id, target_id: worker.id, response_preview: answer.slice(0, 200) }],
    ]);
    expect(await ledgerRow(id)).toMatchObject({
      status: 'completed',
      result_preview: answer.slice(0, 4_096),
      retry_count: 0,
    });
  });

  it('20.42 a busy target means queued without the queue’s own words; the drain completes it everywhere', async () => {
    const worker = await startAgent(replyBusy);
    const { delegation_id: id } = await delegate(worker);
    const queued = await untilResult(id, 'queued');
    expect(queued).toMatchObject({ summary: 'Delegation queued — target at capacity' });
    expect(queued).not.toHaveProperty('response_preview');
    expect(JSON.stringify(await listed(id))).not.toMatch(/queue_id|queue_depth/);
    expect((await listed(id)).map((row) => row.status)).toEqual(['queued', 'queued']);
    expect(await ledgerRow(id)).toMatchObject({ status: 'dispatched' });
    expect(await inboxOf(lead, id)).toEqual([]);

    worker.respond(replyWith('from the drain'));
    await worker.heartbeat({});
    expect(await untilResult(id, 'completed')).toMatchObject({ response_preview: 'from the drain' });
    expect((await listed(id)).map((row) => row.status)).toEqual(['completed', 'completed']);
    expect((await untilTold(id, 'DELEGATION_COMPLETE')).payload).toEqual({
      delegation_id: id,
      target_id: worker.id,
      response_preview: 'from the drain',
      via: 'queue_drain',
    });
    expect(await inboxOf(lead, id)).toMatchObject([{ response_body: { text: 'from the drain' } }]);
    const { id: queueId } = await test.db.kysely
      .selectFrom('a2a_queue')
      .select('id')
      .where('idempotency_key', '=', id)
      .executeTakeFirstOrThrow();
    expect(await clientOf(lead).getQueueItem({ params: { id: worker.id, queueId } })).toMatchObject({
      status: 'completed',
      response_body: { text: 'from the drain', delegation_id: id },
    });
  });

  it('20.43 to itself or to no id is refused; without its activity row it is accepted with a warning, without its ledger row not at all', async () => {
    const worker = await startAgent(replyWith('ok'));
    const self = await failureOf(delegate(lead));
    expect([self.status, self.body]).toMatchObject([
      400,
      { error: 'self-delegation not permitted', code: 'self_delegation' },
    ]);
    const noId = await failureOf(delegate({ id: 'no-uuid' }));
    expect([noId.status, noId.body]).toMatchObject([
      400,
      { error: 'target_id must be a valid UUID', field: 'target_id' },
    ]);
    for (const body of [{ task: 'x' }, { target_id: worker.id }, { target_id: worker.id, task: '' }])
      expect((await failureOf(clientOf(lead).delegate({ params: { id: lead.id }, body: body as never }))).status).toBe(
        400,
      );

    await test.db.pool.query('alter table activity_logs rename to activity_away');
    let warned: Awaited<ReturnType<typeof delegate>>;
    try {
      warned = await delegate(worker);
      expect(warned).toMatchObject({
        status: 'delegated',
        warning: expect.stringContaining('missing in the activity log'),
      });
      await untilLedger(warned.delegation_id, 'completed');
    } finally {
      await test.db.pool.query('alter table activity_away rename to activity_logs');
    }
    const calls = worker.calls.length;
    await test.db.pool.query('alter table delegations rename to delegations_away');
    try {
      const down = await failureOf(delegate(worker));
      expect([down.status, down.body]).toMatchObject([503, { code: 'ledger_unavailable', retry_after: 5 }]);
    } finally {
      await test.db.pool.query('alter table delegations_away rename to delegations');
    }
    await test.idle();
    expect(worker.calls).toHaveLength(calls);
  });

  it('20.44 one key is one delegation until it fails; then it is a new one with its own row', async () => {
    const worker = await startAgent(replyWith('ok'));
    const key = randomUUID();
    const first = await delegate(worker, { idempotency_key: key });
    await untilLedger(first.delegation_id, 'completed');
    expect(await delegate(worker, { idempotency_key: key })).toEqual({
      delegation_id: first.delegation_id,
      status: 'completed',
      target_id: worker.id,
      idempotent_hit: true,
    });

    worker.respond(replyStatus(500, { error: 'no' }));
    const failing = randomUUID();
    const failed = await delegate(worker, { idempotency_key: failing });
    await untilLedger(failed.delegation_id, 'failed');
    worker.respond(replyWith('ok'));
    const again = await delegate(worker, { idempotency_key: failing });
    expect(again).toMatchObject({ status: 'delegated' });
    expect(again.delegation_id).not.toBe(failed.delegation_id);
    await untilLedger(again.delegation_id, 'completed');
    expect(await ledgerRow(failed.delegation_id)).toMatchObject({ status: 'failed', idempotency_key: null });
    const keyed = await test.db.kysely
      .selectFrom('activity_logs')
      .select('message_id')
      .where('idempotency_key', '=', failing)
      .execute();
    expect(keyed).toEqual([{ message_id: again.delegation_id }]);

    const racing = randomUUID();
    const calls = worker.calls.length;
    const replies = await Promise.all(Array.from({ length: 10 }, () => delegate(worker, { idempotency_key: racing })));
    expect(new Set(replies.map((reply) => reply.delegation_id)).size).toBe(1);
    expect(replies.filter((reply) => reply.status === 'delegated')).toHaveLength(1);
    await untilLedger(replies[0]?.delegation_id ?? '', 'completed');
    expect(worker.calls).toHaveLength(calls + 1);
    // The key is the caller's own.
    const other = await startAgent(replyWith('ok'));
    expect(await delegate(worker, { idempotency_key: racing }, other)).toMatchObject({ status: 'delegated' });
  });

  it('20.45 a target that restarts is tried once more after eight seconds; a busy one is not', async () => {
    const seats: ProcessSeats = await startProcessSeats();
    try {
      const caller = await startFakeAgent(seats, { workspace: { runtime: undefined, external: true } });
      const id = await seats.create();
      await seats.until(id, 'online');
      // Its address answers for it, the workload is gone.
      const stand = await startAgent(replyStatus(502));
      const point = (url: string) =>
        seats.db.kysely
          .updateTable('workspaces')
          .set({ url, url_source: 'provisioner' })
          .where('id', '=', id)
          .execute();
      await point(stand.url);
      seats.platform.workspaces.forget(id);
      await seats.platform.provisioning.remove(id);
      const startedAt = performance.now();
      const { delegation_id: delegationId } = await seats
        .client(caller.token)
        .delegate({ params: { id: caller.id }, body: { target_id: id, task: 'x' } });
      await stand.waitForCalls(1);
      await seats.until(id, 'online');
      const done = await waitFor(
        'the second try is answered',
        async () => {
          const row = await seats.db.kysely
            .selectFrom('delegations')
            .selectAll()
            .where('delegation_id', '=', delegationId)
            .executeTakeFirst();
          return row && ['completed', 'failed'].includes(row.status) ? row : null;
        },
        20_000,
      );
      expect(done).toMatchObject({ status: 'completed', retry_count: 1 });
      const seconds = (performance.now() - startedAt) / 1000;
      expect(seconds).toBeGreaterThan(7.9);
      expect(seconds).toBeLessThan(20);
      expect(stand.calls).toHaveLength(1);
      await caller.stop();
    } finally {
      await seats.stop();
    }

    const native = await startAgent(replyStatus(503, { busy: true, native_session: true }));
    const { delegation_id: busy } = await delegate(native);
    expect(await untilLedger(busy, 'failed')).toMatchObject({ error_detail: 'the agent is busy', retry_count: 0 });
    expect(native.calls).toHaveLength(1);
  });

  it('an agent’s error, a failed task and a refused target fail it, with the reason', async () => {
    const worker = await startAgent((call, response) =>
      replyStatus(200, { jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'out of ideas' } })(call, response),
    );
    const rpc = await delegate(worker);
    expect(await untilResult(rpc.delegation_id, 'failed')).toMatchObject({ error: 'out of ideas' });
    const status = {
      state: 'failed',
      message: { role: 'agent', messageId: 'm', parts: [{ kind: 'text', text: 'Agent error (auth_failed)' }] },
    };
    worker.respond(replyResult({ kind: 'task', id: 't', contextId: 'c', status }));
    const task = await delegate(worker);
    expect(await untilResult(task.delegation_id, 'failed')).toMatchObject({ error: 'Agent error (auth_failed)' });
    expect((await untilTold(task.delegation_id, 'DELEGATION_FAILED')).payload).toEqual({
      delegation_id: task.delegation_id,
      target_id: worker.id,
      error: 'Agent error (auth_failed)',
    });
    expect(await inboxOf(lead, task.delegation_id)).toMatchObject([
      { status: 'error', error_detail: 'Agent error (auth_failed)' },
    ]);
    const nephew = await startAgent(replyWith('ok'), { parentId: worker.id });
    const refused = await delegate(nephew);
    expect(await untilLedger(refused.delegation_id, 'failed')).toMatchObject({
      error_detail: expect.stringContaining('access denied'),
    });
    // The same from the queue.
    worker.respond(replyBusy);
    const queued = await delegate(worker);
    await untilResult(queued.delegation_id, 'queued');
    worker.respond(replyResult({ kind: 'task', id: 't', contextId: 'c', status }));
    await worker.heartbeat({});
    expect(await untilResult(queued.delegation_id, 'failed')).toMatchObject({ error: 'Agent error (auth_failed)' });
  });

  it('a poll-mode callee answers with a message that names the delegation; nobody else can', async () => {
    const worker = await startAgent(replyWith('unused'), { deliveryMode: 'poll' });
    const stranger = await startAgent(replyWith('ok'));
    const { delegation_id: id } = await delegate(worker);
    await untilResult(id, 'queued');
    const inbox = await clientOf(worker).listActivity({ params: { id: worker.id }, query: { type: 'a2a_receive' } });
    expect(inbox).toMatchObject([{ source_id: lead.id, request_body: { params: { message: { messageId: id } } } }]);
    await clientOf(worker).listActivity({ params: { id: worker.id }, query: { since_id: inbox[0]?.id ?? '' } });
    expect(await ledgerRow(id)).toMatchObject({
      status: 'dispatched',
      injected_at: expect.any(Date),
      answered_at: null,
    });

    const naming = (text: string) => textRequest(text, { message: { metadata: { delegation_id: id } } });
    await sendA2a(test, lead.id, naming('forged'), { token: stranger.token });
    await sendA2a(test, worker.id, naming('not an answer'), { token: stranger.token });
    expect(await ledgerRow(id)).toMatchObject({ status: 'dispatched' });
    // Taken means told: the delegation is over when the answer's sender hears that it was delivered.
    await sendA2a(test, lead.id, naming('the answer'), { token: worker.token });
    expect(await ledgerRow(id)).toMatchObject({ status: 'completed', result_preview: 'the answer' });
    expect(await inboxOf(lead, id)).toMatchObject([{ response_body: { text: 'the answer' } }]);
    const [answered] = await waitFor('the inbox row is answered', async () => {
      const rows = await test.admin.listActivity({ params: { id: worker.id }, query: { type: 'a2a_receive' } });
      const own = rows.filter((row) => row.id === inbox[0]?.id && row.answered_at);
      return own.length > 0 ? own : null;
    });
    expect(answered).toMatchObject({ injected_at: expect.any(String), answered_at: expect.any(String) });
  });

  it('a queued message of somebody else that names a delegation does not end it', async () => {
    const worker = await startAgent(replyBusy);
    const stranger = await startAgent(replyWith('ok'));
    const { delegation_id: id } = await delegate(worker);
    await untilResult(id, 'queued');
    const forged = textRequest('forged', { message: { metadata: { delegation_id: id } } });
    await sendA2a(test, worker.id, forged, { token: stranger.token });
    const hold = holdCalls(replyWith('the real answer'));
    worker.respond((call, response) =>
      (messageIdOf(call) === id ? hold.respond : replyWith('to the stranger'))(call, response),
    );
    await test.db.kysely.updateTable('a2a_queue').set({ priority: 10 }).where('idempotency_key', '=', id).execute();
    const called = worker.calls.length;
    await worker.heartbeat({});
    await worker.waitForCalls(called + 2);
    expect(await ledgerRow(id)).toMatchObject({ status: 'dispatched' });
    hold.release();
    expect(await untilLedger(id, 'completed')).toMatchObject({ result_preview: 'the real answer' });
  });
});

describe('reporting', () => {
  const record = (target: { id: string }, id = randomUUID()) =>
    clientOf(lead)
      .recordDelegation({
        params: { id: lead.id },
        body: { target_id: target.id, task: 'sent myself', delegation_id: id },
      })
      .then(() => id);
  const update = (id: string, body: { status: string; error?: string; response_preview?: string }, caller = lead) =>
    clientOf(caller).updateDelegation({ params: { id: caller.id, delegationId: id }, body: body as never });

  it('20.46 only an end may be reported, and it makes the row and the event', async () => {
    const worker = await createSeat(test);
    const id = await record(worker);
    for (const status of ['in_progress', 'queued', 'stuck', 'nonsense'])
      expect((await failureOf(update(id, { status }))).status).toBe(400);
    expect(await update(id, { status: 'completed', response_preview: 'done' })).toEqual({
      status: 'completed',
      delegation_id: id,
    });
    expect(await resultRow(id)).toMatchObject({ status: 'completed', response_preview: 'done', target_id: worker.id });
    expect((await untilTold(id, 'DELEGATION_COMPLETE')).payload).toMatchObject({
      response_preview: 'done',
      target_id: worker.id,
    });
    expect((await failureOf(update(id, { status: 'completed' }, await startAgent(replyWith('ok'))))).status).toBe(404);
    expect((await failureOf(update('unknown', { status: 'completed' }))).status).toBe(404);
  });

  it('20.47 the preview is there after a job, an update and a drain', async () => {
    const worker = await startAgent(replyWith('by job'));
    const { delegation_id: job } = await delegate(worker);
    expect(await untilLedger(job, 'completed')).toMatchObject({ result_preview: 'by job' });
    const updated = await record(worker);
    await update(updated, { status: 'completed', response_preview: 'by update' });
    expect(await ledgerRow(updated)).toMatchObject({ result_preview: 'by update' });
    worker.respond(replyBusy);
    const { delegation_id: drained } = await delegate(worker);
    await untilResult(drained, 'queued');
    worker.respond(replyWith('by drain'));
    await worker.heartbeat({});
    expect(await untilLedger(drained, 'completed')).toMatchObject({ result_preview: 'by drain' });
  });

  it('20.48 complete, complete again, then fail: done, nothing, refused; the row does not change', async () => {
    const worker = await createSeat(test);
    const id = await record(worker);
    await update(id, { status: 'completed', response_preview: 'first' });
    const row = await ledgerRow(id);
    expect(await update(id, { status: 'completed', response_preview: 'second' })).toEqual({
      status: 'completed',
      delegation_id: id,
    });
    const refused = await failureOf(update(id, { status: 'failed', error: 'late' }));
    expect([refused.status, refused.body]).toMatchObject([409, { code: 'conflict', status: 'completed' }]);
    expect(await ledgerRow(id)).toEqual(row);
    expect(await inboxOf(lead, id)).toHaveLength(1);
    expect(told(id).filter(({ event }) => event === 'DELEGATION_FAILED')).toEqual([]);
  });

  it('20.49 delegating and recording make one ledger row each, whatever the abolished settings say', async () => {
    const worker = await startAgent(replyWith('ok'));
    const { delegation_id: sent } = await delegate(worker);
    const recorded = await record(worker);
    await record(worker, recorded);
    await untilLedger(sent, 'completed');
    const rows = await test.db.kysely
      .selectFrom('delegations')
      .selectAll()
      .where('callee_id', '=', worker.id)
      .execute();
    expect(rows.map(({ delegation_id, status }) => [delegation_id, status]).sort()).toEqual(
      [
        [sent, 'completed'],
        [recorded, 'dispatched'],
      ].sort(),
    );
    expect(worker.calls).toHaveLength(1);
    expect(await inboxOf(lead, sent)).toHaveLength(1);
    // An id that is taken stays with its owner.
    const other = await startAgent(replyWith('ok'));
    const body = { target_id: worker.id, task: 'x', delegation_id: recorded };
    expect((await failureOf(clientOf(other).recordDelegation({ params: { id: other.id }, body }))).status).toBe(409);
  });

  it('20.52 the ledger is for operators; nonsense is refused; an empty one counts six zeros', async () => {
    const empty = await startPlatform();
    try {
      expect(await empty.admin.getDelegationStats()).toEqual({
        queued: 0,
        dispatched: 0,
        in_progress: 0,
        completed: 0,
        failed: 0,
        stuck: 0,
      });
      expect(await empty.admin.listAllDelegations()).toEqual({
        status: 'in_flight',
        limit: 100,
        count: 0,
        delegations: [],
      });
    } finally {
      await empty.stop();
    }
    expect((await fetch(`${test.url}/admin/delegations`)).status).toBe(401);
    expect((await failureOf(clientOf(lead).listAllDelegations())).status).toBe(401);
    for (const query of [{ status: 'bogus' }, { limit: 0 }, { limit: 1001 }, { limit: 'x' }])
      expect((await failureOf(test.admin.listAllDelegations({ query }))).status).toBe(400);
    const bogus = await failureOf(test.admin.listAllDelegations({ query: { status: 'bogus' } }));
    for (const known of ['in_flight', 'stuck', 'failed', 'completed']) expect(bogus.message).toContain(known);

    const worker = await createSeat(test);
    const id = await record(worker);
    const { delegations, count } = await test.admin.listAllDelegations({ query: { limit: 1000 } });
    expect(count).toBe(delegations.length);
    expect(delegations.find((row) => row.delegation_id === id)).toEqual({
      delegation_id: id,
      caller_id: lead.id,
      callee_id: worker.id,
      task_preview: 'sent myself',
      status: 'dispatched',
      deadline: expect.any(String),
      retry_count: 0,
      path: [lead.id, worker.id],
      accepted_at: expect.any(String),
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    await update(id, { status: 'failed', error: 'gave up' });
    const failed = await test.admin.listAllDelegations({ query: { status: 'failed' } });
    expect(failed.delegations.find((row) => row.delegation_id === id)).toMatchObject({ error_detail: 'gave up' });
    expect((await test.admin.getDelegationStats()).failed).toBeGreaterThan(0);
  });

  it('20.54 the ledger outlives its workspaces: what was open fails, what was over stays', async () => {
    const caller = await startAgent(replyWith('ok'));
    const callee = await startAgent(replyBusy);
    const worker = await startAgent(replyWith('ok'));
    const done = await delegate(worker, {}, caller);
    await untilLedger(done.delegation_id, 'completed');
    const open = await delegate(callee, {}, caller);
    await untilResult(open.delegation_id, 'queued', caller);
    const toCallee = await delegate(callee);
    await untilResult(toCallee.delegation_id, 'queued');
    await test.admin.deleteWorkspace({ params: { id: caller.id }, query: { purge: true } });
    expect(await ledgerRow(done.delegation_id)).toMatchObject({ status: 'completed', caller_id: caller.id });
    expect(await ledgerRow(open.delegation_id)).toMatchObject({ status: 'failed', error_detail: 'workspace removed' });
    // The caller that lives is told when its callee goes.
    await test.admin.deleteWorkspace({ params: { id: callee.id } });
    await untilTold(toCallee.delegation_id, 'DELEGATION_FAILED');
    const repair = test.platform.delegation.loops.find(({ name }) => name === 'delegation-repair');
    await repair?.run(new AbortController().signal);
    expect(await inboxOf(lead, toCallee.delegation_id)).toMatchObject([
      { status: 'error', error_detail: 'workspace removed' },
    ]);
    expect(await resultRow(toCallee.delegation_id)).toMatchObject({ status: 'failed', error: 'workspace removed' });
  });
});
