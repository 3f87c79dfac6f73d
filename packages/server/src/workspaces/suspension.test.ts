// Pausing and resuming with real child processes (chapter 10 §1.3 rows 17–18, §2.1): the tree, every refusal, and others at the same time.

import { existsSync, writeFileSync } from 'node:fs';
import { createSeat, failureOf, sendA2a, startPlatform, textRequest } from '@molecule/testkit';
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
let seats: ProcessSeats;

beforeAll(async () => {
  seats = await startProcessSeats({ env: { MOLECULE_PROVISION_CONCURRENCY: '0' } });
});
afterAll(async () => {
  await seats?.stop();
});

const pidOf = (id: string) => seats.starts(id).at(-1) as number;
const pause = (id: string) => seats.admin.pauseWorkspace({ params: { id }, timeoutMs: 30_000 });
const resume = (id: string) => seats.admin.resumeWorkspace({ params: { id } });
const statusesOf = (ids: string[]) => Promise.all(ids.map(async (id) => (await seats.row(id)).status));
const sweep = async () => {
  await seats.run('health-sweep');
  await seats.run('workload-supervision');
  await seats.run('orphan-sweeper');
};

async function createOnline(script = '', body: Parameters<ProcessSeats['create']>[1] = {}): Promise<string> {
  const id = await seats.create(script, body);
  await seats.until(id, 'online');
  return id;
}

