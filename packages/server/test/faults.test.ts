// A short run of the fault suite, on real processes and a PostgreSQL of its own; `npm run faults` is the long one.

import { chosenStore } from '@molecule/testkit';
import { expect, it } from 'vitest';
import { runFaults } from './faults/run.ts';

/** Repeatable, and different from the defaults of anybody's own run. */
const SEED = 20_261_126;

it.runIf(chosenStore() === 'postgres')(
  'after platform, agents and database were killed in the middle of everything, rows, processes and tokens agree',
  async () => {
    const steps: string[] = [];
    const { problems } = await runFaults({ seed: SEED, faults: 15, seats: 6, say: (line) => steps.push(line) });
    expect(problems, steps.join('\n')).toEqual([]);
  },
  300_000,
);
