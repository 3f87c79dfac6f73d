// How far a workspace token reaches, route by route: what of its own seat each may change, and that nothing of another seat changes.
// A route a seat may call is missing from the table → this suite fails.

import { type AuthClass, buildPath, type Route, type RouteName } from '@molecule/contract';
import { createSeat, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tables } from '../src/platform/db/index.ts';
import { ROWS, UNKNOWN_ID, VALID_BODIES, VALID_QUERIES, validParams } from './valid-requests.ts';

/** What decides what a seat may do, cost or be reached as. No route may change it for a workspace token. */
const PRIVILEGES = {
  tier: 4,
  parent_id: null,
  runtime: 'echo',
  workspace_dir: '/srv/host',
  workspace_access: 'read_write',
  budget_limit: 999_999,
  max_concurrent_tasks: 100,
  hibernation_idle_minutes: 60_000,
  forwarded_to: UNKNOWN_ID,
  platform_inbound_secret: 'chosen',
  enroll_until: '2999-01-01T00:00:00Z',
} as const;
type Column = Exclude<keyof Tables['workspaces'], keyof typeof PRIVILEGES>;

const SEATS: readonly AuthClass[] = ['SELF', 'OWN', 'STATE', 'ANY', 'CALLER', 'REG'];
const REACHABLE = ROWS.filter(([, route]) => SEATS.includes(route.auth));

const NOTHING: readonly Column[] = [];
const ASLEEP: readonly Column[] = ['status', 'status_changed_at', 'url'];

/** Columns of its own row that a call may change, beyond `updated_at`. */
const REACH: Partial<Record<RouteName, readonly Column[]>> = {
  ackPendingUpload: NOTHING,
  assignAgent: NOTHING,
  checkAccess: NOTHING,
  collapseWorkspace: NOTHING,
  createChannel: NOTHING,
  createSchedule: NOTHING,
  createToken: NOTHING,
  delegate: ['last_outbound_at'],
  deleteChannel: NOTHING,
  deleteFile: NOTHING,
  deleteSchedule: NOTHING,
  deleteSecret: NOTHING,
  discover: NOTHING,
  downloadChatFile: NOTHING,
  explainDelegation: NOTHING,
  explainWorkspace: NOTHING,
  fetchPendingUpload: NOTHING,
  getAgentCard: NOTHING,
  getAgentCardByOldName: NOTHING,
  getBudget: NOTHING,
  getConfig: NOTHING,
  getConnection: NOTHING,
  getModel: NOTHING,
  getQueueItem: NOTHING,
  getScheduleHealth: NOTHING,
  getSeatGithubToken: NOTHING,
  getSecretValues: NOTHING,
  getTokenUsage: NOTHING,
  getWorkspace: NOTHING,
  getWorkspaceState: NOTHING,
  heartbeat: ['last_heartbeat_at', 'current_task', 'idle_since'],
  heartbeatDelegation: NOTHING,
  hibernateWorkspace: ASLEEP,
  listActivity: NOTHING,
  listChannels: NOTHING,
  listDelegations: NOTHING,
  listFiles: NOTHING,
  listPeers: NOTHING,
  listScheduleRuns: NOTHING,
  listSchedules: NOTHING,
  listSecrets: NOTHING,
  listTokens: NOTHING,
  moveAgent: NOTHING,
  notify: NOTHING,
  openEventSocket: NOTHING,
  openTerminal: NOTHING,
  patchChannel: NOTHING,
  patchConfig: NOTHING,
  patchSchedule: NOTHING,
  patchWorkspace: ['name', 'role'],
  pauseWorkspace: ASLEEP,
  putModel: NOTHING,
  putSecret: NOTHING,
  readFile: NOTHING,
  readTranscript: NOTHING,
  recordDelegation: NOTHING,
  register: ['agent_card', 'last_heartbeat_at', 'status', 'status_changed_at'],
  removeAgent: NOTHING,
  replaceAgent: NOTHING,
  replaceFiles: NOTHING,
  reportActivity: NOTHING,
  restartWorkspace: ASLEEP,
  resumeWorkspace: ASLEEP,
  revokeToken: NOTHING,
  rotateCredentials: NOTHING,
  runSchedule: NOTHING,
  saveSecret: NOTHING,
  searchSession: NOTHING,
  sendA2a: ['last_outbound_at'],
  sendToChannel: NOTHING,
  streamEvents: NOTHING,
  testChannel: NOTHING,
  updateCard: ['agent_card'],
  updateDelegation: NOTHING,
  uploadChatFiles: NOTHING,
  writeFile: NOTHING,
};

