// What keeps a message or a delegation waiting, seen end to end: real rows, real calls, agents that hold, refuse or fall silent.

import { randomUUID } from 'node:crypto';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  holdCalls,
  type Responder,
  replyBusy,
  replyResult,
  replyStatus,
  replyWith,
  type Seat,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
let person: FakeAgent;
const agents: FakeAgent[] = [];
const releases: (() => void)[] = [];

beforeAll(async () => {
  test = await startPlatform();
  person = await startAgent('lead');
});
afterAll(async () => {
  for (const release of releases) release();
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
});

async function startAgent(
  name: string,
  respond: Responder = replyWith('ok'),
  workspace: Record<string, unknown> = {},
): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { name, respond, workspace });
  agents.push(agent);
  return agent;
}

/** An agent whose calls stay open to the end of the suite. */
async function startHolding(name: string, workspace: Record<string, unknown> = {}): Promise<FakeAgent> {
  const held = holdCalls(replyWith('done'));
  releases.push(held.release);
  return await startAgent(name, held.respond, workspace);
}

const why = (id: string, query: { queue_id?: string; message_id?: string } = {}) =>
  test.admin.explainWorkspace({ params: { id }, query });
const whyDelegation = (id: string, delegationId: string) =>
  test.admin.explainDelegation({ params: { id, delegationId } });
type Explanation = Awaited<ReturnType<typeof why>>;
const lastOf = ({ chain }: Explanation) => chain.at(-1) as Explanation['chain'][number];
const actionsOf = ({ actions }: Explanation) => actions.map(({ action }) => action);
const checksOf = ({ checked }: Explanation) => checked.map(({ check }) => check);

async function delegate(caller: Seat, target: { id: string }, task: string, parent: string | null = null) {
  const body = { target_id: target.id, task, parent_delegation_id: parent };
  return (await test.client(caller.token).delegate({ params: { id: caller.id }, body })).delegation_id;
}

/** A message of a person that its busy target did not take. @returns its id in the queue, and its own. */
async function queueFor(agent: FakeAgent, text = 'When is it done?'): Promise<{ queueId: string; messageId: string }> {
  agent.respond(replyBusy);
  const request = textRequest(text);
  const { status, body } = await sendA2a(test, agent.id, request);
  expect(status).toBe(202);
  const { messageId } = (request.params as { message: { messageId: string } }).message;
  return { queueId: body?.queue_id as string, messageId };
}

const setSeat = async (id: string, columns: Record<string, unknown>) => {
  await test.db.kysely.updateTable('workspaces').set(columns).where('id', '=', id).execute();
  test.platform.workspaces.forget(id);
};
const setItem = (id: string, columns: Record<string, unknown>) =>
  test.db.kysely.updateTable('a2a_queue').set(columns).where('id', '=', id).execute();
const itemOf = (id: string) =>
  test.db.kysely.selectFrom('a2a_queue').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1000);
const untilStatus = (id: string, status: string) =>
  waitFor(`the delegation is ${status}`, async () => {
    const row = await test.db.kysely
      .selectFrom('delegations')
      .selectAll()
      .where('delegation_id', '=', id)
      .executeTakeFirst();
    return row?.status === status && row;
  });

