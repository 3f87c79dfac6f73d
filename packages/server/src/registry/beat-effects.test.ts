// What a beat means for others: messages that wait, calls that are open, seats that need a restart.

import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import {
  createSeat,
  type FakeAgent,
  type Responder,
  replyBusy,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const IDLE_SECONDS = 1;
let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform({ env: { A2A_IDLE_TIMEOUT_SECONDS: String(IDLE_SECONDS) } });
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, options);
  agents.push(agent);
  return agent;
}

let sent = 0;
const message = (method = 'message/send') => {
  sent += 1;
  const params = { message: { role: 'user', messageId: `m-${sent}`, parts: [{ kind: 'text', text: 'go on' }] } };
  return JSON.stringify({ jsonrpc: '2.0', id: sent, method, params });
};
const send = (id: string, on = test, method = 'message/send', accept = 'application/json') =>
  on.admin.raw('POST', `/workspaces/${id}/a2a`, {
    body: message(method),
    headers: { 'content-type': 'application/json', accept },
    timeoutMs: 30_000,
  });
const listQueue = async (id: string) =>
  (
    await test.db.kysely
      .selectFrom('a2a_queue')
      .select('status')
      .where('workspace_id', '=', id)
      .orderBy('enqueued_at')
      .execute()
  ).map((row) => row.status);

