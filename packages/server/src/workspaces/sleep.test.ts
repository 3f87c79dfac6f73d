// Hibernation with real child processes (chapter 10 §1.3 rows 14–16, §2.1, §8): by hand, by the monitor, against others, after a crash.

import { writeFileSync } from 'node:fs';
import { WORKSPACE_STATUSES } from '@molecule/contract';
import { createSeat, failureOf, sendA2a, startFakeAgent, startPlatform, textRequest, waitFor } from '@molecule/testkit';
import { type RawBuilder, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  isAlive,
  type ProcessSeats,
  shieldFromSignals,
  startProcessSeats,
  untilFile,
  untilGone,
} from '../../test/process-seats.ts';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
const MONITOR = 'hibernation-monitor';
let seats: ProcessSeats;

beforeAll(async () => {
  seats = await startProcessSeats({ env: { MOLECULE_PROVISION_CONCURRENCY: '0' } });
});
afterAll(async () => {
  await seats?.stop();
});

const pidOf = (id: string) => seats.starts(id).at(-1) as number;
const hibernate = (id: string, force = false) =>
  seats.admin.hibernateWorkspace({ params: { id }, ...(force ? { query: { force } } : {}), timeoutMs: 30_000 });
const statusOf = async (id: string) => (await seats.row(id)).status;

async function createOnline(script = '', body: Parameters<ProcessSeats['create']>[1] = {}): Promise<string> {
  const id = await seats.create(script, body);
  await seats.until(id, 'online');
  return id;
}

/** Lets time pass for a row: what it did then is that much longer ago. */
const age = (id: string, seconds: number) =>
  sql`update workspaces set idle_since = idle_since - make_interval(secs => ${seconds}),
    last_heartbeat_at = last_heartbeat_at - make_interval(secs => ${seconds}),
    status_changed_at = status_changed_at - make_interval(secs => ${seconds}) where id = ${id}`.execute(
    seats.db.kysely,
  );

/** As a platform leaves it that dies after the claim. */
const claim = (id: string) =>
  seats.platform.workspaces.transition('hibernate', id, { patch: { hibernated_from: sql`status` } });

/**
 * The outcome of `call` when the row changes in the last moment: PostgreSQL has let the call read it by then, and the claim waits
 * for the change. The embedded store lets one transaction at a time do anything.
 */
async function overtake<T>(id: string, change: RawBuilder<unknown>, call: () => Promise<T>): Promise<T> {
  const locked = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const changed = seats.db.tx(async (trx) => {
    await sql`select 1 from workspaces where id = ${id} for update`.execute(trx);
    locked.resolve();
    await reached.promise;
    await sql`update workspaces set ${change} where id = ${id}`.execute(trx);
  });
  await locked.promise;
  const outcome = call();
  if (seats.db.kind === 'postgres')
    await waitFor('the claim waits for the row', async () => {
      const waiting = await sql`
        select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
      `.execute(seats.db.kysely);
      return waiting.rows.length > 0;
    });
  reached.resolve();
  await changed;
  return await outcome;
}