describe('a chain of delegations', () => {
  it('20.129 leads from who waits to who blocks, with tasks, receipts, what waits behind it and what comes', async () => {
    const chief = await startHolding('Chief');
    const lead = await startHolding('Lead');
    const builder = await startHolding('Builder');
    const first = await delegate(chief, lead, 'Collect launch readiness');
    await lead.waitForCalls(1);
    await lead.heartbeat({
      active_tasks: 1,
      current_task: 'Readiness',
      active_messages: [first],
      active_delegations: [first],
    });
    const second = await delegate(lead, builder, 'Is the plan picker ready?', first);
    await builder.waitForCalls(1);
    await builder.heartbeat({
      active_tasks: 1,
      current_task: 'Plan picker',
      active_messages: [second],
      active_delegations: [second],
      error_rate: 0.7,
      sample_error: '529 overloaded',
    });
    const delegated = await untilStatus(second, 'in_progress');
    const bystander = await startHolding('Bystander');
    const third = await delegate(bystander, builder, 'Which fields does the meter need?');
    await builder.waitForCalls(2);

    const shown = await why(chief.id);
    expect(shown).toMatchObject({
      stuck: true,
      summary: 'Builder gets no answer from its model. 2 agents above it are waiting.',
      subject: { kind: 'workspace', workspace_id: chief.id, name: 'Chief' },
      chain: [
        {
          workspace_id: chief.id,
          waits_for: lead.id,
          kind: 'delegation',
          text: 'Collect launch readiness',
          delegation_id: first,
          cause: 'waits',
          says: 'waits for Lead',
          marks: { accepted_at: expect.any(String), injected_at: expect.any(String), answered_at: null },
        },
        { workspace_id: lead.id, waits_for: builder.id, text: 'Is the plan picker ready?', delegation_id: second },
        {
          workspace_id: builder.id,
          name: 'Builder',
          status: 'degraded',
          waits_for: null,
          kind: 'turn',
          text: 'Plan picker',
          cause: 'model_errors',
          figures: { error: '529 overloaded', error_rate: 0.7 },
        },
      ],
      behind: {
        total: 1,
        items: [
          {
            workspace_id: bystander.id,
            name: 'Bystander',
            delegation_id: third,
            text: expect.stringContaining('fields'),
          },
        ],
      },
      next: { what: 'beat' },
    });
    expect(actionsOf(shown)).toEqual(['restart', 'show_errors', 'cancel', 'wait']);
    expect(checksOf(shown)).toEqual(expect.arrayContaining(['silent', 'budget', 'hierarchy']));
    expect(shown.actions.find(({ action }) => action === 'cancel')).toMatchObject({
      workspace_id: chief.id,
      delegation_id: first,
    });

    const asked = await whyDelegation(lead.id, second);
    expect(asked.subject).toMatchObject({ kind: 'delegation', delegation_id: second, status: 'in_progress' });
    expect(asked.chain.map(({ workspace_id: id }) => id)).toEqual([lead.id, builder.id]);
    expect(asked.gives_up).toMatchObject({ what: 'delegation_deadline', at: delegated.deadline.toISOString() });

    await builder.heartbeat({ active_tasks: 1, current_task: 'Plan picker', error_rate: 0 });
    const working = await why(chief.id);
    expect(working).toMatchObject({ stuck: false, chain: [{}, {}, { cause: 'working' }] });
    expect(working.summary).toMatch(/^Nothing is stuck: Builder is at work/);
  });

  it('20.129 takes the way that is blocked, and follows only what belongs to the task', async () => {
    const chief = await startHolding('Chief 2');
    const fine = await startHolding('Fine');
    const blocked = await createSeat(test, { name: 'Poller', delivery_mode: 'poll' });
    await test
      .client(blocked.token)
      .register({ body: { id: blocked.id, agent_card: { name: 'p' }, delivery_mode: 'poll' } });
    await delegate(chief, fine, 'the older one');
    await fine.waitForCalls(1);
    const later = await delegate(chief, blocked, 'the later one');
    await waitForActivity(test, blocked.id, (row) => row.method === 'message/send');
    expect(lastOf(await why(chief.id))).toMatchObject({ workspace_id: blocked.id, cause: 'inbox_unread' });
    const asked = await whyDelegation(chief.id, later);
    expect(asked).toMatchObject({
      stuck: true,
      summary: 'Poller has not read its inbox. One agent above it is waiting.',
      chain: [{ activity_id: expect.any(String), marks: { injected_at: null } }, { cause: 'inbox_unread' }],
    });
  });

  it('20.129 says where a circle closes instead of walking it for ever', async () => {
    const a = await startHolding('Ring A');
    const b = await startHolding('Ring B');
    const there = await delegate(a, b, 'there');
    const back = await delegate(b, a, 'and back');
    await Promise.all([a.waitForCalls(1), b.waitForCalls(1)]);
    const shown = await why(a.id);
    expect(shown).toMatchObject({
      stuck: true,
      chain: [{ workspace_id: a.id }, { workspace_id: b.id }, { cause: 'cycle' }],
    });
    expect(lastOf(shown).figures).toMatchObject({
      path: [{ name: 'Ring A' }, { name: 'Ring B' }, { name: 'Ring A' }],
      delegation_ids: [there, back],
    });
  });
});

