// What goes wrong: the platform, an agent or the database is killed, an agent hangs. Each leaves the system to mend itself.

import type { Random } from '@molecule/testkit';
import { listMarkedProcesses } from '../../src/provisioning/backends/process-record.ts';

export interface FaultTargets {
  /** Kills the platform without warning, and starts it again. */
  killPlatform(): Promise<void>;
  /** Ends the platform as an operator does, and starts it again. */
  stopPlatform(): Promise<void>;
  /** Ends every session of the database at once, as a crash does, and starts it again. */
  crashDatabase(): Promise<void>;
  /** Folder below which the agents' own folders lie. */
  agentsRoot: string;
  random: Random;
}

/** Of any workload, or of what one started. */
function signalSomeAgent({ agentsRoot, random }: FaultTargets, signal: NodeJS.Signals): string {
  const agents = listMarkedProcesses(agentsRoot);
  if (agents.length === 0) return 'no agent runs';
  const { pid, workspaceId } = random.pick(agents);
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended by itself between the look and the signal.
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
  return `${signal} to the agent of ${workspaceId}`;
}

/** Chance of each, by weight. */
const FAULTS: { weight: number; strike(targets: FaultTargets): Promise<string> | string }[] = [
  { weight: 10, strike: (targets) => signalSomeAgent(targets, 'SIGKILL') },
  { weight: 3, strike: (targets) => signalSomeAgent(targets, 'SIGSTOP') },
  { weight: 4, strike: (targets) => targets.killPlatform().then(() => 'the platform was killed') },
  { weight: 1, strike: (targets) => targets.stopPlatform().then(() => 'the platform was stopped') },
  { weight: 2, strike: (targets) => targets.crashDatabase().then(() => 'the database crashed') },
];
const TOTAL = FAULTS.reduce((sum, { weight }) => sum + weight, 0);

/** @returns what was struck. */
export async function strike(targets: FaultTargets): Promise<string> {
  let left = targets.random.below(TOTAL);
  for (const fault of FAULTS) {
    left -= fault.weight;
    if (left < 0) return await fault.strike(targets);
  }
  throw new Error('weights do not add up');
}

/** Hanging agents go on. */
export function wakeAgents(agentsRoot: string): void {
  for (const { pid } of listMarkedProcesses(agentsRoot)) process.kill(pid, 'SIGCONT');
}