describe('pausing', () => {
  it('takes a seat and all its live descendants down, keeps their files, and nothing but a resume brings them back', async () => {
    const lead = await createOnline('', { name: 'Lead' });
    const writer = await createOnline('', { name: 'Writer', parent_id: lead });
    const editor = await createOnline('', { name: 'Editor', parent_id: writer });
    const guest = await createSeat(seats, { parent_id: writer, delivery_mode: 'poll' });
    const beside = await createOnline();
    const gone = await createSeat(seats, { parent_id: lead });
    await seats.admin.deleteWorkspace({ params: { id: gone.id } });
    const team = [lead, writer, editor, guest.id];
    const ours = [lead, writer, editor];
    const pids = ours.map(pidOf);
    await seats.beat(lead);
    writeFileSync(seats.folder(editor, 'workspace', 'draft.txt'), 'kept');

    expect(await pause(lead)).toEqual({ status: 'paused', paused_count: 4 });
    expect(pids.map(isAlive)).toEqual([false, false, false]);
    for (const id of team) {
      expect(await seats.row(id)).toMatchObject({ status: 'paused', url: null, url_source: null, active_tasks: 0 });
      const [told] = await seats.untilNamed(id, 'WORKSPACE_PAUSED');
      expect(told?.payload).toEqual({ name: (await seats.row(id)).name });
    }
    expect((await seats.row(beside)).status).toBe('online');
    expect(existsSync(seats.folder(editor, 'workspace', 'draft.txt'))).toBe(true);

    const again = await failureOf(pause(lead));
    expect([again.status, again.code]).toEqual([404, 'not_found']);
    const message = await sendA2a(seats, lead, textRequest('hello'));
    expect([message.status, message.body]).toMatchObject([503, { code: 'agent_no_url', status: 'paused' }]);
    const restart = await failureOf(seats.admin.restartWorkspace({ params: { id: lead } }));
    expect([restart.status, restart.code, restart.body.paused]).toEqual([409, 'conflict', 'Lead']);
    // Those below may be resumed by themselves only when nothing above is paused.
    const below = await failureOf(resume(editor));
    expect([below.status, below.code, below.body.paused]).toEqual([409, 'conflict', 'Writer']);
    expect(below.message).toContain('Writer');
    await sweep();
    expect([await statusesOf(team), ours.map((id) => seats.starts(id).length)]).toEqual([
      team.map(() => 'paused'),
      [1, 1, 1],
    ]);

    expect(await resume(lead)).toEqual({ status: 'provisioning', resumed_count: 4 });
    for (const id of ours) await seats.until(id, 'online');
    expect(ours.map((id) => seats.starts(id).length)).toEqual([2, 2, 2]);
    expect((await seats.row(guest.id)).status).toBe('awaiting_agent');
    expect((await seats.row(lead)).idle_since).toBeNull();
    await seats.untilNamed(guest.id, 'WORKSPACE_AWAITING_AGENT', 2);
    // Parents first.
    const resumed = seats.frames
      .filter((frame) => frame.event === 'WORKSPACE_PROVISIONING' && ours.includes(frame.workspace_id))
      .slice(-3);
    expect(resumed.map((frame) => frame.workspace_id)).toEqual(ours);
    expect((await sendA2a(seats, lead, textRequest('hello'))).status).toBe(200);
  });

  it('404 for what is unknown, removed or not paused; 503 without a backend, and then nothing is resumed', async () => {
    const removed = await createSeat(seats);
    await seats.admin.deleteWorkspace({ params: { id: removed.id } });
    const awake = await createSeat(seats);
    for (const [act, id] of [
      [pause, UNKNOWN],
      [pause, removed.id],
      [resume, UNKNOWN],
      [resume, removed.id],
      [resume, awake.id],
    ] as const) {
      const failure = await failureOf(act(id));
      expect([failure.status, failure.code]).toEqual([404, 'not_found']);
    }
    const bare = await startPlatform();
    try {
      const owner = await createSeat(bare);
      const { id } = await bare.admin.createWorkspace({ body: { name: 'x', runtime: 'echo', parent_id: owner.id } });
      expect(await bare.admin.pauseWorkspace({ params: { id: owner.id } })).toMatchObject({ paused_count: 2 });
      const failure = await failureOf(bare.admin.resumeWorkspace({ params: { id: owner.id } }));
      expect([failure.status, failure.code]).toEqual([503, 'no_backend']);
      const { rows } = await bare.db.pool.query('select status from workspaces');
      expect(rows).toEqual([{ status: 'paused' }, { status: 'paused' }]);
      await bare.admin.deleteWorkspace({ params: { id } });
      // What has an owner of its own needs no backend.
      expect(await bare.admin.resumeWorkspace({ params: { id: owner.id } })).toMatchObject({ resumed_count: 1 });
    } finally {
      await bare.stop();
    }
  });

  it('a restart below a paused seat is refused with its name', async () => {
    const parent = await createOnline('', { name: 'Quiet Lead' });
    const child = await createOnline();
    await pause(parent);
    await seats.admin.patchWorkspace({ params: { id: child }, body: { parent_id: parent } });
    const failure = await failureOf(seats.admin.restartWorkspace({ params: { id: child } }));
    expect([failure.status, failure.body.paused]).toEqual([409, 'Quiet Lead']);
    expect(failure.message).toContain('Quiet Lead');
    expect(seats.starts(child)).toHaveLength(1);
  });

  it('a tree of 30 of which one cannot be stopped: all paused, the failure counted, the rest stopped; a sweep ends it later', async () => {
    const root = await createOnline();
    const workers = await Promise.all([
      createOnline('', { parent_id: root }),
      createOnline('', { parent_id: root }),
      createOnline('', { parent_id: root }),
    ]);
    const [stubborn = ''] = workers;
    const guests = await Promise.all(
      Array.from({ length: 26 }, (_, index) => createSeat(seats, { parent_id: workers[index % 3] as string })),
    );
    const ids = [root, ...workers, ...guests.map(({ id }) => id)];
    expect(ids).toHaveLength(30);
    const pid = pidOf(stubborn);
    const others = [root, ...workers.slice(1)].map(pidOf);
    const lift = shieldFromSignals(pid);
    const reply = await pause(root).finally(lift);
    expect(reply).toEqual({ status: 'paused', paused_count: 30, stop_failures: 1 });
    expect(await statusesOf(ids)).toEqual(ids.map(() => 'paused'));
    expect([isAlive(pid), ...others.map(isAlive)]).toEqual([true, false, false, false]);
    await seats.run('orphan-sweeper');
    await untilGone(pid);
    expect((await seats.row(stubborn)).status).toBe('paused');
  });
});

