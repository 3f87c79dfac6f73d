import { randomUUID } from 'node:crypto';
import type { EventFrame } from '@molecule/contract';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  fingerprint,
  holdCalls,
  type Responder,
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
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { countAlternations } from './chain.ts';

let test: TestPlatform;
const agents: FakeAgent[] = [];
const logged: Record<string, unknown>[] = [];
const frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform({ onLog: (line) => logged.push(line) });
  test.platform.events.subscribe((frame) => frames.push(frame));
});
beforeEach(() => {
  logged.length = 0;
  frames.length = 0;
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
});

async function startAgent(name: string, respond: Responder = replyWith('ok')): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { name, respond });
  agents.push(agent);
  return agent;
}

const delegate = (
  caller: Seat,
  target: { id: string },
  body: Partial<{ task: string; idempotency_key: string; parent_delegation_id: string | null }> = {},
) =>
  test
    .client(caller.token)
    .delegate({ params: { id: caller.id }, body: { target_id: target.id, task: 'do it', ...body } });
const rowOf = (id: string) =>
  test.db.kysely.selectFrom('delegations').selectAll().where('delegation_id', '=', id).executeTakeFirstOrThrow();
const nameOf = (...seats: { name: string; id: string }[]) => seats.map(({ id, name }) => ({ workspace_id: id, name }));

/** All that is stored of messages; a seat's last outbound time follows its call by a moment. */
async function readMessages() {
  const { workspaces: _seats, ...messages } = await fingerprint(test.db);
  return messages;
}

/** Poll seats hold what they are handed for as long as a test wants, and are at hand at once. */
async function createTeam(count: number): Promise<(Seat & { name: string })[]> {
  const seats: (Seat & { name: string })[] = [];
  for (let index = 0; index < count; index += 1) {
    const name = `member ${index} ${randomUUID().slice(0, 4)}`;
    seats.push({ ...(await createSeat(test, { name, delivery_mode: 'poll' })), name });
  }
  return seats;
}

/** Each hands the task on to the next. @returns the delegations. */
async function handOn(seats: Seat[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, caller] of seats.slice(0, -1).entries()) {
    const parent = ids.at(-1) ?? null;
    const { delegation_id: id } = await delegate(caller, seats[index + 1] as Seat, { parent_delegation_id: parent });
    ids.push(id);
  }
  return ids;
}

describe('a chain', () => {
  it('20.125 one that comes back is refused with its path, and so is the ninth hop; nothing is stored or sent', async () => {
    const team = await createTeam(10);
    const ids = await handOn(team.slice(0, 9));
    const last = team[8] as Seat & { name: string };
    expect(await rowOf(ids.at(-1) ?? '')).toMatchObject({
      parent_delegation_id: ids.at(-2),
      path: team.slice(0, 9).map(({ id }) => id),
    });
    await test.idle();
    await waitFor('all are handed over', async () => {
      const rows = await test.db.kysely.selectFrom('delegations').select('lease_token').execute();
      return rows.every((row) => row.lease_token === null);
    });
    await test.platform.activity.close();
    const before = await readMessages();
    frames.length = 0;

    for (const [place, back] of team.slice(0, 8).entries()) {
      const refusal = await failureOf(delegate(last, back, { parent_delegation_id: ids.at(-1) ?? '' }));
      expect([refusal.status, refusal.body]).toMatchObject([
        409,
        {
          code: 'delegation_cycle',
          field: 'target_id',
          path: nameOf(...team.slice(0, 9), team[place] as (typeof team)[number]),
          delegation_ids: ids,
        },
      ]);
      expect(refusal.body.error).toContain(`${last.name} → ${back.name}`);
    }
    const deep = await failureOf(delegate(last, team[9] as Seat, { parent_delegation_id: ids.at(-1) ?? '' }));
    expect([deep.status, deep.body]).toMatchObject([
      409,
      { code: 'delegation_too_deep', max_depth: 8, path: nameOf(...team), delegation_ids: ids },
    ]);
    const recorded = await failureOf(
      test.client(last.token).recordDelegation({
        params: { id: last.id },
        body: {
          target_id: team[0]?.id ?? '',
          task: 'sent already',
          delegation_id: randomUUID(),
          parent_delegation_id: ids.at(-1) ?? '',
        },
      }),
    );
    expect([recorded.status, recorded.body]).toMatchObject([409, { code: 'delegation_cycle' }]);
    await test.platform.activity.close();
    expect(await readMessages()).toEqual(before);
    expect(frames.filter(({ event }) => event !== 'WORKSPACE_HEARTBEAT')).toEqual([]);
  });

  it('20.126 the message tells the chain to agents of other makes, and administrators read it', async () => {
    const [first, second] = await createTeam(2);
    if (!first || !second) throw new Error('the team is too small');
    const worker = await startAgent('worker of another make');
    const { delegation_id: parent } = await delegate(first, second);
    const { delegation_id: id } = await delegate(second, worker, { parent_delegation_id: parent });
    const [call] = await worker.waitForCalls(1);
    expect(call?.body).toMatchObject({
      params: {
        message: {
          metadata: {
            delegation_id: id,
            delegation_path: [first.id, second.id, worker.id],
            delegation_depth: 2,
          },
        },
      },
    });
    const listed = await test.admin.listAllDelegations({ query: { delegation_id: id } });
    expect(listed.delegations).toMatchObject([
      { delegation_id: id, parent_delegation_id: parent, path: [first.id, second.id, worker.id] },
    ]);
    expect((await test.admin.listAllDelegations({ query: { delegation_id: 'unknown' } })).delegations).toEqual([]);
  });
});

