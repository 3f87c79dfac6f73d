import { createSeat, failureOf, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
let seat: Seat;
let target: Seat;

beforeAll(async () => {
  test = await startPlatform();
  seat = await createSeat(test);
  target = await createSeat(test, { delivery_mode: 'poll' });
});
afterAll(async () => {
  await test?.stop();
});

const MESSAGE = {
  method: 'message/send',
  params: { message: { role: 'user', parts: [{ kind: 'text', text: 'hi' }] } },
};
const send = (id: string, headers: Record<string, string>) =>
  fetch(`${test.url}/workspaces/${id}/a2a`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(MESSAGE),
  });
const listInbox = async (id: string) =>
  await test.db.kysely
    .selectFrom('activity_logs')
    .select(['source_id'])
    .where('workspace_id', '=', id)
    .orderBy('seq', 'desc')
    .execute();

describe('a seat and its neighbours', () => {
  it("10.29 A's token on B → 401; a removed workspace's token → 401 on every path, except state → 404 deleted", async () => {
    const removed = await createSeat(test);
    const client = test.client(removed.token);
    // Remembered by the cache before it is worth nothing.
    expect((await client.getBudget({ params: { id: removed.id } })).monthly_spend).toBe(0);
    const attempts: ((id: string) => Promise<unknown>)[] = [
      (id) => client.getBudget({ params: { id } }),
      (id) => client.patchWorkspace({ params: { id }, body: { name: 'x' } }),
      (id) => client.listSecrets({ params: { id } }),
      (id) => client.getSecretValues({ params: { id } }),
      (id) => client.listTokens({ params: { id } }),
      (id) => client.createToken({ params: { id } }),
      (id) => client.listActivity({ params: { id } }),
      (id) => client.listPeers({ params: { id } }),
      (id) => client.restartWorkspace({ params: { id } }),
      (id) => client.delegate({ params: { id }, body: { target_id: seat.id, task: 'x' } }),
    ];
    const asRemoved: typeof attempts = [
      (id) => client.getWorkspace({ params: { id } }),
      (id) => client.register({ body: { id, agent_card: {}, delivery_mode: 'poll' } }),
      (id) => client.heartbeat({ body: { workspace_id: id } as never }),
      (id) => client.updateCard({ body: { workspace_id: id, agent_card: {} } }),
      () => client.discover({ params: { id: seat.id } }),
      (id) => client.checkAccess({ body: { caller_id: id, target_id: seat.id } }),
    ];
    const state = (id: string) => client.getWorkspaceState({ params: { id } });
    for (const attempt of [...attempts, state]) expect((await failureOf(attempt(seat.id))).status).toBe(401);

    const { id } = removed;
    await test.admin.deleteWorkspace({ params: { id } });
    for (const attempt of [...attempts, ...asRemoved]) expect((await failureOf(attempt(id))).status).toBe(401);
    expect((await send(target.id, { authorization: `Bearer ${removed.token}` })).status).toBe(401);
    const told = await failureOf(state(id));
    expect([told.status, told.body]).toEqual([
      404,
      expect.objectContaining({ workspace_id: id, deleted: true, status: 'removed' }),
    ]);
    expect((await failureOf(state(seat.id))).status).toBe(401);
  });

  it('a token revoked before the deletion learns nothing, one that outlived a purge neither', async () => {
    const revoked = await createSeat(test);
    const [row] = (await test.admin.listTokens({ params: { id: revoked.id } })).tokens;
    await test.admin.revokeToken({ params: { id: revoked.id, tokenId: row?.id ?? '' } });
    await test.admin.deleteWorkspace({ params: { id: revoked.id } });
    const purged = await createSeat(test);
    await test.admin.deleteWorkspace({ params: { id: purged.id }, query: { purge: true } });
    for (const gone of [revoked, purged])
      expect((await failureOf(test.client(gone.token).getWorkspaceState({ params: { id: gone.id } }))).status).toBe(
        401,
      );
    expect((await failureOf(test.admin.getWorkspaceState({ params: { id: purged.id } }))).body).toMatchObject({
      workspace_id: purged.id,
      deleted: true,
    });
  });
});

