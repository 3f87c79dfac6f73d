import type { EventFrame } from '@molecule/contract';
import {
  createSeat,
  failureOf,
  replyWith,
  type Seat,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let test: TestPlatform;
let seat: Seat;
const frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform();
  test.platform.events.subscribe((frame) => frames.push(frame));
  seat = await createSeat(test);
});
afterAll(async () => {
  await test?.stop();
});

const refusalOf = async (call: Promise<unknown>) => {
  const { status, code } = await failureOf(call);
  return [status, code];
};
const settle = (calls: Promise<unknown>[]) =>
  Promise.all(
    calls.map((call) =>
      call.then(
        () => 'done',
        (error: { status: number }) => error.status,
      ),
    ),
  );
async function createRemoved(): Promise<Seat> {
  const gone = await createSeat(test);
  await test.admin.deleteWorkspace({ params: { id: gone.id } });
  return gone;
}

describe('configuration', () => {
  const read = async (id: string) => (await test.admin.getConfig({ params: { id } })).data;
  const merge = (id: string, body: Record<string, unknown>, as = test.admin) =>
    as.patchConfig({ params: { id }, body });

  it('begins with what the seat was created with', async () => {
    const { id } = await createSeat(test, { name: 'Scribe', tier: 2 });
    expect(await read(id)).toEqual({ name: 'Scribe', runtime: 'external', tier: 2, template: null });
    const templated = await createSeat(test, { external: false, template: 'echo-default' });
    expect(await read(templated.id)).toMatchObject({ runtime: 'echo', template: 'echo-default' });
  });

  it('of a row that nobody created through the platform is empty, and can be written', async () => {
    const { rows } = await sql<{ id: string }>`insert into workspaces (name) values ('by hand') returning id`.execute(
      test.db.kysely,
    );
    const id = rows[0]?.id ?? '';
    expect(await read(id)).toEqual({});
    expect(await merge(id, { a: 1 })).toEqual({ data: { a: 1 } });
  });

  it('merges key by key and replaces what a key holds, by the seat itself too', async () => {
    const own = await createSeat(test, { name: 'Own' });
    const asItself = test.client(own.token);
    await merge(own.id, { deep: { kept: false, list: [1] }, tier: 4 }, asItself);
    const { data } = await merge(own.id, { deep: { new: true }, none: null }, asItself);
    expect(data).toEqual({
      name: 'Own',
      runtime: 'external',
      tier: 4,
      template: null,
      deep: { new: true },
      none: null,
    });
    expect((await asItself.getConfig({ params: { id: own.id } })).data).toEqual(data);
    // Noted there, not done: the tier of the seat is an administrator's.
    expect((await test.admin.getWorkspace({ params: { id: own.id } })).tier).toBe(3);
  });

  it('concurrent changes of different keys are all kept', async () => {
    const { id } = await createSeat(test);
    const keys = Array.from({ length: 12 }, (_, index) => `key${index}`);
    await Promise.all(keys.map((key) => merge(id, { [key]: key })));
    expect(await read(id)).toMatchObject(Object.fromEntries(keys.map((key) => [key, key])));
  });

  it('a body of more than 256 KiB → 413, and so does a whole that would be larger; what is no object → 400', async () => {
    const { id } = await createSeat(test);
    const before = await read(id);
    const part = 'x'.repeat(150_000);
    for (const body of [{ a: 'x'.repeat(262_144) }, { a: part, b: part }]) {
      const refused = await failureOf(merge(id, body));
      expect([refused.status, refused.code, refused.body.max_bytes]).toEqual([413, 'body_too_large', 262_144]);
    }
    expect(await read(id)).toEqual(before);
    await merge(id, { a: part });
    expect(await refusalOf(merge(id, { b: part }))).toEqual([413, 'body_too_large']);
    expect(await merge(id, { a: 'short' })).toEqual({ data: { ...before, a: 'short' } });
    for (const body of ['[]', '"text"', '5', 'null', '{'] as const) {
      const reply = await fetch(`${test.url}/workspaces/${id}/config`, {
        method: 'PATCH',
        headers: { authorization: `Bearer ${test.adminToken}`, 'content-type': 'application/json' },
        body,
      });
      expect([body, reply.status]).toEqual([body, 400]);
    }
  });

  it('of unknown and removed seats → 404', async () => {
    const gone = await createRemoved();
    for (const id of [UNKNOWN, gone.id]) {
      expect(await refusalOf(read(id))).toEqual([404, 'not_found']);
      expect(await refusalOf(merge(id, { a: 1 }))).toEqual([404, 'not_found']);
    }
  });
});

