// Short runs of the fault suite, on real processes and on scripted machines, each with a PostgreSQL of its own; `npm run faults` is
// the long one.

import { chosenStore } from '@molecule/testkit';
import { describe, it } from 'vitest';
import { runFaults } from './faults/run.ts';

/** Repeatable, and different from the defaults of anybody's own run. */
const SEED = 20_261_126;

// At the same time: both mostly wait, for leases and sweeps.
describe.runIf(chosenStore() === 'postgres')('after everything failed in the middle of everything', () => {
  it.concurrent.for([
    { backend: 'process', faults: 15, seats: 6 },
    { backend: 'control-plane', faults: 12, seats: 5 },
  ] as const)(
    'rows, workloads and tokens agree, and nothing is stuck: $backend',
    { timeout: 500_000 },
    async (run, { expect }) => {
      const steps: string[] = [];
      const { problems } = await runFaults({ ...run, seed: SEED, say: (line) => steps.push(line) });
      expect(problems, steps.join('\n')).toEqual([]);
    },
  );
});
