import { createSeat, failureOf, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let test: TestPlatform;
/** root ─ lead ─ {writer, editor}; stranger is another root's child. */
let root: Seat;
let lead: Seat;
let writer: Seat;
let editor: Seat;
let stranger: Seat;

beforeAll(async () => {
  test = await startPlatform();
  root = await createSeat(test, { name: 'root' });
  lead = await createSeat(test, { name: 'lead', role: 'Runs 100% of the team', parent_id: root.id });
  writer = await createSeat(test, { name: 'Writer', role: 'drafts_texts', parent_id: lead.id });
  editor = await createSeat(test, { name: 'editor', parent_id: lead.id });
  const other = await createSeat(test, { name: 'other root' });
  stranger = await createSeat(test, { name: 'stranger', parent_id: other.id });
});
afterAll(async () => {
  await test?.stop();
});

async function setAddress(id: string, columns: Record<string, unknown>): Promise<void> {
  await test.db.kysely.updateTable('workspaces').set(columns).where('id', '=', id).execute();
  test.platform.workspaces.forget(id);
}
const discover = (id: string, as: Seat) => test.client(as.token).discover({ params: { id } });

describe('discovery', () => {
  it('gives the address of a seat the caller may talk to', async () => {
    await setAddress(lead.id, { status: 'online', url: 'https://93.184.216.34:8000', url_source: 'agent' });
    expect(await discover(lead.id, writer)).toEqual({ id: lead.id, url: 'https://93.184.216.34:8000', name: 'lead' });
    await setAddress(lead.id, { status: 'degraded' });
    expect((await discover(lead.id, root)).name).toBe('lead');
  });

  it('refuses strangers and unknown ids alike, and administrators learn which is which', async () => {
    const refusals = [await failureOf(discover(stranger.id, writer)), await failureOf(discover(UNKNOWN, writer))];
    expect(refusals.map(({ status, body }) => [status, body])).toEqual(
      Array.from({ length: 2 }, () => [
        403,
        { error: 'access denied: workspaces cannot communicate per hierarchy rules', code: 'access_denied' },
      ]),
    );
    expect((await failureOf(test.admin.discover({ params: { id: lead.id } }))).body).toMatchObject({
      code: 'invalid_request',
      field: 'X-Workspace-ID',
    });
    const named = test.client(test.adminToken, writer.id);
    expect((await named.discover({ params: { id: lead.id } })).id).toBe(lead.id);
    expect((await failureOf(named.discover({ params: { id: stranger.id } }))).status).toBe(403);
    expect((await failureOf(named.discover({ params: { id: UNKNOWN } }))).status).toBe(404);
  });

  it('says the status of a seat that cannot be reached now', async () => {
    await setAddress(editor.id, { status: 'offline', url: 'https://93.184.216.34:8000' });
    const offline = await failureOf(discover(editor.id, writer));
    expect([offline.status, offline.body]).toMatchObject([503, { code: 'agent_not_ready', status: 'offline' }]);
    await setAddress(editor.id, { status: 'online', url: null });
    expect((await failureOf(discover(editor.id, writer))).body).toMatchObject({ status: 'online' });
  });

  it("shows a backend where the owner's own machine is, and judges the address it then has", async () => {
    const hosts: string[] = [];
    const resolving = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      async resolve(host) {
        hosts.push(host);
        return ['93.184.216.34'];
      },
    });
    try {
      const seen = async (url: string) => {
        await setAddress(lead.id, { status: 'online', url, url_source: 'agent' });
        resolving.platform.workspaces.forget(lead.id);
        return (await resolving.client(container.token).discover({ params: { id: lead.id } })).url;
      };
      const container = await createSeat(test, { external: false, runtime: 'echo', parent_id: lead.id });
      for (const local of ['localhost', '127.0.0.1', '[::1]'])
        expect(await seen(`http://${local}:9000/a2a`)).toBe('http://host.docker.internal:9000/a2a');
      expect(hosts).toEqual(Array.from({ length: 3 }, () => 'host.docker.internal'));
      expect(await seen('https://agent.example:9000')).toBe('https://agent.example:9000');
      await setAddress(lead.id, { url: 'http://127.0.0.1:9000' });
      resolving.platform.workspaces.forget(lead.id);
      // An external caller is on such a machine itself; strict mode does not hand out loopback all the same.
      const external = await failureOf(resolving.client(writer.token).discover({ params: { id: lead.id } }));
      expect(external.code).toBe('agent_url_unsafe');
    } finally {
      await resolving.stop();
    }
  });
});

