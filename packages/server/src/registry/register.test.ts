import { type ApiError, createClient } from '@molecule/contract';
import {
  breakColumn,
  createSeat,
  type FakeAgent,
  failureOf,
  mendColumn,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform({ env: { MOLECULE_ENV: 'development' } });
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await test?.stop();
});

const CARD = { name: 'tester', protocolVersion: '0.3.0' };

/** A row with an open enrolment window and no token, as provisioning leaves it. */
async function createEnrolling(runtime = 'echo', extra: Record<string, unknown> = {}): Promise<string> {
  const { id } = await test.admin.createWorkspace({ body: { name: `seat ${Math.random()}`, runtime, ...extra } });
  await sql`update workspaces set enroll_until = now() + interval '5 minutes', status = 'provisioning', last_sample_error = null where id = ${id}`.execute(
    test.db.kysely,
  );
  await sql`delete from workspace_auth_tokens where workspace_id = ${id}`.execute(test.db.kysely);
  test.platform.workspaces.forget(id);
  return id;
}

const register = (id: string, token: string | null, body: Record<string, unknown> = {}) =>
  createClient({ baseUrl: test.url, ...(token ? { token } : {}) }).register({
    body: { id, agent_card: CARD, url: 'http://192.168.0.7:9', ...body } as never,
  });

const row = async (id: string) =>
  await test.db.kysely.selectFrom('workspaces').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const countTokens = async (id: string) =>
  (await test.db.kysely.selectFrom('workspace_auth_tokens').select('id').where('workspace_id', '=', id).execute())
    .length;
const listEventNames = async (id: string) =>
  (await test.admin.listWorkspaceEvents({ params: { id } })).map((event) => event.event_type);

