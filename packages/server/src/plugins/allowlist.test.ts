import { createSeat, failureOf, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../platform/log.ts';
import { createPlugins } from './index.ts';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let test: TestPlatform;
let root: Seat;
let child: Seat;
let grandchild: Seat;
let other: Seat;

beforeAll(async () => {
  test = await startPlatform();
  root = await createSeat(test);
  child = await createSeat(test, { parent_id: root.id });
  grandchild = await createSeat(test, { parent_id: child.id });
  other = await createSeat(test);
});
afterAll(async () => {
  await test?.stop();
});

const read = (id: string, client = test.admin) => client.getPluginAllowlist({ params: { id } });
const allow = (id: string, plugins: string[], client = test.admin) =>
  client.putPluginAllowlist({ params: { id }, body: { plugins, enabled_by: 'ops' } });
const plugins = () => createPlugins({ db: test.db, workspaces: test.platform.workspaces, log: createLog('silent') });
const refusalOf = async (call: Promise<unknown>) => {
  const { status, code } = await failureOf(call);
  return [status, code];
};
const nameOf = (row: { plugin_name: string }) => row.plugin_name;

describe('credentials', () => {
  it("10.37 51st token → 429; other workspace's token id → 404; revoked org token → 401 at once; unanchored on /orgs/:id/* → 403", async () => {
    const [seat, neighbour] = [await createSeat(test), await createSeat(test)];
    const params = { id: seat.id };
    // The first is the one its creation minted.
    for (let count = 2; count <= 50; count += 1) await test.admin.createToken({ params });
    expect(await refusalOf(test.admin.createToken({ params }))).toEqual([429, 'too_many_tokens']);
    expect((await test.admin.listTokens({ params })).count).toBe(50);

    const [foreign] = (await test.admin.listTokens({ params: { id: neighbour.id } })).tokens;
    const tokenId = foreign?.id ?? '';
    expect(await refusalOf(test.client(seat.token).revokeToken({ params: { ...params, tokenId } }))).toEqual([
      404,
      'not_found',
    ]);
    expect((await test.client(neighbour.token).getWorkspaceState({ params: { id: neighbour.id } })).deleted).toBe(
      false,
    );

    const unanchored = await test.admin.createOrgToken({ body: {} });
    const client = test.client(unanchored.auth_token);
    // Anywhere else it may do what an administrator may; and it is in the cache from here on.
    expect(await client.listWorkspaces()).not.toEqual([]);
    for (const id of [root.id, child.id, UNKNOWN]) {
      expect(await refusalOf(read(id, client))).toEqual([403, 'foreign_org']);
      expect(await refusalOf(allow(id, ['a'], client))).toEqual([403, 'foreign_org']);
    }
    expect((await read(root.id)).plugins).toEqual([]);

    await test.admin.revokeOrgToken({ params: { tokenId: unanchored.id } });
    expect(await refusalOf(client.listWorkspaces())).toEqual([401, 'unauthenticated']);
    expect(await refusalOf(read(root.id, client))).toEqual([401, 'unauthenticated']);
  });

  it('anchored to an organisation speak for that one alone, and so do the tokens and sessions they make', async () => {
    const anchored = await test.admin.createOrgToken({ body: { org_id: root.id } });
    expect(anchored.org_id).toBe(root.id);
    const heir = await test.client(anchored.auth_token).createOrgToken({ body: {} });
    expect(heir.org_id).toBe(root.id);
    const signedIn = await fetch(`${test.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: anchored.auth_token }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const path = (id: string) => `${test.url}/orgs/${id}/plugins/allowlist`;
    const statusOf = async (id: string, headers: Record<string, string>) => (await fetch(path(id), { headers })).status;
    const callers: Record<string, string>[] = [
      { cookie },
      { authorization: `Bearer ${anchored.auth_token}` },
      { authorization: `Bearer ${heir.auth_token}` },
    ];
    for (const headers of callers) {
      expect([await statusOf(root.id.toUpperCase(), headers), await statusOf(other.id, headers)]).toEqual([200, 403]);
      const minted = await fetch(`${test.url}/org/tokens`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ org_id: other.id }),
      });
      expect([minted.status, ((await minted.json()) as { code: string }).code]).toEqual([403, 'foreign_org']);
    }
    const byAdmin = await fetch(`${test.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: test.adminToken }),
    });
    expect(await statusOf(other.id, { cookie: byAdmin.headers.get('set-cookie')?.split(';')[0] ?? '' })).toBe(200);
    for (const id of [child.id, UNKNOWN])
      expect(await refusalOf(test.admin.createOrgToken({ body: { org_id: id } }))).toEqual([404, 'not_found']);
  });
});