describe('what is bounded', () => {
  it('20.129 a chain ends after eight hops', async () => {
    const team: FakeAgent[] = [];
    for (let index = 0; index < 11; index += 1) team.push(await startHolding(`Hop ${index}`));
    for (const [index, caller] of team.slice(0, -1).entries())
      await delegate(caller, team[index + 1] as FakeAgent, 'on');
    await team.at(-1)?.waitForCalls(1);
    const { chain } = await why(team[0]?.id ?? '');
    expect(chain.map(({ workspace_id: id }) => id)).toEqual(team.slice(0, 9).map(({ id }) => id));
  });

  it('20.129 twenty of what waits are shown, and how much waits', async () => {
    const agent = await startAgent('Crowded');
    const { queueId } = await queueFor(agent);
    for (let count = 0; count < 30; count += 1) await queueFor(agent, `message ${count}`);
    const { behind } = await why(agent.id, { queue_id: queueId });
    expect([behind.total, behind.items.length, behind.items[0]?.text]).toEqual([30, 20, 'message 0']);
  });
});

describe('what keeps a message', () => {
  it('20.130 a busy target: what it does, how much waits, and the next word of room', async () => {
    const agent = await startAgent('Busy');
    const earlier = await queueFor(agent, 'first');
    const { queueId } = await queueFor(agent, 'second');
    await agent.heartbeat({ active_tasks: 1, current_task: 'Something long' });
    const shown = await why(agent.id, { queue_id: queueId });
    expect(shown).toMatchObject({
      stuck: true,
      summary: 'Busy is at work on something else, 1 of 1 task.',
      subject: { kind: 'message', queue_id: queueId, text: 'second', status: 'queued', marks: { injected_at: null } },
      chain: [{ cause: 'busy_target', kind: 'turn', text: 'Something long', figures: { active_tasks: 1 } }],
      behind: { total: 1, items: [{ queue_id: earlier.queueId, workspace_id: null, name: 'a person', text: 'first' }] },
      next: { what: 'beat', at: expect.any(String) },
    });
    // For its own sake it is simply at work.
    expect(await why(agent.id)).toMatchObject({ stuck: false, chain: [{ cause: 'working' }], behind: { total: 2 } });
  });

  it('20.130 a paused, a sleeping and a removed target', async () => {
    const agent = await startAgent('Paused');
    const { queueId } = await queueFor(agent);
    await test.platform.workspaces.transition('pause', agent.id, { patch: { url: null } });
    const paused = await why(agent.id, { queue_id: queueId });
    expect(paused).toMatchObject({ stuck: true, summary: 'Paused is paused.', chain: [{ cause: 'paused' }] });
    expect(actionsOf(paused)).toEqual(['resume', 'wait']);
    const idle = await startAgent('Resting');
    await test.platform.workspaces.transition('pause', idle.id, { patch: { url: null } });
    expect(await why(idle.id)).toMatchObject({ stuck: false, chain: [{ cause: 'paused' }] });
    await test.admin.deleteWorkspace({ params: { id: idle.id } });
    expect(await why(idle.id)).toMatchObject({ stuck: false, chain: [{ cause: 'removed', status: 'removed' }] });

    const sleeper = await startAgent('Sleeper');
    const asleep = await queueFor(sleeper);
    await test.platform.workspaces.transition('hibernate', sleeper.id, { patch: {} });
    await test.platform.workspaces.transition('hibernated', sleeper.id, { patch: { url: null } });
    const sleeping = await why(sleeper.id, { queue_id: asleep.queueId });
    expect(sleeping).toMatchObject({ stuck: true, chain: [{ cause: 'hibernated' }], next: { what: 'next_attempt' } });
    expect(actionsOf(sleeping)).toEqual(['wake', 'wait']);
  });

  it('20.130 a spent budget, with both figures', async () => {
    const agent = await startAgent('Spender');
    const { queueId } = await queueFor(agent);
    await test.admin.patchBudget({ params: { id: agent.id }, body: { budget_limit: 100 } });
    await agent.heartbeat({ active_tasks: 1, monthly_spend: 130 });
    const shown = await why(agent.id, { queue_id: queueId });
    expect(lastOf(shown)).toMatchObject({ cause: 'budget', figures: { budget_limit: 100, monthly_spend: 130 } });
    expect([shown.stuck, actionsOf(shown)]).toEqual([true, ['raise_budget', 'wait']]);
    expect(checksOf(shown)).not.toContain('budget');
  });

  it('20.130 put off: attempts, the reason and the time of the next one, as the row has them', async () => {
    const agent = await startAgent('Failing');
    const { queueId } = await queueFor(agent);
    agent.respond(replyStatus(500, { error: 'disk full' }));
    await agent.heartbeat({ active_tasks: 0 });
    await waitFor('an attempt has failed', async () => (await itemOf(queueId)).last_error === 'disk full');
    await test.idle();
    const row = await itemOf(queueId);
    const shown = await why(agent.id, { queue_id: queueId });
    expect(lastOf(shown)).toMatchObject({
      cause: 'put_off',
      says: 'did not take the message, attempt 1 of 5',
      figures: { error: 'disk full', attempts: 1, most_attempts: 5 },
    });
    expect(shown.next).toMatchObject({ what: 'next_attempt', at: row.next_attempt_at?.toISOString() });
  });

  it('20.130 an address the guard refuses, and two that may not talk any more', async () => {
    const agent = await startAgent('Elsewhere');
    const { queueId } = await queueFor(agent);
    await setSeat(agent.id, { url: 'http://169.254.169.254/', url_source: 'agent' });
    const guarded = await why(agent.id, { queue_id: queueId });
    expect(lastOf(guarded)).toMatchObject({ cause: 'guard', figures: { error: expect.stringContaining('may call') } });

    await setSeat(agent.id, { url: null });
    expect(await why(agent.id, { queue_id: queueId })).toMatchObject({ stuck: true, chain: [{ cause: 'no_url' }] });

    const target = await startAgent('Moved', replyBusy);
    const task = await delegate(person, target, 'unreachable by now');
    await waitFor('it is queued', async () => (await why(target.id)).behind.total === 1);
    const parent = await createSeat(test, { name: 'Parent' });
    const cousin = await createSeat(test, { name: 'Cousin' });
    await setSeat(target.id, { parent_id: parent.id });
    await setSeat(person.id, { parent_id: cousin.id });
    const shown = await whyDelegation(person.id, task);
    await setSeat(person.id, { parent_id: null });
    expect(lastOf(shown)).toMatchObject({
      workspace_id: target.id,
      cause: 'hierarchy',
      says: 'may not be reached by lead',
    });
    expect(shown.stuck).toBe(true);
  });

  it('20.130 a process that may be dead holds it', async () => {
    const agent = await startAgent('Held');
    const { queueId } = await queueFor(agent);
    const held = holdCalls(replyWith('late'));
    agent.respond(held.respond);
    await agent.heartbeat({ active_tasks: 0 });
    await waitFor('it is on its way', async () => (await itemOf(queueId)).status === 'dispatched');
    expect(lastOf(await why(agent.id, { queue_id: queueId }))).toMatchObject({ cause: 'working' });
    await setItem(queueId, { lease_until: secondsAgo(5) });
    const shown = await why(agent.id, { queue_id: queueId });
    expect(shown).toMatchObject({ stuck: true, chain: [{ cause: 'lease_held' }], next: { what: 'lease_end' } });
    // Others wait until no delivery is under way.
    held.release();
  });

  it('20.130 an agent that fell silent, and after the sweep one that is offline', async () => {
    const agent = await startHolding('Silent');
    const task = await delegate(person, agent, 'are you there?');
    await agent.waitForCalls(1);
    await agent.heartbeat({ active_tasks: 1, active_delegations: [task], active_messages: [task] });
    await untilStatus(task, 'in_progress');
    const heard = secondsAgo(100);
    await setSeat(agent.id, { last_heartbeat_at: heard });
    const shown = await whyDelegation(person.id, task);
    expect(lastOf(shown)).toMatchObject({ cause: 'silent', figures: { heartbeat_age_seconds: 100 } });
    expect(shown.next).toMatchObject({
      what: 'liveness_sweep',
      at: new Date(heard.getTime() + 180_000).toISOString(),
    });
    await test.platform.workspaces.transition('go_offline', agent.id, { patch: { last_sample_error: 'no heartbeat' } });
    expect(lastOf(await whyDelegation(person.id, task))).toMatchObject({
      cause: 'no_backend',
      figures: { error: 'no heartbeat' },
    });
  });

  it('20.130 an external seat nobody has connected, and one that reports that it is wedged', async () => {
    const external = await createSeat(test, { name: 'Laptop', delivery_mode: 'poll' });
    await delegate(person, external, 'when you wake up');
    await waitForActivity(test, external.id, (row) => row.method === 'message/send');
    const waiting = await why(external.id);
    expect(waiting).toMatchObject({ stuck: true, chain: [{ cause: 'awaiting_agent' }], behind: { total: 1 } });
    expect(actionsOf(waiting)).toEqual(['connect', 'wait']);

    const wedged = await startAgent('Wedged');
    await wedged.heartbeat({ runtime_state: 'wedged', sample_error: 'the session is gone' });
    const shown = await why(wedged.id);
    expect(shown).toMatchObject({
      stuck: true,
      chain: [{ cause: 'wedged', figures: { error: 'the session is gone' } }],
    });
    expect(actionsOf(shown)).toEqual(['restart', 'show_errors', 'wait']);
    const recovering = await startAgent('Recovering');
    await recovering.heartbeat({ error_rate: 0.6, sample_error: 'now and then' });
    await recovering.heartbeat({ error_rate: 0.3, sample_error: 'now and then' });
    expect(lastOf(await why(recovering.id))).toMatchObject({ cause: 'degraded', figures: { error_rate: 0.3 } });
  });

  it('20.130 an agent that asked a person something; one that is idle is not stuck', async () => {
    const question = {
      kind: 'message',
      role: 'agent',
      messageId: randomUUID(),
      parts: [{ kind: 'text', text: 'Red or blue?' }],
    };
    const task = {
      kind: 'task',
      id: randomUUID(),
      contextId: randomUUID(),
      status: { state: 'input-required', message: question },
    };
    const agent = await startAgent('Asking', replyResult(task));
    expect(await why(agent.id)).toMatchObject({
      stuck: false,
      summary: 'Nothing is stuck: Asking is idle.',
      chain: [{ cause: 'nothing' }],
      actions: [],
    });
    await sendA2a(test, agent.id, textRequest('paint it'));
    await waitForActivity(test, agent.id, (row) => row.method === 'message/send');
    const shown = await why(agent.id);
    expect(shown).toMatchObject({ stuck: true, chain: [{ cause: 'waiting_person', text: 'Red or blue?' }] });
    expect(actionsOf(shown)).toEqual(['answer', 'wait']);
  });
});

