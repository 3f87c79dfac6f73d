// `molecule pause`, `resume`, `hibernate` and `restart` with agents of the process backend: what they do, say and refuse.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSeats, shieldFromSignals, startProcessSeats } from '../../server/test/process-seats.ts';
import { accessTo, endCommands, run } from './cli.ts';

afterAll(endCommands);

let seats: ProcessSeats;
let env: Record<string, string>;
let lead: string;
let writer: string;

beforeAll(async () => {
  seats = await startProcessSeats();
  env = accessTo(seats);
  lead = await seats.create('', { name: 'Lead' });
  writer = await seats.create('', { name: 'Writer', parent_id: lead });
  for (const id of [lead, writer]) await seats.until(id, 'online');
});
afterAll(() => seats?.stop());

const statuses = async () => [(await seats.row(lead)).status, (await seats.row(writer)).status];

describe('pause and resume', () => {
  it('pause takes a whole team down; a second one and a restart are refused with the way out', async () => {
    const paused = await run(['pause', 'lead'], env);
    expect(paused).toMatchObject({
      code: 0,
      err: '',
      out: 'Lead is paused, and 1 under it; molecule resume takes it back\n',
    });
    expect(await statuses()).toEqual(['paused', 'paused']);
    const [again, restart] = await Promise.all([
      run(['pause', 'lead'], env),
      run(['restart', 'writer', '--json'], env),
    ]);
    expect(again).toMatchObject({ code: 1, out: '', err: expect.stringContaining('the workspace is paused already') });
    expect(restart.json()).toMatchObject({ ok: false, code: 'conflict', exit_code: 1 });
  });

  it('resume takes it back; a second one is refused', async () => {
    const resumed = await run(['resume', 'lead', '--json'], env);
    expect([resumed.code, resumed.json()]).toEqual([
      0,
      { ok: true, workspace: { id: lead, name: 'Lead' }, status: 'provisioning', resumed_count: 2 },
    ]);
    for (const id of [lead, writer]) await seats.until(id, 'online');
    expect(await run(['resume', 'lead'], env)).toMatchObject({
      code: 1,
      err: expect.stringContaining('the workspace is not paused'),
    });
  });

  it('what could not be stopped is exit code 1 and said', async () => {
    const lift = shieldFromSignals(seats.starts(writer).at(-1) as number);
    const paused = await run(['pause', 'lead'], env);
    expect(paused).toMatchObject({ code: 1, out: expect.stringContaining('Lead is paused, and 1 under it') });
    expect(paused.err).toBe('1 of them could not be stopped yet; the platform goes on trying\n');
    await seats.admin.resumeWorkspace({ params: { id: lead } });
    const program = await run(['pause', 'writer', '--json'], env).finally(lift);
    expect([program.code, program.err]).toEqual([1, '']);
    expect(program.json()).toMatchObject({ ok: false, status: 'paused', paused_count: 1, stop_failures: 1 });
    await seats.admin.resumeWorkspace({ params: { id: writer } });
    await seats.until(writer, 'online');
  });
});

describe('hibernate and restart', () => {
  it('sends an idle agent to sleep, one at work only by force, and wakes it', async () => {
    await seats.beat(writer, { active_tasks: 2 });
    const busy = await run(['hibernate', 'writer', '--json'], env);
    expect(busy.json()).toMatchObject({ ok: false, code: 'tasks_running', exit_code: 1 });
    expect((await seats.row(writer)).status).toBe('online');
    expect(await run(['hibernate', 'writer', '--force'], env)).toMatchObject({
      code: 0,
      out: 'Writer is asleep; a message or molecule restart wakes it\n',
    });
    expect((await seats.row(writer)).status).toBe('hibernated');

    const before = seats.starts(writer).length;
    const woken = await run(['restart', 'writer', '--reset', '--json'], env);
    expect(woken.json()).toMatchObject({
      ok: true,
      workspace: { id: writer, name: 'Writer' },
      status: 'provisioning',
      reset_session: true,
    });
    await seats.untilStarts(writer, before + 1);
    await seats.until(writer, 'online');
    expect(await run(['restart', 'nobody'], env)).toMatchObject({ code: 2, out: '' });
  });
});
