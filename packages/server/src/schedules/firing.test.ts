import type { EventFrame } from '@molecule/contract';
import {
  breakColumn,
  createManualClock,
  type FakeAgent,
  failureOf,
  holdCalls,
  type ManualClock,
  mendColumn,
  messageIdOf,
  type Responder,
  replyBusy,
  replyStatus,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HOUR_MS = 3_600_000;
let test: TestPlatform;
let clock: ManualClock;
const agents: FakeAgent[] = [];
const frames: EventFrame[] = [];

beforeAll(async () => {
  clock = createManualClock();
  test = await startPlatform({ clock });
  // Loops run when a test says so.
  await test.platform.supervisor.stop();
  test.platform.events.subscribe((frame) => frames.push(frame));
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
});

async function startAgent(respond: Responder = replyWith('done'), more: object = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond, ...more });
  agents.push(agent);
  return agent;
}
async function add({ id }: { id: string }, body: Record<string, unknown> = {}): Promise<string> {
  const name = `s${Math.random().toString(36).slice(2, 8)}`;
  const given = { cron_expr: '0 * * * *', prompt: 'report', name, ...body };
  return (await test.admin.createSchedule({ params: { id }, body: given })).id;
}
const rowOf = (id: string) =>
  test.db.kysely.selectFrom('workspace_schedules').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const runsOf = (agent: { id: string }, scheduleId: string) =>
  test.admin.listScheduleRuns({ params: { id: agent.id, scheduleId } });
const fireNow = (agent: { id: string }, scheduleId: string) =>
  test.admin.runSchedule({ params: { id: agent.id, scheduleId } });
const told = (event: 'CRON_EXECUTED' | 'CRON_SKIPPED', id: string) =>
  frames.filter((frame) => frame.event === event && frame.payload.schedule_id === id).map(({ payload }) => payload);
const itemsOf = (id: string) =>
  test.db.kysely.selectFrom('a2a_queue').selectAll().where('schedule_id', '=', id).orderBy('enqueued_at').execute();

