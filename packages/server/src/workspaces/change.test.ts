import { createSeat, failureOf, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
beforeAll(async () => {
  test = await startPlatform();
});
afterAll(async () => {
  await test?.stop();
});

type Patch = Parameters<TestPlatform['admin']['patchWorkspace']>[0]['body'];
const find = async (id: string) => (await test.admin.listWorkspaces()).find((row) => row.id === id);
const patch = (id: string, body: Patch) => test.admin.patchWorkspace({ params: { id }, body });
const asItself = (seat: Seat, body: Patch) => test.client(seat.token).patchWorkspace({ params: { id: seat.id }, body });
const listMoves = async (id: string) =>
  (await test.admin.listWorkspaceEvents({ params: { id } }))
    .filter((event) => event.event_type === 'WORKSPACE_MOVED')
    .map((event) => event.payload);

describe('changing', () => {
  it('10.33 its own token may not set tier or workspace_dir → 403, but x, y and name → 200', async () => {
    const seat = await createSeat(test);
    const before = await find(seat.id);
    for (const body of [{ tier: 4 }, { workspace_dir: '/srv/host' }]) {
      const refused = await failureOf(asItself(seat, { ...body, name: 'smuggled' }));
      expect([refused.status, refused.code, refused.body.fields]).toEqual([403, 'admin_field', Object.keys(body)]);
    }
    expect(await find(seat.id)).toEqual(before);
    expect(await asItself(seat, { x: 5, y: -6.5, name: 'renamed' })).toEqual({ status: 'updated' });
    expect(await find(seat.id)).toMatchObject({ x: 5, y: -6.5, name: 'renamed' });
  });

  it('a seat sets name, role, place and collapse of its own; every other field takes an administrator', async () => {
    const [seat, parent] = [await createSeat(test), await createSeat(test)];
    await asItself(seat, { role: 'writer', collapsed: true });
    expect(await find(seat.id)).toMatchObject({ role: 'writer', collapsed: true, x: 0, y: 0 });
    await asItself(seat, { role: null });
    expect((await find(seat.id))?.role).toBeNull();
    const fields: Patch[] = [
      { tier: 1 },
      { parent_id: parent.id },
      { parent_id: null },
      { runtime: 'echo' },
      { workspace_dir: null },
      { workspace_access: 'none' },
      { hibernation_idle_minutes: 5 },
      { max_concurrent_tasks: 10 },
    ];
    for (const body of fields)
      expect((await failureOf(asItself(seat, body))).body).toMatchObject({
        code: 'admin_field',
        fields: Object.keys(body as object),
      });
    expect(await patch(seat.id, { hibernation_idle_minutes: 5, max_concurrent_tasks: 10 })).toEqual({
      status: 'updated',
    });
    expect(await find(seat.id)).toMatchObject({ hibernation_idle_minutes: 5, max_concurrent_tasks: 10 });
    await patch(seat.id, { hibernation_idle_minutes: null });
    expect((await find(seat.id))?.hibernation_idle_minutes).toBeNull();
  });

  it('tells that a restart is needed for directory, access, runtime and tier, and ignores the budget', async () => {
    const seat = await createSeat(test, { external: false, runtime: 'echo' });
    await patch(seat.id, { name: 'calm', budget_limit: 7 } as Patch);
    expect(await find(seat.id)).toMatchObject({ name: 'calm', needs_restart: false, budget_limit: null });
    for (const body of [
      { tier: 2 },
      { runtime: 'ai-sdk' },
      { workspace_dir: '/srv/a', workspace_access: 'read_only' as const },
    ]) {
      const other = await createSeat(test, { external: false, runtime: 'echo' });
      expect(await patch(other.id, body)).toEqual({ status: 'updated', needs_restart: true });
      expect(await find(other.id)).toMatchObject({ ...body, needs_restart: true });
    }
  });

  it('is all or nothing: one bad field and none is changed', async () => {
    const seat = await createSeat(test, { workspace_dir: '/srv/a', workspace_access: 'read_write' });
    const before = await find(seat.id);
    const wrong: [Patch, string][] = [
      [{ name: 'x', x: 1 }, 'x'],
      [{ name: 'x', y: 1 }, 'x'],
      [{ name: 'x', workspace_dir: null }, 'workspace_dir'],
      [{ name: 'x', parent_id: seat.id }, 'parent_id'],
      [{ name: 'x', tier: 9 }, 'tier'],
      [{ name: 'x', runtime: 'nonsense' }, 'runtime'],
      [{ x: 1, y: 1, name: 'a|b' }, 'name'],
    ];
    for (const [body, field] of wrong) expect((await failureOf(patch(seat.id, body))).body).toMatchObject({ field });
    expect(await find(seat.id)).toEqual(before);
    await test.admin.deleteWorkspace({ params: { id: seat.id } });
    expect((await failureOf(patch(seat.id, { name: 'ghost' }))).status).toBe(404);
  });

  it('10.87 a new parent → one WORKSPACE_MOVED with both ids; the same parent → none', async () => {
    const [seat, first, second] = [await createSeat(test), await createSeat(test), await createSeat(test)];
    await patch(seat.id, { parent_id: first.id });
    await patch(seat.id, { parent_id: first.id, name: 'stays' });
    await patch(seat.id, { parent_id: second.id });
    await patch(seat.id, { parent_id: null });
    await patch(seat.id, { parent_id: null });
    expect((await listMoves(seat.id)).reverse()).toEqual([
      { parent_id: first.id, previous_parent_id: null },
      { parent_id: second.id, previous_parent_id: first.id },
      { parent_id: null, previous_parent_id: second.id },
    ]);
  });

  it('two moves at once never close a cycle, however deep the tree', async () => {
    // Deeper than the 32 hops of the hierarchy walk.
    let deepest = await createSeat(test);
    const root = deepest;
    for (let level = 0; level < 40; level += 1) deepest = await createSeat(test, { parent_id: deepest.id });
    expect((await failureOf(patch(root.id, { parent_id: deepest.id }))).code).toBe('invalid_parent');
    for (let round = 0; round < 5; round += 1) {
      const [a, b] = [await createSeat(test), await createSeat(test)];
      const moves = await Promise.allSettled([patch(a.id, { parent_id: b.id }), patch(b.id, { parent_id: a.id })]);
      expect(moves.map((move) => move.status).sort()).toEqual(['fulfilled', 'rejected']);
    }
  });
});

describe('the budget', () => {
  it('is read by the seat and set by an administrator: the key is required, null clears it, the rest may be negative', async () => {
    const seat = await createSeat(test);
    const read = () => test.client(seat.token).getBudget({ params: { id: seat.id } });
    const set = (body: unknown) => test.admin.patchBudget({ params: { id: seat.id }, body: body as never });
    expect(await read()).toEqual({ budget_limit: null, monthly_spend: 0, budget_remaining: null });
    expect(await set({ budget_limit: 1_000 })).toEqual({
      budget_limit: 1_000,
      monthly_spend: 0,
      budget_remaining: 1_000,
    });
    await test.client(seat.token).heartbeat({ body: { workspace_id: seat.id, monthly_spend: 1_500 } as never });
    expect(await read()).toEqual({ budget_limit: 1_000, monthly_spend: 1_500, budget_remaining: -500 });
    for (const body of [{}, { limit: 1 }, { budget_limit: -1 }, { budget_limit: 1.5 }, { budget_limit: '5' }])
      expect((await failureOf(set(body))).body).toMatchObject({ code: 'invalid_request', field: 'budget_limit' });
    expect((await read()).budget_limit).toBe(1_000);
    expect(await set({ budget_limit: null })).toMatchObject({ budget_limit: null, budget_remaining: null });
    await test.admin.deleteWorkspace({ params: { id: seat.id } });
    expect((await failureOf(test.admin.getBudget({ params: { id: seat.id } }))).status).toBe(404);
    expect((await failureOf(set({ budget_limit: 1 }))).status).toBe(404);
  });
});

describe('the camera', () => {
  it('starts at the origin, is saved whole, and nonsense leaves it as it was', async () => {
    expect(await test.admin.getViewport()).toEqual({ x: 0, y: 0, zoom: 1 });
    for (const view of [
      { x: 10.5, y: -3, zoom: 0.25 },
      { x: 1, y: 2, zoom: 2 },
    ]) {
      expect(await test.admin.putViewport({ body: view })).toEqual({ status: 'saved' });
      expect(await test.admin.getViewport()).toEqual(view);
    }
    for (const body of [
      { x: 1, y: 1 },
      { x: 1, y: 1, zoom: 0 },
      { x: 1, y: 1, zoom: -1 },
      { x: 'a', y: 1, zoom: 1 },
    ])
      expect((await failureOf(test.admin.putViewport({ body: body as never }))).code).toBe('invalid_request');
    expect(await test.admin.getViewport()).toEqual({ x: 1, y: 2, zoom: 2 });
  });
});
