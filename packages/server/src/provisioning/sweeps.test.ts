// The background passes of provisioning (chapter 10 §8): starts that take too long, orphans, tokens without a workload, deletion.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSeat, failureOf, signalProcess } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isAlive, type ProcessSeats, startProcessSeats, untilFile, untilGone } from '../../test/process-seats.ts';

let seats: ProcessSeats;
let templates: string;

beforeAll(async () => {
  templates = mkdtempSync(join(tmpdir(), 'molecule-templates-'));
  for (const [name, runtime, seconds] of [
    ['slow', 'codex', 600],
    ['slower', 'codex', 720],
    ['quick', 'ai-sdk', 0],
    ['garbled', 'crewai', 'soon'],
  ]) {
    mkdirSync(join(templates, String(name)));
    writeFileSync(
      join(templates, String(name), 'config.yaml'),
      `runtime: ${runtime}\nruntime_config:\n  provision_timeout_seconds: ${seconds}\n`,
    );
  }
  mkdirSync(join(templates, 'broken'));
  writeFileSync(join(templates, 'broken', 'config.yaml'), 'runtime: [unclosed');
  writeFileSync(join(templates, 'loose-file.yaml'), 'runtime: echo');
  seats = await startProcessSeats({ env: { CONFIGS_DIR: templates } });
});
afterAll(async () => {
  await seats?.stop();
  rmSync(templates, { recursive: true, force: true });
});

const pidOf = (id: string) => seats.starts(id).at(-1) as number;

/** A start that hangs, begun `minutes` ago. */
async function createHanging(runtime: string, minutes: number): Promise<string> {
  const id = await seats.create('silent', { runtime });
  await untilFile(seats.folder(id, 'home', 'starts'));
  // The start holds its gate while it waits for the agent; a status change ends that, as a later minute would.
  seats.platform.events.broadcast({ event: 'WORKSPACE_ONLINE', workspace_id: id, payload: {} } as never);
  await sql`update workspaces set status_changed_at = now() - make_interval(mins => ${minutes}) where id = ${id}`.execute(
    seats.db.kysely,
  );
  return id;
}

describe('starts that take too long', () => {
  it('10.70 hermes 11 min → provisioning, 31 min → failed with its runtime; langgraph 11 min → failed', async () => {
    const patient = await createHanging('hermes', 11);
    const late = await createHanging('hermes', 31);
    const langgraph = await createHanging('langgraph', 11);
    const fresh = await createHanging('langgraph', 9);
    await vi.waitFor(async () => {
      await seats.run('provision-timeout-sweep');
      expect((await seats.row(late)).status).toBe('failed');
      expect((await seats.row(langgraph)).status).toBe('failed');
    }, 15_000);
    expect((await seats.untilNamed(late, 'WORKSPACE_PROVISION_FAILED'))[0]?.payload).toEqual({
      name: (await seats.row(late)).name,
      error: 'the agent did not come online within 1800 seconds',
      timeout_secs: 1800,
      runtime: 'hermes',
      source: 'provision_timeout_sweep',
    });
    expect((await seats.untilNamed(langgraph, 'WORKSPACE_PROVISION_FAILED'))[0]?.payload).toMatchObject({
      timeout_secs: 600,
      runtime: 'langgraph',
    });
    expect((await seats.row(patient)).status).toBe('provisioning');
    expect((await seats.row(fresh)).status).toBe('provisioning');
    // Told once: the next pass finds nothing to say.
    await seats.run('provision-timeout-sweep');
    expect(seats.named(late, 'WORKSPACE_PROVISION_FAILED')).toHaveLength(1);
  });

  it('10.72 provision_timeout_ms 720000 if declared 720; absent otherwise; two templates → the larger', async () => {
    const codex = await createHanging('codex', 11);
    const other = await createHanging('ai-sdk', 0);
    const garbled = await createHanging('crewai', 0);
    expect((await seats.row(codex)).provision_timeout_ms).toBe(720_000);
    expect((await seats.admin.getWorkspace({ params: { id: codex } })).provision_timeout_ms).toBe(720_000);
    expect(await seats.row(other)).not.toHaveProperty('provision_timeout_ms');
    expect(await seats.row(garbled)).not.toHaveProperty('provision_timeout_ms');
    // The sweep keeps to the longer time too: 11 minutes are over, 12 are not.
    await vi.waitFor(async () => {
      expect(await seats.run('provision-timeout-sweep')).toEqual({ failed: 0 });
      expect((await seats.row(codex)).status).toBe('provisioning');
    }, 15_000);
  });

  it('the operator’s own limit counts for every runtime', async () => {
    const strict = await startProcessSeats({ env: { PROVISION_TIMEOUT_SECONDS: '30', CONFIGS_DIR: templates } });
    try {
      const id = await strict.create('silent', { runtime: 'hermes' });
      await untilFile(strict.folder(id, 'home', 'starts'));
      strict.platform.events.broadcast({ event: 'WORKSPACE_ONLINE', workspace_id: id, payload: {} } as never);
      await sql`update workspaces set status_changed_at = now() - interval '31 seconds'`.execute(strict.db.kysely);
      await vi.waitFor(async () => {
        await strict.run('provision-timeout-sweep');
        expect((await strict.row(id)).last_sample_error).toBe('the agent did not come online within 30 seconds');
      }, 15_000);
    } finally {
      await strict.stop();
    }
  });
});