describe('by hand', () => {
  it('10.50 with a task → 409; force → stopped; a task arriving before the claim → nothing stopped; the database takes all ten statuses', async () => {
    const id = await createOnline();
    const pid = pidOf(id);
    await seats.beat(id, { active_tasks: 2 });
    const busy = await failureOf(hibernate(id));
    expect([busy.status, busy.code, busy.body.active_tasks]).toEqual([409, 'tasks_running', 2]);
    await seats.beat(id);
    const late = await overtake(id, sql`active_tasks = 1`, () => failureOf(hibernate(id)));
    expect([late.status, late.code, late.body.active_tasks]).toEqual([409, 'tasks_running', 1]);
    expect([await statusOf(id), isAlive(pid), seats.starts(id)]).toEqual(['online', true, [pid]]);

    expect(await hibernate(id, true)).toEqual({ status: 'hibernated' });
    expect(isAlive(pid)).toBe(false);
    expect(await seats.row(id)).toMatchObject({
      status: 'hibernated',
      url: null,
      url_source: null,
      active_tasks: 0,
    });
    const [told] = await seats.untilNamed(id, 'WORKSPACE_HIBERNATED');
    expect(told?.payload).toEqual({ name: (await seats.row(id)).name, tier: 3 });

    const { rows } = await sql<{ all: string[] }>`select enum_range(null::workspace_status)::text[] as all`.execute(
      seats.db.kysely,
    );
    expect(rows[0]?.all.sort()).toEqual([...WORKSPACE_STATUSES].sort());
    expect(WORKSPACE_STATUSES).toHaveLength(10);
    const other = await createSeat(seats);
    for (const status of WORKSPACE_STATUSES) {
      const stored = await sql<{ status: string }>`
        update workspaces set status = ${status}::workspace_status, last_sample_error = 'x' where id = ${other.id} returning status
      `.execute(seats.db.kysely);
      expect(stored.rows).toEqual([{ status }]);
    }
  });

  it('the seat is woken by a restart, and nothing of its files is lost', async () => {
    const id = await createOnline();
    await seats.beat(id);
    writeFileSync(seats.folder(id, 'workspace', 'notes.txt'), 'kept');
    await hibernate(id);
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.until(id, 'online');
    expect(seats.starts(id)).toHaveLength(2);
    expect((await seats.row(id)).idle_since).toBeNull();
  });

  it('404 unknown, removed, and not online; 400 external; 503 where nothing could wake it', async () => {
    const removed = await createSeat(seats);
    await seats.admin.deleteWorkspace({ params: { id: removed.id } });
    const starting = await seats.create('silent');
    const external = await createSeat(seats, { delivery_mode: 'poll' });
    await seats.client(external.token).register({
      body: { id: external.id, agent_card: { name: 'x' }, delivery_mode: 'poll' },
    });
    for (const id of [UNKNOWN, removed.id, starting]) {
      const failure = await failureOf(hibernate(id));
      expect([failure.status, failure.code]).toEqual([404, 'not_found']);
    }
    expect((await failureOf(hibernate(external.id, true))).status).toBe(400);
    expect(await statusOf(external.id)).toBe('online');

    const bare = await startPlatform();
    try {
      const agent = await startFakeAgent(bare);
      const failure = await failureOf(bare.admin.hibernateWorkspace({ params: { id: agent.id } }));
      expect([failure.status, failure.code]).toEqual([503, 'no_backend']);
      expect((await bare.admin.getWorkspace({ params: { id: agent.id } })).status).toBe('online');
      await agent.stop();
    } finally {
      await bare.stop();
    }
  });

  it('a stop that fails leads back to the status before: 502, and the next try works', async () => {
    for (const [before, errorRate] of [
      ['online', 0],
      ['degraded', 0.6],
    ] as const) {
      const id = await createOnline();
      await seats.beat(id, { error_rate: errorRate });
      expect(await statusOf(id)).toBe(before);
      const pid = pidOf(id);
      const lift = shieldFromSignals(pid);
      const failure = await failureOf(hibernate(id)).finally(lift);
      expect([failure.status, failure.code]).toEqual([502, 'stop_failed']);
      expect([await statusOf(id), isAlive(pid)]).toEqual([before, true]);
      expect((await seats.row(id)).url).not.toBeNull();
      expect(await hibernate(id)).toEqual({ status: 'hibernated' });
      expect(isAlive(pid)).toBe(false);
    }
  });
});

