// Whether a page of the activity log costs the same however long the log is: one seat with 10,000 rows, then with a million.

import { MIGRATIONS_DIR } from '@molecule/server';
import { migrate, openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import { type Bench, type Claim, makeClaim, type Settings } from './kit/claim.ts';
import { median } from './kit/figures.ts';
import { type LoadGenerator, startLoadGenerator } from './kit/load.ts';
import { launchPlatform } from './kit/platform.ts';
import type { Stage } from './kit/stage.ts';
import { prepareStores, type Store } from './kit/stores.ts';

const FEW = 10_000;
const MANY = 1_000_000;
const MANY_QUICK = 100_000;
/** What a page may cost more at a hundred times the rows: caches that do not hold them all. */
const FLAT = 1.5;
const SEED_BATCH = 50_000;
const PEERS = 20;

interface Seeded {
  id: string;
  peerId: string;
  middleId: string;
}

/** Rows as a busy seat leaves them: one in a hundred of a person, the others of twenty peers; half of them messages. */
async function seed(store: Store, rows: number, from: number): Promise<Seeded> {
  const db = await openDatabase({ url: store.url, dataDir: store.dataDir, log: createLog('silent') });
  await migrate(db, MIGRATIONS_DIR);
  await db.pool.query(
    `insert into workspaces (name, runtime) select 'busy', 'external' where not exists (select 1 from workspaces where name = 'busy')`,
  );
  const { rows: seats } = await db.pool.query<{ id: string }>(`select id from workspaces where name = 'busy'`);
  const id = seats[0]?.id as string;
  for (let at = from; at < rows; at += SEED_BATCH)
    await db.pool.query(
      `insert into activity_logs (workspace_id, activity_type, source_id, target_id, message_id, method, summary, request_body, response_body, duration_ms, created_at)
       select $1, (array['a2a_receive', 'a2a_receive', 'agent_log', 'task_update'])[1 + (n / $4) % 4],
         case when n % 100 = 7 then null else ('00000000-0000-4000-8000-' || lpad(to_hex(n % $4), 12, '0'))::uuid end, $1, 'm-' || n, 'message/send', 'message/send → busy',
         jsonb_build_object('params', jsonb_build_object('message', jsonb_build_object('messageId', 'm-' || n, 'parts', jsonb_build_array(jsonb_build_object('kind', 'text', 'text', repeat('word ', 40)))))),
         jsonb_build_object('result', repeat('answer ', 30)), 12, now() - interval '6 days' + n * interval '400 milliseconds'
       from generate_series($2::int, $3::int) n`,
      [id, at, Math.min(at + SEED_BATCH, rows) - 1, PEERS],
    );
  await db.pool.query('analyze activity_logs');
  const middle = await db.pool.query<{ id: string }>(
    `select id from activity_logs where workspace_id = $1 order by seq offset $2 limit 1`,
    [id, rows >> 1],
  );
  await db.close();
  return { id, peerId: '00000000-0000-4000-8000-000000000003', middleId: middle.rows[0]?.id as string };
}

const PAGES: Record<string, (seeded: Seeded) => string> = {
  newest: () => 'limit=100',
  after_a_cursor: ({ middleId }) => `limit=100&since_id=${middleId}`,
  chat: () => 'type=a2a_receive&source=canvas&limit=50',
  with_a_peer: ({ peerId }) => `type=a2a_receive&peer_id=${peerId}&limit=50`,
};

type Times = Record<string, { p50: number; p99: number }>;

async function measure(
  stage: Stage,
  settings: Settings,
  store: Store,
  seeded: Seeded,
  load: LoadGenerator,
): Promise<Times> {
  const platform = await launchPlatform(stage, {
    store,
    settings,
    env: { MOLECULE_PROVISIONER: 'none', ACTIVITY_RETENTION_DAYS: '30' },
  });
  const times: Times = {};
  for (const [name, queryOf] of Object.entries(PAGES)) {
    const requests = [
      {
        method: 'GET' as const,
        path: `/workspaces/${seeded.id}/activity?${queryOf(seeded)}`,
        headers: { authorization: `Bearer ${platform.adminToken}` },
      },
    ];
    await load.run({ url: platform.url, connections: 1, seconds: 1, requests });
    const rounds = [];
    for (let round = 0; round < settings.rounds; round += 1)
      rounds.push(await load.run({ url: platform.url, connections: 1, seconds: 1.5, requests }));
    times[name] = { p50: median(rounds.map(({ p50 }) => p50)), p99: median(rounds.map(({ p99 }) => p99)) };
  }
  await platform.stop();
  return times;
}

function claimsOf(store: Store['name'], rows: number, few: Times, many: Times): Claim[] {
  return Object.keys(PAGES).map((page) => {
    const [before, after] = [few[page], many[page]];
    if (!before || !after) throw new Error(`${page} was not measured`);
    return makeClaim({
      name: `activity.${store}.${page}`,
      what: `a page of the activity log, ${page.replaceAll('_', ' ')}, at ${rows.toLocaleString('en-US')} rows of one seat, ${store}`,
      aim: { on: 'ratio', atMost: FLAT },
      value: after.p50,
      unit: 'ms',
      baseline: { name: `at ${FEW.toLocaleString('en-US')} rows`, value: before.p50, unit: 'ms' },
      medians: { p99_ms: after.p99, few_p99_ms: before.p99 },
    });
  });
}

export const activity: Bench = {
  name: 'activity',
  what: 'pages of the activity log at 10,000 rows and at a million',
  measuresStoresApart: true,
  async run(stage, settings) {
    const stores = await prepareStores(stage, settings);
    const load = await startLoadGenerator(stage);
    const many = settings.quick ? MANY_QUICK : MANY;
    const claims: Claim[] = [];
    for (const name of settings.stores) {
      const store = await stores[name]();
      settings.say(`activity: ${FEW} rows, ${store.name}`);
      const few = await measure(stage, settings, store, await seed(store, FEW, 0), load);
      settings.say(`activity: ${many} rows, ${store.name}`);
      claims.push(
        ...claimsOf(store.name, many, few, await measure(stage, settings, store, await seed(store, many, FEW), load)),
      );
    }
    return claims;
  },
};