describe('a start that waits for its turn', () => {
  it('is not late yet, and its time counts from when it begins', async () => {
    const narrow = await startProcessSeats({ env: { MOLECULE_PROVISION_CONCURRENCY: '1', CONFIGS_DIR: templates } });
    try {
      const first = await narrow.create('silent');
      await untilFile(narrow.folder(first, 'home', 'starts'));
      const waiting = await narrow.create('silent');
      await sql`update workspaces set status_changed_at = now() - interval '11 minutes' where id = ${waiting}`.execute(
        narrow.db.kysely,
      );
      expect(await narrow.run('provision-timeout-sweep')).toEqual({ failed: 0 });
      // The first one's place is free once it settled.
      narrow.platform.events.broadcast({ event: 'WORKSPACE_ONLINE', workspace_id: first, payload: {} } as never);
      await untilFile(narrow.folder(waiting, 'home', 'starts'));
      narrow.platform.events.broadcast({ event: 'WORKSPACE_ONLINE', workspace_id: waiting, payload: {} } as never);
      await vi.waitFor(async () => {
        await narrow.admin.restartWorkspace({ params: { id: first } });
        expect(narrow.starts(first).length).toBeGreaterThan(1);
      }, 15_000);
      expect(await narrow.run('provision-timeout-sweep')).toEqual({ failed: 0 });
      expect((await narrow.row(waiting)).status).toBe('provisioning');
    } finally {
      await narrow.stop();
    }
  });
});

