import { createSeat, failureOf, fingerprint, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let test: TestPlatform;

beforeAll(async () => {
  test = await startPlatform();
});
afterAll(async () => {
  await test?.stop();
});

const create = (body: Record<string, unknown>, headers: Record<string, string> = {}, on = test) =>
  fetch(`${on.url}/workspaces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${on.adminToken}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const find = async (id: string) => (await test.admin.listWorkspaces()).find((row) => row.id === id);
const listEvents = async (id: string) =>
  (await test.admin.listWorkspaceEvents({ params: { id } }))
    .reverse()
    .map(({ event_type, payload }) => [event_type, payload]);

describe('creating', () => {
  it('fills in what is not said, places the card and tells it relative to the parent', async () => {
    const parent = await createSeat(test, { canvas: { x: 100, y: 200 } });
    const before = await test.admin.listWorkspaces();
    const reply = await create({ name: 'plain', canvas: { x: 130, y: 260 }, parent_id: parent.id.toUpperCase() });
    expect(reply.status).toBe(201);
    const { id, ...rest } = (await reply.json()) as { id: string };
    expect(rest).toEqual({
      status: 'provisioning',
      awareness_namespace: `workspace:${id}`,
      workspace_access: 'none',
    });
    const listed = await test.admin.listWorkspaces();
    expect(listed.map((row) => row.id)).toEqual([...before.map((row) => row.id), id]);
    expect(listed.at(-1)).toMatchObject({
      name: 'plain',
      role: null,
      tier: 3,
      runtime: 'langgraph',
      parent_id: parent.id,
      delivery_mode: 'push',
      max_concurrent_tasks: 1,
      budget_limit: null,
      monthly_spend: 0,
      needs_restart: false,
      x: 130,
      y: 260,
      collapsed: false,
    });
    expect((await listEvents(id))[0]).toEqual([
      'WORKSPACE_PROVISIONING',
      expect.objectContaining({ name: 'plain', tier: 3, runtime: 'langgraph', parent_id: parent.id, x: 30, y: 60 }),
    ]);
  });

  it('an external seat comes with a token and all it takes to connect, with or without an address', async () => {
    const waiting = await test.admin.createWorkspace({ body: { name: 'laptop', external: true } });
    expect(waiting).toMatchObject({ external: true, status: 'awaiting_agent' });
    expect(await find(waiting.id)).toMatchObject({
      status: 'awaiting_agent',
      delivery_mode: null,
      runtime: 'external',
    });
    expect((await listEvents(waiting.id)).slice(1)).toEqual([
      ['WORKSPACE_AWAITING_AGENT', { name: 'laptop', external: true }],
    ]);
    const { connection } = waiting;
    expect(connection).toMatchObject({
      workspace_id: waiting.id,
      platform_url: test.url,
      auth_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      registry_endpoint: `${test.url}/registry/register`,
      heartbeat_endpoint: `${test.url}/registry/heartbeat`,
    });
    expect(connection?.curl_register_template).toContain(connection?.auth_token);
    expect(JSON.stringify(connection)).not.toContain('MOLECULE_ORG_ID');

    const reachable = await test.admin.createWorkspace({
      body: { name: 'served', external: true, url: 'https://93.184.216.34/a2a', delivery_mode: 'push' },
    });
    expect(reachable).toMatchObject({ external: true, status: 'online' });
    expect(reachable.connection?.auth_token).toHaveLength(43);
    expect(await find(reachable.id)).toMatchObject({ url_source: 'agent', delivery_mode: 'push' });
    expect((await listEvents(reachable.id)).slice(1)).toMatchObject([
      ['WORKSPACE_ONLINE', { name: 'served', external: true }],
    ]);
  });

  it('the connection names the address people use; forwarded headers count from trusted proxies only', async () => {
    const addressOf = async (on: TestPlatform) => {
      const reply = await create(
        { name: 'x', external: true },
        { 'x-forwarded-host': 'proxy.example', 'x-forwarded-proto': 'https' },
        on,
      );
      return ((await reply.json()) as { connection: { platform_url: string } }).connection.platform_url;
    };
    const start = (env: Record<string, string>) => startPlatform({ db: test.db, dataDir: test.dataDir, env });
    const [proxied, named] = [
      await start({ TRUSTED_PROXIES: '127.0.0.1' }),
      await start({ EXTERNAL_PLATFORM_URL: 'https://molecule.example/' }),
    ];
    try {
      expect(await addressOf(test)).toBe(test.url);
      expect(await addressOf(proxied)).toBe('https://proxy.example');
      expect(await addressOf(named)).toBe('https://molecule.example');
    } finally {
      await proxied.stop();
      await named.stop();
    }
  });

  it('10.54 max_concurrent_tasks 3 is stored, omitted and 0 are 1; a parent cycle → 400; peers by q with a null role → 200', async () => {
    const seat = await createSeat(test, { max_concurrent_tasks: 3 });
    const [omitted, zero] = [await createSeat(test), await createSeat(test, { max_concurrent_tasks: 0 })];
    expect((await find(seat.id))?.max_concurrent_tasks).toBe(3);
    expect((await find(omitted.id))?.max_concurrent_tasks).toBe(1);
    expect((await find(zero.id))?.max_concurrent_tasks).toBe(1);

    const child = await createSeat(test, { parent_id: seat.id, name: 'needle' });
    const grandchild = await createSeat(test, { parent_id: child.id });
    for (const parent of [seat.id, child.id, grandchild.id]) {
      const refused = await failureOf(
        test.admin.patchWorkspace({ params: { id: seat.id }, body: { parent_id: parent } }),
      );
      expect([refused.status, refused.code, refused.body.field]).toEqual([400, 'invalid_parent', 'parent_id']);
    }
    expect((await find(seat.id))?.parent_id).toBeNull();
    const peers = await test.client(seat.token).listPeers({ params: { id: seat.id }, query: { q: 'NEED' } });
    expect(peers.map(({ id, role }) => [id, role])).toEqual([[child.id, null]]);
  });

  it('refuses what is wrong with the field at fault, and nothing is written', async () => {
    const removed = await createSeat(test);
    await test.admin.deleteWorkspace({ params: { id: removed.id } });
    const before = await test.admin.listWorkspaces();
    const seq = (await test.admin.listEvents({ query: { limit: 1 } }))[0]?.seq;
    const wrong: [Record<string, unknown>, string, string][] = [
      [{ name: '' }, 'invalid_request', 'name'],
      [{ name: '  ' }, 'invalid_request', 'name'],
      [{ name: 'a\nb' }, 'invalid_request', 'name'],
      [{ name: 'x'.repeat(256) }, 'invalid_request', 'name'],
      [{ role: 'r'.repeat(1_001) }, 'invalid_request', 'role'],
      ...[...'{}[]|>*&!'].map((bad): [Record<string, unknown>, string, string] => [
        { role: `a${bad}` },
        'invalid_request',
        'role',
      ]),
      [{ tier: 0 }, 'invalid_request', 'tier'],
      [{ tier: 5 }, 'invalid_request', 'tier'],
      [{ tier: 2.5 }, 'invalid_request', 'tier'],
      [{ parent_id: UNKNOWN }, 'invalid_parent', 'parent_id'],
      [{ parent_id: removed.id }, 'invalid_parent', 'parent_id'],
      [{ parent_id: 'root' }, 'invalid_request', 'parent_id'],
      [{ budget_limit: -1 }, 'invalid_request', 'budget_limit'],
      [{ budget_limit: 0.5 }, 'invalid_request', 'budget_limit'],
      [{ delivery_mode: 'stream' }, 'invalid_request', 'delivery_mode'],
      [{ hibernation_idle_minutes: 0 }, 'invalid_request', 'hibernation_idle_minutes'],
      [{ hibernation_idle_minutes: 2 ** 31 }, 'invalid_request', 'hibernation_idle_minutes'],
      [{ workspace_access: 'read_only' }, 'invalid_request', 'workspace_dir'],
      ...['/', '/etc', '//etc/x', '/./usr/lib', '/srv/../etc', '/var/', 'relative', '/proc/1', ''].map(
        (dir): [Record<string, unknown>, string, string] => [
          { workspace_dir: dir },
          'invalid_request',
          'workspace_dir',
        ],
      ),
      [{ template: '../../etc' }, 'invalid_template', 'template'],
      [{ template: '/etc' }, 'invalid_template', 'template'],
      [{ url: 'https://93.184.216.34' }, 'invalid_request', 'url'],
      [{ external: true, url: 'http://169.254.169.254/latest' }, 'unsafe_url', 'url'],
      [{ secrets: { 'NOT A NAME': 'x' } }, 'invalid_request', 'key'],
      [{ secrets: { PATH: '/tmp' } }, 'invalid_request', 'key'],
      [{ secrets: { OK: 5 } }, 'invalid_request', 'secrets.OK'],
      [{ canvas: { x: 1 } }, 'invalid_request', 'canvas.y'],
    ];
    for (const [fields, code, field] of wrong) {
      const reply = await create({ name: 'never', ...fields });
      expect([fields, reply.status, await reply.json()]).toEqual([
        fields,
        400,
        expect.objectContaining({ code, field, error: expect.any(String) }),
      ]);
    }
    expect(await test.admin.listWorkspaces()).toEqual(before);
    expect((await test.admin.listEvents({ query: { limit: 1 } }))[0]?.seq).toBe(seq);
  });

  it('10.81 an unknown runtime → 400 with the known ones and nothing written, on create, PATCH, org and bundle import; echo is accepted', async () => {
    const seat = await createSeat(test);
    const before = await fingerprint(test.db);
    const template = { name: 'team', workspaces: [{ name: 'a', runtime: 'nonsense' }] };
    const bundle = { name: 'team', prompts: { 'config.yaml': 'runtime: nonsense' } };
    for (const call of [
      () => test.admin.createWorkspace({ body: { name: 'x', runtime: 'nonsense' } }),
      () => test.admin.patchWorkspace({ params: { id: seat.id }, body: { runtime: 'nonsense' } }),
      () => test.admin.importOrg({ body: { template } }),
      () => test.admin.importBundle({ body: bundle }),
    ]) {
      const refused = await failureOf(call());
      expect([refused.status, refused.code]).toEqual([400, 'unknown_runtime']);
      expect(refused.body.known_runtimes).toEqual(expect.arrayContaining(['echo', 'ai-sdk', 'external']));
    }
    expect(await fingerprint(test.db)).toEqual(before);
    expect((await find((await createSeat(test, { external: false, runtime: 'echo' })).id))?.runtime).toBe('echo');
    const echo = { name: 'echo team', prompts: { 'config.yaml': 'runtime: echo' } };
    expect((await find((await test.admin.importBundle({ body: echo })).workspace_id ?? ''))?.runtime).toBe('echo');
  });

  it('row and secrets are one write: where the secrets cannot be stored there is no row and no event', async () => {
    const before = await test.admin.listWorkspaces();
    const seq = (await test.admin.listEvents({ query: { limit: 1 } }))[0]?.seq;
    await sql`alter table workspace_secrets rename to hidden`.execute(test.db.kysely);
    const reply = await create({ name: 'half', external: true, secrets: { API_KEY: 'x' } });
    await sql`alter table hidden rename to workspace_secrets`.execute(test.db.kysely);
    expect([reply.status, await reply.json()]).toMatchObject([500, { code: 'internal' }]);
    expect(await test.admin.listWorkspaces()).toEqual(before);
    expect((await test.admin.listEvents({ query: { limit: 1 } }))[0]?.seq).toBe(seq);
  });

  it('takes runtime, tier and model from a template, and what is said beats it', async () => {
    const { id } = await test.admin.createWorkspace({ body: { name: 'templated', template: 'echo-default' } });
    expect(await find(id)).toMatchObject({ runtime: 'echo', tier: expect.any(Number) });
    const said = await test.admin.createWorkspace({
      body: { name: 'said', template: 'echo-default', runtime: 'external', tier: 1, model: 'openai:x' },
    });
    expect(await find(said.id)).toMatchObject({ runtime: 'external', tier: 1 });
    expect(await test.admin.getModel({ params: { id: said.id } })).toEqual({
      model: 'openai:x',
      source: 'workspace_secrets',
    });
  });
});

describe('reading one', () => {
  it('shows a seat to those who may talk to it, without budgets, tasks, errors and host paths', async () => {
    const root = await createSeat(test, { budget_limit: 500, workspace_dir: '/srv/root' });
    const child = await createSeat(test, { parent_id: root.id });
    const stranger = await createSeat(test, { parent_id: (await createSeat(test)).id });
    for (const client of [test.admin, test.client(root.token), test.client(child.token)]) {
      const shown: Record<string, unknown> = await client.getWorkspace({ params: { id: root.id } });
      expect(shown).toMatchObject({ id: root.id, last_outbound_at: null });
      for (const hidden of [
        'budget_limit',
        'monthly_spend',
        'current_task',
        'last_sample_error',
        'workspace_dir',
        'platform_inbound_secret',
      ])
        expect(shown).not.toHaveProperty(hidden);
    }
    const refusals = [root.id, UNKNOWN].map((id) =>
      failureOf(test.client(stranger.token).getWorkspace({ params: { id } })),
    );
    for (const refused of await Promise.all(refusals))
      expect([refused.status, refused.body]).toEqual([404, { error: 'workspace not found', code: 'not_found' }]);
  });

  it('of a removed one says so, with the pointer to its replacement', async () => {
    const [seat, heir] = [await createSeat(test), await createSeat(test)];
    await test.admin.deleteWorkspace({ params: { id: seat.id } });
    await sql`update workspaces set forwarded_to = ${heir.id} where id = ${seat.id}`.execute(test.db.kysely);
    const gone = await failureOf(test.admin.getWorkspace({ params: { id: seat.id } }));
    expect([gone.status, gone.body]).toEqual([
      410,
      expect.objectContaining({ code: 'workspace_removed', id: seat.id, status: 'removed', forwarded_to: heir.id }),
    ]);
    expect(await find(seat.id)).toBeUndefined();
  });
});

it('10.55 expand and shared-context → 404', async () => {
  const { id } = await createSeat(test);
  const headers = { authorization: `Bearer ${test.adminToken}` };
  for (const [method, path] of [
    ['POST', 'expand'],
    ['GET', 'shared-context'],
  ] as const) {
    const reply = await fetch(`${test.url}/workspaces/${id}/${path}`, { method, headers });
    expect([reply.status, await reply.json()]).toMatchObject([404, { code: 'route_not_found' }]);
  }
});
