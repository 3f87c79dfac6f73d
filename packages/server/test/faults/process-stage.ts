// Agents as child processes: they are killed, or hang until the end of the run.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { signalProcess } from '@molecule/testkit';
import { listMarkedProcesses, readRecord } from '../../src/provisioning/backends/process-record.ts';
import type { Stage, StageOptions } from './stage.ts';

export function createProcessStage({ dataDir, random }: StageOptions): Stage {
  const agentsRoot = join(dataDir, 'workspaces');

  /** Of any workload, or of what one started. */
  function signalSomeAgent(signal: NodeJS.Signals): string {
    const agents = listMarkedProcesses(agentsRoot);
    if (agents.length === 0) return 'no agent runs';
    const { pid, workspaceId } = random.pick(agents);
    try {
      signalProcess(pid, signal);
    } catch (error) {
      // It ended by itself between the look and the signal.
      if ((error as { code?: string }).code !== 'ESRCH') throw error;
    }
    return `${signal} to the agent of ${workspaceId}`;
  }

  return {
    env: { MOLECULE_PROVISIONER: 'process' },
    sweep: 'orphan-sweeper',
    patienceMs: 0,
    faults: [
      { weight: 10, strike: () => signalSomeAgent('SIGKILL') },
      { weight: 3, strike: () => signalSomeAgent('SIGSTOP') },
    ],
    heal() {
      for (const { pid } of listMarkedProcesses(agentsRoot)) signalProcess(pid, 'SIGCONT');
    },
    running() {
      const processes = Map.groupBy(listMarkedProcesses(agentsRoot), ({ workspaceId }) => workspaceId);
      return new Map([...processes].map(([id, found]) => [id, found.map(({ pid }) => String(pid))]));
    },
    recorded({ id }) {
      const record = readRecord(join(agentsRoot, id, 'process.json'));
      return record ? String(record.pid) : null;
    },
    heldToken: ({ id }) => readFileSync(join(agentsRoot, id, 'configs/.auth_token'), 'utf8').trim(),
    async stop() {
      for (const { pid } of listMarkedProcesses(agentsRoot)) signalProcess(pid, 'SIGKILL');
    },
  };
}