describe('the parent of a delegation', () => {
  it('20.126 one that was not handed to the caller is ignored, with a line in the log', async () => {
    const [a, b, c] = await createTeam(3);
    if (!a || !b || !c) throw new Error('the team is too small');
    const { delegation_id: foreign } = await delegate(a, b);
    for (const parent of [foreign, 'unknown']) {
      const { delegation_id: id } = await delegate(c, a, { parent_delegation_id: parent });
      expect(await rowOf(id)).toMatchObject({ parent_delegation_id: null, path: [c.id, a.id] });
      expect(logged.filter((line) => line.parent_delegation_id === parent)).toMatchObject([
        { workspace_id: c.id, msg: expect.stringContaining('ignored') },
      ]);
    }
  });

  it('20.126 unsaid it is inferred when it can only be one; then it extends the chain, and can be what refuses', async () => {
    const lead = await startAgent('lead');
    const held = holdCalls(replyWith('done'));
    const worker = await startAgent('worker', held.respond);
    const helper = await startAgent('helper');
    const { delegation_id: parent } = await delegate(lead, worker);
    await worker.waitForCalls(1);
    // Nobody knows yet whether it works on it.
    const early = await delegate(worker, helper);
    expect(await rowOf(early.delegation_id)).toMatchObject({ parent_delegation_id: null });
    await worker.heartbeat({ active_tasks: 1, active_delegations: [parent], active_messages: [parent] });
    await waitFor('it is in progress', async () => (await rowOf(parent)).status === 'in_progress');

    const inferred = await delegate(worker, helper);
    expect(await rowOf(inferred.delegation_id)).toMatchObject({
      parent_delegation_id: parent,
      path: [lead.id, worker.id, helper.id],
    });
    const back = await failureOf(delegate(worker, lead));
    expect(back.body).toMatchObject({ code: 'delegation_cycle', delegation_ids: [parent] });
    // It says itself that this is not part of that task.
    const own = await delegate(worker, lead, { parent_delegation_id: null });
    expect(await rowOf(own.delegation_id)).toMatchObject({ parent_delegation_id: null });
    held.release();
  });

  it.each([
    ['two turns run at once', { max_concurrent_tasks: 2 }, 1, true],
    ['its beat counts two tasks', {}, 2, true],
    ['its last beat does not list it', {}, 1, false],
  ])('20.126 unsaid it is not inferred where %s: nothing is refused then', async (_why, workspace, tasks, isListed) => {
    const lead = await startAgent('lead');
    const held = holdCalls(replyWith('done'));
    const worker = await startFakeAgent(test, { name: 'worker', respond: held.respond, workspace });
    agents.push(worker);
    const { delegation_id: parent } = await delegate(lead, worker);
    await worker.waitForCalls(1);
    await worker.heartbeat({ active_tasks: tasks, active_delegations: [parent] });
    await waitFor('it is in progress', async () => (await rowOf(parent)).status === 'in_progress');
    if (!isListed) await worker.heartbeat({ active_tasks: tasks, active_delegations: [] });
    const { delegation_id: id } = await delegate(worker, lead);
    expect(await rowOf(id)).toMatchObject({ parent_delegation_id: null, path: [worker.id, lead.id] });
    held.release();
  });
});

