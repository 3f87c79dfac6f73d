import type { EventFrame } from '@molecule/contract';
import { type FakeAgent, startFakeAgent, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
const agents: FakeAgent[] = [];
let frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform();
  test.platform.events.subscribe((frame) => frames.push(frame));
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
  frames = [];
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, options);
  agents.push(agent);
  frames = [];
  return agent;
}

const row = async (id: string) =>
  await test.db.kysely.selectFrom('workspaces').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const named = (id: string, event: string) =>
  frames.filter((frame) => frame.workspace_id === id && frame.event === event);
const setStatus = async (id: string, status: string) => {
  await sql`update workspaces set status = ${status}::workspace_status, last_sample_error = 'it broke' where id = ${id}`.execute(
    test.db.kysely,
  );
};

describe('heartbeat', () => {
  it('20.63 the same task twice → two WORKSPACE_HEARTBEAT, no TASK_UPDATED, no event row', async () => {
    const agent = await startAgent();
    await agent.heartbeat({ current_task: 'reading', active_tasks: 1 });
    frames = [];
    const before = (await test.admin.listWorkspaceEvents({ params: { id: agent.id } })).length;
    await agent.heartbeat({ current_task: 'reading', active_tasks: 1 });
    await agent.heartbeat({ current_task: 'reading', active_tasks: 1 });
    expect(named(agent.id, 'WORKSPACE_HEARTBEAT')).toHaveLength(2);
    expect(named(agent.id, 'TASK_UPDATED')).toHaveLength(0);
    expect(await test.admin.listWorkspaceEvents({ params: { id: agent.id } })).toHaveLength(before);
    await agent.heartbeat({ current_task: 'writing', active_tasks: 1 });
    expect(named(agent.id, 'TASK_UPDATED')).toHaveLength(1);
  });

  it('10.16 error rate 0.5 → degraded with one event; 0.2 stays; 0.05 → online', async () => {
    const agent = await startAgent();
    await agent.heartbeat({ error_rate: 0.5, sample_error: 'overloaded' });
    await agent.heartbeat({ error_rate: 0.5, sample_error: 'overloaded' });
    await expect.poll(() => named(agent.id, 'WORKSPACE_DEGRADED')).toHaveLength(1);
    expect((await row(agent.id)).status).toBe('degraded');
    await agent.heartbeat({ error_rate: 0.2 });
    expect((await row(agent.id)).status).toBe('degraded');
    await agent.heartbeat({ error_rate: 0.05 });
    expect((await row(agent.id)).status).toBe('online');
  });

  it('10.17 wedged at rate 0 → degraded with the reason; wedged and failing → one event; still wedged stays degraded', async () => {
    const agent = await startAgent();
    await agent.heartbeat({ runtime_state: 'wedged', sample_error: 'SDK did not start: restart' });
    await expect.poll(() => named(agent.id, 'WORKSPACE_DEGRADED')).toHaveLength(1);
    expect(named(agent.id, 'WORKSPACE_DEGRADED')[0]?.payload).toMatchObject({
      runtime_state: 'wedged',
      sample_error: 'SDK did not start: restart',
    });
    await agent.heartbeat({ runtime_state: 'wedged', error_rate: 0.9, sample_error: 'SDK did not start: restart' });
    await agent.heartbeat({ runtime_state: 'wedged', error_rate: 0, sample_error: 'SDK did not start: restart' });
    expect((await row(agent.id)).status).toBe('degraded');
    const events = await test.admin.listWorkspaceEvents({ params: { id: agent.id } });
    expect(events.filter((event) => event.event_type === 'WORKSPACE_DEGRADED')).toHaveLength(1);
  });

  it('10.18 native status_mgmt: the error rate is ignored both ways, a wedge counts; so on the first beat after a restart', async () => {
    const agent = await startAgent();
    const native = { runtime_metadata: { capabilities: { status_mgmt: true } } };
    await agent.heartbeat({ error_rate: 0.8, ...native });
    expect((await row(agent.id)).status).toBe('online');
    await agent.heartbeat({ runtime_state: 'wedged', sample_error: 'stuck', ...native });
    expect((await row(agent.id)).status).toBe('degraded');
    await agent.heartbeat({ error_rate: 0.05, ...native });
    expect((await row(agent.id)).status).toBe('degraded');
    await setStatus(agent.id, 'online');
    const second = await startPlatform({ db: test.db, dataDir: test.dataDir });
    try {
      const beat = {
        workspace_id: agent.id,
        error_rate: 0.8,
        active_tasks: 0,
        uptime_seconds: 1,
        current_task: '',
        ...native,
      };
      await second.client(agent.token).heartbeat({ body: beat as never });
      expect((await row(agent.id)).status).toBe('online');
    } finally {
      await second.stop();
    }
  });

  it('10.19 provisioning and awaiting_agent → online with recovered_from; offline → online with {}', async () => {
    const agent = await startAgent();
    for (const status of ['provisioning', 'awaiting_agent']) {
      await setStatus(agent.id, status);
      frames = [];
      await agent.heartbeat();
      await expect
        .poll(() => named(agent.id, 'WORKSPACE_ONLINE')[0]?.payload)
        .toMatchObject({ recovered_from: status });
    }
    await setStatus(agent.id, 'offline');
    frames = [];
    await agent.heartbeat();
    await expect.poll(() => named(agent.id, 'WORKSPACE_ONLINE')[0]?.payload).toEqual({});
  });

  it('10.20 spend: −5 and 0 keep it, 9e18 is clamped', async () => {
    const agent = await startAgent();
    await agent.heartbeat({ monthly_spend: 700 });
    await agent.heartbeat({ monthly_spend: -5 });
    await agent.heartbeat({ monthly_spend: 0 });
    expect((await row(agent.id)).monthly_spend).toBe(700);
    await agent.heartbeat({ monthly_spend: 9e18 });
    expect((await row(agent.id)).monthly_spend).toBe(1_000_000_000_000);
  });

  it('10.21 a delete that races status changes ends removed, with no later status event', async () => {
    const agent = await startAgent();
    const beats = Array.from({ length: 20 }, (_, index) => agent.heartbeat({ error_rate: index % 2 }));
    await Promise.all([...beats, test.admin.deleteWorkspace({ params: { id: agent.id } })]);
    expect((await row(agent.id)).status).toBe('removed');
    const [last] = await test.admin.listWorkspaceEvents({ params: { id: agent.id } });
    expect(last?.event_type).toBe('WORKSPACE_REMOVED');
  });

  it('10.24 a beat on a failed workspace keeps status and failure text', async () => {
    const agent = await startAgent();
    await setStatus(agent.id, 'failed');
    await agent.heartbeat({ sample_error: 'something else' });
    expect(await row(agent.id)).toMatchObject({ status: 'failed', last_sample_error: 'it broke' });
  });

  it('10.27 a heartbeat with zero tokens → 401, no secret in the body', async () => {
    const agent = await startAgent();
    await sql`delete from workspace_auth_tokens where workspace_id = ${agent.id}`.execute(test.db.kysely);
    const fresh = await startPlatform({ db: test.db, dataDir: test.dataDir });
    try {
      const response = await fetch(`${fresh.url}/registry/heartbeat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ workspace_id: agent.id }),
      });
      expect(response.status).toBe(401);
      expect(await response.text()).not.toContain('secret');
    } finally {
      await fresh.stop();
    }
  });
});
