// Claim (d): what a platform costs that nobody uses. Resident memory with no seat and with 1,000, CPU with 200 seats. The seats are
// rows of the registry; a generator in another process sends their beats, one per seat and 30 s. Beside it a Node process that waits.

import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { type LoadGenerator, startLoadGenerator } from './kit/load.ts';
import { launchPlatform } from './kit/platform.ts';
import { cpuSeconds, residentMb } from './kit/proc.ts';
import { beatRequests, registerSeats, type Seat } from './kit/seats.ts';
import { pause, type Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const SOME_SEATS = 200;
const MANY_SEATS = 1_000;
const BEAT_SECONDS = 30;
/** Within it the platform gives back what its start took. */
const SETTLE_SECONDS = 15;
/** The platform collects its garbage thoroughly once work has been over for half a minute. */
const QUIET_SECONDS = 40;
const WINDOW_SECONDS = 10;
const BEAT_CONNECTIONS = 8;
const MOST_ROUNDS = 3;
const MEMORY_AIMS = { postgres: 120, embedded: 300 };
const CPU_AIM_PERCENT = 0.5;

interface Round {
  emptyMb: number;
  manyMb: number;
  emptyCpu: number;
  someCpu: number;
}

/** Percent of one core over the window. */
async function measureCpu(pid: number): Promise<number> {
  const before = cpuSeconds(pid);
  await pause(WINDOW_SECONDS * 1000);
  return ((cpuSeconds(pid) - before) / WINDOW_SECONDS) * 100;
}

async function beatFor(load: LoadGenerator, url: string, seats: Seat[], seconds: number): Promise<void> {
  await load.run({
    url,
    connections: BEAT_CONNECTIONS,
    seconds,
    rate: seats.length / BEAT_SECONDS,
    requests: beatRequests(seats),
  });
}

async function measureStore(stage: Stage, settings: Settings, store: Store, load: LoadGenerator): Promise<Round> {
  const platform = await launchPlatform(stage, { store, settings });
  await pause(SETTLE_SECONDS * 1000);
  const emptyCpu = await measureCpu(platform.pid);
  const emptyMb = residentMb(platform.pid);
  const some = await registerSeats(platform, SOME_SEATS);
  const beating = beatFor(load, platform.url, some, QUIET_SECONDS + WINDOW_SECONDS);
  await pause(QUIET_SECONDS * 1000);
  const someCpu = await measureCpu(platform.pid);
  await beating;
  const many = [...some, ...(await registerSeats(platform, MANY_SEATS - SOME_SEATS, 'further seat'))];
  await beatFor(load, platform.url, many, QUIET_SECONDS);
  const manyMb = residentMb(platform.pid);
  await platform.stop();
  return { emptyMb, manyMb, emptyCpu, someCpu };
}

function claimsOf(store: Store['name'], rounds: Round[], bare: { mb: number; cpu: number }): Claim[] {
  const of = (figure: keyof Round) => median(rounds.map((round) => round[figure]));
  const memory = (seats: number, value: number) =>
    makeClaim({
      name: `memory.${store}.${seats}`,
      what: `resident memory of the idle platform with ${seats} registered seats, ${store}`,
      aim: { on: 'value', atMost: MEMORY_AIMS[store] },
      value,
      unit: 'MB',
      baseline: { name: 'a Node process that waits', value: bare.mb, unit: 'MB' },
      medians: {},
    });
  return [
    memory(0, of('emptyMb')),
    memory(MANY_SEATS, of('manyMb')),
    makeClaim({
      name: `cpu.${store}.${SOME_SEATS}`,
      what: `CPU of the idle platform with ${SOME_SEATS} seats that beat every ${BEAT_SECONDS} s, over ${WINDOW_SECONDS} s, ${store}`,
      aim: { on: 'value', atMost: CPU_AIM_PERCENT },
      value: of('someCpu'),
      unit: '% of a core',
      baseline: { name: 'a Node process that waits', value: bare.cpu, unit: '% of a core' },
      medians: { without_seats_percent: of('emptyCpu') },
    }),
  ];
}

export const memory: Bench = {
  name: 'memory',
  what: 'resident memory and CPU of a platform nobody uses',
  measuresStoresApart: true,
  async run(stage, settings) {
    const stores = await prepareStores(stage, settings);
    const load = await startLoadGenerator(stage);
    const { child } = await stage.peer('bare-node');
    const rounds: Record<Store['name'], Round[]> = { postgres: [], embedded: [] };
    // A round takes two minutes a store, and its figures hardly differ from one to the next.
    const wanted = Math.min(settings.rounds, MOST_ROUNDS);
    for (let round = 0; round < wanted; round += 1) {
      settings.say(`memory: round ${round + 1} of ${wanted}`);
      for (const name of settings.stores)
        rounds[name].push(await measureStore(stage, settings, await stores[name](), load));
    }
    const bare = { mb: residentMb(child.pid as number), cpu: await measureCpu(child.pid as number) };
    return settings.stores.flatMap((store) => claimsOf(store, rounds[store], bare));
  },
};