describe('peers', () => {
  const names = async (seat: Seat, q?: string) =>
    (await test.client(seat.token).listPeers({ params: { id: seat.id }, query: q === undefined ? {} : { q } })).map(
      (peer) => peer.name,
    );

  it('are parent, siblings and children, without the removed', async () => {
    const gone = await createSeat(test, { name: 'gone', parent_id: lead.id });
    await test.admin.deleteWorkspace({ params: { id: gone.id } });
    expect(await names(lead)).toEqual(expect.arrayContaining(['root', 'Writer', 'editor']));
    expect(await names(lead)).not.toContain('gone');
    expect(await names(writer)).not.toContain('stranger');
    expect(await names(root)).toEqual(expect.arrayContaining(['lead', 'other root']));
    expect((await failureOf(test.admin.listPeers({ params: { id: gone.id } }))).status).toBe(404);
    expect((await failureOf(test.admin.listPeers({ params: { id: UNKNOWN } }))).status).toBe(404);
  });

  it('are searched by name or role, whatever the case; the needle is text, not a pattern', async () => {
    expect(await names(lead, 'WRIT')).toEqual(['Writer']);
    expect(await names(lead, 'DRAFTS')).toEqual(['Writer']);
    // editor has no role: null-safe.
    expect(await names(writer, 'edit')).toEqual(['editor']);
    expect(await names(writer, '100%')).toEqual(['lead']);
    expect(await names(writer, '%')).toEqual(['lead']);
    expect(await names(lead, 'drafts_')).toEqual(['Writer']);
    expect(await names(editor, 's_t')).toEqual(['Writer']);
    expect(await names(editor, '\\')).toEqual([]);
  });
});

describe('check-access', () => {
  it('answers for the caller alone, and for operators for anybody', async () => {
    const check = (as: Seat | null, caller: string, target: string) =>
      (as ? test.client(as.token) : test.admin).checkAccess({ body: { caller_id: caller, target_id: target } });
    expect(await check(writer, writer.id, editor.id)).toEqual({ allowed: true });
    expect(await check(writer, writer.id.toUpperCase(), root.id)).toEqual({ allowed: true });
    expect(await check(writer, writer.id, stranger.id)).toEqual({ allowed: false });
    expect(await check(null, stranger.id, root.id)).toEqual({ allowed: false });
    expect(await check(null, UNKNOWN, root.id)).toEqual({ allowed: false });
    const foreign = await failureOf(check(writer, editor.id, root.id));
    expect([foreign.status, foreign.body.field]).toEqual([403, 'caller_id']);
  });
});

describe('the card', () => {
  it("10.86 is edited by an administrator's session with an event; another workspace's token → 401", async () => {
    const signedIn = await fetch(`${test.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: test.adminToken }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const update = (headers: Record<string, string>, card: Record<string, unknown>) =>
      fetch(`${test.url}/registry/update-card`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ workspace_id: writer.id, agent_card: card }),
      });
    const card = { name: 'Writer 2', skills: [{ id: 'drafts' }] };
    const edited = await update({ cookie, origin: test.url }, card);
    expect([edited.status, await edited.json()]).toEqual([200, { status: 'updated' }]);
    const [event] = await test.admin.listWorkspaceEvents({ params: { id: writer.id } });
    expect([event?.event_type, event?.payload]).toEqual(['AGENT_CARD_UPDATED', { agent_card: card }]);
    expect((await test.admin.getWorkspace({ params: { id: writer.id } })).agent_card).toEqual(card);

    for (const headers of [{ authorization: `Bearer ${editor.token}` }, {}, { cookie: 'molecule_session=x' }])
      expect((await update(headers as Record<string, string>, { name: 'intruder' })).status).toBe(401);
    expect((await test.admin.getWorkspace({ params: { id: writer.id } })).agent_card).toEqual(card);
    expect((await update({ authorization: `Bearer ${writer.token}` }, { name: 'own' })).status).toBe(200);
  });

  it('of a removed workspace is not touched, and no event tells of it', async () => {
    const gone = await createSeat(test);
    await test.admin.deleteWorkspace({ params: { id: gone.id } });
    const before = (await test.admin.listWorkspaceEvents({ params: { id: gone.id } })).length;
    await test.admin.updateCard({ body: { workspace_id: gone.id, agent_card: { name: 'x' } } });
    expect(await test.admin.listWorkspaceEvents({ params: { id: gone.id } })).toHaveLength(before);
  });
});
