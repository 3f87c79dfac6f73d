// Claim (b): how many heartbeats a second the platform takes with 1,000 seats registered, and how long a read of a seat takes
// meanwhile; then, without the reads, what a thousand beats cost in CPU. Beside it a bare server that makes one UPDATE per beat, on
// the same kind of store with the same schema.

import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median, pairedRatio, rotate } from './kit/figures.ts';
import { type LoadGenerator, type LoadRequest, startLoadGenerator } from './kit/load.ts';
import { launchPlatform } from './kit/platform.ts';
import { cpuSeconds } from './kit/proc.ts';
import { beatRequests, registerSeats, type Seat } from './kit/seats.ts';
import type { Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const SEATS = 1_000;
const BEAT_CONNECTIONS = 32;
const READ_CONNECTIONS = 4;
const READS_PER_SECOND = 200;

interface Variant {
  name: string;
  url: string;
  pid: number;
  beats: LoadRequest[];
  reads: LoadRequest[];
}

interface Round {
  perSecond: number;
  beatP99: number;
  readP99: number;
  cpuMsPerThousand: number;
}

const readRequests = (ids: readonly string[], token: string): LoadRequest[] =>
  ids.map((id) => ({ method: 'GET', path: `/workspaces/${id}`, headers: { authorization: `Bearer ${token}` } }));

async function bareVariant(stage: Stage, store: Store): Promise<Variant> {
  const { ready, child } = await stage.peer('bare-beats', { url: store.url, dataDir: store.dataDir, seats: SEATS });
  const seats: Seat[] = (ready.ids as string[]).map((id) => ({ id, token: 'a-token-nobody-reads' }));
  return {
    name: `bare ${store.name}`,
    url: String(ready.url),
    pid: child.pid as number,
    beats: beatRequests(seats),
    reads: readRequests(
      seats.map(({ id }) => id),
      'a-token-nobody-reads',
    ),
  };
}

async function platformVariant(stage: Stage, settings: Settings, store: Store): Promise<Variant> {
  const platform = await launchPlatform(stage, { store, settings });
  const seats = await registerSeats(platform, SEATS);
  return {
    name: store.name,
    url: platform.url,
    pid: platform.pid,
    beats: beatRequests(seats),
    reads: readRequests(
      seats.map(({ id }) => id),
      platform.adminToken,
    ),
  };
}

async function measureCpu(variant: Variant, beating: LoadGenerator, seconds: number): Promise<number> {
  const before = cpuSeconds(variant.pid);
  const { answered } = await beating.run({
    url: variant.url,
    connections: BEAT_CONNECTIONS,
    seconds,
    requests: variant.beats,
  });
  return ((cpuSeconds(variant.pid) - before) * 1000 * 1000) / answered;
}

async function measure(
  variant: Variant,
  beating: LoadGenerator,
  reading: LoadGenerator,
  seconds: number,
): Promise<Round> {
  const [beats, reads] = await Promise.all([
    beating.run({ url: variant.url, connections: BEAT_CONNECTIONS, seconds, requests: variant.beats }),
    reading.run({
      url: variant.url,
      connections: READ_CONNECTIONS,
      seconds,
      rate: READS_PER_SECOND,
      requests: variant.reads,
    }),
  ]);
  const cpuMsPerThousand = await measureCpu(variant, beating, seconds);
  return { perSecond: beats.perSecond, beatP99: beats.p99, readP99: reads.p99, cpuMsPerThousand };
}

function claimsOf(store: Store['name'], rounds: Map<string, Round[]>): Claim[] {
  const of = (name: string, figure: keyof Round) => (rounds.get(name) ?? []).map((round) => round[figure]);
  const bare = `bare ${store}`;
  const rates = of(store, 'perSecond');
  const bareRates = of(bare, 'perSecond');
  const reads = of(store, 'readP99');
  const bareReads = of(bare, 'readP99');
  const cpu = of(store, 'cpuMsPerThousand');
  const bareCpu = of(bare, 'cpuMsPerThousand');
  return [
    makeClaim({
      name: `heartbeat.${store}.rate`,
      what: `heartbeats per second, ${SEATS} registered seats, ${BEAT_CONNECTIONS} connections, ${store}`,
      aim: null,
      value: median(rates),
      unit: 'beats/s',
      baseline: { name: 'bare UPDATE per beat', value: median(bareRates), unit: 'beats/s' },
      ratio: pairedRatio(rates, bareRates),
      medians: {
        beat_p99_ms: median(of(store, 'beatP99')),
        bare_beat_p99_ms: median(of(bare, 'beatP99')),
        // A seat beats every 30 s.
        times_what_the_seats_need: median(rates) / (SEATS / 30),
      },
    }),
    makeClaim({
      name: `heartbeat.${store}.read`,
      what: `p99 of GET /workspaces/:id at ${READS_PER_SECOND} reads/s while the beats run, ${store}`,
      aim: null,
      value: median(reads),
      unit: 'ms',
      baseline: { name: 'bare SELECT', value: median(bareReads), unit: 'ms' },
      ratio: pairedRatio(reads, bareReads),
      medians: {},
    }),
    makeClaim({
      name: `heartbeat.${store}.cpu`,
      what: `CPU of the platform's process per 1,000 heartbeats, ${BEAT_CONNECTIONS} connections, ${store}`,
      aim: null,
      value: median(cpu),
      unit: 'ms',
      baseline: { name: 'bare UPDATE per beat', value: median(bareCpu), unit: 'ms' },
      ratio: pairedRatio(cpu, bareCpu),
      medians: {},
    }),
  ];
}

export const heartbeat: Bench = {
  name: 'heartbeat',
  what: 'heartbeats per second with 1,000 seats, their CPU, and the p99 of a concurrent read',
  async run(stage, settings) {
    const stores = await prepareStores(stage);
    const beating = await startLoadGenerator(stage);
    const reading = await startLoadGenerator(stage);
    settings.say(`heartbeat: registering ${SEATS} seats on both stores`);
    const variants = [
      await bareVariant(stage, await stores.postgres()),
      await platformVariant(stage, settings, await stores.postgres()),
      await bareVariant(stage, await stores.embedded()),
      await platformVariant(stage, settings, await stores.embedded()),
    ];
    const rounds = new Map(variants.map(({ name }) => [name, [] as Round[]]));
    const seconds = settings.quick ? 2 : 5;
    for (const variant of variants) await measure(variant, beating, reading, settings.quick ? 1 : 3);
    for (let round = 0; round < settings.rounds; round += 1) {
      settings.say(`heartbeat: round ${round + 1} of ${settings.rounds}`);
      for (const variant of rotate(variants, round))
        rounds.get(variant.name)?.push(await measure(variant, beating, reading, seconds));
    }
    return (['postgres', 'embedded'] as const).flatMap((store) => claimsOf(store, rounds));
  },
};
