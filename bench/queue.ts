// Claim (c): what it takes to be sure that a message is kept, how soon it goes out, and what a flood of one caller costs another.
// Accepts are whole HTTP calls to the platform's process, each answered after its commit; the target is busy, so it is asked at most
// every 100 ms. Beside them pg-boss' `send`, one per message, on a store of the same kind: called in its own process without any
// HTTP, which is the harder baseline the aim goes by, and behind a bare HTTP server.

import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median, pairedRatio, rotate } from './kit/figures.ts';
import { type LoadGenerator, startLoadGenerator } from './kit/load.ts';
import { MESSAGE, messageTo, type Pair, seedPair } from './kit/pair.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import type { Peer, Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';
import type { BossJob, BossResult } from './peers/boss.ts';
import type { CallResult, FreeResult, TurnsJob } from './peers/turns.ts';

const CONNECTIONS = 64;
const JOB_LIMIT_MS = 600_000;
const STORM = 10_000;
const STORM_CONNECTIONS = 16;
const CALLS_PER_SECOND = 10;
const WIDTH = 4;
const TURN_MS: [number, number] = [50, 150];

interface Place {
  store: Store;
  pair: Pair;
  platform: PlatformProcess;
  turns: Peer;
}

async function open(stage: Stage, settings: Settings, store: Store): Promise<Place> {
  const turns = await stage.peer('turns', { folder: await stage.folder() });
  const pair = await seedPair(store, String(turns.ready.url));
  const platform = await launchPlatform(stage, {
    store,
    settings,
    // The storm is the point here; as delivered the platform refuses it after a thousand.
    env: { MOLECULE_PROVISIONER: 'none', A2A_QUEUE_LIMIT_PER_CALLER: '10000000' },
  });
  return { store, pair, platform, turns };
}

const ask = <T>({ turns }: Place, job: TurnsJob) => turns.ask<T>(job, JOB_LIMIT_MS);

async function settle(place: Place, width: number, turnMs: [number, number]): Promise<void> {
  const { pair, platform } = place;
  await platform.admin.patchWorkspace({
    params: { id: pair.target.id },
    body: { max_concurrent_tasks: Math.max(1, width) },
  });
  await ask(place, {
    do: 'settle',
    platform: platform.url,
    target: pair.target,
    caller: pair.caller,
    width,
    turnMs,
  });
}

async function measureDelivery(place: Place, settings: Settings): Promise<Claim[]> {
  const { name } = place.store;
  await settle(place, 1, [0, 0]);
  await ask<FreeResult>(place, { do: 'free', samples: 10 });
  const { freed, free, direct } = await ask<FreeResult>(place, { do: 'free', samples: settings.quick ? 40 : 200 });
  const baseline = (figure: 'p50' | 'p99') => ({
    name: 'straight to the free agent',
    value: direct[figure],
    unit: 'ms',
  });
  const what = (kind: string, figure: string) => `${figure} of ${kind} to the beginning of its turn, ${name}`;
  return (
    [
      ['free', free, 'sending a message that is refused while the turn ends'],
      ['freed', freed, 'the end of a turn, for a message that waits for it,'],
    ] as const
  ).flatMap(([kind, spread, words]) =>
    (
      [
        ['p50', 10],
        ['p99', 50],
      ] as const
    ).map(([figure, atMost]) =>
      makeClaim({
        name: `queue.${name}.${kind}.${figure}`,
        what: what(words, figure),
        aim: { on: 'value', atMost },
        value: spread[figure],
        unit: 'ms',
        baseline: baseline(figure),
        medians: {},
      }),
    ),
  );
}