describe('the agent of a seat', () => {
  const assign = (id: string, model = 'openai:a', as = test.admin) =>
    as.assignAgent({ params: { id }, body: { model } });
  const replace = (id: string, model = 'openai:b') => test.admin.replaceAgent({ params: { id }, body: { model } });
  const remove = (id: string) => test.admin.removeAgent({ params: { id } });
  const move = (id: string, target: string, as = test.admin) =>
    as.moveAgent({ params: { id }, body: { target_workspace_id: target } });
  const told = async (id: string) =>
    (await test.admin.listWorkspaceEvents({ params: { id } }))
      .reverse()
      .filter(({ event_type }) => /^AGENT_(ASSIGNED|REPLACED|REMOVED|MOVED)$/.test(event_type))
      .map(({ event_type, payload }) => [event_type, payload]);
  const stored = (id: string) =>
    test.db.kysely.selectFrom('agents').selectAll().where('workspace_id', '=', id).orderBy('created_at').execute();

  it('is assigned once, replaced, removed, and each change says so', async () => {
    const { id, token } = await createSeat(test);
    expect(await refusalOf(replace(id))).toEqual([404, 'not_found']);
    expect(await refusalOf(remove(id))).toEqual([404, 'not_found']);
    const first = await assign(id, 'openai:a', test.client(token));
    expect(first).toEqual({ agent_id: expect.any(String), model: 'openai:a' });
    expect(await refusalOf(assign(id))).toEqual([409, 'conflict']);
    const second = await replace(id, 'openai:b');
    expect(second).toEqual({ agent_id: expect.any(String), model: 'openai:b', old_model: 'openai:a' });
    expect(second.agent_id).not.toBe(first.agent_id);
    expect(await remove(id)).toEqual({ status: 'removed', agent_id: second.agent_id });
    expect(await refusalOf(remove(id))).toEqual([404, 'not_found']);
    const third = await assign(id, 'openai:c');
    expect(await told(id)).toEqual([
      ['AGENT_ASSIGNED', { agent_id: first.agent_id, model: 'openai:a' }],
      [
        'AGENT_REPLACED',
        { agent_id: second.agent_id, model: 'openai:b', old_agent_id: first.agent_id, old_model: 'openai:a' },
      ],
      ['AGENT_REMOVED', { agent_id: second.agent_id, model: 'openai:b' }],
      ['AGENT_ASSIGNED', { agent_id: third.agent_id, model: 'openai:c' }],
    ]);
    expect(await stored(id)).toMatchObject([
      { id: first.agent_id, status: 'replaced', removal_reason: 'replaced', removed_at: expect.any(Date) },
      { id: second.agent_id, status: 'removed', removal_reason: 'removed', removed_at: expect.any(Date) },
      { id: third.agent_id, status: 'active', removal_reason: null, removed_at: null },
    ]);
  });

  it('of two assignments at once one is 201 and one 409; of a crowd of replacements one agent stays', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await createSeat(test);
      expect((await settle([assign(id), assign(id)])).sort()).toEqual([409, 'done']);
      expect(await settle(Array.from({ length: 6 }, (_, index) => replace(id, `openai:${index}`)))).toEqual(
        Array.from({ length: 6 }, () => 'done'),
      );
      const agents = await stored(id);
      expect(agents.map(({ status }) => status).sort()).toEqual([
        'active',
        ...Array.from({ length: 6 }, () => 'replaced'),
      ]);
      expect((await settle([remove(id), remove(id)])).sort()).toEqual([404, 'done']);
    }
  });

  it('moves as it is to an empty seat, told at both ends', async () => {
    const [from, to] = [await createSeat(test), await createSeat(test)];
    const { agent_id } = await assign(from.id, 'openai:mover');
    const moved = { agent_id, model: 'openai:mover', from_workspace: from.id, to_workspace: to.id };
    expect(await move(from.id, to.id, test.client(from.token))).toEqual(moved);
    for (const { id } of [from, to]) expect((await told(id)).at(-1)).toEqual(['AGENT_MOVED', moved]);
    expect(await stored(from.id)).toEqual([]);
    expect(await stored(to.id)).toMatchObject([{ id: agent_id, status: 'active' }]);
    expect(await refusalOf(move(from.id, to.id))).toEqual([404, 'not_found']);
    await assign(from.id);
    expect(await refusalOf(move(from.id, to.id))).toEqual([409, 'conflict']);
    expect(await refusalOf(move(from.id, from.id))).toEqual([409, 'conflict']);
    expect((await told(from.id)).at(-1)?.[0]).toBe('AGENT_ASSIGNED');
  });

  it('moves that meet end with one agent per seat: two into one, and two past each other', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [left, right, middle] = [await createSeat(test), await createSeat(test), await createSeat(test)];
      await Promise.all([assign(left.id), assign(right.id)]);
      expect((await settle([move(left.id, middle.id), move(right.id, middle.id)])).sort()).toEqual([409, 'done']);
      const [one, other] = [await createSeat(test), await createSeat(test)];
      await Promise.all([assign(one.id), assign(other.id)]);
      expect(await settle([move(one.id, other.id), move(other.id, one.id)])).toEqual([409, 409]);
    }
  });

  it('goes where its seat may talk to, else the target looks unknown; an administrator moves it anywhere', async () => {
    const root = await createSeat(test);
    const stranger = await createSeat(test, { parent_id: (await createSeat(test)).id });
    const child = await createSeat(test, { parent_id: root.id });
    const gone = await createRemoved();
    await assign(child.id);
    const asChild = test.client(child.token);
    for (const target of [stranger.id, UNKNOWN, gone.id]) {
      const refused = await failureOf(move(child.id, target, asChild));
      expect([refused.status, refused.body]).toEqual([404, { error: 'workspace not found', code: 'not_found' }]);
      if (target !== stranger.id) expect(await refusalOf(move(child.id, target))).toEqual([404, 'not_found']);
    }
    expect((await told(child.id)).map(([name]) => name)).toEqual(['AGENT_ASSIGNED']);
    await move(child.id, root.id, asChild);
    await move(root.id, stranger.id);
    expect(await stored(stranger.id)).toHaveLength(1);
  });

  it('of unknown and removed seats → 404; a purge takes it along', async () => {
    const { id } = await createSeat(test);
    await assign(id);
    await test.admin.deleteWorkspace({ params: { id } });
    for (const gone of [id, UNKNOWN])
      for (const call of [assign, replace, remove]) expect(await refusalOf(call(gone))).toEqual([404, 'not_found']);
    await test.admin.deleteWorkspace({ params: { id }, query: { purge: 'true' } });
    expect(await stored(id)).toEqual([]);
  });

  it('is told live, too', async () => {
    const { id } = await createSeat(test);
    const { agent_id } = await assign(id);
    await waitFor('the event', () =>
      frames.some((frame) => frame.event === 'AGENT_ASSIGNED' && frame.payload.agent_id === agent_id),
    );
  });
});

