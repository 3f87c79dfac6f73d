// Agents on the machines of a control plane: machines end by themselves, and calls to the control plane go wrong.

import { startControlPlane } from '@molecule/testkit';
import { createBackendCalls } from './backend-calls.ts';
import { startMachineAgents } from './machine-agents.ts';
import type { Stage, StageOptions } from './stage.ts';

const SHARED_SECRET = 'shared-secret-of-the-fault-suite';

export async function createControlPlaneStage({ platformUrl, random }: StageOptions): Promise<Stage> {
  const agents = await startMachineAgents(platformUrl);
  const calls = createBackendCalls(random);
  const controlPlane = await startControlPlane({ sharedSecret: SHARED_SECRET, onMachine: agents.boot });
  for (const call of ['provision', 'stop', 'status'] as const) controlPlane.fail(call, calls.fault);
  const listRunning = () => controlPlane.machines.filter(({ state }) => state === 'running');

  return {
    env: {
      MOLECULE_PROVISIONER: 'control-plane',
      MOLECULE_CP_URL: controlPlane.url,
      MOLECULE_CP_SHARED_SECRET: SHARED_SECRET,
      // The agents of these machines live on this one.
      MOLECULE_ENV: 'development',
      // Starts that hang must not keep all others waiting.
      MOLECULE_PROVISION_CONCURRENCY: '10',
    },
    sweep: 'cp-tombstone-reconcile',
    // A seat whose beats end is found out after 180 s, and the reconciliation comes every five minutes.
    patienceMs: 400_000,
    faults: [
      { weight: 10, strike: calls.strike },
      {
        weight: 3,
        strike() {
          const machines = listRunning();
          if (machines.length === 0) return 'no machine runs';
          const machine = random.pick(machines);
          machine.state = 'stopped';
          return `machine ${machine.instanceId} of ${machine.workspaceId} ended by itself`;
        },
      },
    ],
    heal: calls.heal,
    running() {
      const machines = Map.groupBy(listRunning(), ({ workspaceId }) => workspaceId);
      return new Map([...machines].map(([id, found]) => [id, found.map(({ instanceId }) => instanceId)]));
    },
    recorded: ({ instance_id }) => instance_id,
    heldToken: ({ instance_id }) => (instance_id === null ? null : agents.tokenOf(instance_id)),
    async stop() {
      await agents.stop();
      await controlPlane.stop();
    },
  };
}