async function measureAccepts(
  places: Place[],
  stage: Stage,
  stores: Awaited<ReturnType<typeof prepareStores>>,
  load: LoadGenerator,
  settings: Settings,
): Promise<Claim[]> {
  const claims: Claim[] = [];
  const seconds = settings.quick ? 2 : 5;
  for (const place of places) {
    const { store, pair, platform } = place;
    await settle(place, 0, [0, 0]);
    const { url, dataDir } = await stores[store.name]();
    const boss = await stage.peer('boss', { url, dataDir });
    const requests = messageTo(`/workspaces/${pair.target.id}/a2a`, pair.caller.token);
    const variants = [
      {
        name: 'platform',
        measure: async () =>
          (await load.run({ url: platform.url, connections: CONNECTIONS, seconds, requests })).perSecond,
      },
      {
        name: 'boss',
        measure: async () => {
          const job: BossJob = { atOnce: CONNECTIONS, seconds, message: MESSAGE };
          return (await boss.ask<BossResult>(job, JOB_LIMIT_MS)).perSecond;
        },
      },
      {
        name: 'boss over HTTP',
        measure: async () =>
          (
            await load.run({
              url: String(boss.ready.url),
              connections: CONNECTIONS,
              seconds,
              requests: messageTo('/', 'a-token-nobody-reads'),
            })
          ).perSecond,
      },
    ];
    const rates = new Map(variants.map(({ name }) => [name, [] as number[]]));
    for (const { measure } of variants) await measure();
    for (let round = 0; round < settings.rounds; round += 1) {
      settings.say(`queue: accepts, ${store.name}, round ${round + 1} of ${settings.rounds}`);
      for (const { name, measure } of rotate(variants, round)) rates.get(name)?.push(await measure());
    }
    const of = (name: string) => rates.get(name) ?? [];
    claims.push(
      makeClaim({
        name: `queue.${store.name}.accept`,
        what: `messages stored and acknowledged one by one per second over HTTP, ${CONNECTIONS} connections, ${store.name}`,
        aim: { on: 'ratio', atLeast: 3 },
        value: median(of('platform')),
        unit: 'messages/s',
        baseline: { name: 'pg-boss send, without HTTP', value: median(of('boss')), unit: 'messages/s' },
        ratio: pairedRatio(of('platform'), of('boss')),
        medians: {
          boss_over_http_per_second: median(of('boss over HTTP')),
          ratio_to_boss_over_http: pairedRatio(of('platform'), of('boss over HTTP')),
        },
      }),
    );
  }
  return claims;
}

/** The same caller at the same pace, without and with a flood to the same target: people and operators are one other caller. */
async function measureStorm(place: Place, load: LoadGenerator, settings: Settings): Promise<Claim> {
  const { store, pair, platform } = place;
  await settle(place, WIDTH, TURN_MS);
  const calls: TurnsJob = { do: 'call', seconds: settings.quick ? 10 : 30, perSecond: CALLS_PER_SECOND };
  settings.say(`queue: one caller alone, then beside ${STORM} messages of another, ${store.name}`);
  const idle = await ask<CallResult>(place, calls);
  const requests = messageTo(`/workspaces/${pair.target.id}/a2a`, platform.adminToken);
  const [storm, beside] = await Promise.all([
    load.run({ url: platform.url, connections: STORM_CONNECTIONS, seconds: 120, count: STORM, requests }),
    ask<CallResult>(place, calls),
  ]);
  return makeClaim({
    name: `queue.${store.name}.storm`,
    what: `p99 of a caller's messages, sent to answered, beside ${STORM} of another to the same target, ${WIDTH} turns of ${TURN_MS.join(' to ')} ms at once, ${store.name}`,
    aim: { on: 'ratio', atMost: 2 },
    value: beside.p99,
    unit: 'ms',
    baseline: { name: 'alone', value: idle.p99, unit: 'ms' },
    medians: {
      p50_ms: beside.p50,
      alone_p50_ms: idle.p50,
      calls: beside.calls,
      of_those_queued: beside.queued,
      alone_queued: idle.queued,
      storm_per_second: storm.perSecond,
    },
  });
}

export const queue: Bench = {
  name: 'queue',
  what: 'accepts per second beside pg-boss, delivery to a free target, a caller beside a flood of another',
  async run(stage, settings) {
    const stores = await prepareStores(stage);
    const load = await startLoadGenerator(stage);
    const places = [
      await open(stage, settings, await stores.postgres()),
      await open(stage, settings, await stores.embedded()),
    ];
    const claims: Claim[] = [];
    for (const place of places) {
      settings.say(`queue: delivery to a free target, ${place.store.name}`);
      claims.push(...(await measureDelivery(place, settings)));
    }
    for (const place of places) claims.push(await measureStorm(place, load, settings));
    // Last: what is stored here stays.
    claims.push(...(await measureAccepts(places, stage, stores, load, settings)));
    return claims;
  },
};