let test: TestPlatform;
let root: Seat;
let victim: Seat;
beforeAll(async () => {
  test = await startPlatform();
  root = await createSeat(test, { name: 'root', delivery_mode: 'poll' });
  victim = await createSeat(test, { name: 'victim', parent_id: root.id, delivery_mode: 'poll', budget_limit: 7 });
  await test.admin.saveSecret({ params: { id: victim.id }, body: { key: 'VALID', value: 'theirs' } });
  await test.client(victim.token).reportActivity({
    params: { id: victim.id },
    body: { activity_type: 'agent_log', summary: 'theirs' },
  });
  await test.client(victim.token).delegate({ params: { id: victim.id }, body: { target_id: root.id, task: 'theirs' } });
});
afterAll(async () => {
  await test?.stop();
});

/** A seat beside the victim, up and running. */
async function createAttacker(): Promise<Seat> {
  const seat = await createSeat(test, { parent_id: root.id, delivery_mode: 'poll', budget_limit: 100 });
  await test
    .client(seat.token)
    .register({ body: { id: seat.id, agent_card: { name: 'attacker' }, delivery_mode: 'poll' } });
  return seat;
}

async function readRow(id: string): Promise<Record<string, unknown>> {
  const row = await test.db.kysely.selectFrom('workspaces').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  return row;
}

/** Every row of every table that mentions a seat, but when its token was used last and who holds a lease. */
async function readAbout(id: string): Promise<Record<string, string>> {
  const tables = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = 'public' and tablename not in ('leases', 'schema_migrations')
  `.execute(test.db.kysely);
  const found: Record<string, string> = {};
  for (const { name } of tables.rows) {
    const rows = await sql<{ row: string }>`
      select (to_jsonb(t) - 'last_used_at')::text as row from ${sql.table(name)} t
      where to_jsonb(t)::text like ${`%${id}%`} order by 1
    `.execute(test.db.kysely);
    found[name] = rows.rows.map(({ row }) => row).join('\n');
  }
  return found;
}

async function call(token: string, [name, route]: [RouteName, Route], id: string, callerId: string): Promise<void> {
  const valid = VALID_BODIES[name]?.({ id, callerId, otherId: root.id });
  const bodies = valid
    ? [valid, { ...valid, ...PRIVILEGES, metadata: PRIVILEGES, workspace: PRIVILEGES }]
    : [undefined];
  for (const body of bodies) {
    const leaving = new AbortController();
    const path = buildPath(route.path, validParams(id), VALID_QUERIES[name] ?? {});
    const response = await fetch(test.url + path, {
      method: route.method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: leaving.signal,
    });
    if (route.transport === 'sse') leaving.abort();
    else await response.arrayBuffer();
  }
}

describe('a workspace token', () => {
  it('has its reach in the table for every route it may call, and the table names no other', () => {
    expect(Object.keys(REACH).sort()).toEqual(REACHABLE.map(([name]) => name).sort());
  });

  it.each(REACHABLE)('%s raises nothing of its own seat and changes nothing of another', async (name, route) => {
    const seat = await createAttacker();
    const [before, theirs] = [await readRow(seat.id), await readAbout(victim.id)];
    await call(seat.token, [name, route], seat.id, seat.id);
    const after = await readRow(seat.id);
    const changed = Object.keys(after).filter(
      (column) => column !== 'updated_at' && JSON.stringify(after[column]) !== JSON.stringify(before[column]),
    );
    const unexpected = changed.filter((column) => !REACH[name]?.includes(column as Column));
    expect([name, unexpected]).toEqual([name, []]);
    expect(await readAbout(victim.id)).toEqual(theirs);
  });

  it.each(REACHABLE)('%s about another seat leaves it as it is', async (name, route) => {
    const seat = await createAttacker();
    const theirs = await readAbout(victim.id);
    await call(seat.token, [name, route], victim.id, seat.id);
    if (name === 'sendA2a') {
      // A message to a peer is what the token is for; it arrives, and changes nothing else.
      expect((await readAbout(victim.id)).workspaces).toEqual(theirs.workspaces);
      return;
    }
    expect([name, await readAbout(victim.id)]).toEqual([name, theirs]);
  });
});