describe('the allowlist of an organisation', () => {
  it('is replaced as a whole, read by name, and empty it allows everything', async () => {
    expect(await read(root.id)).toEqual({ org_id: root.id, plugins: [], allow_all: true });
    const stored = await allow(root.id, ['linter', 'Browser', 'linter']);
    expect(stored.plugins.map(nameOf)).toEqual(['Browser', 'linter']);
    expect(stored).toMatchObject({
      allow_all: false,
      plugins: [{ enabled_by: 'ops', enabled_at: expect.any(String) }, {}],
    });
    expect(await read(root.id)).toEqual(stored);
    expect((await allow(root.id, ['memory'])).plugins.map(nameOf)).toEqual(['memory']);
    expect(await allow(root.id, [])).toEqual({ org_id: root.id, plugins: [], allow_all: true });
  });

  it('is one of those that were asked for, when two are at once', async () => {
    const lists = Array.from({ length: 8 }, (_, number) => [`a${number}`, `b${number}`, 'common']);
    await Promise.all(lists.map((list) => allow(other.id, list)));
    expect(lists).toContainEqual((await read(other.id)).plugins.map(nameOf));
    await allow(other.id, []);
  });

  it('is refused as a whole for one bad name, or without who says so; only roots that live have one', async () => {
    await allow(root.id, ['kept']);
    for (const bad of ['', '.git', '../x', 'a/b', 'a\\b', 'a..b', 'ä', 'a b', 'x'.repeat(129)]) {
      const refused = await failureOf(allow(root.id, ['fine', bad]));
      expect([bad, refused.status, refused.body.field]).toEqual([bad, 400, 'plugins.1']);
    }
    for (const body of [{ plugins: [] }, { plugins: [], enabled_by: ' ' }]) {
      const refused = await failureOf(test.admin.putPluginAllowlist({ params: { id: root.id }, body: body as never }));
      expect([refused.status, refused.body.field]).toEqual([400, 'enabled_by']);
    }
    expect((await read(root.id)).plugins.map(nameOf)).toEqual(['kept']);
    const removed = await createSeat(test);
    await allow(removed.id, ['kept']);
    await test.admin.deleteWorkspace({ params: { id: removed.id } });
    for (const id of [child.id, removed.id, UNKNOWN]) {
      expect(await refusalOf(read(id))).toEqual([404, 'not_found']);
      expect(await refusalOf(allow(id, ['x']))).toEqual([404, 'not_found']);
    }
    await test.admin.deleteWorkspace({ params: { id: removed.id }, query: { purge: 'true' } });
    const left = await test.db.kysely.selectFrom('org_plugin_allowlist').select('org_id').execute();
    expect(left).toEqual([{ org_id: root.id }]);
  });

  it('holds for every depth below the root, and for no other organisation', async () => {
    await allow(root.id, ['a']);
    const ask = async (name: string) =>
      await Promise.all([root, child, grandchild, other].map(({ id }) => plugins().isAllowed(id, name)));
    expect(await ask('a')).toEqual([true, true, true, true]);
    expect(await ask('b')).toEqual([false, false, false, true]);
    expect(await ask('A')).toEqual([false, false, false, true]);
    await allow(root.id, []);
    expect(await ask('b')).toEqual([true, true, true, true]);
  });

  it('that cannot be read allows, and the log says so', async () => {
    await allow(root.id, ['a']);
    const lines: Record<string, unknown>[] = [];
    const log = createLog('error', { write: (line: string) => void lines.push(JSON.parse(line)) });
    const asking = createPlugins({ db: test.db, workspaces: test.platform.workspaces, log });
    expect(await asking.isAllowed(grandchild.id, 'b')).toBe(false);
    await test.db.pool.query('alter table org_plugin_allowlist rename to gone');
    try {
      expect(await asking.isAllowed(grandchild.id, 'b')).toBe(true);
      expect(lines).toMatchObject([{ workspace_id: grandchild.id, plugin: 'b' }]);
    } finally {
      await test.db.pool.query('alter table gone rename to org_plugin_allowlist');
    }
  });
});
