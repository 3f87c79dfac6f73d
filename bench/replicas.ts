// How much more a second platform on the same PostgreSQL carries: messages through one process, then through two at once.
// On a machine of two cores, which also runs the agent, the load and the store, twice as much is not to be had.

import { type Bench, makeClaim } from './kit/claim.ts';
import { median, pairedRatio, rotate } from './kit/figures.ts';
import { startLoadGenerator } from './kit/load.ts';
import { messageTo, seedPair } from './kit/pair.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import { beatRequests } from './kit/seats.ts';
import { prepareStores } from './kit/stores.ts';

const CONNECTIONS = 32;

export const replicas: Bench = {
  name: 'replicas',
  what: 'messages per second through one and through two platforms on the same PostgreSQL',
  async run(stage, settings) {
    const stores = await prepareStores(stage);
    const agent = await stage.peer('agent');
    const store = await stores.postgres();
    const { caller, target } = await seedPair(store, String(agent.ready.url));
    const platforms: PlatformProcess[] = [];
    for (const dataDir of [store.dataDir, await stage.folder()])
      platforms.push(
        await launchPlatform(stage, { store: { ...store, dataDir }, settings, env: { MOLECULE_PROVISIONER: 'none' } }),
      );
    const loads = [await startLoadGenerator(stage), await startLoadGenerator(stage)];
    const requests = messageTo(`/workspaces/${target.id}/a2a`, caller.token);
    const seconds = settings.quick ? 2 : 5;

    /** Calls per second of all of them together. */
    async function measure(count: number): Promise<number> {
      const used = platforms.slice(0, count);
      await loads[0]?.run({
        url: used[0]?.url ?? '',
        connections: 1,
        seconds: 0.5,
        rate: 4,
        requests: beatRequests([caller, target]),
      });
      const rounds = await Promise.all(
        used.map((platform, at) =>
          loads[at]?.run({ url: platform.url, connections: CONNECTIONS / count, seconds, requests }),
        ),
      );
      return rounds.reduce((sum, round) => sum + (round?.perSecond ?? 0), 0);
    }

    const rates = new Map([1, 2].map((count) => [count, [] as number[]]));
    for (const count of rates.keys()) await measure(count);
    for (let round = 0; round < settings.rounds; round += 1) {
      settings.say(`replicas: round ${round + 1} of ${settings.rounds}`);
      for (const count of rotate([1, 2], round)) rates.get(count)?.push(await measure(count));
    }
    const [one, two] = [rates.get(1) ?? [], rates.get(2) ?? []];
    return [
      makeClaim({
        name: 'replicas.postgres.2',
        what: `A2A pass-through of two platforms, ${CONNECTIONS} connections in all, PostgreSQL`,
        aim: null,
        value: median(two),
        unit: 'calls/s',
        baseline: { name: 'one platform', value: median(one), unit: 'calls/s' },
        ratio: pairedRatio(two, one),
        medians: {},
      }),
    ];
  },
};
