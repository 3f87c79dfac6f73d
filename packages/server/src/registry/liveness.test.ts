import { join } from 'node:path';
import { createManualClock, type FakeAgent, startFakeAgent, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLivenessLoop } from './loops.ts';

const clock = createManualClock();
let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform({ clock });
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(options: Parameters<typeof startFakeAgent>[1] = {}, on = test): Promise<FakeAgent> {
  const agent = await startFakeAgent(on, options);
  agents.push(agent);
  return agent;
}
const LAPTOP = { deliveryMode: 'poll', workspace: { external: true, runtime: 'external' } } as const;

const age = (id: string, seconds: number) =>
  sql`update workspaces set last_heartbeat_at = now() - make_interval(secs => ${seconds}) where id = ${id}`.execute(
    test.db.kysely,
  );
const statusOf = async (id: string) => (await test.admin.getWorkspace({ params: { id } })).status;
const countEvents = async (id: string, name: string) =>
  (await test.admin.listWorkspaceEvents({ params: { id } })).filter((event) => event.event_type === name).length;
const loopOf = (platform: TestPlatform, name: string) => {
  const loops = [...platform.platform.registry.loops, ...platform.platform.provisioning.loops];
  const loop = loops.find((one) => one.name === name);
  if (!loop) throw new Error(`no loop ${name}`);
  return loop;
};
const sweep = (platform = test) => loopOf(platform, 'liveness-monitor').run(AbortSignal.timeout(10_000));

describe('the liveness sweep', () => {
  it('10.83 181 s → offline once with two replicas, 179 s stay; back after 10 min nothing flips for 180 s, unless the backend says stopped', async () => {
    const [quiet, silent, laptop] = [await startAgent(), await startAgent(), await startAgent(LAPTOP)];
    // The margin is this test's own duration, which the database's clock counts too.
    await Promise.all([age(quiet.id, 170), age(silent.id, 181), age(laptop.id, 91)]);
    const second = await startPlatform({ db: test.db, dataDir: test.dataDir, clock });
    clock.advance(179_000);
    await Promise.all([sweep(), sweep(second)]);
    expect(await statusOf(silent.id)).toBe('online');
    expect(await statusOf(laptop.id)).toBe('awaiting_agent');
    clock.advance(2_000);
    await Promise.all([sweep(), sweep(second)]);
    await second.stop();
    expect([await statusOf(quiet.id), await statusOf(silent.id)]).toEqual(['online', 'offline']);
    expect(await countEvents(silent.id, 'WORKSPACE_OFFLINE')).toBe(1);
    expect(await countEvents(laptop.id, 'WORKSPACE_AWAITING_AGENT')).toBe(2);
    await sql`update workspaces set status = 'removed'`.execute(test.db.kysely);

    const back = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      clock,
      env: { MOLECULE_PROVISIONER: 'process' },
      agentCommand: [process.execPath, join(import.meta.dirname, '../../test/scripted-agent.ts')],
    });
    try {
      const { id: running } = await back.admin.createWorkspace({ body: { name: 'running', runtime: 'echo' } });
      await expect.poll(() => statusOf(running)).toBe('online');
      const owned = await startAgent(LAPTOP, back);
      // Its row says online, and the backend has no such process.
      const stopped = await startAgent();
      await Promise.all([age(running, 600), age(owned.id, 600), age(stopped.id, 600)]);
      expect(await sweep(back)).toEqual({ offline: 0, awaiting: 0 });
      // By this pass, or by one of the supervisor's own.
      await loopOf(back, 'health-sweep').run(AbortSignal.timeout(10_000));
      expect(await countEvents(stopped.id, 'WORKSPACE_OFFLINE')).toBe(1);
      expect(await countEvents(running, 'WORKSPACE_OFFLINE')).toBe(0);
      expect(await Promise.all([running, owned.id].map(statusOf))).toEqual(['online', 'online']);
      clock.advance(181_000);
      await sweep(back);
      expect(await countEvents(running, 'WORKSPACE_OFFLINE')).toBe(1);
      expect(await statusOf(owned.id)).toBe('awaiting_agent');
    } finally {
      await back.stop();
    }
  });

  it('10.25 after an offline spell one beat restores expiry detection', async () => {
    const agent = await startAgent();
    clock.advance(181_000);
    for (const spell of [1, 2]) {
      await age(agent.id, 181);
      await sweep();
      expect([await statusOf(agent.id), await countEvents(agent.id, 'WORKSPACE_OFFLINE')]).toEqual(['offline', spell]);
      await agent.heartbeat();
      expect(await statusOf(agent.id)).toBe('online');
    }
  });

  it('10.52 an external seat silent for 90 s waits for its owner, a beat brings it back, nothing is restarted', async () => {
    const laptop = await startAgent(LAPTOP);
    clock.advance(91_000);
    await age(laptop.id, 89);
    await sweep();
    expect(await statusOf(laptop.id)).toBe('online');
    await age(laptop.id, 91);
    expect(await sweep()).toEqual({ offline: 0, awaiting: 1 });
    expect(await statusOf(laptop.id)).toBe('awaiting_agent');
    await laptop.heartbeat();
    expect(await statusOf(laptop.id)).toBe('online');
    const names = (await test.admin.listWorkspaceEvents({ params: { id: laptop.id } })).map(
      (event) => event.event_type,
    );
    expect(names.slice(0, 2)).toEqual(['WORKSPACE_ONLINE', 'WORKSPACE_AWAITING_AGENT']);
    expect(names.filter((name) => name === 'WORKSPACE_PROVISIONING')).toHaveLength(1);
  });

  it('leaves alone a seat whose beat comes between the look and the change, and seats that are put away', async () => {
    const [agent, paused] = [await startAgent(), await startAgent()];
    await test.platform.workspaces.transition('pause', paused.id);
    await Promise.all([age(agent.id, 600), age(paused.id, 600)]);
    const restarted: string[] = [];
    const { workspaces } = test.platform;
    const loop = createLivenessLoop({
      db: test.db,
      workspaces: {
        ...workspaces,
        async transition(...change) {
          await agent.heartbeat();
          return await workspaces.transition(...change);
        },
      },
      clock,
      startedAt: new Date(0),
      externalStaleSeconds: 90,
      restart: (id) => restarted.push(id),
    });
    expect(await loop.run(AbortSignal.timeout(10_000))).toEqual({ offline: 0, awaiting: 0 });
    expect([await statusOf(agent.id), await statusOf(paused.id), restarted]).toEqual(['online', 'paused', []]);
  });
});