describe('what is asked about', () => {
  it('20.131 a message by its own id, a delegation by its message, and what is over', async () => {
    const agent = await startAgent('Asked');
    const { queueId, messageId } = await queueFor(agent);
    expect(await why(agent.id, { message_id: messageId })).toMatchObject({
      subject: { kind: 'message', queue_id: queueId, message_id: messageId },
    });
    agent.respond(replyWith('here you are'));
    await agent.heartbeat({ active_tasks: 0 });
    await waitFor('it is answered', async () => (await itemOf(queueId)).status === 'completed');
    expect(await why(agent.id, { queue_id: queueId })).toMatchObject({
      stuck: false,
      summary: 'Nothing is stuck: Asked is done with it.',
      subject: { status: 'completed', marks: { answered_at: expect.any(String) } },
      chain: [{ cause: 'ended' }],
    });
    agent.respond(replyStatus(500, { error: 'no paint' }));
    const failed = await delegate(person, agent, 'paint it');
    await untilStatus(failed, 'failed');
    expect(await why(agent.id, { message_id: failed })).toMatchObject({
      stuck: false,
      subject: { kind: 'delegation', status: 'failed' },
      chain: [{ cause: 'ended', says: 'ended it without an answer', figures: { error: 'no paint' } }],
    });
    const streaming = await startAgent('Streaming', (_call, response) => {
      const status = { kind: 'status-update', taskId: 't', contextId: 'c', final: false, status: { state: 'working' } };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: status })}\n\n`);
      releases.push(() => response.end());
    });
    const open = textRequest('in one long call', { method: 'message/stream' });
    const { messageId: openId } = (open.params as { message: { messageId: string } }).message;
    void sendA2a(test, streaming.id, open, { headers: { accept: 'text/event-stream' } }).catch(() => undefined);
    const running = await waitFor('the call is known', () =>
      why(streaming.id, { message_id: openId }).catch(() => null),
    );
    expect(running).toMatchObject({
      stuck: false,
      subject: { kind: 'message', message_id: openId, status: 'running', marks: { accepted_at: null } },
      chain: [{ cause: 'working' }],
    });
    const direct = textRequest('directly');
    agent.respond(replyWith('ok'));
    await sendA2a(test, agent.id, direct);
    const { messageId: directId } = (direct.params as { message: { messageId: string } }).message;
    await waitForActivity(test, agent.id, (row) => JSON.stringify(row.request_body).includes(directId));
    expect(await why(agent.id, { message_id: directId })).toMatchObject({ subject: { status: 'completed' } });
  });

  it('20.131 what is unknown or of others is not found; both ids at once are refused', async () => {
    const agent = await startAgent('Private');
    const stranger = await startAgent('Stranger');
    const { queueId, messageId } = await queueFor(agent);
    const task = await delegate(person, agent, 'ours');
    for (const call of [
      () => why(stranger.id, { queue_id: queueId }),
      () => why(stranger.id, { message_id: messageId }),
      () => why(agent.id, { message_id: 'unknown' }),
      () => whyDelegation(stranger.id, task),
      () => whyDelegation(agent.id, 'unknown'),
      () => why(randomUUID()),
    ])
      expect((await failureOf(call())).body).toMatchObject({ code: 'not_found' });
    const both = await failureOf(why(agent.id, { queue_id: queueId, message_id: messageId }));
    expect(both.body).toMatchObject({ code: 'invalid_request', field: 'message_id' });
    expect((await failureOf(test.client(stranger.token).explainWorkspace({ params: { id: agent.id } }))).status).toBe(
      401,
    );
  });

  it('20.132 a workspace reads that another blocks, not what it spends, says or was told', async () => {
    const caller = await startHolding('Caller');
    const callee = await startHolding('Callee');
    const task = await delegate(caller, callee, 'a task of mine');
    await callee.waitForCalls(1);
    await delegate(person, callee, 'a secret of others');
    await callee.heartbeat({
      active_tasks: 1,
      current_task: 'secret work',
      active_delegations: [task],
      active_messages: [task],
      error_rate: 1,
      sample_error: 'secret error',
    });
    await untilStatus(task, 'in_progress');
    const shown = await test.client(caller.token).explainWorkspace({ params: { id: caller.id } });
    expect(shown).toMatchObject({
      stuck: true,
      chain: [{ text: 'a task of mine' }, { workspace_id: callee.id, cause: 'model_errors', text: '' }],
      behind: { total: 1, items: [] },
    });
    expect(JSON.stringify(shown)).not.toContain('secret');
    expect(JSON.stringify(shown)).not.toContain('monthly_spend');
    expect(actionsOf(shown)).toEqual(['cancel', 'wait']);
    const own = await test.client(callee.token).explainWorkspace({ params: { id: callee.id } });
    expect(lastOf(own)).toMatchObject({
      cause: 'model_errors',
      text: 'secret work',
      figures: { error: 'secret error' },
    });
    expect(JSON.stringify(await why(caller.id))).toContain('secret error');
  });
});
