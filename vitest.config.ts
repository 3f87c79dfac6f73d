// Unit and server tests. The store under test is chosen by MOLECULE_TEST_STORE; scripts/test.ts runs both.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

const FILES = globSync(
  [
    'packages/*/src/**/*.test.ts',
    'packages/*/src/**/*.test.tsx',
    'packages/*/test/**/*.test.ts',
    'scripts/**/*.test.ts',
  ],
  { cwd: import.meta.dirname },
);

/** The clock is the whole process's: what an earlier file left running in a library, such as undici's timer, would not see it turned. */
const turnsClock = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8').includes('useFakeTimers');

export default defineConfig({
  test: {
    // Files share the processes they run in, one after the other: to load the platform anew for each would take a third of all the
    // processor time. A file leaves nothing behind that the next could see.
    projects: [
      { extends: true, test: { name: 'shared', include: FILES.filter((file) => !turnsClock(file)), isolate: false } },
      { extends: true, test: { name: 'alone', include: FILES.filter(turnsClock), isolate: true } },
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