describe('the caller of a message', () => {
  it('10.32 without X-Workspace-ID the bearer says who calls; an org token is nobody; revoked → 401; system: → 403', async () => {
    expect((await send(target.id, { authorization: `Bearer ${seat.token}` })).status).toBe(200);
    expect((await listInbox(target.id))[0]?.source_id).toBe(seat.id);
    const org = await test.admin.createOrgToken({ body: {} });
    expect((await send(target.id, { authorization: `Bearer ${org.auth_token}` })).status).toBe(200);
    expect((await listInbox(target.id))[0]?.source_id).toBeNull();
    const stored = (await listInbox(target.id)).length;

    await test.admin.revokeOrgToken({ params: { tokenId: org.id } });
    expect((await send(target.id, { authorization: `Bearer ${org.auth_token}` })).status).toBe(401);
    for (const forged of ['system:x', 'webhook:github', 'test:1', 'channel:slack'])
      for (const bearer of [test.adminToken, seat.token, 'garbage'])
        expect((await send(target.id, { authorization: `Bearer ${bearer}`, 'x-workspace-id': forged })).status).toBe(
          403,
        );
    expect(await listInbox(target.id)).toHaveLength(stored);
  });

  it('10.90 X-Workspace-ID = target without a bearer → 401', async () => {
    const stored = (await listInbox(target.id)).length;
    const refused = await send(target.id, { 'x-workspace-id': target.id });
    expect([refused.status, await refused.json()]).toEqual([
      401,
      { error: 'missing caller auth token', code: 'unauthenticated' },
    ]);
    expect(await listInbox(target.id)).toHaveLength(stored);
  });

  it('is who the bearer says: another name → 401, an administrator may name one, nonsense is refused', async () => {
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    const mismatch = await send(target.id, { ...bearer(seat.token), 'x-workspace-id': target.id });
    expect([mismatch.status, ((await mismatch.json()) as { error: string }).error]).toEqual([
      401,
      'invalid caller auth token',
    ]);
    expect((await send(target.id, { ...bearer(seat.token), 'x-workspace-id': seat.id.toUpperCase() })).status).toBe(
      200,
    );
    expect((await send(target.id, { ...bearer(test.adminToken), 'x-workspace-id': seat.id })).status).toBe(200);
    expect((await listInbox(target.id))[0]?.source_id).toBe(seat.id);
    for (const nonsense of ['not-an-id', `${seat.id}, ${target.id}`, '*']) {
      const refused = await send(target.id, { ...bearer(test.adminToken), 'x-workspace-id': nonsense });
      expect([refused.status, await refused.json()]).toEqual([
        400,
        { error: 'X-Workspace-ID: must be a valid UUID', code: 'invalid_request', field: 'X-Workspace-ID' },
      ]);
    }
  });
});

describe('on several replicas', () => {
  it('a revocation is known to the others at once, whether by hand, by a deletion or of an organisation token', async () => {
    const first = await startPlatform({ store: 'postgres' });
    const second = await startPlatform({ db: first.db, dataDir: first.dataDir });
    try {
      const [byHand, deleted] = [await createSeat(first), await createSeat(first)];
      const org = await first.admin.createOrgToken({ body: {} });
      const works = async (token: string, path: string) =>
        (await fetch(second.url + path, { headers: { authorization: `Bearer ${token}` } })).status;
      const credentials = [
        [byHand.token, `/workspaces/${byHand.id}/budget`],
        [deleted.token, `/workspaces/${deleted.id}/budget`],
        [org.auth_token, '/workspaces'],
      ] as const;
      for (const [token, path] of credentials) expect(await works(token, path)).toBe(200);
      // Served from the second replica's memory, so that only being told can end it.
      await sql`alter table workspace_auth_tokens rename to hidden`.execute(first.db.kysely);
      for (const [token, path] of credentials) expect(await works(token, path)).toBe(200);
      await sql`alter table hidden rename to workspace_auth_tokens`.execute(first.db.kysely);

      const [row] = (await first.admin.listTokens({ params: { id: byHand.id } })).tokens;
      await first.admin.revokeToken({ params: { id: byHand.id, tokenId: row?.id ?? '' } });
      await expect.poll(() => works(...credentials[0])).toBe(401);
      expect(await works(...credentials[1])).toBe(200);
      await first.admin.deleteWorkspace({ params: { id: deleted.id } });
      await expect.poll(() => works(...credentials[1])).toBe(401);
      expect(await works(...credentials[2])).toBe(200);
      await first.admin.revokeOrgToken({ params: { tokenId: org.id } });
      await expect.poll(() => works(...credentials[2])).toBe(401);
    } finally {
      await second.stop();
      await first.stop();
    }
  });
});
