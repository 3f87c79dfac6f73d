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
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let test: TestPlatform;
const agents: FakeAgent[] = [];
/** Namespaces the memory was told to forget. */
const forgotten: string[] = [];
const complaints: unknown[] = [];

beforeAll(async () => {
  const memory = async (namespace: string) => void forgotten.push(namespace);
  const broken = async () => {
    throw new Error('the memory is away');
  };
  test = await startPlatform({
    onPurged: [broken, memory],
    onLog: (line) => line.level === 50 && complaints.push(line.workspace_id),
  });
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await test?.stop();
});

const remove = (id: string, query: { confirm?: boolean; purge?: boolean } = {}) =>
  test.admin.deleteWorkspace({ params: { id }, query });
const statusOf = async (id: string) =>
  (await test.db.kysely.selectFrom('workspaces').select('status').where('id', '=', id).executeTakeFirst())?.status;
const listRemovals = async () =>
  (await test.admin.listEvents({ query: { since_seq: 0, limit: 1_000 } }))
    .filter((event) => event.event_type === 'WORKSPACE_REMOVED')
    .map((event) => [event.workspace_id, event.payload]);

/** root ─ lead ─ {writer, editor}. */
async function createTeam(): Promise<Record<'root' | 'lead' | 'writer' | 'editor', Seat>> {
  const root = await createSeat(test, { name: 'root' });
  const lead = await createSeat(test, { name: 'lead', parent_id: root.id });
  const writer = await createSeat(test, { name: 'writer', parent_id: lead.id });
  const editor = await createSeat(test, { name: 'editor', parent_id: lead.id });
  return { root, lead, writer, editor };
}

describe('deleting', () => {
  it('10.44 a parent with children: 409 with their list; confirmed → all depths removed, their tokens revoked', async () => {
    const team = await createTeam();
    const seats = Object.values(team);
    const asked = await failureOf(remove(team.root.id));
    expect([asked.status, asked.body]).toEqual([
      409,
      expect.objectContaining({
        code: 'confirmation_required',
        status: 'confirmation_required',
        children: [{ id: team.lead.id, name: 'lead' }],
        children_count: 1,
      }),
    ]);
    expect(await Promise.all(seats.map(({ id }) => statusOf(id)))).toEqual(seats.map(() => 'awaiting_agent'));
    expect(await remove(team.root.id, { confirm: true })).toEqual({ status: 'removed', cascade_deleted: 3 });
    expect(await Promise.all(seats.map(({ id }) => statusOf(id)))).toEqual(seats.map(() => 'removed'));
    const live = await sql`select id from workspace_auth_tokens where revoked_at is null`.execute(test.db.kysely);
    expect(live.rows).toEqual([]);
    for (const { id, token } of seats)
      expect((await failureOf(test.client(token).listTokens({ params: { id } }))).status).toBe(401);
    const layouts = await test.db.kysely.selectFrom('canvas_layouts').select('workspace_id').execute();
    expect(layouts).toEqual([]);

    // Leaves first, itself last with the count; a repeat is a success and tells nothing twice.
    const told = await listRemovals();
    expect(told.map(([id]) => id)).toEqual([
      ...[team.writer.id, team.editor.id].sort().reverse(),
      team.lead.id,
      team.root.id,
    ]);
    expect(told.map(([, payload]) => payload)).toEqual([{}, {}, {}, { cascade_deleted: 3 }]);
    expect(await remove(team.root.id)).toEqual({ status: 'removed', cascade_deleted: 0 });
    expect(await listRemovals()).toEqual(told);
    expect((await failureOf(remove(UNKNOWN))).status).toBe(404);
  });

  it('10.89 with queued messages → they are dropped with a reason, their delegations failed', async () => {
    const lead = await createSeat(test, { name: 'lead' });
    const agent = await startFakeAgent(test, { parentId: lead.id, respond: replyBusy });
    agents.push(agent);
    const message = { role: 'user', messageId: 'held', parts: [{ kind: 'text', text: 'later' }] };
    const queued = await test.admin.raw('POST', `/workspaces/${agent.id}/a2a`, {
      body: JSON.stringify({ method: 'message/send', params: { message } }),
      headers: { 'content-type': 'application/json' },
    });
    expect(queued.status).toBe(202);
    const delegated = await test
      .client(lead.token)
      .delegate({ params: { id: lead.id }, body: { target_id: agent.id, task: 'write it' } });
    const readQueue = async () =>
      (
        await test.db.kysely
          .selectFrom('a2a_queue')
          .select(['status', 'last_error'])
          .where('workspace_id', '=', agent.id)
          .execute()
      ).map(({ status, last_error }) => [status, last_error]);
    await expect.poll(async () => (await readQueue()).length).toBe(2);

    await remove(agent.id);
    for (const [status, error] of await readQueue()) {
      expect(status).toBe('dropped');
      expect(error).toContain('workspace removed');
    }
    const { delegations } = await test.admin.listAllDelegations({ query: { status: 'failed' } });
    expect(delegations).toMatchObject([{ delegation_id: delegated.delegation_id, error_detail: 'workspace removed' }]);
    const events = await test.admin.listWorkspaceEvents({ params: { id: lead.id } });
    expect(events[0]).toMatchObject({
      event_type: 'DELEGATION_FAILED',
      payload: { delegation_id: delegated.delegation_id, error: 'workspace removed' },
    });
  });

  it('purge leaves no row of the subtree anywhere, and clears what others point at it with', async () => {
    const team = await createTeam();
    const outside = await createSeat(test);
    await test.admin.saveSecret({ params: { id: team.writer.id }, body: { key: 'A', value: 'b' } });
    await test.client(team.lead.token).notify({ params: { id: team.lead.id }, body: { message: 'hi' } });
    await sql`update workspaces set forwarded_to = ${team.lead.id} where id = ${outside.id}`.execute(test.db.kysely);
    expect(await remove(team.root.id, { confirm: true, purge: true })).toEqual({
      status: 'purged',
      cascade_deleted: 3,
    });
    const ids = Object.values(team).map(({ id }) => id);
    for (const table of [
      'workspace_auth_tokens',
      'workspace_secrets',
      'activity_logs',
      'canvas_layouts',
      'a2a_queue',
    ]) {
      const { rows } = await sql`select 1 from ${sql.table(table)} where workspace_id = any(${ids}::uuid[])`.execute(
        test.db.kysely,
      );
      expect([table, rows]).toEqual([table, []]);
    }
    expect(await Promise.all(ids.map(statusOf))).toEqual(ids.map(() => undefined));
    expect((await test.admin.getWorkspace({ params: { id: outside.id } })).forwarded_to).toBeNull();
    expect((await failureOf(remove(team.root.id))).status).toBe(404);
  });

  it('10.48 purge → rows gone, the hook once per id with `workspace:<id>`; soft delete → no hook; a hook that fails → 200', async () => {
    const team = await createTeam();
    const ids = Object.values(team).map(({ id }) => id);
    const [soft, purged] = [await createSeat(test), team.root];
    expect(await remove(soft.id)).toEqual({ status: 'removed', cascade_deleted: 0 });
    expect(await remove(team.editor.id)).toEqual({ status: 'removed', cascade_deleted: 0 });
    expect(forgotten.filter((namespace) => ids.includes(namespace.slice('workspace:'.length)))).toEqual([]);
    expect(forgotten).not.toContain(`workspace:${soft.id}`);

    complaints.length = 0;
    forgotten.length = 0;
    expect(await remove(purged.id, { confirm: true, purge: true })).toEqual({ status: 'purged', cascade_deleted: 2 });
    expect(forgotten.sort()).toEqual(ids.map((id) => `workspace:${id}`).sort());
    expect(complaints.sort()).toEqual([...ids].sort());
    expect(await Promise.all(ids.map(statusOf))).toEqual(ids.map(() => undefined));
  });

  it('that races children being made and moved leaves no live one behind', async () => {
    const root = await createSeat(test);
    const movers = [await createSeat(test), await createSeat(test)];
    const work = [
      ...Array.from({ length: 12 }, () => createSeat(test, { parent_id: root.id })),
      ...movers.map(({ id }) => test.admin.patchWorkspace({ params: { id }, body: { parent_id: root.id } })),
    ];
    const [deleted] = await Promise.allSettled([remove(root.id, { confirm: true }), ...work]);
    expect(deleted.status).toBe('fulfilled');
    const { rows } = await sql<{ status: string }>`
      select status from workspaces where parent_id = ${root.id} and status <> 'removed'
    `.execute(test.db.kysely);
    expect(rows).toEqual([]);
  });
});