describe('ping-pong', () => {
  /** Hands a task to and fro, each ended before the next. @returns the delegations. */
  async function handToAndFro(a: Seat, b: Seat, times: number): Promise<string[]> {
    const ids: string[] = [];
    for (let turn = 0; turn < times; turn += 1) {
      const [caller, target] = turn % 2 === 0 ? [a, b] : [b, a];
      const { delegation_id: id } = await delegate(caller, target, { parent_delegation_id: null });
      ids.push(id);
      await waitFor('it is answered', async () => (await rowOf(id)).status === 'completed');
    }
    return ids;
  }

  it('20.127 the sixth turn to and fro is refused with its evidence; a repeat is answered, and a word of a person starts over', async () => {
    const a = await startAgent('ping');
    const b = await startAgent('pong');
    const ids = await handToAndFro(a, b, 5);
    const key = randomUUID();
    const sixth = await delegate(b, a, { parent_delegation_id: null, idempotency_key: key });
    await waitFor('it is answered', async () => (await rowOf(sixth.delegation_id)).status === 'completed');
    const calls = [a.calls.length, b.calls.length];

    const refusal = await failureOf(delegate(a, b, { parent_delegation_id: null }));
    expect([refusal.status, refusal.body]).toMatchObject([
      409,
      {
        code: 'delegation_ping_pong',
        alternations: 6,
        delegation_ids: [...ids, sixth.delegation_id],
        path: [
          { workspace_id: a.id, name: 'ping' },
          { workspace_id: b.id, name: 'pong' },
        ],
      },
    ]);
    // The other direction goes on from where it stands: it is no turn.
    const again = await delegate(b, a, { parent_delegation_id: null, idempotency_key: key });
    expect(again).toMatchObject({ delegation_id: sixth.delegation_id, idempotent_hit: true });
    expect([a.calls.length, b.calls.length]).toEqual(calls);

    const said = textRequest('go on');
    await sendA2a(test, b.id, said);
    await waitForActivity(test, b.id, (row) => row.source_id === null && row.method === 'message/send');
    expect(await delegate(a, b, { parent_delegation_id: null })).toMatchObject({ status: 'delegated' });
  });

  it('20.127 many tasks one way, and answers to them, are no ping-pong', async () => {
    const a = await startAgent('busy lead');
    const b = await startAgent('busy worker');
    for (let count = 0; count < 20; count += 1) await delegate(a, b, { parent_delegation_id: null });
    await delegate(b, a, { parent_delegation_id: null });
    expect(await delegate(a, b, { parent_delegation_id: null })).toMatchObject({ status: 'delegated' });
  });

  it('counts changes of direction, however many tasks go one way in between', () => {
    const rows = (callers: string) =>
      [...callers].reverse().map((caller, index) => ({
        delegation_id: `${index}`,
        caller_id: caller,
        created_at: new Date(),
      }));
    expect(countAlternations('a', rows('')).count).toBe(0);
    expect(countAlternations('a', rows('aaa')).count).toBe(0);
    expect(countAlternations('a', rows('abbb')).count).toBe(2);
    expect(countAlternations('a', rows('ababab')).count).toBe(6);
    expect(countAlternations('b', rows('aabbaabb'))).toMatchObject({ count: 3 });
  });
});
