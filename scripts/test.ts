// `npm test`: types, style, every suite on both stores, the browser. Stops at the first part that fails and says which.
// `npm test -- --only=pglite` runs parts by name. Parts of one step run side by side; how is in part-runs.ts.

import { join } from 'node:path';
import { whyNoDockerEngine } from '../packages/testkit/src/docker-engine.ts';
import { startPostgres } from '../packages/testkit/src/postgres.ts';
import { type Lane, type Part, type Result, runLanes } from './part-runs.ts';

const ROOT = join(import.meta.dirname, '..');
const bin = (name: string) => join(ROOT, 'node_modules/.bin', name);

const vitest = (...args: string[]) => [bin('vitest'), 'run', ...args];
const only = process.argv
  .find((argument) => argument.startsWith('--only='))
  ?.slice('--only='.length)
  .split(',');

/**
 * Suites that look at the platform from outside; the others also look at what one process remembers, counts or holds open. Without
 * those that start agents, which have one parent, and those that start platforms themselves.
 */
const BLACK_BOX = [
  ...['messaging/access', 'messaging/addressing', 'messaging/agent-card', 'messaging/order', 'messaging/streaming'],
  ...['messaging/repeats/repeats', 'messaging/streams/resume', 'messaging/versions.test', 'delegation/delegation'],
  ...['delegation/chain', 'files/staging', 'activity/activity', 'activity/search', 'why/why'],
  ...['workspaces/create', 'workspaces/change', 'workspaces/removal', 'workspaces/seats'],
  ...['registry/register', 'registry/discovery', 'registry/liveness', '../test/authorization', '../test/escalation'],
].map((path) => join('packages/server/src', path));

/** Of vitest, for each of two parts at once: together one more than one part has alone. */
const HALF = ['--maxWorkers=2'];

const postgres = await startPostgres();
const parts = {
  types: { name: 'types', why: 'TypeScript', command: [bin('tsc'), '-p', 'tsconfig.json', '--noEmit'] },
  lint: { name: 'lint', why: 'style and formatting', command: [bin('biome'), 'check', '.'] },
  pglite: {
    name: 'pglite',
    why: 'all suites, server suite on the embedded database',
    command: vitest(),
    beside: HALF,
    env: { MOLECULE_TEST_STORE: 'pglite', MOLECULE_TEST_POSTGRES_URL: postgres.adminUrl },
  },
  postgres: {
    name: 'postgres',
    why: 'the same server suite on PostgreSQL',
    // What runs agents stores nothing, building images takes its time, and the embedded database is the other one.
    command: vitest(
      'packages/server',
      ...['**/provisioning/backends/**', '**/docker-*.test.ts', '**/db/embedded/**'].map((path) => `--exclude=${path}`),
    ),
    beside: HALF,
    env: { MOLECULE_TEST_STORE: 'postgres', MOLECULE_TEST_POSTGRES_URL: postgres.adminUrl },
  },
  replicas: {
    name: 'replicas',
    why: 'what callers see of two platforms behind a round-robin address',
    command: vitest(...BLACK_BOX),
    beside: HALF,
    env: {
      MOLECULE_TEST_STORE: 'postgres',
      MOLECULE_TEST_REPLICAS: '2',
      MOLECULE_TEST_POSTGRES_URL: postgres.adminUrl,
    },
  },
  browser: {
    name: 'browser',
    why: 'the canvas in Chromium on a real platform',
    command: [bin('playwright'), 'test', '-c', 'e2e/playwright.config.ts'],
  },
  acceptance: {
    name: 'acceptance',
    why: 'acceptance cases and who proves them',
    command: [process.execPath, 'scripts/acceptance.ts', '--summary'],
  },
} satisfies Record<string, Part>;

/**
 * One after the other; the lanes of a step side by side. On the embedded database the processor is the limit, on PostgreSQL half of
 * the time is waiting for processes that were killed. The browser has the machine for itself: it shows what people would see.
 */
const STEPS: readonly (readonly Lane[])[] = [
  [[parts.types]],
  [[parts.lint]],
  [[parts.pglite], [parts.postgres, parts.replicas]],
  [[parts.browser]],
  [[parts.acceptance]],
];

const results: Result[] = [];
for (const step of STEPS) {
  const lanes = step.map((lane) => lane.filter(({ name }) => !only || only.includes(name)));
  results.push(
    ...(await runLanes(
      lanes.filter((lane) => lane.length > 0),
      { cwd: ROOT },
    )),
  );
  if (results.some(({ code }) => code !== 0)) break;
}
await postgres.stop();

const failed = results.filter((result) => result.code !== 0);
console.log('');
for (const { name, code, seconds } of results)
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
const noEngine = whyNoDockerEngine();
if (noEngine !== null) console.log(`skipped everything about containers: ${noEngine}`);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length > 0 ? 1 : 0);