describe('collapsing', () => {
  const collapse = (id: string) => test.admin.collapseWorkspace({ params: { id } });

  it('removes what is under a workspace at all depths as a delete does, keeps the workspace, and says so on it', async () => {
    const team = await createTeam();
    const below = [team.lead, team.writer, team.editor];
    const { removed } = await collapse(team.root.id);
    expect([removed.slice(0, 2).sort(), removed[2]]).toEqual([['editor', 'writer'], 'lead']);
    expect(await statusOf(team.root.id)).toBe('awaiting_agent');
    expect(await Promise.all(below.map(({ id }) => statusOf(id)))).toEqual(below.map(() => 'removed'));
    for (const { id, token } of below)
      expect((await failureOf(test.client(token).listTokens({ params: { id } }))).status).toBe(401);
    const layouts = await test.db.kysely.selectFrom('canvas_layouts').select('workspace_id').execute();
    expect(layouts.map((layout) => layout.workspace_id)).not.toContain(team.writer.id);
    const events = await test.admin.listEvents({ query: { since_seq: 0, limit: 1_000 } });
    const told = events.filter((event) => [team.root, ...below].some(({ id }) => id === event.workspace_id)).slice(-4);
    expect(told.map((event) => event.event_type)).toEqual([
      'WORKSPACE_REMOVED',
      'WORKSPACE_REMOVED',
      'WORKSPACE_REMOVED',
      'WORKSPACE_COLLAPSED',
    ]);
    expect(told.at(-1)).toMatchObject({ workspace_id: team.root.id, payload: { removed_children: removed } });

    // Nothing is left to remove, so nothing is told.
    expect(await collapse(team.root.id)).toEqual({ status: 'collapsed', removed: [] });
    expect(await test.admin.listEvents({ query: { since_seq: 0, limit: 1_000 } })).toEqual(events);
  });

  it('by its own token; 404 for what is unknown or removed, 401 for another seat', async () => {
    const team = await createTeam();
    const stranger = await createSeat(test);
    const as = (token: string) => test.client(token).collapseWorkspace({ params: { id: team.lead.id } });
    expect((await failureOf(as(stranger.token))).status).toBe(401);
    expect((await as(team.lead.token)).removed.sort()).toEqual(['editor', 'writer']);
    await remove(stranger.id);
    for (const id of [UNKNOWN, stranger.id]) {
      const failure = await failureOf(collapse(id));
      expect([failure.status, failure.code]).toEqual([404, 'not_found']);
    }
  });
});
