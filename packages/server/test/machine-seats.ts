// Seats on the control-plane backend for tests: a platform whose machines are scripted peers. Each one registers like a real agent
// once it was started, and answers as the test tells it.

import type { EventFrame } from '@molecule/contract';
import { createClient } from '@molecule/contract';
import {
  type ControlPlaneServer,
  type Peer,
  replyWith,
  type ScriptedMachine,
  type StartOptions,
  startControlPlane,
  startPeer,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { expect, vi } from 'vitest';

const PATIENCE = { timeout: 15_000, interval: 20 };
export const SHARED_SECRET = 'shared-secret-0123456789';

type CreateBody = Parameters<TestPlatform['admin']['createWorkspace']>[0]['body'];
type WorkspaceRow = Awaited<ReturnType<TestPlatform['admin']['listWorkspaces']>>[number];

export interface MachineSeats extends TestPlatform {
  controlPlane: ControlPlaneServer;
  frames: EventFrame[];
  /** Messages of the platform's log. */
  logged: string[];
  create(body?: Partial<CreateBody>): Promise<string>;
  /** Created and online. */
  createOnline(body?: Partial<CreateBody>): Promise<string>;
  row(id: string): Promise<WorkspaceRow>;
  until(id: string, status: string): Promise<WorkspaceRow>;
  named(id: string, event: EventFrame['event']): EventFrame[];
  untilNamed(id: string, event: EventFrame['event'], count?: number): Promise<EventFrame[]>;
  /** Machines that were asked for, for this workspace. */
  machines(id: string): ScriptedMachine[];
  untilMachines(id: string, count: number): Promise<void>;
  /** Resolves with the machine that stands in its row. */
  untilRecorded(id: string): Promise<string>;
  stopsOf(id: string): (string | null)[];
  /** The agent on the newest machine. */
  agentOf(id: string): Peer;
  /** Machines started from now on boot, but their agents stay silent. */
  silenceAgents(silent: boolean): void;
  run(loop: string): Promise<Record<string, number>>;
  say(id: string, text: string): Promise<Response>;
}

/** @param credentials of the control plane; the shared secret alone unless given. */
export async function startMachineSeats(
  options: StartOptions = {},
  credentials: { sharedSecret?: string | null; adminApiToken?: string | null } = { sharedSecret: SHARED_SECRET },
): Promise<MachineSeats> {
  const agents = new Map<string, Peer>();
  const booting = new Set<Promise<void>>();
  const frames: EventFrame[] = [];
  const logged: string[] = [];
  let silent = false;

  async function boot({ workspaceId }: ScriptedMachine): Promise<void> {
    const peer = await startPeer(replyWith('ok'));
    await agents.get(workspaceId)?.stop();
    agents.set(workspaceId, peer);
    // Registers while the platform may still be storing which machine it is, as a fast machine would.
    await createClient({ baseUrl: test.url }).register({
      body: {
        id: workspaceId,
        agent_card: { name: 'machine', protocolVersion: '0.3.0' },
        delivery_mode: 'push',
        url: `http://localhost:${peer.port}`,
      },
    });
  }

  const controlPlane = await startControlPlane({
    ...credentials,
    onMachine(machine) {
      if (silent) return;
      // A machine that was stopped before it came up, or a platform that left, is not its fault.
      const booted = boot(machine).catch(() => {});
      booting.add(booted);
      booted.finally(() => booting.delete(booted));
    },
  });
  const test = await startPlatform({
    ...options,
    onLog: (line) => logged.push(String(line.msg)),
    env: {
      MOLECULE_PROVISIONER: 'control-plane',
      // Machines of these tests live on this one.
      MOLECULE_ENV: 'development',
      MOLECULE_CP_URL: controlPlane.url,
      MOLECULE_CP_SHARED_SECRET: SHARED_SECRET,
      MOLECULE_PROVISION_CONCURRENCY: '0',
      ...options.env,
    },
  });
  test.platform.events.subscribe((frame) => frames.push(frame));

  const row = async (id: string) => {
    const found = (await test.admin.listWorkspaces()).find((one) => one.id === id);
    if (!found) throw new Error(`no live workspace ${id}`);
    return found;
  };
  const named = (id: string, event: EventFrame['event']) =>
    frames.filter((frame) => frame.workspace_id === id && frame.event === event);
  const machines = (id: string) => controlPlane.machines.filter(({ workspaceId }) => workspaceId === id);

  const seats: MachineSeats = {
    ...test,
    controlPlane,
    frames,
    logged,
    row,
    named,
    machines,
    async create(body = {}) {
      const name = `seat ${Math.random().toString(36).slice(2, 8)}`;
      return (await test.admin.createWorkspace({ body: { name, runtime: 'echo', ...body } })).id;
    },
    async createOnline(body) {
      const id = await seats.create(body);
      await seats.until(id, 'online');
      return id;
    },
    until: (id, status) =>
      vi.waitFor(async () => {
        const found = await row(id);
        expect(`${found.status} ${found.status === status ? '' : found.last_sample_error}`.trim()).toBe(status);
        return found;
      }, PATIENCE),
    untilNamed: (id, event, count = 1) =>
      vi.waitFor(() => {
        const found = named(id, event);
        expect(found).toHaveLength(count);
        return found;
      }, PATIENCE),
    untilMachines: async (id, count) => {
      await vi.waitFor(() => expect(machines(id)).toHaveLength(count), PATIENCE);
    },
    untilRecorded: (id) =>
      vi.waitFor(async () => {
        const { instance_id: instanceId } = await row(id);
        if (instanceId === null) throw new Error('no machine is recorded');
        return instanceId;
      }, PATIENCE),
    stopsOf: (id) =>
      controlPlane
        .of('stop')
        .filter(({ workspaceId }) => workspaceId === id)
        .map(({ instanceId }) => instanceId),
    agentOf(id) {
      const agent = agents.get(id);
      if (!agent) throw new Error(`no agent of ${id} came up`);
      return agent;
    },
    silenceAgents(value) {
      silent = value;
    },
    async run(name) {
      const loop = test.platform.provisioning.loops.find((one) => one.name === name);
      if (!loop) throw new Error(`no loop ${name}`);
      return await loop.run(AbortSignal.timeout(loop.timeoutMs));
    },
    say: (id, text) =>
      test.admin.raw('POST', `/workspaces/${id}/a2a`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'message/send',
          params: { message: { role: 'user', messageId: crypto.randomUUID(), parts: [{ kind: 'text', text }] } },
        }),
      }),
    async stop() {
      await Promise.all(booting);
      await test.stop();
      for (const agent of agents.values()) await agent.stop();
      await controlPlane.stop();
    },
  };
  return seats;
}
