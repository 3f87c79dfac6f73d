// The agents on scripted machines: each registers until it is let in, beats while its machine runs, and answers what it is asked.
// One server for all of them, with the machine in the path. What a machine lost, as its token, is gone with it.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError, type Client, createClient } from '@molecule/contract';
import type { ScriptedMachine } from '@molecule/testkit';
import { pause } from './backend-calls.ts';

const BEAT_MS = 5_000;
/** The platform may be down, or not let it in yet. */
const REPEAT_MS = 500;

export interface MachineAgents {
  boot(machine: ScriptedMachine): void;
  /** What the platform gave the agent of a machine; null = it was never let in. */
  tokenOf(instanceId: string): string | null;
  stop(): Promise<void>;
}

export async function startMachineAgents(platformUrl: string): Promise<MachineAgents> {
  const tokens = new Map<string, string>();
  const running = new Set<Promise<void>>();
  let stopped = false;

  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      const message = {
        kind: 'message',
        role: 'agent',
        messageId: crypto.randomUUID(),
        parts: [{ kind: 'text', text: 'Yes.' }],
      };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: message }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  async function register({ workspaceId, instanceId }: ScriptedMachine, client: Client): Promise<void> {
    const { auth_token: token } = await client.register({
      body: {
        id: workspaceId,
        agent_card: { name: 'machine', protocolVersion: '0.3.0' },
        delivery_mode: 'push',
        url: `http://localhost:${port}/${instanceId}`,
      },
    });
    if (token) tokens.set(instanceId, token);
  }

  /** One step of its life. @returns how long until the next, in milliseconds. */
  async function live(machine: ScriptedMachine): Promise<number> {
    const token = tokens.get(machine.instanceId);
    const client = createClient({ baseUrl: platformUrl, ...(token ? { token } : {}) });
    try {
      if (token === undefined) await register(machine, client);
      else await client.heartbeat({ body: { workspace_id: machine.workspaceId } as never });
      return BEAT_MS;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return REPEAT_MS;
    }
  }

  async function run(machine: ScriptedMachine): Promise<void> {
    while (machine.state === 'running' && !stopped) await pause(await live(machine));
  }

  return {
    boot(machine) {
      const life = run(machine);
      running.add(life);
      void life.finally(() => running.delete(life));
    },
    tokenOf: (instanceId) => tokens.get(instanceId) ?? null,
    async stop() {
      stopped = true;
      await Promise.all(running);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
