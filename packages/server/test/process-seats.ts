// Seats on the `process` backend for tests: a platform whose agents are the scripted stand-in, and what a test asks of them.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EventFrame } from '@molecule/contract';
import { readPids, type StartOptions, startPlatform, type TestPlatform } from '@molecule/testkit';
import { expect, vi } from 'vitest';

export const SCRIPTED_AGENT = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, 'scripted-agent.ts'),
];

type CreateBody = Parameters<TestPlatform['admin']['createWorkspace']>[0]['body'];
type WorkspaceRow = Awaited<ReturnType<TestPlatform['admin']['listWorkspaces']>>[number];

export interface ProcessSeats extends TestPlatform {
  /** Every event since the start, in order. */
  frames: EventFrame[];
  /** A seat whose agent follows `script`. */
  create(script?: string, body?: Partial<CreateBody>): Promise<string>;
  row(id: string): Promise<WorkspaceRow>;
  /** Resolves when the seat has this status. */
  until(id: string, status: string): Promise<WorkspaceRow>;
  named(id: string, event: EventFrame['event']): EventFrame[];
  folder(id: string, ...path: string[]): string;
  /** Resolves with the events of that name when there are `count` of them; they follow the row, a moment later. */
  untilNamed(id: string, event: EventFrame['event'], count?: number): Promise<EventFrame[]>;
  /** Pids of all starts so far. */
  starts(id: string): number[];
  untilStarts(id: string, count: number): Promise<void>;
  /** A heartbeat with the token its agent holds. */
  beat(id: string, beat?: { active_tasks?: number; error_rate?: number }): Promise<void>;
  /** What the last start was given. */
  environment(id: string): Record<string, string>;
  /** Replaces the script from the next start on. */
  rescript(id: string, script: string): void;
  /** One pass of a background loop, now. */
  run(loop: string): Promise<Record<string, number>>;
  say(id: string, text: string): Promise<string>;
}

export const isAlive = (pid: number): boolean => {
  try {
    // A zombie still takes signals, so its state is read.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** Patient enough for a busy machine; whoever tests a promise about time measures it. */
const PATIENCE = { timeout: 15_000, interval: 20 };

export const untilGone = (pid: number) => vi.waitFor(() => expect(isAlive(pid)).toBe(false), PATIENCE);

/** There and written: between the two it is empty. */
export const untilFile = (path: string) => vi.waitFor(() => expect(statSync(path).size).toBeGreaterThan(0), PATIENCE);

/** From now on the system lets nobody end this process, as with one of another user. @returns what lifts that. */
export function shieldFromSignals(pid: number): () => void {
  const kill = process.kill;
  const spy = vi.spyOn(process, 'kill').mockImplementation((target, signal) => {
    if (Math.abs(target) === pid) throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    return kill.call(process, target, signal);
  });
  return () => spy.mockRestore();
}

export async function startProcessSeats(options: StartOptions = {}): Promise<ProcessSeats> {
  const test = await startPlatform({
    agentCommand: SCRIPTED_AGENT,
    ...options,
    env: { MOLECULE_PROVISIONER: 'process', ...options.env },
  });
  const frames: EventFrame[] = [];
  test.platform.events.subscribe((frame) => frames.push(frame));
  const folder = (id: string, ...path: string[]) => join(test.dataDir, 'workspaces', id, ...path);
  const row = async (id: string) => {
    const found = (await test.admin.listWorkspaces()).find((one) => one.id === id);
    if (!found) throw new Error(`no live workspace ${id}`);
    return found;
  };

  const named = (id: string, event: EventFrame['event']) =>
    frames.filter((frame) => frame.workspace_id === id && frame.event === event);
  const starts = (id: string) => readPids(folder(id, 'home', 'starts'));

  return {
    ...test,
    frames,
    folder,
    row,
    async create(script = '', body = {}) {
      const { id } = await test.admin.createWorkspace({
        body: {
          name: `seat ${Math.random().toString(36).slice(2, 8)}`,
          runtime: 'echo',
          ...body,
          secrets: { ...(script ? { SCRIPT: script } : {}), ...body.secrets },
        },
      });
      return id;
    },
    until: (id, status) =>
      vi.waitFor(async () => {
        const found = await row(id);
        expect(`${found.status} ${found.status === status ? '' : found.last_sample_error}`.trim()).toBe(status);
        return found;
      }, PATIENCE),
    named,
    untilNamed: (id, event, count = 1) =>
      vi.waitFor(() => {
        const found = named(id, event);
        expect(found).toHaveLength(count);
        return found;
      }, PATIENCE),
    starts,
    untilStarts: async (id, count) => {
      await vi.waitFor(() => expect(starts(id)).toHaveLength(count), PATIENCE);
    },
    async beat(id, beat = {}) {
      const token = readFileSync(folder(id, 'configs', '.auth_token'), 'utf8');
      const body = { workspace_id: id, active_tasks: 0, error_rate: 0, uptime_seconds: 1, current_task: '', ...beat };
      await test.client(token).heartbeat({ body });
    },
    environment: (id) => JSON.parse(readFileSync(folder(id, 'home', 'environment.json'), 'utf8')),
    rescript: (id, script) => writeFileSync(folder(id, 'home', 'script'), script),
    async run(name) {
      const loops = [...test.platform.workspaces.loops, ...test.platform.provisioning.loops];
      const loop = loops.find((one) => one.name === name);
      if (!loop) throw new Error(`no loop ${name}`);
      return await loop.run(AbortSignal.timeout(loop.timeoutMs));
    },
    async say(id, text) {
      const response = await test.admin.raw('POST', `/workspaces/${id}/a2a`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'message/send',
          params: { message: { role: 'user', messageId: crypto.randomUUID(), parts: [{ kind: 'text', text }] } },
        }),
      });
      return `${response.status} ${await response.text()}`;
    },
  };
}
