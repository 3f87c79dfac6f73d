// A whole platform on the control-plane backend (chapter 10 §7.2–7.6, §8): what reaches the control plane, and what its failures
// may never cause.

import { answerStatus, breakOff, failureOf, replyStatus } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MachineSeats, SHARED_SECRET, startMachineSeats } from '../../test/machine-seats.ts';
import { readConfig } from '../config.ts';
import { shortBackendName } from './provlog.ts';

let seats: MachineSeats;

beforeAll(async () => {
  seats = await startMachineSeats();
});
beforeEach(() => {
  for (const call of ['provision', 'stop', 'status', 'console'] as const) seats.controlPlane.fail(call, null);
  seats.silenceAgents(false);
});
afterAll(async () => {
  await seats?.stop();
});

const instanceOf = async (id: string) => (await seats.row(id)).instance_id;
const debtsOf = async (id: string) =>
  await seats.db.kysely.selectFrom('machine_debts').selectAll().where('workspace_id', '=', id).execute();
const makeDebtsDue = async (id: string) =>
  void (await sql`update machine_debts set due_at = now() where workspace_id = ${id}`.execute(seats.db.kysely));
const linesOf = (event: string, id: string) =>
  seats.logged.filter((line) => line.startsWith(`evt: ${event} `) && line.includes(id));

describe('machines of a control plane', () => {
  it('a seat gets a machine, registers for its token, and its machine stands in its row', async () => {
    const id = await seats.createOnline({ secrets: { A_KEY: 'value' } });
    await vi.waitFor(async () => expect(await instanceOf(id)).toBe(seats.machines(id)[0]?.instanceId), 15_000);
    expect(seats.machines(id)[0]?.env).toMatchObject({
      A_KEY: 'value',
      PLATFORM_URL: `http://host.docker.internal:${new URL(seats.url).port}`,
    });
    expect((await seats.admin.listTokens({ params: { id } })).count).toBe(1);
    const row = await seats.platform.workspaces.get(id);
    expect(row?.platform_inbound_secret).toMatch(/^[\w-]{43}$/);
    // Neither the secret nor a token travels: the agent gets both when it registers.
    expect(JSON.stringify(seats.machines(id)[0])).not.toContain(row?.platform_inbound_secret);
    expect((await seats.say(id, 'hello')).status).toBe(200);
  });

  it('10.61 a restarted child keeps PARENT_ID; a root has none', async () => {
    const root = await seats.createOnline();
    const child = await seats.createOnline({ parent_id: root });
    await seats.admin.restartWorkspace({ params: { id: child } });
    await seats.untilMachines(child, 2);
    expect(seats.machines(child).map(({ env }) => env.PARENT_ID)).toEqual([root, root]);
    expect(seats.machines(root)[0]?.env).not.toHaveProperty('PARENT_ID');
    await seats.until(child, 'online');
  });

  it('10.56 an import of seven starts seven machines; the same again starts none and says which it found', async () => {
    const leaf = (name: string) => ({ name, runtime: 'echo' });
    const template = {
      name: 'Seven',
      workspaces: [
        {
          ...leaf('Seven lead'),
          children: [
            { ...leaf('Left'), children: [leaf('L1'), leaf('L2')] },
            { ...leaf('Right'), children: [leaf('R1'), leaf('R2')] },
          ],
        },
      ],
    };
    const before = seats.controlPlane.machines.length;
    const rows = async () => (await seats.admin.listWorkspaces()).length;
    await seats.admin.importOrg({ body: { template } });
    await vi.waitFor(() => expect(seats.controlPlane.machines).toHaveLength(before + 7), 15_000);
    const count = await rows();
    const ids = seats.controlPlane.machines.slice(before).map(({ workspaceId }) => workspaceId);
    expect(new Set(ids).size).toBe(7);
    for (const id of ids) await seats.until(id, 'online');
    await seats.admin.importOrg({ body: { template } });
    expect(await rows()).toBe(count);
    for (const id of ids) expect(linesOf('provision.skip_existing', id)).not.toEqual([]);
    expect(seats.logged.filter((line) => line.startsWith('evt: provision.skip_existing'))).toHaveLength(7);
    expect(seats.controlPlane.machines).toHaveLength(before + 7);
  });

  it('10.58 what the control plane says of its machines reaches nobody: the event is canned, and so is that of a secret', async () => {
    const markers = ['ami-0123456789', 'vpc-abcdef', 'subnet-9'];
    seats.controlPlane.fail('provision', answerStatus(500, { error: markers.join(' '), body: markers.join('/') }));
    const id = await seats.create();
    const row = await seats.until(id, 'failed');
    expect(row.last_sample_error).toBe('provisioning failed');
    const [event] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
    expect(event?.payload).toMatchObject({ error: 'provisioning failed' });
    const shown = JSON.stringify([
      seats.frames,
      await seats.admin.listWorkspaces(),
      await seats.admin.listActivity({ params: { id } }),
    ]);
    for (const marker of markers) expect(shown).not.toContain(marker);

    seats.controlPlane.fail('provision', null);
    await seats.admin.deleteWorkspace({ params: { id } });
    const sealed = await seats.createOnline({ secrets: { SEALED_KEY: 'value' } });
    await seats.db.kysely
      .updateTable('workspace_secrets')
      .set({ encryption_version: 99 })
      .where('workspace_id', '=', sealed)
      .execute();
    await seats.admin.restartWorkspace({ params: { id: sealed } });
    expect((await seats.until(sealed, 'failed')).last_sample_error).toBe('failed to decrypt workspace secret');
    const [failure] = await seats.untilNamed(sealed, 'WORKSPACE_PROVISION_FAILED');
    expect(JSON.stringify(failure)).not.toContain('SEALED_KEY');
  });
});

