import { createHash } from 'node:crypto';
import { createManualClock, createSeat, failureOf, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
const clock = createManualClock();
const lines: string[] = [];
let test: TestPlatform;

beforeAll(async () => {
  test = await startPlatform({ clock, onLog: (line) => lines.push(JSON.stringify(line)) });
});
afterAll(async () => {
  await test?.stop();
});

const listLive = async (id: string) => (await test.admin.listTokens({ params: { id } })).tokens;
const wakeUpkeep = async () => {
  const before = (await test.admin.liveness()).subsystems['credential-upkeep']?.last_success_at ?? '';
  clock.advance(1_000);
  test.platform.supervisor.wake('credential-upkeep');
  await expect
    .poll(async () => (await test.admin.liveness()).subsystems['credential-upkeep']?.last_success_at ?? '')
    .not.toBe(before);
};

describe('workspace tokens', () => {
  it('are shown once: the store holds a hash, a list the first eight characters', async () => {
    const { id, token } = await createSeat(test);
    const minted = await test.client(token).createToken({ params: { id } });
    expect(minted).toMatchObject({ workspace_id: id, auth_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
    const tokens = await listLive(id);
    expect(tokens.map(({ prefix }) => prefix)).toEqual([minted.auth_token.slice(0, 8), token.slice(0, 8)]);
    expect(JSON.stringify(tokens)).not.toContain(token.slice(0, 9));
    const stored = await test.db.kysely
      .selectFrom('workspace_auth_tokens')
      .select(['token_hash', 'prefix'])
      .where('workspace_id', '=', id)
      .execute();
    expect(stored.map((row) => row.token_hash.toString('hex')).sort()).toEqual(
      [token, minted.auth_token].map((secret) => createHash('sha256').update(secret).digest('hex')).sort(),
    );
    const page = await test.admin.listTokens({ params: { id }, query: { limit: 1, offset: 1 } });
    expect([page.count, ...page.tokens.map((row) => row.id)]).toEqual([2, tokens[1]?.id]);
  });

  it('are not given to a seat whose removal is under way', async () => {
    const seat = await createSeat(test);
    const marked = Promise.withResolvers<void>();
    const committed = Promise.withResolvers<void>();
    const removal = test.db.tx(async (trx) => {
      await trx.updateTable('workspaces').set({ status: 'removed' }).where('id', '=', seat.id).execute();
      marked.resolve();
      await committed.promise;
    });
    await marked.promise;
    // Asked for at once: it may be refused before the removal is told of its commit.
    const refusal = expect(test.platform.auth.tokens.mint(test.db.kysely, seat.id)).rejects.toMatchObject({
      code: 'not_found',
    });
    committed.resolve();
    await removal;
    await refusal;
  });

  it('are at most fifty, also when many are asked for at once; a revoked one makes room', async () => {
    const { id } = await createSeat(test);
    const asked = await Promise.allSettled(
      Array.from({ length: 55 }, () => test.admin.createToken({ params: { id } })),
    );
    const refused = asked.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(6);
    expect(refused[0]?.reason).toMatchObject({ status: 429, code: 'too_many_tokens' });
    const [first] = (await test.admin.listTokens({ params: { id }, query: { limit: 200 } })).tokens;
    await test.admin.revokeToken({ params: { id, tokenId: first?.id ?? '' } });
    expect((await test.admin.createToken({ params: { id } })).auth_token).toHaveLength(43);
    expect((await test.admin.listTokens({ params: { id } })).count).toBe(50);
  });

  it('are revoked at once; unknown, foreign and already revoked ids look the same', async () => {
    const [seat, other] = [await createSeat(test), await createSeat(test)];
    const [own] = await listLive(seat.id);
    const [foreign] = await listLive(other.id);
    const client = test.client(seat.token);
    expect((await client.getWorkspaceState({ params: { id: seat.id } })).deleted).toBe(false);
    const attempts = [foreign?.id ?? '', UNKNOWN].map((tokenId) =>
      failureOf(test.admin.revokeToken({ params: { id: seat.id, tokenId } })),
    );
    await client.revokeToken({ params: { id: seat.id, tokenId: own?.id ?? '' } });
    attempts.push(failureOf(test.admin.revokeToken({ params: { id: seat.id, tokenId: own?.id ?? '' } })));
    for (const failure of await Promise.all(attempts))
      expect([failure.status, failure.body]).toEqual([404, { error: 'token not found', code: 'not_found' }]);
    expect((await failureOf(client.getWorkspaceState({ params: { id: seat.id } }))).status).toBe(401);
    expect((await test.client(other.token).getWorkspaceState({ params: { id: other.id } })).deleted).toBe(false);
  });

  it('are not looked up again within a minute of a beat, which proves them itself; the next beat of a revoked one is refused', async () => {
    const { id, token } = await createSeat(test);
    const client = test.client(token);
    const readState = () => client.getWorkspaceState({ params: { id } });
    const beat = () => client.heartbeat({ body: { workspace_id: id } as never });
    await client.register({ body: { id, agent_card: {}, delivery_mode: 'poll' } });
    clock.advance(50_000);
    await beat();
    // Behind the platform's back, so that nobody is told.
    await sql`update workspace_auth_tokens set revoked_at = now() where workspace_id = ${id}`.execute(test.db.kysely);
    clock.advance(50_000);
    expect((await readState()).deleted).toBe(false);
    expect((await failureOf(beat())).status).toBe(401);
    clock.advance(11_000);
    expect((await failureOf(readState())).status).toBe(401);
  });

  it('say when they were used last, with at most one write a minute', async () => {
    const { id, token } = await createSeat(test);
    const use = () => test.client(token).getWorkspaceState({ params: { id } });
    const lastUsed = async () => (await listLive(id))[0]?.last_used_at ?? null;
    expect(await lastUsed()).toBeNull();
    await use();
    clock.advance(61_000);
    await wakeUpkeep();
    const first = await lastUsed();
    expect(first).not.toBeNull();
    await use();
    await wakeUpkeep();
    expect(await lastUsed()).toBe(first);
    clock.advance(61_000);
    await use();
    await wakeUpkeep();
    expect(Date.parse((await lastUsed()) ?? '')).toBeGreaterThan(Date.parse(first ?? ''));
  });

  it('of an unknown or removed workspace are never made', async () => {
    const { id } = await createSeat(test);
    await test.admin.deleteWorkspace({ params: { id } });
    for (const gone of [id, UNKNOWN]) {
      expect((await failureOf(test.admin.createToken({ params: { id: gone } }))).code).toBe('not_found');
      expect((await failureOf(test.admin.listTokens({ params: { id: gone } }))).code).toBe('not_found');
    }
  });
});

describe('organisation tokens', () => {
  it('say who made them, are listed newest first without values, and end at once with the sessions they opened', async () => {
    const first = await test.admin.createOrgToken({ body: { name: 'deploy' } });
    const second = await test.client(first.auth_token).createOrgToken({ body: {} });
    const signedIn = await fetch(`${test.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: first.auth_token }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const third = await fetch(`${test.url}/org/tokens`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/json' },
      body: '{"name":"by a person"}',
    });
    expect(third.status).toBe(200);
    const { tokens, count } = await test.admin.listOrgTokens();
    expect(count).toBe(3);
    expect(tokens.map(({ name, created_by }) => [name, created_by])).toEqual([
      ['by a person', 'session'],
      [undefined, `org-token:${first.auth_token.slice(0, 8)}`],
      ['deploy', 'admin-token'],
    ]);
    expect(JSON.stringify(tokens)).not.toContain(first.auth_token.slice(0, 9));

    expect(await test.client(second.auth_token).revokeOrgToken({ params: { tokenId: first.id } })).toEqual({
      revoked: first.id,
    });
    expect((await failureOf(test.client(first.auth_token).listWorkspaces())).status).toBe(401);
    expect((await fetch(`${test.url}/workspaces`, { headers: { cookie } })).status).toBe(401);
    expect((await failureOf(test.admin.revokeOrgToken({ params: { tokenId: first.id } }))).status).toBe(404);
    expect((await failureOf(test.admin.createOrgToken({ body: { name: 'x'.repeat(101) } }))).body.field).toBe('name');
  });

  it('hand their organisation on to the tokens they mint', async () => {
    const root = await createSeat(test);
    const anchored = await test.admin.createOrgToken({ body: { name: 'anchored' } });
    await sql`update org_api_tokens set org_id = ${root.id} where id = ${anchored.id}`.execute(test.db.kysely);
    await test.client(anchored.auth_token).createOrgToken({ body: { name: 'heir' } });
    const { tokens } = await test.admin.listOrgTokens();
    expect(tokens.find(({ name }) => name === 'heir')?.org_id).toBe(root.id);
  });

  it('are minted ten times an hour and address', async () => {
    clock.advance(3_600_000);
    for (let count = 0; count < 10; count += 1) await test.admin.createOrgToken({ body: {} });
    const refused = await failureOf(test.admin.createOrgToken({ body: {} }));
    expect([refused.status, refused.code]).toEqual([429, 'rate_limited']);
    clock.advance(3_600_000);
    expect((await test.admin.createOrgToken({ body: {} })).prefix).toHaveLength(8);
  });
});

describe('what the log knows of credentials', () => {
  it('is never more than a prefix, whoever calls with what', async () => {
    const { id, token } = await createSeat(test);
    const { auth_token: org } = await test.admin.createOrgToken({ body: {} });
    const { url } = await test.platform.auth.createSignInLink(test.url);
    const code = url.split('code=')[1] ?? '';
    const secrets = [token, org, test.adminToken, code, 'a-guess-that-nobody-should-ever-read'];
    for (const secret of secrets) {
      for (const path of ['/workspaces', `/workspaces/${id}`, `/workspaces/${id}/a2a/queue/x`, `/login?code=${secret}`])
        await fetch(test.url + path, { headers: { authorization: `Bearer ${secret}`, 'x-workspace-id': 'system:x' } });
      for (const body of [{ token: secret }, { code: secret }])
        await fetch(`${test.url}/auth/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
    }
    expect(lines.length).toBeGreaterThan(0);
    for (const secret of secrets) expect(lines.filter((line) => line.includes(secret.slice(0, 9)))).toEqual([]);
  });
});

describe('the test token', () => {
  it('10.31 production → 404; ADMIN_TOKEN set: none, wrong, org → 401, correct → 200; development without it → 200', async () => {
    const status = async (platform: TestPlatform, id: string, bearer?: string) =>
      (
        await fetch(`${platform.url}/admin/workspaces/${id}/test-token`, {
          headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
        })
      ).status;
    const start = (env: Record<string, string>) => startPlatform({ db: test.db, dataDir: test.dataDir, env });
    const seat = await createSeat(test);
    const production = await start({ MOLECULE_ENV: 'production', SECRETS_ENCRYPTION_KEY: 'k'.repeat(32) });
    const unset = await start({});
    const staging = await start({ MOLECULE_ENV: 'staging' });
    const development = await start({ MOLECULE_ENV: 'development', ADMIN_TOKEN: '' });
    try {
      expect(await status(production, seat.id, production.adminToken)).toBe(404);
      expect(await status(unset, seat.id, unset.adminToken)).toBe(404);
      const { auth_token: org } = await test.admin.createOrgToken({ body: {} });
      expect(await status(staging, seat.id)).toBe(401);
      expect(await status(staging, seat.id, 'wrong')).toBe(401);
      expect(await status(staging, seat.id, org)).toBe(401);
      expect(await status(staging, seat.id, staging.adminToken)).toBe(200);
      expect(await status(staging, UNKNOWN, staging.adminToken)).toBe(404);
      expect(await status(development, seat.id)).toBe(200);
      const { auth_token: minted } = await staging.admin.createTestToken({ params: { id: seat.id } });
      expect((await test.client(minted).getWorkspaceState({ params: { id: seat.id } })).workspace_id).toBe(seat.id);
    } finally {
      for (const platform of [production, unset, staging, development]) await platform.stop();
    }
  });
});
