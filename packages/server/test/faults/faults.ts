// What goes wrong: the platform or the database is killed, and whatever may in the backend. Each leaves the system to mend itself.

import type { Random } from '@molecule/testkit';
import type { Fault } from './stage.ts';

export interface FaultTargets {
  /** Kills the platform without warning, and starts it again. */
  killPlatform(): Promise<void>;
  /** Ends the platform as an operator does, and starts it again. */
  stopPlatform(): Promise<void>;
  /** Ends every session of the database at once, as a crash does, and starts it again. */
  crashDatabase(): Promise<void>;
}

export const platformFaults = (targets: FaultTargets): Fault[] => [
  { weight: 4, strike: () => targets.killPlatform().then(() => 'the platform was killed') },
  { weight: 1, strike: () => targets.stopPlatform().then(() => 'the platform was stopped') },
  { weight: 2, strike: () => targets.crashDatabase().then(() => 'the database crashed') },
];

/** @returns what was struck. */
export async function strike(faults: readonly Fault[], random: Random): Promise<string> {
  let left = random.below(faults.reduce((sum, { weight }) => sum + weight, 0));
  for (const fault of faults) {
    left -= fault.weight;
    if (left < 0) return await fault.strike();
  }
  throw new Error('weights do not add up');
}