describe('putting machines away', () => {
  it('10.49 pause, resume, hibernate, collapse, delete and restart all reach the control plane', async () => {
    const id = await seats.createOnline();
    const first = await seats.untilRecorded(id);
    await seats.admin.pauseWorkspace({ params: { id } });
    expect(seats.stopsOf(id)).toEqual([first]);
    expect(await instanceOf(id)).toBeNull();
    await seats.admin.resumeWorkspace({ params: { id } });
    await seats.until(id, 'online');
    await seats.admin.hibernateWorkspace({ params: { id } });
    expect(seats.stopsOf(id)).toHaveLength(2);
    await seats.until(id, 'hibernated');
    expect((await seats.say(id, 'wake up')).status).toBe(503);
    await seats.until(id, 'online');
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.untilMachines(id, 4);
    await seats.until(id, 'online');
    expect(seats.stopsOf(id)).toHaveLength(3);

    const child = await seats.createOnline({ parent_id: id });
    const grandchild = await seats.createOnline({ parent_id: child });
    await seats.admin.collapseWorkspace({ params: { id } });
    expect([seats.stopsOf(child), seats.stopsOf(grandchild)]).toEqual([
      [seats.machines(child)[0]?.instanceId],
      [seats.machines(grandchild)[0]?.instanceId],
    ]);
    await seats.admin.deleteWorkspace({ params: { id } });
    expect(seats.stopsOf(id)).toHaveLength(4);
    // Each by its own machine, in order, and nothing of theirs is left.
    expect(seats.stopsOf(id)).toEqual(seats.machines(id).map(({ instanceId }) => instanceId));
    for (const one of [id, child, grandchild]) expect(seats.controlPlane.machineOf(one)).toBeUndefined();
  });

  it('10.49 a restart whose stop fails three times goes on, tells of the leak, and does not end in provisioning', async () => {
    const id = await seats.createOnline();
    const old = await seats.untilRecorded(id);
    seats.controlPlane.fail('stop', answerStatus(500, 'no'));
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.untilMachines(id, 2);
    await seats.until(id, 'online');
    expect(seats.stopsOf(id)).toEqual([old, old, old]);
    expect(seats.logged).toContain('suspected leak: the old workload could not be stopped');
    await vi.waitFor(async () => expect(await instanceOf(id)).toBe(seats.machines(id)[1]?.instanceId), 15_000);

    // And one whose new machine is refused ends with a reason.
    seats.controlPlane.fail('stop', null);
    seats.controlPlane.fail('provision', answerStatus(507, { error: 'no room' }));
    await seats.admin.restartWorkspace({ params: { id } });
    expect((await seats.until(id, 'failed')).last_sample_error).toBe('provisioning failed');

    // Nothing of it is left in the end: not even the machine that could not be stopped, or one that nobody can say was made.
    seats.controlPlane.fail('provision', null);
    await seats.admin.deleteWorkspace({ params: { id } });
    expect(seats.controlPlane.machineOf(id)).toBeUndefined();
    expect(await debtsOf(id)).toEqual([]);
  });

  it('a machine whose start is never heard of is found again by its key, ended, and the seat started anew', async () => {
    let lost = 0;
    seats.controlPlane.fail('provision', (response, _request, perform) => {
      lost += 1;
      perform();
      response.destroy();
    });
    seats.silenceAgents(true);
    const id = await seats.create();
    expect((await seats.until(id, 'failed')).last_sample_error).toBe('provisioning failed');
    expect([lost, seats.machines(id).map(({ state }) => state)]).toEqual([1, ['running']]);
    // It cannot be ended while nothing answers, and is not forgotten for that.
    for (const fault of [answerStatus(503), answerStatus(401)]) {
      seats.controlPlane.fail('provision', fault);
      await makeDebtsDue(id);
      expect(await seats.run('machine-debts')).toEqual({ ended: 0 });
      expect(await debtsOf(id)).toHaveLength(1);
    }

    seats.controlPlane.fail('provision', null);
    seats.silenceAgents(false);
    await makeDebtsDue(id);
    expect(await seats.run('machine-debts')).toEqual({ ended: 1 });
    expect(seats.machines(id).map(({ state }) => state)).toEqual(['terminated']);
    expect(await debtsOf(id)).toEqual([]);
    await sql`update workspaces set retry_at = now() where id = ${id}`.execute(seats.db.kysely);
    expect((await seats.run('health-sweep')).restarted).toBe(1);
    await seats.until(id, 'online');
    expect(seats.machines(id).map(({ state }) => state)).toEqual(['terminated', 'running']);
    await seats.admin.deleteWorkspace({ params: { id } });
  });

  it('a refusal owes nothing, and is not tried again', async () => {
    seats.controlPlane.fail('provision', answerStatus(402, { error: 'unpaid' }));
    const id = await seats.create();
    await seats.until(id, 'failed');
    seats.controlPlane.fail('provision', null);
    expect(await debtsOf(id)).toEqual([]);
    await seats.run('health-sweep');
    const { retry_at } = await seats.db.kysely
      .selectFrom('workspaces')
      .select('retry_at')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    expect([retry_at, seats.machines(id)]).toEqual([null, []]);
    await seats.admin.deleteWorkspace({ params: { id } });
  });

  it('a tombstone that still holds its machine is reconciled, and so is a sleeping seat', async () => {
    const removed = await seats.createOnline();
    const paused = await seats.createOnline();
    for (const id of [removed, paused]) await seats.untilRecorded(id);
    seats.controlPlane.fail('stop', answerStatus(503));
    await failureOf(seats.admin.deleteWorkspace({ params: { id: removed } }));
    await seats.admin.pauseWorkspace({ params: { id: paused } });
    await seats.run('cp-tombstone-reconcile');
    expect(seats.controlPlane.machineOf(removed)).toBeDefined();
    seats.controlPlane.fail('stop', null);
    expect((await seats.run('cp-tombstone-reconcile')).ended).toBe(2);
    expect([seats.controlPlane.machineOf(removed), seats.controlPlane.machineOf(paused)]).toEqual([
      undefined,
      undefined,
    ]);
    expect((await seats.platform.workspaces.get(removed))?.instance_id).toBeNull();
    expect(linesOf('provision.ec2_stopped', removed)).toHaveLength(1);
    const before = seats.controlPlane.of('stop').length;
    await seats.run('cp-tombstone-reconcile');
    expect(seats.controlPlane.of('stop')).toHaveLength(before);
  });
});