describe('while it falls asleep', () => {
  it('a second hibernate, a restart and a beat change nothing, a message is told to wait, and nothing ends it early', async () => {
    const id = await createOnline('hold-term');
    const pid = pidOf(id);
    const first = hibernate(id);
    await untilFile(seats.folder(id, 'home', 'terminating'));
    expect(await statusOf(id)).toBe('hibernating');
    expect((await failureOf(hibernate(id, true))).status).toBe(404);
    const restart = await failureOf(seats.admin.restartWorkspace({ params: { id } }));
    expect([restart.status, restart.code]).toEqual([409, 'conflict']);
    await seats.beat(id);
    const message = await sendA2a(seats, id, textRequest('hello'));
    expect([message.status, message.headers.get('retry-after'), message.body]).toMatchObject([
      503,
      '15',
      { waking: true, retry_after: 15, code: 'agent_waking' },
    ]);
    await seats.run('health-sweep');
    expect(await seats.run(MONITOR)).toEqual({ asleep: 0, awake: 0 });
    expect([await statusOf(id), isAlive(pid)]).toEqual(['hibernating', true]);

    writeFileSync(seats.folder(id, 'home', 'release'), '');
    expect(await first).toEqual({ status: 'hibernated' });
    expect([await statusOf(id), seats.starts(id)]).toEqual(['hibernated', [pid]]);
    await seats.untilNamed(id, 'WORKSPACE_HIBERNATED');
  });

  it('10.14 paused, hibernating and hibernated seats register → 409, and a beat lifts none of them', async () => {
    const { id, token } = await createSeat(seats, { delivery_mode: 'poll' });
    const agent = seats.client(token);
    for (const status of ['paused', 'hibernating', 'hibernated']) {
      await sql`update workspaces set status = ${status}::workspace_status where id = ${id}`.execute(seats.db.kysely);
      const refused = await failureOf(
        agent.register({ body: { id, agent_card: { name: 'x' }, delivery_mode: 'poll' } }),
      );
      expect([refused.status, refused.code]).toEqual([409, 'workspace_suspended']);
      await agent.heartbeat({ body: { workspace_id: id, active_tasks: 0, uptime_seconds: 1 } as never });
      expect(await statusOf(id)).toBe(status);
    }
  });

  it('of two at the same moment one sleeps it, and it is told once', async () => {
    const id = await createOnline();
    const results = await Promise.allSettled([hibernate(id), hibernate(id)]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = results.find((result) => result.status === 'rejected') as PromiseRejectedResult;
    expect([404, 409]).toContain(refused.reason.status);
    expect(await statusOf(id)).toBe('hibernated');
    await seats.untilNamed(id, 'WORKSPACE_HIBERNATED');
  });

  it('a claim that comes second is refused, and nothing is stopped', async () => {
    const id = await createOnline();
    const pid = pidOf(id);
    const failure = await overtake(id, sql`status = 'offline'`, () => failureOf(hibernate(id)));
    // Where it could not read before the change, it has found it offline.
    expect([failure.status, failure.code]).toEqual(
      seats.db.kind === 'postgres' ? [409, 'conflict'] : [404, 'not_found'],
    );
    expect(isAlive(pid)).toBe(true);
  });

  it('a pause meanwhile wins: the seat ends paused, and the sleeper is told', async () => {
    const id = await createOnline('hold-term');
    const asleep = failureOf(hibernate(id));
    await untilFile(seats.folder(id, 'home', 'terminating'));
    const paused = seats.admin.pauseWorkspace({ params: { id }, timeoutMs: 30_000 });
    await seats.until(id, 'paused');
    writeFileSync(seats.folder(id, 'home', 'release'), '');
    expect([(await asleep).status, await paused]).toEqual([409, { status: 'paused', paused_count: 1 }]);
    expect(await statusOf(id)).toBe('paused');
    await untilGone(pidOf(id));
  });
});

describe('the monitor', () => {
  it('10.51 idle 5 min with beats every 30 s → hibernated; the next A2A → 503 waking, later online', async () => {
    const body = { hibernation_idle_minutes: 5 };
    const [id, busy, restless, unlimited] = (await Promise.all([
      createOnline('', body),
      createOnline('', body),
      createOnline('', body),
      createOnline(),
    ])) as [string, string, string, string];
    const external = await createSeat(seats, { delivery_mode: 'poll', ...body });
    const agent = seats.client(external.token);
    await agent.register({ body: { id: external.id, agent_card: { name: 'x' }, delivery_mode: 'poll' } });
    const all = [id, busy, restless, unlimited, external.id];
    const beatAll = async (beat: number) => {
      await seats.beat(id);
      await seats.beat(busy, { active_tasks: 1 });
      // Did something in between, so that its idle time began anew.
      await seats.beat(restless, { active_tasks: beat === 5 ? 1 : 0 });
      await seats.beat(unlimited);
      await agent.heartbeat({ body: { workspace_id: external.id, active_tasks: 0, uptime_seconds: 1 } as never });
    };
    const pid = pidOf(id);
    await beatAll(0);
    for (let beat = 1; beat <= 9; beat += 1) {
      for (const one of all) await age(one, 30);
      await beatAll(beat);
    }
    expect(await seats.run(MONITOR)).toEqual({ asleep: 0, awake: 0 });
    for (const one of all) await age(one, 30);
    await beatAll(10);
    expect(await seats.run(MONITOR)).toEqual({ asleep: 1, awake: 0 });
    expect(await Promise.all(all.map(statusOf))).toEqual(['hibernated', 'online', 'online', 'online', 'online']);
    expect(isAlive(pid)).toBe(false);

    const asleep = await sendA2a(seats, id, textRequest('good morning'));
    expect([asleep.status, asleep.headers.get('retry-after'), asleep.body]).toMatchObject([
      503,
      '15',
      { waking: true, retry_after: 15 },
    ]);
    await seats.until(id, 'online');
    expect((await sendA2a(seats, id, textRequest('good morning'))).status).toBe(200);
    // Its rest is over: what it was idle before does not count.
    await seats.beat(id);
    expect(await seats.run(MONITOR)).toEqual({ asleep: 0, awake: 0 });
    expect([await statusOf(id), seats.starts(id).length]).toEqual(['online', 2]);
  });

  it('judges once more with the claim: what began meanwhile is not stopped', async () => {
    const id = await createOnline('', { hibernation_idle_minutes: 5 });
    await seats.beat(id);
    await age(id, 360);
    await overtake(id, sql`active_tasks = 1, idle_since = null`, () => seats.run(MONITOR));
    expect([await statusOf(id), isAlive(pidOf(id))]).toEqual(['online', true]);
  });

  it('finishes what a dead platform left claimed, forwards or back; until then nothing else ends it', async () => {
    const [sleepy, stubborn] = await Promise.all([createOnline(), createOnline()]);
    await seats.beat(stubborn, { error_rate: 0.6 });
    for (const id of [sleepy, stubborn]) await claim(id);
    const [pid, shielded] = [pidOf(sleepy), pidOf(stubborn)];
    await seats.run('orphan-sweeper');
    expect(await seats.run(MONITOR)).toEqual({ asleep: 0, awake: 0 });
    expect([await statusOf(sleepy), isAlive(pid)]).toEqual(['hibernating', true]);

    for (const id of [sleepy, stubborn]) await age(id, 301);
    const lift = shieldFromSignals(shielded);
    const counts = await seats.run(MONITOR).finally(lift);
    expect(counts).toEqual({ asleep: 1, awake: 1 });
    expect([await statusOf(sleepy), isAlive(pid)]).toEqual(['hibernated', false]);
    expect([await statusOf(stubborn), isAlive(shielded)]).toEqual(['degraded', true]);
  });
});

describe('waking', () => {
  it('a message for the inbox of a sleeping poll seat is stored and wakes it', async () => {
    const id = await createOnline();
    await hibernate(id);
    await sql`update workspaces set delivery_mode = 'poll' where id = ${id}`.execute(seats.db.kysely);
    seats.platform.workspaces.forget(id);
    const reply = await sendA2a(seats, id, textRequest('when you are up'));
    expect([reply.status, reply.body?.delivery_mode]).toEqual([200, 'poll']);
    await seats.untilStarts(id, 2);
    await seats.until(id, 'online');
  });

  it('a task delegated to a sleeping seat wakes it and is done by it', async () => {
    const caller = await createSeat(seats);
    const id = await createOnline();
    await hibernate(id);
    const { delegation_id: delegationId } = await seats
      .client(caller.token)
      .delegate({ params: { id: caller.id }, body: { target_id: id, task: 'write it' } });
    const done = await waitFor(
      'the delegation is completed by the second try',
      async () => {
        const row = await seats.db.kysely
          .selectFrom('delegations')
          .select(['status', 'retry_count', 'result_preview'])
          .where('delegation_id', '=', delegationId)
          .executeTakeFirst();
        return row?.status === 'completed' || row?.status === 'failed' ? row : null;
      },
      20_000,
    );
    expect(done).toMatchObject({ status: 'completed', retry_count: 1, result_preview: `answered by ${pidOf(id)}` });
    expect(seats.starts(id)).toHaveLength(2);
  });

  it('is not promised below a paused seat', async () => {
    const parent = await createOnline();
    const id = await createOnline();
    await hibernate(id);
    await seats.admin.pauseWorkspace({ params: { id: parent }, timeoutMs: 30_000 });
    await seats.admin.patchWorkspace({ params: { id }, body: { parent_id: parent } });
    const reply = await sendA2a(seats, id, textRequest('hello'));
    expect([reply.status, reply.body]).toMatchObject([503, { code: 'agent_no_url', status: 'hibernated' }]);
    expect(reply.body).not.toHaveProperty('waking');
    const restart = await failureOf(seats.admin.restartWorkspace({ params: { id } }));
    expect([restart.status, restart.body.paused]).toEqual([409, (await seats.row(parent)).name]);
    expect(seats.starts(id)).toHaveLength(1);
  });
});
