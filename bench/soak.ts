// Ten minutes of everything at once: whether what the platform keeps, memory and open descriptors, stays
// what it was after warming up.
// Not part of a plain `npm run bench`: `npm run soak`.

import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { seedPair } from './kit/pair.ts';
import { launchPlatform } from './kit/platform.ts';
import { openDescriptors, residentMb } from './kit/proc.ts';
import { endProcess, type Peer, pause, type Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const SECONDS = 600;
const SECONDS_QUICK = 120;
/** Share of the load that comes before the first rest. */
const WARM_UP = 0.3;
/**
 * What the platform keeps is read at rest. Under load the heap swings between 50 and 190 MB while 45 are in use, and descriptors
 * follow how many calls the machine has not answered yet, so two moments of it compare how loaded the machine was.
 */
const REST_SECONDS = 90;
/** Of a rest, the end that is read: messages that waited are answered by then, and half a minute later memory is given back. */
const READ_SECONDS = 10;
const SAMPLE_MS = 1_000;
/** Turns of the agent at once: what waits is to be taken faster than it comes, also on a busy machine. */
const WIDTH = 8;
const FLAT_MEMORY = 1.1;
const FLAT_DESCRIPTORS = 1.1;
const LATE_MS = 60_000;

interface Sample {
  mb: number;
  descriptors: number;
}

interface MixedResult {
  counts: Record<string, number>;
  failed: number;
  firstFailure: string | null;
}

/** A part of the load and the rest after it. */
interface Part {
  loaded: Sample[];
  rested: Sample[];
  result: MixedResult;
}

const takeSample = (pid: number): Sample => ({ mb: residentMb(pid), descriptors: openDescriptors(pid).length });

async function sampleUntil(over: Promise<unknown>, pid: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  let isOver = false;
  const end = over.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    samples.push(takeSample(pid));
    await Promise.race([pause(SAMPLE_MS), end]);
  }
  return samples;
}

/** The load is a process of its own that ends with its part, and with it the idle connections it kept for the next call. */
async function runPart(load: Peer, pid: number, seconds: number): Promise<Part> {
  const working = load.ask<MixedResult>({ seconds }, seconds * 1000 + LATE_MS);
  const loaded = await sampleUntil(working, pid);
  const result = await working;
  if (result.failed > 0) throw new Error(`${result.failed} of the mixed load failed; first: ${result.firstFailure}`);
  await endProcess(load.child);
  await pause((REST_SECONDS - READ_SECONDS) * 1000);
  return { loaded, rested: await sampleUntil(pause(READ_SECONDS * 1000), pid), result };
}

function claimsOf(store: Store['name'], seconds: number, warmUp: Part, rest: Part): Claim[] {
  const at = (figure: keyof Sample, list: Sample[]) => median(list.map((sample) => sample[figure]));
  const done = Object.entries(rest.result.counts).map(
    ([name, count]) => `${name} ${count + (warmUp.result.counts[name] ?? 0)}`,
  );
  const claim = (figure: keyof Sample, name: string, unit: string, atMost: number) =>
    makeClaim({
      name: `soak.${store}.${name}`,
      what: `${name} at rest after ${seconds} s of mixed load, by that at rest after warming up, ${store}`,
      aim: { on: 'ratio', atMost },
      value: at(figure, rest.rested),
      unit,
      baseline: { name: 'at rest after warming up', value: at(figure, warmUp.rested), unit },
      medians: {
        under_load_warming_up: at(figure, warmUp.loaded),
        under_load_later: at(figure, rest.loaded),
        highest_warming_up: Math.max(...warmUp.loaded.map((sample) => sample[figure])),
        highest_later: Math.max(...rest.loaded.map((sample) => sample[figure])),
      },
      notes: [done.join(', ')],
    });
  return [claim('mb', 'memory', 'MB', FLAT_MEMORY), claim('descriptors', 'descriptors', 'files', FLAT_DESCRIPTORS)];
}

async function soakStore(stage: Stage, settings: Settings, store: Store, agentUrl: string): Promise<Claim[]> {
  const seconds = settings.quick ? SECONDS_QUICK : SECONDS;
  const { caller, target } = await seedPair(store, agentUrl);
  const platform = await launchPlatform(stage, { store, settings, env: { MOLECULE_PROVISIONER: 'none' } });
  await platform.admin.patchWorkspace({ params: { id: target.id }, body: { max_concurrent_tasks: WIDTH } });
  const { url, adminToken, pid } = platform;
  const startLoad = (part: string) => stage.peer('mixed-load', { url, adminToken, caller, target, part });
  const warmUp = await runPart(await startLoad('first'), pid, seconds * WARM_UP);
  const rest = await runPart(await startLoad('second'), pid, seconds * (1 - WARM_UP));
  await platform.stop();
  return claimsOf(store.name, seconds, warmUp, rest);
}

export const soak: Bench = {
  name: 'soak',
  what: 'memory and descriptors under ten minutes of mixed load, per store',
  measuresStoresApart: true,
  async run(stage, settings) {
    const stores = await prepareStores(stage, settings);
    const agent = await stage.peer('mixed-agent');
    const claims: Claim[] = [];
    for (const name of settings.stores) {
      const store = await stores[name]();
      settings.say(`soak: ${store.name}`);
      claims.push(...(await soakStore(stage, settings, store, String(agent.ready.url))));
    }
    return claims;
  },
};
