// A short run of the chaos proof, on real processes and a PostgreSQL of its own; `npm run chaos` is the long one.

import { chosenStore } from '@molecule/testkit';
import { expect, it } from 'vitest';
import { runChaos } from './chaos/run.ts';

/** Repeatable, and different from the defaults of anybody's own run. */
const SEED = 20_261_127;

it.runIf(chosenStore() === 'postgres')(
  'while replicas, agents, callers, links and the database fail, no message is lost, doubled, stuck or out of order',
  async () => {
    const steps: string[] = [];
    const { findings } = await runChaos({
      seed: SEED,
      messages: 80,
      delegations: 16,
      strikes: 10,
      keep: false,
      say: (line) => steps.push(line),
    });
    expect(findings, steps.join('\n')).toEqual({ lost: [], doubled: [], stuck: [], misordered: [], untrue: [] });
  },
  400_000,
);