function schedulerOf({ platform }: TestPlatform) {
  const loop = platform.schedules.loops.find(({ name }) => name === 'scheduler');
  if (!loop) throw new Error('there is no scheduler');
  return loop;
}
const begin = (on = test) => schedulerOf(on).run(new AbortController().signal);
/** One pass, and what it set off. Counts that are zero are left out. */
async function tick(on = test): Promise<Record<string, number>> {
  const counts = await begin(on);
  await on.platform.messaging.idle();
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
/** To the next full hour, so that everything of this hour is due. Schedules of earlier tests do not come along. */
async function nextHour(...keep: string[]): Promise<void> {
  await sql`update workspace_schedules set enabled = false where id <> all(${keep}::uuid[])`.execute(test.db.kysely);
  clock.advance(HOUR_MS);
}
const isAhead = (row: { next_run_at: Date | null }) => (row.next_run_at?.getTime() ?? 0) > clock.now();

describe('a due schedule', () => {
  it('runs as a message of the platform itself; list, history, receipts and events tell of it without a source', async () => {
    const hold = holdCalls(replyWith('here it is'));
    const agent = await startAgent(hold.respond);
    const id = await add(agent, { name: 'morning', prompt: 'p'.repeat(300) });
    await nextHour(id);
    expect(await begin()).toMatchObject({ fired: 1 });
    const [call] = await agent.waitForCalls(1);
    expect(call?.headers['x-workspace-id']).toBeUndefined();
    const messageId = messageIdOf(call as never);
    expect(messageId).toMatch(new RegExp(`^cron-${id.slice(0, 8)}-[0-9a-f]{8}$`));
    expect(call?.body).toMatchObject({
      method: 'message/send',
      params: {
        message: {
          role: 'user',
          parts: [{ kind: 'text', text: 'p'.repeat(300) }],
          metadata: { schedule_id: id, schedule_name: 'morning' },
        },
      },
    });
    const claimed = await rowOf(id);
    expect([isAhead(claimed), claimed.last_run_at?.getTime(), claimed.run_count]).toEqual([true, clock.now(), 0]);
    await agent.heartbeat({ active_tasks: 1, active_messages: [messageId] });
    hold.release();
    await test.platform.messaging.idle();

    expect(await rowOf(id)).toMatchObject({ run_count: 1, last_status: 'ok', last_error: null });
    const [run, ...others] = await runsOf(agent, id);
    expect(others).toEqual([]);
    expect(run).toEqual({
      timestamp: expect.any(String),
      duration_ms: expect.any(Number),
      status: 'ok',
      error_detail: null,
      request: { schedule_id: id, schedule_name: 'morning', cron_expr: '0 * * * *', prompt: 'p'.repeat(200) },
      injected_at: expect.any(String),
      answered_at: expect.any(String),
    });
    await test.platform.events.catchUp();
    expect(told('CRON_EXECUTED', id)).toEqual([{ schedule_id: id, schedule_name: 'morning', status: 'ok' }]);

    const rows = await test.admin.listActivity({ params: { id: agent.id } });
    expect(rows.map((row) => [row.activity_type, row.status, row.source_id, row.origin])).toEqual([
      ['cron_run', 'ok', null, 'system:cron'],
      ['a2a_receive', 'ok', null, 'system:cron'],
    ]);
    const logged = frames.filter(
      (frame) => frame.event === 'ACTIVITY_LOGGED' && rows.some((row) => row.id === frame.payload.id),
    );
    expect(logged.map(({ payload }) => payload)).toMatchObject([
      { activity_type: 'a2a_receive', source_id: null, origin: 'system:cron' },
      { activity_type: 'cron_run', source_id: null, origin: 'system:cron' },
    ]);
    expect(frames.some(({ event, workspace_id }) => event === 'A2A_RESPONSE' && workspace_id === agent.id)).toBe(false);
  });

  it('20.76 10.23 of an agent that schedules itself is not fired, but moves on; one beat without the capability and it fires', async () => {
    const [native, other] = [await startAgent(), await startAgent()];
    const [id, control] = [await add(native), await add(other)];
    await native.heartbeat({ runtime_metadata: { capabilities: { scheduler: true } } });
    await nextHour(id, control);
    expect(await tick()).toEqual({ advanced: 1, fired: 1 });
    const row = await rowOf(id);
    expect(isAhead(row)).toBe(true);
    expect(row).toMatchObject({ run_count: 0, last_run_at: null, last_status: null });
    expect([native.calls.length, other.calls.length]).toEqual([0, 1]);
    expect(await runsOf(native, id)).toEqual([]);
    await native.heartbeat();
    await nextHour(id);
    expect(await tick()).toEqual({ fired: 1 });
    expect(native.calls).toHaveLength(1);
  });

  it('20.77 that was missed five times fires once and goes on from now', async () => {
    const agent = await startAgent();
    const id = await add(agent);
    await nextHour(id);
    clock.advance(4 * HOUR_MS);
    expect(await tick()).toEqual({ fired: 1 });
    expect(await tick()).toEqual({});
    expect(agent.calls).toHaveLength(1);
    const row = await rowOf(id);
    expect(row.run_count).toBe(1);
    expect((row.next_run_at?.getTime() ?? 0) - clock.now()).toBeLessThanOrEqual(HOUR_MS);
    expect(isAhead(row)).toBe(true);
  });

  it('20.78 of a busy agent waits two minutes and is skipped, out loud; with room it fires; a template’s max_concurrent_tasks counts', async () => {
    const [busy, freed] = [await startAgent(), await startAgent()];
    const [skipped, waiting] = [await add(busy, { name: 'late' }), await add(freed)];
    for (const agent of [busy, freed]) await agent.heartbeat({ active_tasks: 1 });
    await nextHour(skipped, waiting);
    expect(await tick()).toEqual({ waiting: 2 });
    clock.advance(119_000);
    expect(await tick()).toEqual({ waiting: 2 });
    expect(isAhead(await rowOf(skipped))).toBe(false);
    await freed.heartbeat({ active_tasks: 0 });
    clock.advance(1_000);
    expect(await tick()).toEqual({ fired: 1, skipped: 1 });
    expect([busy.calls.length, freed.calls.length]).toEqual([0, 1]);

    const row = await rowOf(skipped);
    expect(isAhead(row)).toBe(true);
    const reason = 'the agent is busy';
    expect(row).toMatchObject({ run_count: 1, last_status: 'skipped', last_error: reason, waiting_since: null });
    expect(await runsOf(busy, skipped)).toMatchObject([{ status: 'skipped', error_detail: reason }]);
    await test.platform.events.catchUp();
    expect(told('CRON_SKIPPED', skipped)).toEqual([{ schedule_id: skipped, schedule_name: 'late', reason }]);

    const schedules = [{ name: 'hourly', cron_expr: '0 * * * *', prompt: 'go' }];
    const seat = { name: 'Roomy', external: true, max_concurrent_tasks: 3, schedules };
    const imported = await test.admin.importOrg({ body: { template: { name: 'Roomy', workspaces: [seat] } } });
    const roomy = imported.workspaces[0]?.id ?? '';
    const own = test.client((await test.admin.createToken({ params: { id: roomy } })).auth_token);
    await own.register({ body: { id: roomy, agent_card: { name: 'roomy' }, delivery_mode: 'poll' } });
    const beat = (active: number) =>
      own.heartbeat({
        body: { workspace_id: roomy, active_tasks: active } as Parameters<typeof own.heartbeat>[0]['body'],
      });
    const [hourly] = await own.listSchedules({ params: { id: roomy } });
    await beat(3);
    await nextHour(hourly?.id ?? '');
    expect(await tick()).toEqual({ waiting: 1 });
    await beat(2);
    expect(await tick()).toEqual({ fired: 1 });
    const inbox = await own.listActivity({ params: { id: roomy }, query: { type: 'a2a_receive' } });
    expect(inbox).toMatchObject([{ origin: 'system:cron', source_id: null, accepted_at: expect.any(String) }]);
  });

  it('20.79 three empty replies in a row are stale, a real one resets; a prompt is stored without carriage returns', async () => {
    const agent = await startAgent();
    const id = await add(agent, { prompt: 'first\r\nsecond\r' });
    expect((await rowOf(id)).prompt).toBe('first\nsecond');
    const seen: unknown[] = [];
    const run = async (respond: Responder) => {
      agent.respond(respond);
      await fireNow(agent, id);
      await test.platform.messaging.idle();
      const row = await rowOf(id);
      seen.push([row.last_status, row.consecutive_empty_runs]);
    };
    await run(replyWith(''));
    await run(replyStatus(200, ''));
    await run(replyWith('(no response generated)'));
    await run(replyStatus(200, { jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'broke' } }));
    await run(replyWith(' \n'));
    await run(replyWith('a real reply'));
    await run(replyWith(''));
    expect(seen).toEqual([
      ['ok', 1],
      ['ok', 2],
      ['stale', 3],
      ['error', 3],
      ['stale', 4],
      ['ok', 0],
      ['ok', 1],
    ]);
    expect((await runsOf(agent, id)).map((row) => row.status)).toEqual([
      'ok',
      'ok',
      'stale',
      'error',
      'stale',
      'ok',
      'ok',
    ]);
    expect((await rowOf(id)).run_count).toBe(7);
    const parts = [{ kind: 'text', text: 'first\nsecond' }];
    expect(agent.calls[0]?.body).toMatchObject({ params: { message: { parts } } });
  });
});

