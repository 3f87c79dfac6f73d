// How long ten agents take to come online when they are created, and when they are restarted, all at once, on the `process`
// backend, and what memory an idle one takes. Beside it: ten processes started at once that load the runtime and end, and one of
// Node that waits.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Bench, type Claim, makeClaim } from './kit/claim.ts';
import { median, pairedRatio } from './kit/figures.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import { childrenOf, residentMb } from './kit/proc.ts';
import { pause, until, within } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const SEATS = 10;
const LIMIT_MS = 120_000;
const LOOK_EVERY_MS = 20;
const SETTLE_MS = 3_000;

/** Milliseconds. */
interface Round {
  bare: number;
  create: number;
  restart: number;
  /** Of an idle agent, in megabytes. */
  agentMb: number;
}

async function timeBareRuntimes(): Promise<number> {
  const startedAt = performance.now();
  const load = [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    "await import('@molecule/runtime')",
  ];
  await Promise.all(
    Array.from({ length: SEATS }, () =>
      within(LIMIT_MS, 'a bare runtime', once(spawn(process.execPath, load, { stdio: 'ignore' }), 'exit')),
    ),
  );
  return performance.now() - startedAt;
}

async function untilOnline(platform: PlatformProcess, ids: readonly string[], leftSince: ReadonlySet<string>) {
  await until(
    LIMIT_MS,
    'ten agents online',
    async () => {
      const rows = await platform.admin.listWorkspaces();
      const up = rows.filter(({ id, status }) => ids.includes(id) && status === 'online' && leftSince.has(id));
      return up.length === ids.length ? true : null;
    },
    LOOK_EVERY_MS,
  );
}

async function measure(platform: PlatformProcess, round: number): Promise<Round> {
  const bare = await timeBareRuntimes();
  const createdAt = performance.now();
  const created = await Promise.all(
    Array.from({ length: SEATS }, (_, at) =>
      platform.admin.createWorkspace({ body: { name: `seat ${round}.${at}`, runtime: 'echo' } }),
    ),
  );
  const ids = created.map(({ id }) => id);
  await untilOnline(platform, ids, new Set(ids));
  const create = performance.now() - createdAt;

  const restartedAt = performance.now();
  await Promise.all(ids.map((id) => platform.admin.restartWorkspace({ params: { id }, body: {} })));
  // Each has to be seen down first: the row of a restart that has not begun still says online.
  const left = new Set<string>();
  await until(
    LIMIT_MS,
    'ten restarts',
    async () => {
      for (const { id, status } of await platform.admin.listWorkspaces()) if (status !== 'online') left.add(id);
      return ids.every((id) => left.has(id)) ? true : null;
    },
    LOOK_EVERY_MS,
  );
  await untilOnline(platform, ids, left);
  const restart = performance.now() - restartedAt;
  await pause(SETTLE_MS);
  const agentMb = median(childrenOf(platform.pid).map(residentMb));
  for (const id of ids) await platform.admin.deleteWorkspace({ params: { id } });
  return { bare, create, restart, agentMb };
}

function claimsOf(store: Store['name'], rounds: readonly Round[], waitingMb: number): Claim[] {
  const of = (figure: keyof Round) => rounds.map((round) => round[figure]);
  const times = (['create', 'restart'] as const).map((what) =>
    makeClaim({
      name: `provision.${store}.${what}`,
      what: `${what} to online of ${SEATS} seats at once, process backend, ${store}`,
      aim: null,
      value: median(of(what)),
      unit: 'ms',
      baseline: { name: `${SEATS} processes that load the runtime`, value: median(of('bare')), unit: 'ms' },
      ratio: pairedRatio(of(what), of('bare')),
      medians: {},
    }),
  );
  const memory = makeClaim({
    name: `provision.${store}.agent`,
    what: `resident memory of an idle echo agent, the median of ${SEATS}, ${store}`,
    aim: null,
    value: median(of('agentMb')),
    unit: 'MB',
    baseline: { name: 'a Node process that waits', value: waitingMb, unit: 'MB' },
    medians: {},
  });
  return [...times, memory];
}

export const provision: Bench = {
  name: 'provision',
  what: `create to online and restart to online of ${SEATS} agents at once, and the memory of an idle one`,
  measuresStoresApart: true,
  async run(stage, settings) {
    const stores = await prepareStores(stage, settings);
    const { child } = await stage.peer('bare-node');
    const waitingMb = residentMb(child.pid as number);
    const claims: Claim[] = [];
    for (const name of settings.stores) {
      const store = await stores[name]();
      const platform = await launchPlatform(stage, { store, settings });
      const rounds: Round[] = [];
      for (let round = 0; round < settings.rounds; round += 1) {
        settings.say(`provision: ${store.name}, round ${round + 1} of ${settings.rounds}`);
        rounds.push(await measure(platform, round));
      }
      await platform.stop();
      claims.push(...claimsOf(store.name, rounds, waitingMb));
    }
    return claims;
  },
};
