// A database that the first release wrote opens under this one and goes on: seats, tokens, secrets, messages on their way.
// `upgrade/skeleton.json` holds the rows as that release left them; its tokens and key exist nowhere else.

import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS_DIR } from '@molecule/server';
import {
  openTestDatabase,
  type Peer,
  replyWith,
  startPeer,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, migrate } from '../src/platform/db/index.ts';

interface Skeleton {
  secretsKey: string;
  tokens: Record<'lead' | 'worker' | 'busy' | 'poller' | 'org' | 'external', string>;
  ids: Record<'lead' | 'worker' | 'busy' | 'poller' | 'external' | 'gone', string>;
  tables: Record<string, Record<string, unknown>[]>;
}

const skeleton = JSON.parse(readFileSync(join(import.meta.dirname, 'upgrade/skeleton.json'), 'utf8')) as Skeleton;
const { ids, tokens } = skeleton;
/** Rows refer to workspaces, and delegations to messages. */
const ORDER = ['workspaces', 'activity_logs', 'a2a_queue', 'delegations'];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$/;

const times = Object.values(skeleton.tables)
  .flat()
  .flatMap((row) => Object.values(row))
  .filter((value): value is string => typeof value === 'string' && TIME.test(value))
  .map(Date.parse);
/** As if it had been written a minute ago: what is old enough is deleted by ordinary retention. */
const shiftMs = Date.now() - 60_000 - Math.max(...times);
const recent = (value: unknown) =>
  typeof value === 'string' && TIME.test(value) ? new Date(Date.parse(value) + shiftMs).toISOString() : value;

async function writeSkeleton(db: Database): Promise<void> {
  const first = mkdtempSync(join(tmpdir(), 'molecule-upgrade-'));
  cpSync(join(MIGRATIONS_DIR, '0001_skeleton.sql'), join(first, '0001_skeleton.sql'));
  await migrate(db, first);
  rmSync(first, { recursive: true });
  const names = Object.keys(skeleton.tables).sort((a, b) => rank(a) - rank(b));
  for (const name of names) {
    const rows = (skeleton.tables[name] ?? []).map((row) =>
      Object.fromEntries(Object.entries(row).map(([column, value]) => [column, recent(value)])),
    );
    await db.pool.query(
      `insert into ${name} overriding system value select * from jsonb_populate_recordset(null::${name}, $1::text::jsonb)`,
      [JSON.stringify(rows)],
    );
  }
  for (const name of ['structure_events', 'activity_logs'])
    await db.pool.query(`select setval(pg_get_serial_sequence('${name}', 'seq'), (select max(seq) from ${name}))`);
}

function rank(name: string): number {
  const place = ORDER.indexOf(name);
  return place < 0 ? ORDER.length : place;
}

let db: Database;
let test: TestPlatform;
let peer: Peer;
beforeAll(async () => {
  db = await openTestDatabase({ empty: true });
  await writeSkeleton(db);
  peer = await startPeer(replyWith('Now I have time.'));
  await db.pool.query(`update workspaces set url = $1 where url is not null`, [peer.url]);
  test = await startPlatform({ db, env: { SECRETS_ENCRYPTION_KEY: skeleton.secretsKey } });
});
afterAll(async () => {
  await test?.stop();
  await peer?.stop();
  await db?.close();
});

it('shows the seats it held, in their places, and not what was deleted', async () => {
  const rows = await test.admin.listWorkspaces();
  expect(rows.map((row) => [row.name, row.status, row.parent_id]).sort()).toEqual(
    [
      ['Lead', 'online', null],
      ['Worker', 'online', ids.lead],
      ['Busy', 'online', ids.lead],
      ['Poller', 'online', ids.lead],
      ['Laptop', 'awaiting_agent', null],
    ].sort(),
  );
  await expect(test.admin.getWorkspace({ params: { id: ids.gone } })).rejects.toMatchObject({ status: 410 });
  expect(await test.admin.getViewport({})).toMatchObject({ x: 12, y: 34, zoom: 0.5 });
});

it('lets the tokens in that it gave out, and decrypts what it encrypted', async () => {
  expect(await test.client(tokens.org).listWorkspaces()).toHaveLength(5);
  const values = await test.client(tokens.worker, ids.worker).getSecretValues({ params: { id: ids.worker } });
  expect(values).toEqual({ OPENAI_API_KEY: 'sk-global', OWN: 'own-value' });
  await expect(test.client(tokens.worker).listWorkspaces()).rejects.toMatchObject({ status: 401 });
});

it('delivers what it had queued, once, and its delegation is answered', async () => {
  const busy = test.client(tokens.busy, ids.busy);
  const beat = () =>
    busy.heartbeat({ body: { workspace_id: ids.busy, error_rate: 0, active_tasks: 0, uptime_seconds: 90 } });
  await waitFor('both messages are delivered', async () => {
    await beat();
    return peer.calls.length === 2;
  });
  await waitFor('the delegation is answered', async () => {
    const rows = await test.client(tokens.lead, ids.lead).listDelegations({ params: { id: ids.lead } });
    return rows.filter((row) => row.status === 'completed').length >= 2;
  });
  await beat();
  await test.platform.messaging.idle();
  expect(peer.calls).toHaveLength(2);
  expect(JSON.stringify(peer.calls.map((call) => call.body))).toContain('Wait for me');
});

it('keeps the inbox, and numbers go on where they were', async () => {
  const poller = test.client(tokens.poller, ids.poller);
  const inbox = await poller.listActivity({ params: { id: ids.poller }, query: { type: 'a2a_receive' } });
  expect(JSON.stringify(inbox)).toContain('Read me');
  const before = Math.max(...(skeleton.tables.structure_events ?? []).map((row) => Number(row.seq)));
  const created = await test.admin.createWorkspace({ body: { name: 'New', external: true } });
  const events = await db.pool.query<{ seq: string }>('select seq from structure_events where workspace_id = $1', [
    created.id,
  ]);
  expect(Number(events.rows[0]?.seq)).toBeGreaterThan(before);
});