describe('one bad schedule', () => {
  it('20.81 that throws, brings broken text or meets a stalled store leaves the others alone, and the next pass comes within 30 s', async () => {
    const garbage = replyStatus(
      200,
      '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"half \\ud800 and \\u0000 nul"}}',
    );
    const [throwing, babbling, poisoned, good] = await Promise.all([
      startAgent(replyStatus(500)),
      startAgent(garbage),
      startAgent(),
      startAgent(),
    ]);
    const ids = { throwing: await add(throwing), babbling: await add(babbling), poisoned: await add(poisoned) };
    const last = await add(good);
    const [broken] = await test.platform.schedules
      .seed(test.db.kysely, good.id, [
        { name: 'broken', cron_expr: '0 * * * *', timezone: 'UTC', prompt: 'half \ud800 and \0 nul', enabled: true },
      ])
      .then(() => test.db.kysely.selectFrom('workspace_schedules').selectAll().where('name', '=', 'broken').execute());
    // The claim of this one fails in the store itself.
    await test.db.pool.query(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
      create trigger refuse before update on workspace_schedules for each row
        when (new.id = '${ids.poisoned}' and new.last_run_at is not null) execute function refuse()`);
    await nextHour(ids.throwing, ids.babbling, ids.poisoned, last, broken?.id ?? '');
    try {
      expect(await tick()).toEqual({ fired: 4, failed: 1 });
    } finally {
      await test.db.pool.query('drop trigger refuse on workspace_schedules; drop function refuse()');
    }
    expect(await rowOf(last)).toMatchObject({ last_status: 'ok', run_count: 1 });
    expect(await rowOf(broken?.id ?? '')).toMatchObject({ prompt: 'half \ufffd and  nul', last_status: 'ok' });
    expect(await rowOf(ids.babbling)).toMatchObject({ last_status: 'error', last_error: 'half \ufffd and  nul' });
    // Not delivered for certain, so the queue tries it again.
    expect(await itemsOf(ids.throwing)).toMatchObject([{ status: 'queued', attempts: 1 }]);
    expect(await rowOf(ids.throwing)).toMatchObject({ run_count: 0, last_status: null });
    // What failed is due still.
    expect(await tick()).toEqual({ fired: 1 });
    expect(await rowOf(ids.poisoned)).toMatchObject({ last_status: 'ok', run_count: 1 });

    const { everyMs, timeoutMs } = schedulerOf(test);
    expect(everyMs + timeoutMs).toBeLessThanOrEqual(30_000);
    if (test.db.kind === 'embedded') return;
    // Somebody holds what the claim of one schedule needs: the others have run before that one is through.
    const held = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    const stalling = test.db.tx(async (trx) => {
      await sql`select 1 from workspaces where id = ${poisoned.id} for update`.execute(trx);
      isHeld.resolve();
      await held.promise;
    });
    await isHeld.promise;
    await nextHour(ids.poisoned, last);
    const pass = begin();
    await good.waitForCalls(3);
    await expect.poll(async () => (await rowOf(last)).run_count).toBe(2);
    expect(await rowOf(ids.poisoned)).toMatchObject({ run_count: 1 });
    held.resolve();
    await stalling;
    expect(await pass).toMatchObject({ fired: 2, failed: 0 });
    await test.platform.messaging.idle();
  });

  it('whose expression cannot be read says so, keeps its time, and is passed over', async () => {
    const agent = await startAgent();
    const [bad, good, timeless] = [await add(agent), await add(agent), await add(agent)];
    await nextHour(bad, good, timeless);
    await sql`update workspace_schedules set cron_expr = 'whenever' where id = ${bad}`.execute(test.db.kysely);
    await sql`update workspace_schedules set next_run_at = null where id = ${timeless}`.execute(test.db.kysely);
    const before = (await rowOf(bad)).next_run_at;
    expect(await tick()).toEqual({ unreadable: 1, fired: 1, repaired: 1 });
    expect(await rowOf(bad)).toMatchObject({
      next_run_at: before,
      run_count: 0,
      last_status: 'error',
      last_error: 'cannot be read: whenever in UTC',
    });
    expect(isAhead(await rowOf(timeless))).toBe(true);
  });
});

describe('a run', () => {
  it('is the only one of its schedule: while it lasts the next waits and is skipped, and nobody may begin another', async () => {
    const hold = holdCalls(replyWith('at last'));
    const agent = await startAgent(hold.respond, { workspace: { max_concurrent_tasks: 5 } });
    const id = await add(agent);
    expect(await fireNow(agent, id)).toEqual({ status: 'fired', workspace_id: agent.id, prompt: 'report' });
    await agent.waitForCalls(1);
    expect((await failureOf(fireNow(agent, id))).body).toMatchObject({ code: 'conflict' });
    await nextHour(id);
    expect(await begin()).toMatchObject({ waiting: 1 });
    clock.advance(120_000);
    expect(await begin()).toMatchObject({ skipped: 1 });
    expect(await rowOf(id)).toMatchObject({ last_error: 'its previous run is still under way' });
    hold.release();
    await test.platform.messaging.idle();
    expect((await runsOf(agent, id)).map((run) => run.status)).toEqual(['ok', 'skipped']);
    expect(agent.calls).toHaveLength(1);
    await fireNow(agent, id);
    await test.platform.messaging.idle();
    expect(agent.calls).toHaveLength(2);
  });

  it('is taken by one of two replicas', async () => {
    const agent = await startAgent();
    const ids = await Promise.all(Array.from({ length: 12 }, () => add(agent)));
    const second = await startPlatform({ db: test.db, dataDir: test.dataDir, clock });
    try {
      await second.platform.supervisor.stop();
      await nextHour(...ids);
      const counts = await Promise.all([tick(test), tick(second)]);
      expect(counts.reduce((sum, { fired = 0 }) => sum + fired, 0)).toBe(12);
      expect(agent.calls).toHaveLength(12);
    } finally {
      await second.stop();
    }
  });

  it('that a process claimed and did not live to send is sent once by the next', async () => {
    const agent = await startAgent();
    const id = await add(agent);
    const dying = await startPlatform({ db: test.db, dataDir: test.dataDir, clock });
    await dying.platform.supervisor.stop();
    await dying.platform.messaging.close();
    await nextHour(id);
    expect(await begin(dying)).toMatchObject({ fired: 1 });
    await dying.stop();
    expect([agent.calls.length, isAhead(await rowOf(id))]).toEqual([0, true]);

    await sql`update a2a_queue set lease_until = now() - interval '1 second' where schedule_id = ${id}`.execute(
      test.db.kysely,
    );
    const recovery = test.platform.messaging.loops.find(({ name }) => name === 'a2a-lease-recovery');
    expect(await recovery?.run(new AbortController().signal)).toMatchObject({ free: 1 });
    expect(await tick()).toEqual({});
    await test.platform.messaging.idle();
    expect(agent.calls).toHaveLength(1);
    expect(await rowOf(id)).toMatchObject({ run_count: 1, last_status: 'ok' });
    expect(await runsOf(agent, id)).toHaveLength(1);
  });

  it('waits in the queue when its agent turns out to be busy, and fails when the answer takes too long', async () => {
    const agent = await startAgent(replyBusy);
    const id = await add(agent);
    await fireNow(agent, id);
    await test.platform.messaging.idle();
    expect(await itemsOf(id)).toMatchObject([{ status: 'queued', timeout_seconds: 300 }]);
    expect(await runsOf(agent, id)).toEqual([]);
    const hold = holdCalls(replyWith('too late'));
    agent.respond(hold.respond);
    await sql`update a2a_queue set timeout_seconds = 1 where schedule_id = ${id}`.execute(test.db.kysely);
    await agent.heartbeat();
    await waitFor('the run has ended', async () => (await rowOf(id)).last_status);
    expect(await rowOf(id)).toMatchObject({ last_status: 'error', last_error: 'no answer within 1 seconds' });
    expect(await itemsOf(id)).toMatchObject([{ status: 'failed' }]);
    hold.release();
    await test.platform.messaging.idle();
    expect(await runsOf(agent, id)).toHaveLength(1);
  });

  it('ends with its message, however that ends: given up, dropped, or after its schedule was deleted', async () => {
    const agent = await startAgent(replyBusy);
    const [dropped, deleted] = [await add(agent), await add(agent)];
    for (const id of [dropped, deleted]) await fireNow(agent, id);
    await test.platform.messaging.idle();
    await test.admin.deleteSchedule({ params: { id: agent.id, scheduleId: deleted } });
    await sql`update a2a_queue set enqueued_at = now() - interval '2 hours' where workspace_id = ${agent.id}`.execute(
      test.db.kysely,
    );
    expect(await test.admin.dropStaleQueueItems({ query: { workspace_id: agent.id } as never })).toEqual({
      dropped: 2,
    });
    const error = 'dropped: older than 60 minutes';
    expect(await rowOf(dropped)).toMatchObject({ last_status: 'error', last_error: error, run_count: 1 });
    expect(await runsOf(agent, dropped)).toMatchObject([{ status: 'error', error_detail: error }]);

    agent.respond(replyStatus(500, { error: 'out of order' }));
    await fireNow(agent, dropped);
    await test.platform.messaging.idle();
    for (let attempt = 2; attempt <= 5; attempt += 1) {
      await sql`update a2a_queue set next_attempt_at = now() where schedule_id = ${dropped} and status = 'queued'`.execute(
        test.db.kysely,
      );
      await agent.heartbeat();
      await test.platform.messaging.idle();
    }
    expect(await rowOf(dropped)).toMatchObject({ last_status: 'error', last_error: 'out of order', run_count: 2 });
  });

  it('of a paused workspace is skipped at once; when room cannot be read it fires', async () => {
    const [paused, agent] = [await startAgent(), await startAgent()];
    const [off, id] = [await add(paused), await add(agent)];
    await test.admin.pauseWorkspace({ params: { id: paused.id } });
    await agent.heartbeat({ active_tasks: 1 });
    await nextHour(off, id);
    expect(await tick()).toEqual({ skipped: 1, waiting: 1 });
    expect(await rowOf(off)).toMatchObject({ last_status: 'skipped', last_error: 'the workspace is paused' });
    await breakColumn(test.db, 'workspaces', 'active_tasks');
    test.platform.workspaces.forget(agent.id);
    try {
      expect(await begin()).toMatchObject({ fired: 1 });
      await agent.waitForCalls(1);
    } finally {
      await test.platform.messaging.idle();
      await mendColumn(test.db, 'workspaces');
    }
    expect(await rowOf(id)).toMatchObject({ last_status: 'ok' });
  });
});
