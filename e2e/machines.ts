// A stage whose agents run on machines of a scripted control plane: they start, stop, sleep and fail in earnest, and at once.
// What a test wants to go wrong it says to `controlPlane`; `silence` lets machines boot whose agents never speak.

import { createClient, type WorkspaceView } from '@molecule/contract';
import {
  type ControlPlaneServer,
  type Peer,
  replyWith,
  type ScriptedMachine,
  startControlPlane,
  startPeer,
} from '@molecule/testkit';
import { expect, openStage, type Stage } from './stage.ts';

const SHARED_SECRET = 'shared-secret-0123456789';

type CreateBody = Parameters<Stage['platform']['admin']['createWorkspace']>[0]['body'];

export interface MachineStage extends Stage {
  controlPlane: ControlPlaneServer;
  silence(silent: boolean): void;
  create(body: CreateBody): Promise<string>;
  createOnline(body: CreateBody): Promise<string>;
  row(id: string): Promise<WorkspaceView | undefined>;
  untilStatus(id: string, status: string): Promise<void>;
  /** The agent that runs on the machine of a workspace now. */
  agentOf(id: string): Peer;
  /** Its machine and the agent on it are gone, and nobody was told. */
  kill(id: string): Promise<void>;
  /** A beat of the workspace's agent. */
  beat(id: string, beat: Record<string, unknown>): Promise<void>;
  close(): Promise<void>;
}

export async function openMachines(env: Record<string, string> = {}): Promise<MachineStage> {
  const agents: Peer[] = [];
  const running = new Map<string, Peer>();
  const booting = new Set<Promise<void>>();
  let isSilent = false;

  async function boot({ workspaceId }: ScriptedMachine): Promise<void> {
    const peer = await startPeer(replyWith('ok'));
    agents.push(peer);
    running.set(workspaceId, peer);
    await createClient({ baseUrl: stage.platform.url }).register({
      body: {
        id: workspaceId,
        agent_card: { name: 'machine', protocolVersion: '0.3.0' },
        delivery_mode: 'push',
        url: `http://localhost:${peer.port}`,
      },
    });
  }

  const controlPlane = await startControlPlane({
    sharedSecret: SHARED_SECRET,
    onMachine(machine) {
      if (isSilent) return;
      // A machine that was stopped before it came up is not its fault.
      const booted = boot(machine).catch(() => {});
      booting.add(booted);
      booted.finally(() => booting.delete(booted));
    },
  });
  const stage = await openStage({
    env: {
      MOLECULE_PROVISIONER: 'control-plane',
      MOLECULE_ENV: 'development',
      MOLECULE_CP_URL: controlPlane.url,
      MOLECULE_CP_SHARED_SECRET: SHARED_SECRET,
      MOLECULE_PROVISION_CONCURRENCY: '0',
      ...env,
    },
  });
  const { admin } = stage.platform;

  const machines: MachineStage = {
    ...stage,
    controlPlane,
    silence(silent) {
      isSilent = silent;
    },
    create: async (body) => (await admin.createWorkspace({ body: { runtime: 'echo', ...body } })).id,
    async createOnline(body) {
      const id = await machines.create(body);
      await machines.untilStatus(id, 'online');
      return id;
    },
    row: async (id) => (await admin.listWorkspaces()).find((one) => one.id === id),
    untilStatus: (id, status) => expect.poll(async () => (await machines.row(id))?.status).toBe(status),
    agentOf(id) {
      const peer = running.get(id);
      if (!peer) throw new Error(`no agent of ${id} has come up`);
      return peer;
    },
    async kill(id) {
      const machine = controlPlane.machineOf(id);
      if (machine) machine.state = 'terminated';
      await machines.agentOf(id).stop();
    },
    async beat(id, beat) {
      const { auth_token: token } = await admin.createToken({ params: { id } });
      const body = { workspace_id: id, error_rate: 0, active_tasks: 0, uptime_seconds: 1, current_task: '', ...beat };
      await stage.platform.client(token).heartbeat({ body });
    },
    async close() {
      await Promise.all(booting);
      await stage.close();
      for (const agent of agents) await agent.stop();
      await controlPlane.stop();
    },
  };
  return machines;
}