describe('at the same time as others', () => {
  it('a pause during the start ends it wherever it is, and a resume starts it once', async () => {
    const ids = await Promise.all(Array.from({ length: 4 }, () => seats.create()));
    const waiting = await seats.create('silent');
    await untilFile(seats.folder(waiting, 'home', 'starts'));
    const all = [...ids, waiting];
    await Promise.all(all.map(pause));
    expect(await statusesOf(all)).toEqual(all.map(() => 'paused'));
    seats.rescript(waiting, '');
    await Promise.all(all.map(resume));
    for (const id of all) await seats.until(id, 'online');
    for (const id of all) {
      expect((await sendA2a(seats, id, textRequest('who?'))).status).toBe(200);
      const alive = seats.starts(id).filter(isAlive);
      expect(alive).toEqual([pidOf(id)]);
    }
  });

  it('a delete during a pause wins: removed, stopped, its files gone', async () => {
    const id = await createOnline('hold-term');
    const pid = pidOf(id);
    const paused = pause(id);
    await untilFile(seats.folder(id, 'home', 'terminating'));
    const deleted = seats.admin.deleteWorkspace({ params: { id }, timeoutMs: 30_000 });
    await seats.untilNamed(id, 'WORKSPACE_REMOVED');
    writeFileSync(seats.folder(id, 'home', 'release'), '');
    expect(await paused).toEqual({ status: 'paused', paused_count: 1 });
    expect(await deleted).toEqual({ status: 'removed', cascade_deleted: 0 });
    await untilGone(pid);
    expect(existsSync(seats.folder(id))).toBe(false);
    expect((await failureOf(pause(id))).status).toBe(404);
  });

  it('of two pauses, or resumes, of a tree one takes it whole, and each seat is told once', async () => {
    const root = await createSeat(seats);
    const children = await Promise.all(Array.from({ length: 10 }, () => createSeat(seats, { parent_id: root.id })));
    const results = await Promise.allSettled([pause(root.id), pause(root.id)]);
    const [won, ...more] = results.filter((result) => result.status === 'fulfilled');
    expect([won?.value, more]).toEqual([{ status: 'paused', paused_count: 11 }, []]);
    for (const { id } of [root, ...children]) await seats.untilNamed(id, 'WORKSPACE_PAUSED');
    const resumes = await Promise.allSettled([resume(root.id), resume(root.id)]);
    expect(resumes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await statusesOf(children.map(({ id }) => id))).toEqual(children.map(() => 'awaiting_agent'));
  });

  it('the orphan sweeper leaves one alone that was resumed while it was busy with another', async () => {
    const [first = '', second = ''] = (
      await Promise.all([createOnline('hold-term'), createOnline('hold-term')])
    ).sort();
    const pid = pidOf(second);
    // As a platform leaves them that dies between the change and the stop.
    for (const id of [first, second]) await seats.platform.workspaces.transition('pause', id);
    const swept = seats.run('orphan-sweeper');
    await untilFile(seats.folder(first, 'home', 'terminating'));
    await seats.platform.workspaces.transition('resume', second);
    writeFileSync(seats.folder(first, 'home', 'release'), '');
    expect(await swept).toMatchObject({ ended: 1 });
    expect([existsSync(seats.folder(second, 'home', 'terminating')), isAlive(pid)]).toEqual([false, true]);
  });

  it('a restart that waits for its turn does not bring back what was paused meanwhile', async () => {
    const id = await createOnline('hold-term');
    await seats.admin.restartWorkspace({ params: { id } });
    await untilFile(seats.folder(id, 'home', 'terminating'));
    const paused = pause(id);
    await seats.until(id, 'paused');
    writeFileSync(seats.folder(id, 'home', 'release'), '');
    expect(await paused).toEqual({ status: 'paused', paused_count: 1 });
    await untilGone(pidOf(id));
    await sweep();
    expect([(await seats.row(id)).status, seats.starts(id).length]).toEqual(['paused', 1]);
  });
});
