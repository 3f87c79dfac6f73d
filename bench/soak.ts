// Ten minutes of everything at once: whether memory and open descriptors stay where they are after warming up.
// Not part of a plain `npm run bench`: `npm run soak`.

import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { seedPair } from './kit/pair.ts';
import { launchPlatform } from './kit/platform.ts';
import { openDescriptors, residentMb } from './kit/proc.ts';
import { pause, type Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const SECONDS = 600;
const SECONDS_QUICK = 120;
/** Share of the run that warms up, and the share that is compared at each end of the rest. */
const WARM_UP = 0.3;
const COMPARED = 0.15;
const SAMPLE_MS = 1_000;
/** Turns of the agent at once: what waits is to be taken faster than it comes, also on a busy machine. */
const WIDTH = 8;
const FLAT_MEMORY = 1.1;
const FLAT_DESCRIPTORS = 1.1;
const LATE_MS = 60_000;

interface Sample {
  mb: number;
  /** Of the platform, without its ends of the connections that the load holds open itself. */
  descriptors: number;
  /** Connections of the load: they follow how fast the machine answers, not what the platform forgot to close. */
  connections: number;
}

interface MixedResult {
  counts: Record<string, number>;
  failed: number;
  firstFailure: string | null;
}

const countSockets = (pid: number) => openDescriptors(pid).filter((target) => target.startsWith('socket:')).length;

function takeSample(platformPid: number, load: { pid: number; ownSockets: number }): Sample {
  const connections = countSockets(load.pid) - load.ownSockets;
  return { mb: residentMb(platformPid), descriptors: openDescriptors(platformPid).length - connections, connections };
}

function claimsOf(store: Store['name'], seconds: number, samples: Sample[], { counts }: MixedResult): Claim[] {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const width = Math.max(1, Math.floor(samples.length * COMPARED));
  const at = (figure: keyof Sample, list: Sample[]) => median(list.map((sample) => sample[figure]));
  const done = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  const claim = (figure: keyof Sample, name: string, unit: string, atMost: number) =>
    makeClaim({
      name: `soak.${store}.${name}`,
      what: `${name} at the end of ${seconds} s of mixed load, by that after warming up, ${store}`,
      aim: { on: 'ratio', atMost },
      value: at(figure, warm.slice(-width)),
      unit,
      baseline: { name: 'after warming up', value: at(figure, warm.slice(0, width)), unit },
      medians: {
        highest: Math.max(...warm.map((sample) => sample[figure])),
        ...(figure === 'descriptors' ? { connections_of_the_load: at('connections', warm) } : {}),
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
  const load = await stage.peer('mixed-load', { url: platform.url, adminToken: platform.adminToken, caller, target });
  const loadPid = load.child.pid as number;
  const loadProcess = { pid: loadPid, ownSockets: countSockets(loadPid) };
  const samples: Sample[] = [];
  let over = false;
  const working = load.ask<MixedResult>({ seconds }, seconds * 1000 + LATE_MS).finally(() => {
    over = true;
  });
  while (!over) {
    samples.push(takeSample(platform.pid, loadProcess));
    await Promise.race([pause(SAMPLE_MS), working]);
  }
  const result = await working;
  if (result.failed > 0) throw new Error(`${result.failed} of the mixed load failed; first: ${result.firstFailure}`);
  await platform.stop();
  return claimsOf(store.name, seconds, samples, result);
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