describe('registration', () => {
  it('10.1 open window, valid URL, no bearer → 43-character token, online, event', async () => {
    const id = await createEnrolling();
    const reply = await register(id, null);
    expect(reply.auth_token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect((await row(id)).status).toBe('online');
    expect(await listEventNames(id)).toContain('WORKSPACE_ONLINE');
  });

  it('10.2 again with that token → 200 without a token, token count unchanged', async () => {
    const id = await createEnrolling();
    const first = await register(id, null);
    const again = await register(id, first.auth_token ?? '');
    expect(again.auth_token).toBeUndefined();
    expect(await countTokens(id)).toBe(1);
  });

  it('10.3 with a live token: none, garbage or another one → 401 and nothing changed', async () => {
    const id = await createEnrolling();
    await register(id, null);
    const other = await createEnrolling();
    const foreign = await register(other, null);
    const before = await row(id);
    for (const token of [null, 'garbage', foreign.auth_token ?? '']) {
      expect(
        (await failureOf(register(id, token, { url: 'http://192.168.0.8:9', agent_card: { name: 'intruder' } })))
          .status,
      ).toBe(401);
    }
    const after = await row(id);
    expect([after.url, after.agent_card]).toEqual([before.url, before.agent_card]);
    expect(await countTokens(id)).toBe(1);
  });

  it('10.4 unknown and known id without bearer → 401 with identical bodies', async () => {
    const id = await createEnrolling();
    await register(id, null);
    const known = await failureOf(register(id, null));
    const unknown = await failureOf(register('00000000-0000-4000-8000-000000000001', null));
    expect([known.status, unknown.status]).toEqual([401, 401]);
    expect(known.body).toEqual(unknown.body);
  });

  it('10.5 two bootstraps at once → one token, one 401', async () => {
    const id = await createEnrolling();
    const results = await Promise.allSettled([register(id, null), register(id, null)]);
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    const rejected = results.find((result) => result.status === 'rejected') as PromiseRejectedResult;
    expect((rejected.reason as ApiError).status).toBe(401);
    expect(await countTokens(id)).toBe(1);
  });

  it('10.6 mode and URL: unknown mode 400, push without URL 400, poll without URL 200 and no URL kept', async () => {
    const id = await createEnrolling();
    expect((await failureOf(register(id, null, { delivery_mode: 'stream' }))).body.field).toBe('delivery_mode');
    expect((await failureOf(register(id, null, { url: '', delivery_mode: 'push' }))).body.field).toBe('url');
    await register(id, null, { url: undefined, delivery_mode: 'poll' });
    expect((await test.platform.workspaces.facts(id))?.url).toBeNull();
  });

  it('10.7 mode: payload beats stored, stored beats the default; external defaults to poll, others to push', async () => {
    const { id: external, connection } = await test.admin.createWorkspace({ body: { name: 'laptop', external: true } });
    const token = connection?.auth_token ?? '';
    expect((await register(external, token, { url: undefined })).delivery_mode).toBe('poll');
    expect((await register(external, token, { delivery_mode: 'push' })).delivery_mode).toBe('push');
    expect((await register(external, token)).delivery_mode).toBe('push');
    const langgraph = await createEnrolling('langgraph');
    expect((await register(langgraph, null)).delivery_mode).toBe('push');
  });

  it('10.9 a backend URL survives the registration; a look-alike of the agent is never pinned', async () => {
    const id = await createEnrolling();
    await test.db.kysely
      .updateTable('workspaces')
      .set({ url: 'http://127.0.0.1:49153', url_source: 'provisioner' })
      .where('id', '=', id)
      .execute();
    const { auth_token: token } = await register(id, null, {
      url: 'http://127.0.0.1.evil.test',
      delivery_mode: 'poll',
    });
    expect((await row(id)).url).toBe('http://127.0.0.1:49153');
    await test.db.kysely.updateTable('workspaces').set({ url: null, url_source: null }).where('id', '=', id).execute();
    await register(id, token ?? '', { url: 'http://127.0.0.1.evil.test', delivery_mode: 'poll' });
    expect((await row(id)).url_source).toBe('agent');
  });

  it('10.14 a paused workspace registers → 409, still paused', async () => {
    const agent = await startFakeAgent(test);
    agents.push(agent);
    await test.platform.workspaces.transition('pause', agent.id, { patch: { url: null } });
    const refused = await failureOf(register(agent.id, agent.token));
    expect(refused.status).toBe(409);
    expect((await row(agent.id)).status).toBe('paused');
  });

  it('10.13 late register and heartbeat of a deleted workspace → never 200, stays removed, no ONLINE', async () => {
    const agent = await startFakeAgent(test);
    agents.push(agent);
    await test.admin.deleteWorkspace({ params: { id: agent.id } });
    expect((await failureOf(register(agent.id, agent.token))).status).toBe(401);
    expect((await agent.heartbeat()).status).toBe(401);
    expect((await row(agent.id)).status).toBe('removed');
    expect((await listEventNames(agent.id))[0]).toBe('WORKSPACE_REMOVED');
  });
});

describe('registration, strict mode', () => {
  let strict: TestPlatform;
  beforeAll(async () => {
    strict = await startPlatform();
  });
  afterAll(async () => {
    await strict?.stop();
  });

  it('10.8 strict: a private address is fine in poll mode, refused in push mode; a mode that cannot be read means push', async () => {
    const { id, token } = await createSeat(strict);
    const client = strict.client(token);
    const call = (mode: 'push' | 'poll') =>
      client.register({ body: { id, agent_card: CARD, url: 'http://10.0.0.1', delivery_mode: mode } });
    await expect(call('poll')).resolves.toMatchObject({ delivery_mode: 'poll' });
    expect((await failureOf(call('push'))).code).toBe('unsafe_url');

    const agent = await startFakeAgent(strict, { deliveryMode: 'poll' });
    agents.push(agent);
    const { kysely } = strict.db;
    await kysely
      .updateTable('workspaces')
      .set({ url: agent.url, url_source: 'provisioner' })
      .where('id', '=', agent.id)
      .execute();
    strict.platform.workspaces.forget(agent.id);
    const body = JSON.stringify({
      method: 'message/send',
      params: { message: { parts: [{ kind: 'text', text: 'hi' }] } },
    });
    const send = () =>
      strict.admin.raw('POST', `/workspaces/${agent.id}/a2a`, {
        body,
        headers: { 'content-type': 'application/json' },
      });
    expect(await (await send()).json()).toMatchObject({ delivery_mode: 'poll' });
    expect(agent.calls).toHaveLength(0);
    await breakColumn(strict.db, 'workspaces', 'delivery_mode');
    strict.platform.workspaces.forget(agent.id);
    expect(await (await send()).json()).toMatchObject({ result: { parts: [{ text: 'ok' }] } });
    expect(agent.calls).toHaveLength(1);
    await mendColumn(strict.db, 'workspaces');
  });
});