/** Opens the stream and says nothing more until it is told to. */
function silentStream(): { respond: Responder; finish(): void } {
  let open: ServerResponse | null = null;
  return {
    respond: (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      open = response;
    },
    finish() {
      const result = { kind: 'message', role: 'agent', messageId: 'late', parts: [{ kind: 'text', text: 'done' }] };
      open?.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result })}\n\n`);
    },
  };
}
const STREAM = ['message/stream', 'text/event-stream'] as const;
/** Resolves after `times` other dispatches, to an agent that gives no sign at all, were cut off one after the other. */
async function outlastSilence(times: number): Promise<void> {
  const control = await startAgent({ respond: silentStream().respond });
  for (let time = 0; time < times; time += 1)
    expect(await (await send(control.id, test, ...STREAM)).text()).toContain('stream interrupted');
}

describe('a beat', () => {
  it('10.22 with 2 of 3 busy brings one drain and is not delayed by it, with 3 of 3 none', async () => {
    const agent = await startAgent({ workspace: { max_concurrent_tasks: 3 }, respond: replyBusy });
    await agent.heartbeat({ active_tasks: 3 });
    for (let count = 0; count < 2; count += 1) expect((await send(agent.id)).status).toBe(202);
    expect(await listQueue(agent.id)).toEqual(['queued', 'queued']);
    const calls = agent.calls.length;

    // Held open: a beat that waited for the drain would never be answered.
    const held: ServerResponse[] = [];
    agent.respond((_call, response) => void held.push(response));
    expect((await agent.heartbeat({ active_tasks: 3 })).status).toBe(200);
    await test.platform.messaging.idle();
    expect(agent.calls).toHaveLength(calls);

    expect((await agent.heartbeat({ active_tasks: 2 })).status).toBe(200);
    await agent.waitForCalls(calls + 1);
    // Room for one: the other message waits on, whatever beats come.
    await agent.heartbeat({ active_tasks: 2 });
    expect((await listQueue(agent.id)).sort()).toEqual(['dispatched', 'queued']);
    expect(agent.calls).toHaveLength(calls + 1);
    agent.respond(replyWith('ok'));
    for (const response of held) replyWith('ok')(agent.calls.at(-1) as never, response);
    await expect.poll(() => listQueue(agent.id)).toEqual(['completed', 'completed']);
  });

  it('10.15 with an unchanged task tells WORKSPACE_HEARTBEAT each time, never TASK_UPDATED, and keeps a silent dispatch alive', async () => {
    const stream = silentStream();
    const agent = await startAgent({ respond: stream.respond });
    await agent.heartbeat({ current_task: 'thinking', active_tasks: 1 });
    const told: string[] = [];
    const end = test.platform.events.onWorkspace(agent.id, (frame) => told.push(frame.event));
    const reply = send(agent.id, test, ...STREAM);
    await agent.waitForCalls(1);
    told.splice(0);
    // Three times the silence that ends a dispatch, as 90 s are three beats of 30 s.
    let over = false;
    const silence = outlastSilence(3).then(() => {
      over = true;
    });
    let beats = 0;
    await expect
      .poll(
        async () => {
          await agent.heartbeat({ current_task: 'thinking', active_tasks: 1 });
          beats += 1;
          return over;
        },
        { interval: 150, timeout: 15_000 },
      )
      .toBe(true);
    await silence;
    end();
    stream.finish();
    expect(await (await reply).text()).toContain('"text":"done"');
    expect(told).toEqual(Array.from({ length: beats }, () => 'WORKSPACE_HEARTBEAT'));
  });

  it('10.23 sets an idle limit of 600 s until a beat without it; capabilities never cross workspaces', async () => {
    const stream = silentStream();
    const [agent, other] = [await startAgent({ respond: stream.respond }), await startAgent()];
    const capabilities = { session: true, scheduler: true };
    await agent.heartbeat({ runtime_metadata: { idle_timeout_seconds: 600, capabilities } });
    await other.heartbeat();
    const { workspaces } = test.platform;
    expect(await workspaces.facts(agent.id)).toMatchObject({ idleTimeoutSeconds: 600, capabilities });
    expect(await workspaces.facts(other.id)).toMatchObject({ idleTimeoutSeconds: null, capabilities: {} });

    const patient = send(agent.id, test, ...STREAM);
    await agent.waitForCalls(1);
    await outlastSilence(2);
    stream.finish();
    expect(await (await patient).text()).toContain('"text":"done"');

    await agent.heartbeat();
    expect(await workspaces.facts(agent.id)).toMatchObject({ idleTimeoutSeconds: null, capabilities: {} });
    const impatient = await (await send(agent.id, test, ...STREAM)).text();
    expect(impatient).toContain('stream interrupted');
  });

  it('10.85 needs_restart stays in the list until the next start; an idle override told to one replica governs the other', async () => {
    const env = { A2A_IDLE_TIMEOUT_SECONDS: String(IDLE_SECONDS) };
    const second = await startPlatform({ db: test.db, dataDir: test.dataDir, env });
    const stream = silentStream();
    try {
      const agent = await startAgent({ respond: stream.respond });
      await agent.heartbeat({ runtime_metadata: { idle_timeout_seconds: 600 } });
      const reply = send(agent.id, second, ...STREAM);
      await agent.waitForCalls(1);
      await outlastSilence(2);
      stream.finish();
      expect(await (await reply).text()).toContain('"text":"done"');
    } finally {
      await second.stop();
    }

    const working = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      env: { MOLECULE_PROVISIONER: 'process' },
      agentCommand: [process.execPath, join(import.meta.dirname, '../../test/scripted-agent.ts')],
    });
    try {
      const { id } = await working.admin.createWorkspace({ body: { name: 'seat', runtime: 'echo' } });
      const find = async () => (await working.admin.listWorkspaces()).find((row) => row.id === id);
      const online = () => expect.poll(async () => (await find())?.status).toBe('online');
      await online();
      const token = (await working.admin.createToken({ params: { id } })).auth_token;
      const beat = (extra: object) =>
        working.client(token).heartbeat({ body: { workspace_id: id, ...extra } as never });
      await beat({ needs_restart: true });
      await beat({});
      expect((await find())?.needs_restart).toBe(true);
      await working.admin.restartWorkspace({ params: { id } });
      await expect.poll(async () => (await find())?.needs_restart).toBe(false);
      await online();
    } finally {
      await working.stop();
    }
  });

  it('of any shape is kept as far as it can be: wrong figures count as none, text that cannot be stored is mended', async () => {
    const { id, token } = await createSeat(test);
    await test.client(token).heartbeat({
      body: {
        workspace_id: id.toUpperCase(),
        error_rate: -3,
        active_tasks: 'many',
        uptime_seconds: 1e300,
        current_task: `a\0b\ud83d${'é'.repeat(2_000)}`,
        sample_error: { not: 'text' },
        runtime_metadata: { capabilities: { 'bad\0key': true } },
        active_messages: ['\0'],
        needs_restart: 'yes',
      } as never,
    });
    const [row] = (await test.admin.listWorkspaces()).filter((one) => one.id === id);
    expect(row).toMatchObject({
      last_error_rate: 0,
      active_tasks: 0,
      uptime_seconds: Number.MAX_SAFE_INTEGER,
      last_sample_error: null,
      runtime_metadata: null,
      needs_restart: false,
    });
    expect(row?.current_task).toMatch(/^ab\ufffdé+$/);
    expect(Buffer.byteLength(row?.current_task ?? '')).toBeLessThanOrEqual(1_024);
  });
});
