// A workspace token stays what it is: it raises nothing of its own seat, and reads nothing of another. Every route of the
// contract is tried, so a new one is tried as well.

import { buildPath, type Route, type RouteName } from '@molecule/contract';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  replyBusy,
  type Seat,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROWS, UNKNOWN_ID, VALID_BODIES, VALID_QUERIES } from './valid-requests.ts';

let test: TestPlatform;
let root: Seat;
let sibling: Seat;
let stranger: Seat;
/** The seat that is attacked; busy, so that messages wait for it. */
let victim: FakeAgent;
let victimRows: { tokenId: string; queueId: string; delegationId: string; activityId: string };

/** Planted where only the victim and operators may look. */
const SECRETS = {
  secretValue: 'planted-secret-value',
  secretName: 'PLANTED_NAME',
  model: 'planted:model',
  activity: 'planted-activity-text',
  queued: 'planted-queued-message',
  delegated: 'planted-delegated-task',
  task: 'planted-current-task',
  problem: 'planted-sample-error',
  directory: '/srv/planted-directory',
  budget: '424242',
} as const;
/** What a seat that may talk to the victim sees of it. */
const SHARED = { name: 'planted-name', role: 'planted-role', card: 'planted-card' } as const;

beforeAll(async () => {
  test = await startPlatform({ env: { MOLECULE_ENV: 'staging' } });
  root = await createSeat(test, { name: 'root' });
  sibling = await createSeat(test, { name: 'sibling', parent_id: root.id, budget_limit: 100, delivery_mode: 'poll' });
  stranger = await createSeat(test, {
    name: 'stranger',
    parent_id: (await createSeat(test)).id,
    delivery_mode: 'poll',
  });
  victim = await startFakeAgent(test, {
    name: SHARED.name,
    parentId: root.id,
    card: { name: SHARED.card },
    respond: replyBusy,
    workspace: { role: SHARED.role, workspace_dir: SECRETS.directory, budget_limit: Number(SECRETS.budget) },
  });
  const { id } = victim;
  const own = test.client(victim.token);
  await test.admin.saveSecret({ params: { id }, body: { key: SECRETS.secretName, value: SECRETS.secretValue } });
  await test.admin.putModel({ params: { id }, body: { model: SECRETS.model } });
  await own.reportActivity({ params: { id }, body: { activity_type: 'agent_log', summary: SECRETS.activity } });
  await victim.heartbeat({ current_task: SECRETS.task, sample_error: SECRETS.problem, active_tasks: 1 });
  const { delegation_id: delegationId } = await own.delegate({
    params: { id },
    body: { target_id: root.id, task: SECRETS.delegated },
  });
  const queued = await test.admin.raw('POST', `/workspaces/${id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      method: 'message/send',
      params: { message: { parts: [{ kind: 'text', text: SECRETS.queued }] } },
    }),
  });
  const { queue_id: queueId } = (await queued.json()) as { queue_id: string };
  victimRows = {
    tokenId: (await test.admin.listTokens({ params: { id } })).tokens[0]?.id ?? '',
    queueId,
    delegationId,
    activityId: (await own.listActivity({ params: { id } }))[0]?.id ?? '',
  };
});
afterAll(async () => {
  await victim?.stop();
  await test?.stop();
});

/** Columns that decide what a seat may do or cost. */
const PRIVILEGES = {
  tier: 4,
  parent_id: null,
  runtime: 'echo',
  workspace_dir: '/srv/host',
  workspace_access: 'read_write',
  budget_limit: 999_999,
  monthly_spend: 0,
  max_concurrent_tasks: 100,
  hibernation_idle_minutes: 60_000,
  forwarded_to: UNKNOWN_ID,
  url_source: 'provisioner',
  platform_inbound_secret: 'chosen',
  enroll_until: '2999-01-01T00:00:00Z',
} as const;

async function readPrivileges(id: string): Promise<Record<string, unknown>> {
  const row = await test.db.kysely.selectFrom('workspaces').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  return Object.fromEntries(Object.keys(PRIVILEGES).map((column) => [column, row[column as keyof typeof row]]));
}

/** Streams are not waited for; what they say of others is the event suites' subject. */
async function textOf(response: Response): Promise<string> {
  if (response.headers.get('content-type')?.includes('event-stream')) {
    await response.body?.cancel();
    return '';
  }
  return await response.text();
}

async function send(
  token: string,
  [name, route]: [RouteName, Route],
  input: { params: Record<string, string>; body?: unknown; query?: Record<string, string> },
): Promise<string> {
  const response = await fetch(
    test.url + buildPath(route.path, input.params, { ...VALID_QUERIES[name], ...input.query }),
    {
      method: route.method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(input.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
    },
  );
  return await textOf(response);
}

describe('its own seat', () => {
  it('is not raised by any route it may call, whatever is smuggled into the body', async () => {
    await test.client(sibling.token).heartbeat({ body: { workspace_id: sibling.id, monthly_spend: 50 } as never });
    await test.client(sibling.token).register({ body: { id: sibling.id, agent_card: {}, delivery_mode: 'poll' } });
    const before = await readPrivileges(sibling.id);
    expect(before).toMatchObject({
      tier: 3,
      parent_id: root.id,
      runtime: 'external',
      budget_limit: 100,
      monthly_spend: 50,
    });
    const attempts = Object.entries(PRIVILEGES).map(([column, value]) => ({ [column]: value }));
    for (const row of ROWS) {
      const body = VALID_BODIES[row[0]]?.({ id: sibling.id, callerId: sibling.id, otherId: root.id });
      if (!body) continue;
      const cards = 'agent_card' in body ? [{ agent_card: { ...PRIVILEGES, url: 'http://10.0.0.1' } }] : [];
      for (const smuggled of [...attempts, PRIVILEGES, { metadata: PRIVILEGES }, ...cards])
        await send(sibling.token, row, {
          params: { id: sibling.id, key: 'VALID', ...victimRows },
          body: { ...body, ...smuggled },
        });
    }
    expect(await readPrivileges(sibling.id)).toEqual(before);
  });

  it('gets no operator rights: no organisation token, no session, no seat, no foreign token', async () => {
    const client = test.client(sibling.token);
    const counts = async () => [
      (await test.admin.listOrgTokens()).count,
      (await test.admin.listWorkspaces()).length,
      (await test.admin.listTokens({ params: { id: victim.id } })).count,
    ];
    const before = await counts();
    for (const call of [
      client.createOrgToken({ body: {} }),
      client.createSession({ body: { token: sibling.token } }),
      client.createSignInLink(),
      client.createWorkspace({ body: { name: 'spawned', parent_id: sibling.id, external: true } }),
      client.importOrg({ body: { template: { name: 't', workspaces: [{ name: 'spawned', external: true }] } } }),
      client.createToken({ params: { id: victim.id } }),
      client.createTestToken({ params: { id: sibling.id } }),
      client.patchBudget({ params: { id: sibling.id }, body: { budget_limit: null } }),
    ].map(failureOf))
      expect((await call).status).toBe(401);
    expect(await counts()).toEqual(before);
  });

  it('acts for nobody else: not as a caller, not as the source of an activity, not in a delegation', async () => {
    const asVictim = test.client(sibling.token, victim.id);
    expect((await failureOf(asVictim.discover({ params: { id: root.id } }))).status).toBe(401);
    const client = test.client(sibling.token);
    const { id } = sibling;
    const report = { activity_type: 'agent_log', source_id: victim.id };
    expect((await failureOf(client.reportActivity({ params: { id }, body: report }))).code).toBe('source_mismatch');
    const { delegationId } = victimRows;
    for (const call of [
      client.updateDelegation({
        params: { id, delegationId },
        body: { status: 'completed', response_preview: 'forged' },
      }),
      client.heartbeatDelegation({ params: { id, delegationId } }),
      client.getQueueItem({ params: { id, queueId: victimRows.queueId } }),
      client.revokeToken({ params: { id, tokenId: victimRows.tokenId } }),
    ].map(failureOf))
      expect((await call).status).toBe(404);
    const listed = await test.client(victim.token).listDelegations({ params: { id: victim.id } });
    expect(listed.map((row) => row.delegation_id)).toContain(delegationId);
    expect(JSON.stringify(listed)).not.toContain('forged');
  });
});

describe("another seat's", () => {
  /** Everything any route says to this seat about the victim, asked for in every place an id fits. */
  async function readAll(seat: Seat): Promise<string> {
    const answers: string[] = [];
    for (const row of ROWS) {
      const [name, route] = row;
      const body = VALID_BODIES[name];
      // What it deletes or changes at the victim would be refused; the matrix proves that nothing happens.
      for (const [id, callerId, otherId] of [
        [victim.id, victim.id, seat.id],
        [seat.id, seat.id, victim.id],
      ] as const) {
        if (id === seat.id && route.method === 'DELETE') continue;
        const params = { id, key: SECRETS.secretName, ...victimRows };
        const queries: Record<string, string>[] =
          name === 'listActivity' ? [{}, { since_id: victimRows.activityId }, { peer_id: victim.id }] : [{}];
        for (const query of queries)
          answers.push(
            await send(seat.token, row, { params, query, ...(body ? { body: body({ id, callerId, otherId }) } : {}) }),
          );
      }
    }
    return answers.join('\n');
  }

  it('secrets, messages, work, errors, money and host paths are hidden from a sibling, which sees only its card', async () => {
    const told = await readAll(sibling);
    for (const [what, text] of Object.entries(SECRETS)) expect([what, told.includes(text)]).toEqual([what, false]);
    for (const [what, text] of Object.entries(SHARED)) expect([what, told.includes(text)]).toEqual([what, true]);
    expect(told).not.toContain(victim.token.slice(0, 9));
  });

  it('anything at all is hidden from a stranger', async () => {
    const told = await readAll(stranger);
    for (const [what, text] of Object.entries({ ...SECRETS, ...SHARED }))
      expect([what, told.includes(text)]).toEqual([what, false]);
  });

  it('is all there for an operator and the seat itself, so that the two tests above would find it', async () => {
    const { id } = victim;
    const own = test.client(victim.token);
    const told = JSON.stringify([
      await test.admin.listWorkspaces(),
      await own.getSecretValues({ params: { id } }),
      await own.getModel({ params: { id } }),
      await own.listActivity({ params: { id } }),
      await own.listDelegations({ params: { id } }),
      await test.db.kysely.selectFrom('a2a_queue').select('body').execute(),
    ]);
    for (const [what, text] of Object.entries({ ...SECRETS, ...SHARED }))
      expect([what, told.includes(text)]).toEqual([what, true]);
  });
});
