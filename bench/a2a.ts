// Claim (a): what a message through the platform costs, beside a plain reverse proxy and a direct call. Activity logging is on,
// and a call counts only when its row is stored: the time the log needs to catch up after a round belongs to the round.

import { randomUUID } from 'node:crypto';
import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median, pairedRatio, rotate } from './kit/figures.ts';
import { type LoadGenerator, startLoadGenerator } from './kit/load.ts';
import { MESSAGE, messageTo, type Pair, seedPair } from './kit/pair.ts';
import { launchPlatform, type PlatformProcess } from './kit/platform.ts';
import { beatRequests } from './kit/seats.ts';
import { type Stage, until } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const CONNECTIONS = [1, 16, 128];
const AIMED_AT = 16;
const AIMS = { postgres: 0.8, embedded: 0.5 };
const STORED_LIMIT_MS = 60_000;

interface Round {
  perSecond: number;
  p50: number;
  p99: number;
}

interface Variant {
  name: 'direct' | 'plain' | Store['name'];
  measure(connections: number, seconds: number): Promise<Round>;
}

/** Sends one more message and waits until its row can be read: rows are stored in order, so all before it are stored too. */
async function waitUntilStored(platform: PlatformProcess, { caller, target }: Pair): Promise<void> {
  const marker = randomUUID();
  const sent = await platform.client(caller.token).raw('POST', `/workspaces/${target.id}/a2a`, {
    body: MESSAGE.replaceAll('{{id}}', marker),
    headers: { 'content-type': 'application/json' },
    timeoutMs: STORED_LIMIT_MS,
  });
  await sent.arrayBuffer();
  await until(STORED_LIMIT_MS, 'the activity rows of a round', async () => {
    const rows = await platform.admin.listActivity({ params: { id: target.id }, query: { limit: 1 } });
    return JSON.stringify(rows[0]?.request_body ?? null).includes(marker) ? true : null;
  });
}

function plainVariant(name: Variant['name'], url: string, load: LoadGenerator): Variant {
  const requests = messageTo('/', 'a-token-nobody-reads');
  return { name, measure: (connections, seconds) => load.run({ url, connections, seconds, requests }) };
}

async function platformVariant(stage: Stage, settings: Settings, store: Store, agentUrl: string, load: LoadGenerator) {
  const pair = await seedPair(store, agentUrl);
  const platform = await launchPlatform(stage, { store, settings, env: { MOLECULE_PROVISIONER: 'none' } });
  const requests = messageTo(`/workspaces/${pair.target.id}/a2a`, pair.caller.token);
  const beats = beatRequests([pair.caller, pair.target]);
  const variant: Variant = {
    name: store.name,
    async measure(connections, seconds) {
      // Both seats stay online however long the run takes.
      await load.run({ url: platform.url, connections: 1, seconds: 0.5, rate: 4, requests: beats });
      const round = await load.run({ url: platform.url, connections, seconds, requests });
      const endedAt = performance.now();
      await waitUntilStored(platform, pair);
      return { ...round, perSecond: round.answered / (seconds + (performance.now() - endedAt) / 1000) };
    },
  };
  return variant;
}

async function measureAll(variants: Variant[], connections: number, settings: Settings) {
  const rounds = new Map(variants.map(({ name }) => [name, [] as Round[]]));
  const seconds = settings.quick ? 1.5 : 4;
  for (const { measure } of variants) await measure(connections, settings.quick ? 1 : 3);
  for (let round = 0; round < settings.rounds; round += 1) {
    for (const { name, measure } of rotate(variants, round))
      rounds.get(name)?.push(await measure(connections, seconds));
  }
  return rounds;
}

function claimOf(store: Store['name'], connections: number, rounds: Map<string, Round[]>): Claim {
  const of = (name: string, figure: keyof Round) => (rounds.get(name) ?? []).map((round) => round[figure]);
  const rates = of(store, 'perSecond');
  return makeClaim({
    name: `a2a.${store}.${connections}`,
    what: `A2A pass-through, ${connections} connection${connections === 1 ? '' : 's'}, ${store}, activity logged`,
    aim: connections === AIMED_AT ? { on: 'ratio', atLeast: AIMS[store] } : null,
    value: median(rates),
    unit: 'calls/s',
    baseline: { name: 'plain Node proxy', value: median(of('plain', 'perSecond')), unit: 'calls/s' },
    ratio: pairedRatio(rates, of('plain', 'perSecond')),
    medians: {
      ratio_to_direct: pairedRatio(rates, of('direct', 'perSecond')),
      direct_per_second: median(of('direct', 'perSecond')),
      p50_ms: median(of(store, 'p50')),
      p99_ms: median(of(store, 'p99')),
      plain_p50_ms: median(of('plain', 'p50')),
      plain_p99_ms: median(of('plain', 'p99')),
    },
  });
}

export const a2a: Bench = {
  name: 'a2a',
  what: 'A2A pass-through beside a plain reverse proxy and a direct call',
  async run(stage, settings) {
    const stores = await prepareStores(stage);
    const agent = await stage.peer('agent');
    const agentUrl = String(agent.ready.url);
    const proxy = await stage.peer('plain-proxy', { upstream: agentUrl });
    const load = await startLoadGenerator(stage);
    const variants = [
      plainVariant('direct', agentUrl, load),
      plainVariant('plain', String(proxy.ready.url), load),
      await platformVariant(stage, settings, await stores.postgres(), agentUrl, load),
      await platformVariant(stage, settings, await stores.embedded(), agentUrl, load),
    ];
    const claims: Claim[] = [];
    for (const connections of CONNECTIONS) {
      settings.say(`a2a: ${connections} connection${connections === 1 ? '' : 's'}`);
      const rounds = await measureAll(variants, connections, settings);
      for (const store of ['postgres', 'embedded'] as const) claims.push(claimOf(store, connections, rounds));
    }
    return claims;
  },
};
