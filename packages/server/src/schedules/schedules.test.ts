import {
  createManualClock,
  createSeat,
  failureOf,
  type ManualClock,
  type Seat,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HOUR_MS = 3_600_000;
const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let test: TestPlatform;
let clock: ManualClock;
let seat: Seat;

beforeAll(async () => {
  clock = createManualClock();
  test = await startPlatform({ clock });
  // Nothing runs unless a test says so.
  await test.platform.supervisor.stop();
  seat = await createSeat(test, { name: 'Lead' });
});
afterAll(async () => {
  await test?.stop();
});

type Body = Parameters<TestPlatform['admin']['createSchedule']>[0]['body'];
const create = (body: Partial<Body> = {}, { id, token }: Seat = seat) =>
  test.client(token).createSchedule({ params: { id }, body: { cron_expr: '0 9 * * *', prompt: 'report', ...body } });
const list = ({ id, token }: Seat = seat) => test.client(token).listSchedules({ params: { id } });
const find = async (id: string, of: Seat = seat) => (await list(of)).find((row) => row.id === id);
const patch = (scheduleId: string, body: Record<string, unknown>, { id, token }: Seat = seat) =>
  test.client(token).patchSchedule({ params: { id, scheduleId }, body });
const params = (scheduleId: string, { id }: Seat = seat) => ({ params: { id, scheduleId } });
const isoNow = () => new Date(clock.now());

describe('keeping schedules', () => {
  it('a schedule is listed as it was made, oldest first, and its next run is known at once', async () => {
    const owner = await createSeat(test);
    const made = await create({ name: 'daily', timezone: 'Europe/Berlin' }, owner);
    const off = await create({ name: 'off', enabled: false }, owner);
    expect(made).toEqual({ id: expect.any(String), status: 'created', next_run_at: expect.any(String) });
    expect(new Date(made.next_run_at).getTime()).toBeGreaterThan(clock.now());
    expect(await list(owner)).toEqual([
      {
        id: made.id,
        workspace_id: owner.id,
        name: 'daily',
        cron_expr: '0 9 * * *',
        timezone: 'Europe/Berlin',
        prompt: 'report',
        enabled: true,
        last_run_at: null,
        next_run_at: made.next_run_at,
        run_count: 0,
        last_status: null,
        last_error: null,
        source: 'runtime',
        created_at: expect.any(String),
        updated_at: expect.any(String),
      },
      expect.objectContaining({ id: off.id, enabled: false, timezone: 'UTC' }),
    ]);
  });

  it('what cannot run is refused, naming the field', async () => {
    const refused = async (body: Partial<Body>) => (await failureOf(create({ name: 'bad', ...body }))).body;
    expect(await refused({ cron_expr: 'every day' })).toMatchObject({ code: 'invalid_request', field: 'cron_expr' });
    expect(await refused({ cron_expr: '0 0 31 2 *' })).toMatchObject({ field: 'cron_expr' });
    expect(await refused({ timezone: 'Mars/Base' })).toMatchObject({
      error: 'invalid timezone: Mars/Base',
      field: 'timezone',
    });
    expect(await refused({ prompt: '\r\r' })).toMatchObject({ field: 'prompt' });
    expect(await refused({ prompt: undefined })).toMatchObject({ error: 'prompt: is required' });
    expect(await refused({ cron_expr: undefined })).toMatchObject({ error: 'cron_expr: is required' });
    const { id } = await create({ name: 'good' });
    expect((await failureOf(patch(id, { cron_expr: '99 * * * *' }))).body).toMatchObject({ field: 'cron_expr' });
    expect((await failureOf(patch(id, { timezone: 'Nowhere' }))).body).toMatchObject({ field: 'timezone' });
    expect((await list()).map((row) => row.name)).not.toContain('bad');
  });

  it('a name is taken once per workspace', async () => {
    const { id } = await create({ name: 'first' });
    await create({ name: 'second' });
    expect((await failureOf(create({ name: 'first' }))).body).toMatchObject({ code: 'conflict', field: 'name' });
    expect((await failureOf(patch(id, { name: 'second' }))).status).toBe(409);
    await create({ name: 'first' }, await createSeat(test));
  });

  it('other times and enabling compute the next run anew, a new prompt does not', async () => {
    const { id, next_run_at: first } = await create({ name: 'moving', cron_expr: '0 * * * *' });
    await patch(id, { prompt: 'line\r\nline' });
    expect(await find(id)).toMatchObject({ prompt: 'line\nline', next_run_at: first });
    expect((await patch(id, { timezone: 'Asia/Kolkata' })).next_run_at).not.toBe(first);
    await patch(id, { enabled: false });
    clock.advance(5 * HOUR_MS);
    const stale = (await find(id))?.next_run_at ?? '';
    expect(new Date(stale) < isoNow()).toBe(true);
    await patch(id, { enabled: true });
    expect(new Date((await find(id))?.next_run_at ?? '') > isoNow()).toBe(true);
  });

  it('a deleted schedule is gone; an unknown workspace has none', async () => {
    const { id } = await create({ name: 'short-lived' });
    expect(await test.admin.deleteSchedule(params(id))).toEqual({ status: 'deleted' });
    expect(await find(id)).toBeUndefined();
    expect((await failureOf(test.admin.deleteSchedule(params(id)))).status).toBe(404);
    expect((await failureOf(test.admin.listSchedules({ params: { id: UNKNOWN } }))).status).toBe(404);
    const body = { cron_expr: '* * * * *', prompt: 'x' };
    expect((await failureOf(test.admin.createSchedule({ params: { id: UNKNOWN }, body }))).status).toBe(404);
  });

  it('removing a workspace disables its schedules in the same breath, and a purge takes them along', async () => {
    const doomed = await createSeat(test);
    const { id } = await create({}, doomed);
    await test.admin.deleteWorkspace({ params: { id: doomed.id } });
    const rows = () =>
      test.db.kysely.selectFrom('workspace_schedules').select('enabled').where('id', '=', id).execute();
    expect(await rows()).toEqual([{ enabled: false }]);
    for (const call of [
      () => test.admin.runSchedule(params(id, doomed)),
      () => test.admin.patchSchedule({ ...params(id, doomed), body: { enabled: true } }),
    ])
      expect((await failureOf(call())).body).toMatchObject({ error: 'workspace not found' });
    expect((await test.admin.listScheduleHealth()).map((row) => row.schedule_id)).not.toContain(id);
    await test.admin.deleteWorkspace({ params: { id: doomed.id }, query: { purge: 'true' } as never });
    expect(await rows()).toEqual([]);
  });
});

describe('who sees what', () => {
  it('20.82 another workspace’s schedule is not found; health wants a caller, and shows neither prompt nor times', async () => {
    const [mine, other] = [await createSeat(test), await createSeat(test)];
    const { id } = await create({ name: 'secret plan', prompt: 'the prompt', cron_expr: '17 3 * * *' }, other);
    const own = test.client(mine.token);
    const foreign = params(id, mine);
    for (const call of [
      () => own.patchSchedule({ ...foreign, body: { enabled: false } }),
      () => own.deleteSchedule(foreign),
      () => own.runSchedule(foreign),
      () => own.listScheduleRuns(foreign),
      () => test.admin.runSchedule(foreign),
    ])
      expect((await failureOf(call())).status).toBe(404);
    expect(await find(id, other)).toMatchObject({ enabled: true, run_count: 0, last_run_at: null });

    const path = `/workspaces/${other.id}/schedules/health`;
    expect((await fetch(test.url + path)).status).toBe(401);
    for (const client of [own, test.client(other.token), test.admin]) {
      const response = await client.raw('GET', path);
      const text = await response.text();
      expect([response.status, JSON.parse(text)]).toMatchObject([200, [{ id, name: 'secret plan', run_count: 0 }]]);
      for (const hidden of ['prompt', 'cron', '17 3']) expect(text).not.toContain(hidden);
    }
    const child = await createSeat(test, { parent_id: other.id });
    const stranger = test.client(child.token);
    const denied = await failureOf(stranger.getScheduleHealth({ params: { id: mine.id } }));
    expect(denied.body).toMatchObject({ code: 'access_denied' });
    const named = test.client(test.adminToken, child.id);
    expect((await failureOf(named.getScheduleHealth({ params: { id: mine.id } }))).status).toBe(403);
    expect((await failureOf(test.admin.getScheduleHealth({ params: { id: UNKNOWN } }))).status).toBe(404);
  });

  it('30.74 late by more than two intervals is stale, never run is never_run, an unreadable expression is listed with threshold 0', async () => {
    const owner = await createSeat(test, { name: 'Watched' });
    const ids = {
      stale: (await create({ name: 'stale', cron_expr: '0 * * * *' }, owner)).id,
      ok: (await create({ name: 'ok', cron_expr: '0 * * * *' }, owner)).id,
      never: (await create({ name: 'never' }, owner)).id,
      broken: (await create({ name: 'broken' }, owner)).id,
    };
    const set = (id: string, values: object) =>
      test.db.kysely.updateTable('workspace_schedules').set(values).where('id', '=', id).execute();
    await set(ids.stale, { last_run_at: new Date(clock.now() - 3 * HOUR_MS) });
    await set(ids.ok, { last_run_at: new Date(clock.now() - 1.5 * HOUR_MS) });
    await set(ids.broken, { cron_expr: 'written by hand' });
    const rows = (await test.admin.listScheduleHealth()).filter((row) => row.workspace_id === owner.id);
    expect(rows.map((row) => [row.schedule_name, row.status, row.stale_threshold_seconds])).toEqual([
      ['stale', 'stale', 7_200],
      ['ok', 'ok', 7_200],
      ['never', 'never_run', 172_800],
      ['broken', 'never_run', 0],
    ]);
    expect(rows[3]).toMatchObject({
      workspace_name: 'Watched',
      schedule_id: ids.broken,
      cron_expr: 'written by hand',
      last_run_at: null,
      expected_next_run: expect.any(String),
    });
  });
});

describe('schedules of a template', () => {
  const template = (schedules: Record<string, unknown>[]) => ({
    name: 'Team',
    workspaces: [{ name: 'Clerk', external: true, schedules }],
  });
  const importTeam = async (schedules: Record<string, unknown>[]) =>
    (await test.admin.importOrg({ body: { template: template(schedules) } })).workspaces[0];
  const schedulesOf = (id = '') => test.admin.listSchedules({ params: { id } });

  it('are made with the workspace, refreshed by the next import, and left alone once somebody edited them', async () => {
    const daily = { name: 'daily', cron_expr: '0 9 * * *', prompt: 'one', timezone: 'Europe/Berlin' };
    const wrong = [
      { name: 'no prompt', cron_expr: '0 9 * * *' },
      { name: 'bad cron', cron_expr: 'whenever', prompt: 'x' },
      { name: 'bad zone', cron_expr: '0 9 * * *', prompt: 'x', timezone: 'Mars' },
    ];
    const first = await importTeam([daily, { ...daily, name: 'edited', enabled: false }, ...wrong]);
    expect(first).toMatchObject({ schedules_skipped: ['no prompt', 'bad cron', 'bad zone'] });
    const id = first?.id ?? '';
    const [before, edited] = await schedulesOf(id);
    expect(before).toMatchObject({ ...daily, enabled: true, source: 'template', next_run_at: expect.any(String) });
    expect(edited).toMatchObject({ name: 'edited', enabled: false, source: 'template' });

    const by = { id, scheduleId: edited?.id ?? '' };
    await test.admin.patchSchedule({ params: by, body: { prompt: 'mine' } });
    await test.admin.createSchedule({ params: { id }, body: { name: 'own', cron_expr: '* * * * *', prompt: 'mine' } });
    const again = await importTeam([
      { ...daily, prompt: 'two' },
      { ...daily, name: 'edited', prompt: 'two' },
      { ...daily, name: 'own', prompt: 'two' },
      { ...daily, name: 'new' },
    ]);
    expect(again).toMatchObject({ id, skipped: true });
    const rows = (await schedulesOf(id)).map((row) => [row.name, row.prompt, row.source, row.enabled]);
    expect(rows).toEqual([
      ['daily', 'two', 'template', true],
      ['edited', 'mine', 'runtime', false],
      ['own', 'mine', 'runtime', true],
      ['new', 'one', 'template', true],
    ]);
  });
});
