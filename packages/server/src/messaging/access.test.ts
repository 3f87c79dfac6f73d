import {
  breakColumn,
  createSeat,
  type FakeAgent,
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

let test: TestPlatform;
let a: FakeAgent;
let b: FakeAgent;
const agents: FakeAgent[] = [];

async function startAgent(options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, options);
  agents.push(agent);
  return agent;
}

beforeAll(async () => {
  test = await startPlatform();
  a = await startAgent({ name: 'a' });
  b = await startAgent({ name: 'b' });
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
});

const send = (target: { id: string }, options: Parameters<typeof sendA2a>[3] = {}) =>
  sendA2a(test, target.id, textRequest('hi'), options);
const as = ({ id }: { id: string }) => ({ 'x-workspace-id': id });
const lastRow = (target: { id: string }, messageId: unknown) =>
  waitForActivity(test, target.id, (row) => JSON.stringify(row.request_body ?? null).includes(String(messageId)));

it('20.1 the bearer alone says who calls: the row names the caller, and the agent is told', async () => {
  const request = textRequest('who am I');
  const { messageId } = (request.params as { message: { messageId: string } }).message;
  expect((await sendA2a(test, b.id, request, { token: a.token })).status).toBe(200);
  expect(await lastRow(b, messageId)).toMatchObject({ source_id: a.id, target_id: b.id, method: 'message/send' });
  expect(b.calls.at(-1)?.headers).toMatchObject({
    'x-workspace-id': a.id,
    authorization: expect.stringMatching(/^Bearer /),
  });
  expect(b.calls.at(-1)?.headers.authorization).not.toContain(a.token);
});

it('20.2 an org token is an operator without a workspace; once revoked it is nobody, with or without the header', async () => {
  const minted = await test.admin.createOrgToken({ body: { name: 'ci' } });
  const request = textRequest('from an operator');
  const { messageId } = (request.params as { message: { messageId: string } }).message;
  expect((await sendA2a(test, b.id, request, { token: minted.auth_token })).status).toBe(200);
  expect(await lastRow(b, messageId)).toMatchObject({ source_id: null });
  await test.admin.revokeOrgToken({ params: { tokenId: minted.id } });
  expect((await send(b, { token: minted.auth_token })).status).toBe(401);
  expect((await send(b, { token: minted.auth_token, headers: as(a) })).status).toBe(401);
});

it('20.3 a reserved caller id in the header is refused, whoever sends it, and nothing is dispatched', async () => {
  const before = b.calls.length;
  for (const name of ['system:scheduler', 'webhook:github', 'test:x', 'channel:slack'])
    for (const token of [test.adminToken, a.token, null]) {
      const reply = await send(b, { token, headers: { 'x-workspace-id': name } });
      expect([reply.status, reply.body?.error, reply.body?.code]).toEqual([403, 'invalid caller ID', 'invalid_caller']);
    }
  expect(b.calls.length).toBe(before);
});

it('20.4 the header without a bearer, or with the bearer of another, is nobody', async () => {
  const before = b.calls.length;
  const bare = await send(b, { token: null, headers: as(a) });
  expect([bare.status, bare.body?.error]).toEqual([401, 'missing caller auth token']);
  const foreign = await send(b, { token: b.token, headers: as(a) });
  expect([foreign.status, foreign.body?.error]).toEqual([401, 'invalid caller auth token']);
  expect((await send(b, { token: 'wrong', headers: as(a) })).status).toBe(401);
  expect(b.calls.length).toBe(before);
  expect((await send(b, { token: a.token, headers: as(a) })).status).toBe(200);
});

it('20.5 ancestors and descendants talk both ways over any distance; uncles and cousins do not', async () => {
  const root = await startAgent();
  const left = await startAgent({ parentId: root.id });
  const right = await startAgent({ parentId: root.id });
  const leftChild = await startAgent({ parentId: left.id });
  const rightChild = await startAgent({ parentId: right.id });
  const status = async (from: FakeAgent, to: FakeAgent) => (await send(to, { token: from.token })).status;
  for (const [one, other] of [
    [root, leftChild],
    [root, left],
    [left, right],
  ] as const)
    expect([await status(one, other), await status(other, one)]).toEqual([200, 200]);
  for (const [one, other] of [
    [left, rightChild],
    [leftChild, rightChild],
  ] as const)
    expect([await status(one, other), await status(other, one)]).toEqual([403, 403]);
  const refused = await send(rightChild, { token: left.token });
  expect(refused.body).toMatchObject({
    error: 'access denied: workspaces cannot communicate per hierarchy rules',
    code: 'access_denied',
  });
});