describe('what a machine is believed', () => {
  it('10.63 no answer, 500 and bad JSON restart nothing; `stopped` restarts; a booting machine is left to its deadline', async () => {
    const id = await seats.createOnline();
    await seats.untilRecorded(id);
    for (const fault of [
      breakOff,
      answerStatus(500),
      answerStatus(200, 'not json'),
      answerStatus(200, 'x'.repeat(200_000)),
    ]) {
      seats.controlPlane.fail('status', fault);
      expect((await seats.run('health-sweep')).restarted).toBe(0);
    }
    expect(seats.machines(id)).toHaveLength(1);
    expect((await seats.row(id)).status).toBe('online');
    seats.controlPlane.fail('status', null);
    const machine = seats.machines(id)[0];
    if (machine) machine.state = 'stopped';
    expect((await seats.run('health-sweep')).restarted).toBe(1);
    await seats.untilMachines(id, 2);
    await seats.until(id, 'online');

    seats.silenceAgents(true);
    const slow = await seats.create();
    await seats.untilRecorded(slow);
    const booting = seats.machines(slow)[0];
    if (booting) booting.state = 'pending';
    await seats.run('health-sweep');
    expect(seats.machines(slow)).toHaveLength(1);
    await seats.admin.deleteWorkspace({ params: { id: slow } });
  });

  it('the sweep asks once a minute, eight at a time', async () => {
    const loops = seats.platform.provisioning.loops;
    expect(loops.find(({ name }) => name === 'health-sweep')).toMatchObject({ everyMs: 60_000, runs: 'one-replica' });
    expect(loops.find(({ name }) => name === 'cp-tombstone-reconcile')).toMatchObject({ everyMs: 300_000 });
    expect(loops.map(({ name }) => name)).not.toContain('orphan-sweeper');
    await Promise.all(Array.from({ length: 9 }, () => seats.createOnline()));
    const rows = (await seats.admin.listWorkspaces()).filter(({ status }) => status === 'online').length;
    expect(rows).toBeGreaterThan(8);
    const held: (() => void)[] = [];
    let asked = 0;
    seats.controlPlane.fail('status', (response) => {
      asked += 1;
      held.push(() => response.end(JSON.stringify({ state: 'running' })));
    });
    const sweep = seats.run('health-sweep');
    await vi.waitFor(() => expect(held).toHaveLength(8), 15_000);
    expect(asked).toBe(8);
    seats.controlPlane.fail('status', null);
    for (const release of held) release();
    expect((await sweep).restarted).toBe(0);
  });

  it('10.66 20.20 a call that ends in 502 or 521 on a dead machine: restarting, offline, a new machine', async () => {
    for (const status of [502, 521]) {
      const id = await seats.createOnline();
      await seats.untilRecorded(id);
      seats.agentOf(id).respond(replyStatus(status, { error: 'gateway' }));
      const machine = seats.machines(id)[0];
      if (machine) machine.state = 'stopped';
      const answer = await seats.say(id, 'are you there?');
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('15');
      expect(await answer.json()).toMatchObject({ restarting: true });
      await seats.untilNamed(id, 'WORKSPACE_OFFLINE');
      await seats.untilMachines(id, 2);
      await seats.until(id, 'online');
    }
  });

  it('10.66 20.23 alive or unsure, the status is passed on and nothing restarts; 520 and 525 are not asked about', async () => {
    const id = await seats.createOnline();
    await seats.untilRecorded(id);
    const agent = seats.agentOf(id);
    const askedOf = () => seats.controlPlane.of('status').filter(({ workspaceId }) => workspaceId === id).length;
    for (const status of [502, 521]) {
      agent.respond(replyStatus(status, { error: 'gateway' }));
      const before = askedOf();
      expect((await seats.say(id, `alive ${status}`)).status).toBe(status);
      expect(askedOf()).toBe(before + 1);
      seats.controlPlane.fail('status', answerStatus(500));
      for (let call = 0; call < 3; call += 1) expect((await seats.say(id, `unsure ${call}`)).status).toBe(status);
      seats.controlPlane.fail('status', null);
    }
    const machine = seats.machines(id)[0];
    if (machine) machine.state = 'stopped';
    const before = askedOf();
    for (const status of [520, 525]) {
      agent.respond(replyStatus(status, { error: 'gateway' }));
      await seats.say(id, `unchecked ${status}`);
    }
    expect(askedOf()).toBe(before);
    expect(seats.machines(id)).toHaveLength(1);
    expect(seats.named(id, 'WORKSPACE_OFFLINE')).toEqual([]);
  });
});

