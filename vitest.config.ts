// Unit and server tests. The store under test is chosen by MOLECULE_TEST_STORE; scripts/test.ts runs both.

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Small files that run for long: begun last, as their size would have it, they would be waited for alone. */
const LONG = ['chaos.test.ts', 'faults.test.ts', 'crash.test.ts', 'start.test.ts', 'redelivery.test.ts'];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => LONG.some((name) => moduleId.endsWith(name));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'packages/*/src/**/*.test.tsx',
      'packages/*/test/**/*.test.ts',
      'scripts/**/*.test.ts',
    ],
    testTimeout: 40_000,
    hookTimeout: 60_000,
    // A condition that comes late on a busy machine is not one that never comes.
    expect: { poll: { timeout: 15_000 } },
    // A machine that runs two cores' worth of browsers and databases may be late once; the report names what needed it.
    retry: process.env.CI ? 1 : 0,
    sequence: { sequencer: LongFirst },
    pool: 'forks',
    // One more than the cores of a small machine: much of the time a test waits for a process, a socket or the store.
    maxWorkers: 3,
    // Every file opens PGlite anew, and V8's optimising compiler would take half of the whole run for its code.
    execArgv: ['--disable-warning=ExperimentalWarning', '--liftoff-only'],
  },
});