it('20.6 roots talk, trees below them do not, an unknown target looks forbidden, and a cycle of parents ends', async () => {
  const child = await startAgent({ parentId: a.id });
  expect((await send(b, { token: a.token })).status).toBe(200);
  expect((await send(b, { token: child.token })).status).toBe(403);
  const unknown = { id: '00000000-0000-4000-8000-000000000000' };
  expect((await send(unknown, { token: a.token })).status).toBe(403);
  expect((await send(unknown)).status).toBe(404);

  const one = await createSeat(test);
  const two = await createSeat(test);
  const other = await createSeat(test, { parent_id: b.id });
  await sql`update workspaces set parent_id = case id when ${one.id} then ${two.id}::uuid else ${one.id}::uuid end
    where id in (${one.id}, ${two.id})`.execute(test.db.kysely);
  for (const { id } of [one, two]) test.platform.workspaces.forget(id);
  const startedAt = performance.now();
  const answer = await test.client(one.token).checkAccess({ body: { caller_id: one.id, target_id: other.id } });
  expect(answer).toEqual({ allowed: false });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

it.skipIf(hasReplicas())(
  'a tree that cannot be read is no refusal: the caller is told to come again, and its message was not sent',
  async () => {
    const calls = b.calls.length;
    await breakColumn(test.db, 'workspaces', 'tier');
    try {
      test.platform.workspaces.forget(a.id);
      test.platform.workspaces.forget(b.id);
      const refused = await send(b, { token: a.token });
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('5');
      expect(refused.body).toMatchObject({ code: 'platform_unavailable', retry_after: 5 });
    } finally {
      await mendColumn(test.db, 'workspaces');
    }
    expect(b.calls).toHaveLength(calls);
    expect((await send(b, { token: a.token })).status).toBe(200);
  },
);

it.skipIf(hasReplicas())(
  '20.7 over budget comes before the payload and after the hierarchy; a budget that cannot be read lets the call pass',
  async () => {
    const target = await startAgent();
    const nephew = await startAgent({ parentId: a.id });
    await sql`update workspaces set budget_limit = 100 where id = ${target.id}`.execute(test.db.kysely);
    await target.heartbeat({ monthly_spend: 100 });
    const over = await sendA2a(test, target.id, 'not json', { token: a.token });
    expect(over.status).toBe(402);
    expect(over.body).toMatchObject({ error: 'workspace budget limit exceeded', code: 'budget_exceeded' });
    expect((await send(target, { token: nephew.token })).status).toBe(403);
    expect(target.calls).toHaveLength(0);

    await breakColumn(test.db, 'workspaces', 'budget_limit');
    try {
      test.platform.workspaces.forget(target.id);
      expect((await send(target)).status).toBe(200);
    } finally {
      await mendColumn(test.db, 'workspaces');
    }
    expect(target.calls).toHaveLength(1);
    test.platform.workspaces.forget(target.id);
    expect((await send(target)).status).toBe(402);
    expect(
      await (await fetch(`${test.url}/metrics`, { headers: { authorization: `Bearer ${test.adminToken}` } })).text(),
    ).toMatch(/molecule_fail_open_total\{check="budget_and_mode"\} 1/);
  },
);

it('20.94 without any credential 401, in the dev hatch a person; the target’s own name is no credential; a named operator is bound by the hierarchy; a token store that is down is 503', async () => {
  expect((await send(b, { token: null })).status).toBe(401);
  expect((await send(b, { token: null, headers: as(b) })).status).toBe(401);

  const child = await startAgent({ parentId: a.id });
  const request = textRequest('on behalf');
  const { messageId } = (request.params as { message: { messageId: string } }).message;
  expect((await sendA2a(test, b.id, request, { headers: as(a) })).status).toBe(200);
  expect(await lastRow(b, messageId)).toMatchObject({ source_id: a.id });
  expect((await send(b, { headers: as(child) })).status).toBe(403);

  const dev = await startPlatform({ env: { MOLECULE_ENV: 'development', ADMIN_TOKEN: '' } });
  try {
    const agent = await startFakeAgent(dev);
    expect((await sendA2a(dev, agent.id, textRequest('hi'), { token: null })).status).toBe(200);
    expect(await waitForActivity(dev, agent.id, (row) => row.method === 'message/send')).toMatchObject({
      source_id: null,
    });
    await agent.stop();
  } finally {
    await dev.stop();
  }

  // A token this process has not seen, so that the store must be asked.
  const { auth_token: fresh } = await test.admin.createToken({ params: { id: a.id } });
  await test.db.pool.query('alter table workspace_auth_tokens rename to tokens_away');
  try {
    const down = await send(b, { token: fresh });
    expect([down.status, down.body?.code]).toEqual([503, 'platform_unavailable']);
  } finally {
    await test.db.pool.query('alter table tokens_away rename to workspace_auth_tokens');
  }
  expect((await send(b, { token: fresh })).status).toBe(200);
});

it('a workspace may call itself; a removed one is nobody and nowhere', async () => {
  expect((await send(a, { token: a.token, headers: as(a) })).status).toBe(200);
  const gone = await startAgent();
  await test.admin.deleteWorkspace({ params: { id: gone.id } });
  expect((await send(b, { token: gone.token })).status).toBe(401);
  expect((await send(gone)).status).toBe(404);
  expect((await send(gone, { token: a.token })).status).toBe(403);
  expect(await failureOf(test.client(gone.token).listActivity({ params: { id: gone.id } }))).toMatchObject({
    status: 401,
  });
});
