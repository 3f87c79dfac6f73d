// `npm test`: types, style, every suite on both stores, the browser. Stops at the first part that fails and says which.
// `npm test -- --only=pglite` runs parts by name. Parts of one step run side by side; how is in part-runs.ts.

import { join } from 'node:path';
import { whyNoDockerEngine } from '../packages/testkit/src/docker-engine.ts';
import { startPostgres } from '../packages/testkit/src/postgres.ts';
import { type Lane, type Part, runLanes, type Result } from './part-runs.ts';

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

const postgres = await startPostgres();
const parts: Part[] = [
  { name: 'types', why: 'TypeScript', command: [bin('tsc'), '-p', 'tsconfig.json', '--noEmit'] },
  { name: 'lint', why: 'style and formatting', command: [bin('biome'), 'check', '.'] },
  {
    name: 'pglite',
    why: 'all suites, server suite on the embedded database',
    command: vitest(),
    env: { MOLECULE_TEST_STORE: 'pglite', MOLECULE_TEST_POSTGRES_URL: postgres.adminUrl },
  },
  {
    name: 'postgres',
    why: 'the same server suite on PostgreSQL',
    // What runs agents stores nothing, building images takes its time, and the embedded database is the other one.
    command: vitest(
      'packages/server',
      ...['**/provisioning/backends/**', '**/docker-*.test.ts', '**/db/embedded/**'].map((path) => `--exclude=${path}`),
    ),
    env: { MOLECULE_TEST_STORE: 'postgres', MOLECULE_TEST_POSTGRES_URL: postgres.adminUrl },
  },
  {
    name: 'replicas',
    why: 'what callers see of two platforms behind a round-robin address',
    command: vitest(...BLACK_BOX),
    env: {
      MOLECULE_TEST_STORE: 'postgres',
      MOLECULE_TEST_REPLICAS: '2',
      MOLECULE_TEST_POSTGRES_URL: postgres.adminUrl,
    },
  },
  {
    name: 'browser',
    why: 'the canvas in Chromium on a real platform',
    command: [bin('playwright'), 'test', '-c', 'e2e/playwright.config.ts'],
  },
  {
    name: 'acceptance',
    why: 'acceptance cases and who proves them',
    command: [process.execPath, 'scripts/acceptance.ts', '--summary'],
  },
];

const results: { name: string; code: number; seconds: number }[] = [];
for (const part of parts.filter((one) => !only || only.includes(one.name))) {
  console.log(`\n== ${part.name}: ${part.why}`);
  const startedAt = Date.now();
  const code = await run(part);
  results.push({ name: part.name, code, seconds: Math.round((Date.now() - startedAt) / 1000) });
  if (code !== 0) break;
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
