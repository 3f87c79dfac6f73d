// The platform dies, the agents live: the real platform and the real runtime as processes, killed and started again.

import { signalProcess } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createKeptStore } from '../../test/kept-store.ts';
import { findFreePort, type PlatformProcess, recordedPid, startPlatformProcess } from '../../test/platform-process.ts';
import { isAlive, untilGone } from '../../test/process-seats.ts';

const cleanups: (() => Promise<unknown>)[] = [];
let env: { PORT: string; MOLECULE_DATA_DIR: string } & Record<string, string>;
let platform: PlatformProcess;

beforeAll(async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  env = { PORT: String(await findFreePort()), MOLECULE_DATA_DIR: store.dataDir, ...store.env };
  platform = await startPlatformProcess(env);
});
afterAll(async () => {
  await platform?.end('SIGTERM');
  for (const clean of cleanups.reverse()) await clean();
});

const pidOf = (id: string) => recordedPid(env.MOLECULE_DATA_DIR, id);
const historyOf = async (id: string) => JSON.stringify(await platform.admin.listActivity({ params: { id } }));
const rows = () => platform.admin.listWorkspaces();

async function untilOnline(ids: string[]): Promise<void> {
  await vi.waitFor(
    async () => {
      const states = (await rows())
        .filter(({ id }) => ids.includes(id))
        .map(({ status, last_sample_error }) => [status, last_sample_error || null]);
      expect(states).toEqual(ids.map(() => ['online', null]));
    },
    { timeout: 20_000, interval: 50 },
  );
}

async function ask(id: string, text: string): Promise<void> {
  const response = await platform.admin.raw('POST', `/workspaces/${id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'message/send',
      params: {
        message: {
          role: 'user',
          messageId: crypto.randomUUID(),
          parts: [{ kind: 'text', text: `${text} [[echo: reply "heard: ${text}"]]` }],
        },
      },
    }),
  });
  expect(`${response.status} ${await response.text()}`).toMatch(new RegExp(`^200 .*heard: ${text}`));
}

// Processes that start, die and start again, on a machine that may be busy.
describe('agents of a platform that dies', { timeout: 90_000 }, () => {
  it('survive kill -9 of the platform, are adopted by the next start, and nothing is doubled', async () => {
    const { id: lead } = await platform.admin.createWorkspace({ body: { name: 'Lead', runtime: 'echo' } });
    const { id: report } = await platform.admin.createWorkspace({
      body: { name: 'Report', runtime: 'echo', parent_id: lead },
    });
    await untilOnline([lead, report]);
    await ask(lead, 'before the crash');
    await vi.waitFor(async () => expect(await historyOf(lead)).toContain('before the crash'));
    const pids = [pidOf(lead), pidOf(report)];
    expect(await platform.end('SIGKILL')).toBe('SIGKILL');
    expect(pids.map((pid) => pid !== null && isAlive(pid))).toEqual([true, true]);

    platform = await startPlatformProcess(env);
    await untilOnline([lead, report]);
    await ask(lead, 'after the crash');
    await ask(report, 'after the crash');
    // A pass of every sweep later they are still the same processes, and the only ones.
    await vi.waitFor(
      async () => {
        const { subsystems } = await platform.admin.liveness();
        for (const loop of ['health-sweep', 'orphan-sweeper', 'workload-supervision'])
          expect(subsystems[loop]?.last_success_at).toEqual(expect.any(String));
      },
      { timeout: 10_000 },
    );
    expect([pidOf(lead), pidOf(report)]).toEqual(pids);
    expect(platform.output()).toContain('agent processes of the last run are still running');
    expect(platform.output()).not.toContain('provision.start');
    expect(await historyOf(lead)).toContain('before the crash');

    // An adopted agent is watched like any other.
    signalProcess(pids[0], 'SIGKILL');
    await vi.waitFor(() => expect(pidOf(lead)).not.toBe(pids[0]), { timeout: 10_000 });
    await vi.waitFor(() => expect(isAlive(pidOf(lead) ?? 0)).toBe(true), { timeout: 10_000 });
    await untilOnline([lead, report]);
    await ask(lead, 'after its own crash');
    expect(pidOf(report)).toBe(pids[1]);
  });

  it('end with it on Ctrl-C, and the next start brings the team back with its history', async () => {
    const ids = (await rows()).map(({ id }) => id);
    const pids = ids.map(pidOf);
    expect(pids.every((pid) => pid !== null && isAlive(pid))).toBe(true);
    expect(await platform.end('SIGINT')).toBe(0);
    for (const pid of pids) await untilGone(pid as number);
    platform = await startPlatformProcess(env);
    await vi.waitFor(() => expect(ids.map(pidOf).every((pid) => pid !== null)).toBe(true), { timeout: 20_000 });
    await untilOnline(ids);
    expect(ids.map(pidOf)).not.toEqual(pids);
    expect(await historyOf(ids[0] as string)).toContain('before the crash');
    await ask(ids[0] as string, 'the next day');
  });

  it('a platform that comes back on another port does not adopt what reports to the old one', async () => {
    const ids = (await rows()).map(({ id }) => id);
    const pids = ids.map(pidOf) as number[];
    await platform.end('SIGKILL');
    env = { ...env, PORT: String(await findFreePort()) };
    platform = await startPlatformProcess(env);
    for (const pid of pids) await untilGone(pid);
    await vi.waitFor(() => expect(ids.map(pidOf).some((pid) => pid === null || pids.includes(pid))).toBe(false), {
      timeout: 20_000,
    });
    await untilOnline(ids);
    await ask(ids[0] as string, 'here now');
  });
});