describe('figures of the day', () => {
  const read = (id: string, as = test.admin) => as.getTokenUsage({ params: { id } });
  const none = { input_tokens: 0, output_tokens: 0, total_calls: 0, estimated_cost_usd: '0.000000' };

  it('are zero before the first call, for the current UTC day; unknown and removed seats → 404', async () => {
    const before = new Date().toISOString().slice(0, 10);
    const usage = await read(seat.id, test.client(seat.token));
    const after = new Date().toISOString().slice(0, 10);
    expect(usage).toEqual({ ...none, period_start: expect.any(String), period_end: expect.any(String) });
    expect([`${before}T00:00:00Z`, `${after}T00:00:00Z`]).toContain(usage.period_start);
    expect(Date.parse(usage.period_end) - Date.parse(usage.period_start)).toBe(86_400_000);
    for (const id of [UNKNOWN, (await createRemoved()).id])
      expect(await refusalOf(read(id))).toEqual([404, 'not_found']);
  });

  it('add up what replies report, at $3 and $15 a million, ten million a call at most; other days do not count', async () => {
    const usage = [
      { input_tokens: 7, output_tokens: 1 },
      { input_tokens: -5, output_tokens: 99_000_000 },
      { input_tokens: 0, output_tokens: 0 },
      { input_tokens: 'many', output_tokens: 2.9 },
    ];
    let call = 0;
    const agent = await startFakeAgent(test, {
      respond: (...args) => replyWith('counted', { usage: usage[call++] })(...args),
    });
    try {
      await sql`
        insert into workspace_token_usage (workspace_id, period_start, input_tokens, output_tokens, call_count, estimated_cost_usd)
        select ${agent.id}, (now() at time zone 'utc')::date + offs, 1000, 1000, 1000, 1000 from unnest(array[-1, 1]) offs
      `.execute(test.db.kysely);
      for (const _one of usage) expect((await sendA2a(test, agent.id, textRequest('hi'))).status).toBe(200);
      const counted = await waitFor('three calls are counted', async () => {
        const figures = await read(agent.id);
        return figures.total_calls === 3 && figures;
      });
      expect(counted).toMatchObject({
        input_tokens: 7,
        output_tokens: 10_000_003,
        estimated_cost_usd: '150.000066',
      });
    } finally {
      await agent.stop();
    }
  });

  it('an agent that reports the impossible all day stops at what the column holds, and the others are still counted', async () => {
    const [greedy, honest] = [
      await startFakeAgent(test, { respond: replyWith('all', { usage: { output_tokens: 10_000_000 } }) }),
      await startFakeAgent(test, { respond: replyWith('one', { usage: { input_tokens: 1_000_000 } }) }),
    ];
    try {
      await sql`
        insert into workspace_token_usage (workspace_id, period_start, call_count, estimated_cost_usd)
        values (${greedy.id}, (now() at time zone 'utc')::date, 1, 999990)
      `.execute(test.db.kysely);
      await Promise.all([greedy, honest].map(({ id }) => sendA2a(test, id, textRequest('hi'))));
      await waitFor('both are counted', async () => (await read(greedy.id)).total_calls === 2);
      expect((await read(greedy.id)).estimated_cost_usd).toBe('999999.999999');
      await waitFor('the honest one too', async () => (await read(honest.id)).estimated_cost_usd === '3.000000');
    } finally {
      await greedy.stop();
      await honest.stop();
    }
  });
});