describe('workloads nobody asked for', () => {
  it('are ended for removed, sleeping, external and unknown seats; files of the unknown are kept', async () => {
    const [removed, paused, external, unknown, wanted] = (await Promise.all(
      ['removed', 'paused', 'external', 'unknown', 'wanted'].map((name) =>
        seats.create('', { name: `orphan ${name}` }),
      ),
    )) as [string, string, string, string, string];
    const all = [removed, paused, external, unknown, wanted];
    for (const id of all) await seats.until(id, 'online');
    const pids = all.map(pidOf);
    // As a platform leaves them that dies between the change and the stop.
    await seats.platform.workspaces.transition('remove', removed);
    await seats.platform.workspaces.transition('pause', paused);
    await sql`update workspaces set runtime = 'external' where id = ${external}`.execute(seats.db.kysely);
    await sql`delete from workspaces where id = ${unknown}`.execute(seats.db.kysely);
    await seats.run('orphan-sweeper');
    for (const pid of pids.slice(0, 4)) await untilGone(pid);
    expect(isAlive(pids[4] as number)).toBe(true);
    expect([removed, paused, external, unknown].map((id) => existsSync(seats.folder(id)))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(await seats.run('orphan-sweeper')).toMatchObject({ ended: 0 });
  });

  it('a vanished workload of an online seat is noticed by the health sweep and started again', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    // Its end goes untold: the platform did not start it, as after an adoption that failed.
    await seats.platform.workspaces.transition('go_offline', id);
    signalProcess(pidOf(id), 'SIGKILL');
    await untilGone(pidOf(id));
    await vi.waitFor(
      async () => {
        await seats.run('health-sweep');
        expect(seats.starts(id)).toHaveLength(2);
      },
      { timeout: 10_000 },
    );
    await seats.until(id, 'online');
  });

  it('10.68 20.91 wiped files: stale tokens are revoked after five minutes, a token in use and external seats keep theirs', async () => {
    const wiped = await seats.create('refuse');
    await seats.until(wiped, 'failed');
    const tokens = async (id: string) =>
      (
        await seats.db.kysely
          .selectFrom('workspace_auth_tokens')
          .select('id')
          .where('workspace_id', '=', id)
          .where('revoked_at', 'is', null)
          .execute()
      ).length;
    const age = (id: string, minutes: number) =>
      sql`update workspace_auth_tokens set created_at = now() - make_interval(mins => ${minutes}), last_used_at = null where workspace_id = ${id}`.execute(
        seats.db.kysely,
      );
    const running = await seats.create();
    await seats.until(running, 'online');
    const external = await createSeat(seats);
    await age(wiped, 4);
    await age(running, 60);
    await age(external.id, 60);
    await seats.run('stale-tokens');
    expect(await tokens(wiped)).toBe(1);

    await age(wiped, 6);
    // Issued while the sweep runs: it is young, whatever its elders are.
    const { auth_token: young } = await seats.admin.createToken({ params: { id: wiped } });
    expect(await seats.run('stale-tokens')).toMatchObject({ revoked: 1 });
    expect(await tokens(wiped)).toBe(1);
    expect(await seats.client(young).listSecrets({ params: { id: wiped } })).toEqual([
      expect.objectContaining({ key: 'SCRIPT' }),
    ]);
    expect([await tokens(running), await tokens(external.id)]).toEqual([1, 1]);
    expect((await seats.client(external.token).listTokens({ params: { id: external.id } })).count).toBe(1);

    await age(wiped, 6);
    await seats.run('stale-tokens');
    expect((await failureOf(seats.client(young).listSecrets({ params: { id: wiped } }))).status).toBe(401);
    const reply = await seats.admin.raw('POST', '/registry/register', {
      headers: { 'content-type': 'application/json', authorization: '' },
      body: JSON.stringify({ id: wiped, agent_card: { name: 'back' }, delivery_mode: 'poll' }),
    });
    expect([reply.status, ((await reply.json()) as { auth_token?: string }).auth_token]).toEqual([
      200,
      expect.any(String),
    ]);
  });
});

describe('deletion', () => {
  it('stops the agent and removes its files; what it was told to forget is gone', async () => {
    const id = await seats.create('grandchild');
    await seats.until(id, 'online');
    const pid = pidOf(id);
    await seats.admin.deleteWorkspace({ params: { id } });
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(seats.folder(id))).toBe(false);
  });

  it('10.45 one of three cannot be stopped → 500 with stop_failures 1, rows removed, no purge; a repeat stops it → 200', async () => {
    const root = await seats.create();
    const child = await seats.create('', { parent_id: root });
    const stubborn = await seats.create('', { parent_id: root });
    for (const id of [root, child, stubborn]) await seats.until(id, 'online');
    const pid = pidOf(stubborn);
    const kill = process.kill;
    const spy = vi.spyOn(process, 'kill').mockImplementation((target, signal) => {
      if (Math.abs(target) === pid) throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
      return kill.call(process, target, signal);
    });
    const query = { confirm: true, purge: true };
    const error = await failureOf(seats.admin.deleteWorkspace({ params: { id: root }, query }));
    spy.mockRestore();
    expect([error.status, error.body.stop_failures, error.body.removed_count]).toEqual([500, 1, 3]);
    expect(isAlive(pid)).toBe(true);
    const statuses = await seats.db.kysely
      .selectFrom('workspaces')
      .select('status')
      .where('id', 'in', [root, child, stubborn])
      .execute();
    expect(statuses.map(({ status }) => status)).toEqual(['removed', 'removed', 'removed']);

    expect(await seats.admin.deleteWorkspace({ params: { id: root }, query })).toMatchObject({ status: 'purged' });
    expect(isAlive(pid)).toBe(false);
    expect(
      await seats.db.kysely.selectFrom('workspaces').select('id').where('id', 'in', [root, child, stubborn]).execute(),
    ).toEqual([]);
  });
});
