// What it costs to tell everybody: recorded events to 2,000 event sockets, all of which are cut off in the middle and come back.
// Beside it a bare socket server that sends the same number of frames of the same size to as many clients.

import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import { type Peer, pause, type Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';
import type { SocketFigures, SocketJob } from './peers/sockets.ts';

const CLIENTS = 2_000;
const EVENTS_PER_SECOND = 10;
const JOB_LIMIT_MS = 120_000;
const ARRIVE_LIMIT_MS = 60_000;

interface Round extends SocketFigures {
  reconnectMs: number;
}

/** Emits one recorded event. */
type Emit = (count: number) => Promise<void>;

/** One after the other: of two moves at once the second might lead where the seat already is, and be no event. */
async function emitPaced(emit: Emit, from: number, events: number): Promise<void> {
  const startsAt = performance.now();
  for (let count = 0; count < events; count += 1) {
    await pause(Math.max(0, startsAt + (count * 1000) / EVENTS_PER_SECOND - performance.now()));
    await emit(from + count);
  }
}

async function ask<T>(sockets: Peer, job: SocketJob): Promise<T> {
  const answer = await sockets.ask<T & { failure?: string }>(job, JOB_LIMIT_MS);
  if (answer.failure) throw new Error(`sockets, ${job.do}: ${answer.failure}`);
  return answer;
}

async function measureLive(sockets: Peer, url: string, token: string, emit: Emit, events: number) {
  await ask(sockets, { do: 'open', url, token, count: CLIENTS });
  await emitPaced(emit, 0, events);
  return await ask<SocketFigures>(sockets, { do: 'await', events, ms: ARRIVE_LIMIT_MS });
}

/** Half of the events reach everybody; in the middle of the other half all are cut off, and come back with what they saw last. */
async function measure(sockets: Peer, url: string, token: string, emit: Emit, half: number): Promise<Round> {
  const before = await measureLive(sockets, url, token, emit, half);
  const emitting = emitPaced(emit, half, half);
  const { ms: reconnectMs } = await ask<{ ms: number }>(sockets, { do: 'reconnect' });
  await emitting;
  const all = await ask<SocketFigures>(sockets, { do: 'await', events: 2 * half, ms: ARRIVE_LIMIT_MS });
  await ask(sockets, { do: 'close' });
  // Latency is that of the undisturbed half: afterwards the clients are busy with coming back.
  return { ...all, p50: before.p50, p99: before.p99, reconnectMs };
}

/** A seat that moves from one lead to the other and back: one recorded event each time. */
async function createMover(platform: PlatformProcess): Promise<Emit> {
  const create = async (name: string, parent_id?: string) =>
    (await platform.admin.createWorkspace({ body: { name, external: true, ...(parent_id ? { parent_id } : {}) } })).id;
  const leads = [await create('lead of one'), await create('lead of the other')] as const;
  const id = await create('mover', leads[0]);
  return async (count) => {
    await platform.admin.patchWorkspace({ params: { id }, body: { parent_id: leads[(count + 1) % 2] as string } });
  };
}

async function measureStore(stage: Stage, settings: Settings, store: Store, sockets: Peer, half: number) {
  const platform = await launchPlatform(stage, { store, settings, env: { MOLECULE_PROVISIONER: 'none' } });
  const round = await measure(sockets, platform.url, platform.adminToken, await createMover(platform), half);
  await platform.stop();
  return round;
}

function claimsOf(store: Store['name'], rounds: Round[], bare: Round[]): Claim[] {
  const of = (figure: keyof Round, list = rounds) => median(list.map((round) => round[figure]));
  return [
    makeClaim({
      name: `fanout.${store}.p99`,
      what: `p99 of a recorded event at ${CLIENTS.toLocaleString('en-US')} sockets, ${EVENTS_PER_SECOND} events per second, ${store}`,
      aim: null,
      value: of('p99'),
      unit: 'ms',
      baseline: { name: 'a bare socket server', value: Math.max(1, of('p99', bare)), unit: 'ms' },
      medians: { p50_ms: of('p50'), bare_p50_ms: of('p50', bare) },
    }),
    makeClaim({
      name: `fanout.${store}.missed`,
      what: `events missed or doubled over a forced reconnect of all, ${store}`,
      aim: { on: 'value', atMost: 0 },
      value: Math.max(...rounds.map(({ missed, doubled }) => missed + doubled)),
      unit: 'frames',
      baseline: { name: 'frames replayed', value: of('replayed'), unit: 'frames' },
      medians: { live_frames: of('live'), missed: of('missed'), doubled: of('doubled') },
    }),
    makeClaim({
      name: `fanout.${store}.reconnect`,
      what: `until all ${CLIENTS.toLocaleString('en-US')} were back, ${store}`,
      aim: null,
      value: of('reconnectMs'),
      unit: 'ms',
      baseline: { name: 'a bare socket server', value: of('reconnectMs', bare), unit: 'ms' },
      medians: {},
    }),
  ];
}

export const fanout: Bench = {
  name: 'fanout',
  what: 'events to 2,000 sockets, with a forced reconnect of all',
  measuresStoresApart: true,
  async run(stage, settings) {
    const stores = await prepareStores(stage, settings);
    const sockets = await stage.peer('sockets');
    const bareServer = await stage.peer('bare-sockets');
    const half = settings.quick ? 20 : 50;
    const rounds: Record<Store['name'] | 'bare', Round[]> = { postgres: [], embedded: [], bare: [] };
    /** It replays nothing, so nothing is sent while its clients are cut off. */
    async function measureBare(): Promise<Round> {
      const emit = async () => void bareServer.child.send({});
      const live = await measureLive(sockets, String(bareServer.ready.url), '-', emit, half);
      const { ms: reconnectMs } = await ask<{ ms: number }>(sockets, { do: 'reconnect' });
      await ask(sockets, { do: 'close' });
      return { ...live, reconnectMs };
    }
    for (let round = 0; round < Math.min(settings.rounds, 3); round += 1) {
      settings.say(`fanout: round ${round + 1}`);
      rounds.bare.push(await measureBare());
      for (const name of settings.stores)
        rounds[name].push(await measureStore(stage, settings, await stores[name](), sockets, half));
    }
    return settings.stores.flatMap((store) => claimsOf(store, rounds[store], rounds.bare));
  },
};