describe('the provisioning log', () => {
  it('10.76 each step is one line: starts, restarts with sync, what was stopped under `cp`', async () => {
    const id = await seats.createOnline();
    await seats.untilRecorded(id);
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.untilMachines(id, 2);
    await seats.until(id, 'online');
    const [first, second] = seats.machines(id);
    expect(linesOf('provision.start', id).map((line) => JSON.parse(line.slice(21)))).toMatchObject([
      { backend: 'control-plane', sync: false },
      { backend: 'control-plane', sync: true },
    ]);
    expect(linesOf('restart.pre_stop', id)).toEqual([
      `evt: restart.pre_stop ${JSON.stringify({ workspace_id: id, backend: 'cp' })}`,
    ]);
    expect(linesOf('provision.ec2_stopped', id)).toEqual([
      `evt: provision.ec2_stopped ${JSON.stringify({ workspace_id: id, instance_id: first?.instanceId })}`,
    ]);
    expect(linesOf('provision.ec2_started', id)).toHaveLength(2);
    expect(linesOf('provision.ec2_started', id)[1]).toContain(second?.instanceId);
    const names = ['docker', 'process', 'kubernetes', 'none'];
    expect(names.map(shortBackendName)).toEqual(names);
  });
});

describe('settings', () => {
  it('an organisation without an address of a control plane does not start, and learns which two settings would do', () => {
    expect(() => readConfig({ PATH: '/bin', MOLECULE_ORG_ID: 'acme' })).toThrow(/CP_PROVISION_URL.*MOLECULE_CP_URL/);
    const env = { PATH: '/bin', MOLECULE_ORG_ID: 'acme', MOLECULE_CP_URL: 'https://b.example/' };
    expect(readConfig(env)).toMatchObject({ provisioner: 'control-plane', cpProvisionUrl: 'https://b.example' });
    expect(readConfig({ ...env, CP_PROVISION_URL: 'https://a.example' }).cpProvisionUrl).toBe('https://a.example');
    const secrets = { ...env, PROVISION_SHARED_SECRET: SHARED_SECRET };
    expect(readConfig(secrets)).toMatchObject({ cpSharedSecret: SHARED_SECRET, cpAdminApiToken: SHARED_SECRET });
    expect(readConfig({ ...secrets, MOLECULE_CP_SHARED_SECRET: 'newer' }).cpSharedSecret).toBe('newer');
  });
});