describe('the pointer of a tombstone', () => {
  const point = (from: string, to: string) =>
    sql`update workspaces set forwarded_to = ${to} where id = ${from}`.execute(test.db.kysely);
  const readPointer = async (id: string) => (await failureOf(test.admin.getWorkspace({ params: { id } }))).body;

  it('is followed to the live replacement for at most five hops, and cycles end', async () => {
    const heir = await createSeat(test);
    const chain: string[] = [];
    for (let hop = 0; hop < 6; hop += 1) chain.push((await createRemoved()).id);
    for (const [index, id] of chain.entries()) await point(id, chain[index + 1] ?? heir.id);
    expect(await readPointer(chain[1] ?? '')).toMatchObject({ status: 'removed', forwarded_to: heir.id });
    expect(await readPointer(chain[5] ?? '')).toMatchObject({ forwarded_to: heir.id });
    expect(await readPointer(chain[0] ?? '')).toMatchObject({ code: 'workspace_removed', forwarded_to: null });
    await point(chain[5] ?? '', chain[4] ?? '');
    expect(await readPointer(chain[4] ?? '')).toMatchObject({ forwarded_to: null });
    await point(chain[5] ?? '', chain[5] ?? '');
    expect(await readPointer(chain[5] ?? '')).toMatchObject({ forwarded_to: null });
  });
});
