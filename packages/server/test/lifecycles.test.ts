// Every status column against its table: the full grid of state × transition on the real database, and the table itself
// against the specification, written down here once more.

import { RECORDED_EVENTS } from '@molecule/contract';
import { openTestDatabase } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS_DIR } from '../src/app.ts';
import { delegationLifecycle } from '../src/delegation/lifecycle.ts';
import { appendEvent } from '../src/events/store.ts';
import { queueLifecycle } from '../src/messaging/lifecycle.ts';
import { type Database, migrate } from '../src/platform/db/index.ts';
import { applyToPicked, applyTransition, type Lifecycle } from '../src/platform/lifecycle.ts';
import { agentLifecycle } from '../src/workspaces/agents.ts';
import { workspaceLifecycle } from '../src/workspaces/lifecycle.ts';

type AnyLifecycle = Lifecycle<string, string, unknown>;

interface Subject {
  lifecycle: AnyLifecycle;
  /** State → states it may change to, from the chapter named. */
  specified: Record<string, readonly string[]>;
  insert(status: string): Promise<string>;
  /** What a transition must bring along to be carried out. */
  patch(to: string): Record<string, unknown>;
}

let db: Database;
let workspaceId: string;
beforeAll(async () => {
  db = await openTestDatabase();
  await migrate(db, MIGRATIONS_DIR);
  workspaceId = await insertWorkspace('online');
});
afterAll(async () => {
  await db?.close();
});

async function insertWorkspace(status: string): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    insert into workspaces (name, status, last_sample_error)
    values ('seat', ${status}::workspace_status, case when ${status}::text = 'failed' then 'it broke' end) returning id
  `.execute(db.kysely);
  return rows[0]?.id ?? '';
}

const FINAL: readonly string[] = [];
const SUBJECTS: Record<string, Subject> = {
  workspaces: {
    lifecycle: workspaceLifecycle as unknown as AnyLifecycle,
    // Chapter 10 §1.3, rows 2–19.
    specified: {
      provisioning: ['awaiting_agent', 'online', 'failed', 'provisioning', 'paused', 'removed'],
      online: ['online', 'degraded', 'offline', 'awaiting_agent', 'provisioning', 'hibernating', 'paused', 'removed'],
      degraded: ['online', 'offline', 'awaiting_agent', 'provisioning', 'hibernating', 'paused', 'removed'],
      offline: ['online', 'provisioning', 'paused', 'removed'],
      failed: ['online', 'provisioning', 'paused', 'removed'],
      awaiting_agent: ['online', 'paused', 'removed'],
      paused: ['provisioning', 'awaiting_agent', 'removed'],
      hibernating: ['hibernated', 'online', 'degraded', 'paused', 'removed'],
      hibernated: ['provisioning', 'paused', 'removed'],
      removed: FINAL,
    },
    insert: insertWorkspace,
    patch: (to) => (to === 'failed' ? { last_sample_error: 'it broke' } : {}),
  },
  agents: {
    lifecycle: agentLifecycle as unknown as AnyLifecycle,
    // Chapter 10 §2.3: one agent leaves its seat once, for another or for nobody.
    specified: { active: ['replaced', 'removed'], replaced: FINAL, removed: FINAL },
    async insert(status) {
      const { rows } = await sql<{ id: string }>`
        insert into agents (workspace_id, model, status) values (${await insertWorkspace('online')}, 'model', ${status}) returning id
      `.execute(db.kysely);
      return rows[0]?.id ?? '';
    },
    patch: () => ({}),
  },
  a2a_queue: {
    lifecycle: queueLifecycle as unknown as AnyLifecycle,
    // Chapter 20 §3; a message that only waits can be dropped as well.
    specified: {
      queued: ['dispatched', 'dropped'],
      dispatched: ['completed', 'failed', 'dropped', 'queued'],
      completed: FINAL,
      failed: FINAL,
      dropped: FINAL,
    },
    async insert(status) {
      const { rows } = await sql<{ id: string }>`
        insert into a2a_queue (workspace_id, body, method, status) values (${workspaceId}, '{}', 'message/send', ${status}) returning id
      `.execute(db.kysely);
      return rows[0]?.id ?? '';
    },
    patch: () => ({}),
  },
  delegations: {
    lifecycle: delegationLifecycle as unknown as AnyLifecycle,
    // Chapter 20 §4.4.
    specified: {
      queued: ['dispatched', 'in_progress', 'completed', 'failed', 'stuck'],
      dispatched: ['in_progress', 'completed', 'failed', 'stuck'],
      in_progress: ['completed', 'failed', 'stuck'],
      completed: FINAL,
      failed: FINAL,
      stuck: FINAL,
    },
    async insert(status) {
      const id = crypto.randomUUID();
      await sql`
        insert into delegations (delegation_id, caller_id, callee_id, task_preview, task, status)
        values (${id}, ${workspaceId}, ${workspaceId}, 'task', 'task', ${status})
      `.execute(db.kysely);
      return id;
    },
    patch: () => ({}),
  },
};

const rowsOf = async (lifecycle: AnyLifecycle) => {
  const { rows } = await sql<{ id: string; row: Record<string, unknown> }>`
    select ${sql.ref(lifecycle.idColumn)} as id, to_jsonb(t) as row from ${sql.table(lifecycle.table)} t
  `.execute(db.kysely);
  return new Map(rows.map(({ id, row }) => [id, row]));
};
const eventsAfter = async (seq: number) =>
  (
    await sql<{ seq: number; event_type: string; payload: unknown }>`
      select seq, event_type, payload from structure_events where seq > ${seq} order by seq
    `.execute(db.kysely)
  ).rows;
const lastSeq = async () =>
  (await sql<{ seq: number }>`select coalesce(max(seq), 0) as seq from structure_events`.execute(db.kysely)).rows[0]
    ?.seq ?? 0;
const apply = (lifecycle: AnyLifecycle, event: string, id: string, patch: Record<string, unknown>, guard?: boolean) =>
  db.tx((trx) =>
    applyTransition(trx, appendEvent, lifecycle, event, id, {
      patch,
      ...(guard === undefined ? {} : { guard: sql`${guard}::boolean` }),
    }),
  );

/** The states the database itself allows: the values of the enum, or those the CHECK lists. */
async function listDatabaseStates({ table, enumType }: AnyLifecycle): Promise<string[]> {
  if (enumType) {
    const { rows } = await sql<{ label: string }>`
      select e.enumlabel as label from pg_enum e join pg_type t on t.oid = e.enumtypid where t.typname = ${enumType}
    `.execute(db.kysely);
    return rows.map((row) => row.label);
  }
  const { rows } = await sql<{ definition: string }>`
    select pg_get_constraintdef(c.oid) as definition from pg_constraint c
    where c.conrelid = ${table}::regclass and c.contype = 'c' and pg_get_constraintdef(c.oid) like '%status%'
  `.execute(db.kysely);
  expect(rows).toHaveLength(1);
  return [...(rows[0]?.definition ?? '').matchAll(/'([a-z_]+)'/g)].map(([, label]) => label ?? '');
}

describe.each(Object.entries(SUBJECTS))('%s', (_name, { lifecycle, specified, insert, patch }) => {
  const states = lifecycle.statuses;
  const edges = Object.entries(lifecycle.transitions);

  it('the table leads where the chapter says, and nowhere else', () => {
    const actual = Object.fromEntries(
      states.map((state) => [
        state,
        [...new Set(edges.filter(([, edge]) => edge.from.includes(state)).map(([, edge]) => edge.to))].sort(),
      ]),
    );
    expect(actual).toEqual(
      Object.fromEntries(Object.entries(specified).map(([state, targets]) => [state, [...targets].sort()])),
    );
    for (const [, edge] of edges) expect(edge.why.length).toBeGreaterThan(10);
  });

  it('the database knows the same states', async () => {
    expect((await listDatabaseStates(lifecycle)).sort()).toEqual([...states].sort());
  });

  it('final states are left by no transition, all others by some', () => {
    const left = new Set(edges.flatMap(([, edge]) => edge.from));
    expect(states.filter((state) => !left.has(state))).toEqual(lifecycle.final);
  });

  it.each(states)('from %s every transition changes one row and tells it, or changes nothing at all', async (state) => {
    // What earlier states left makes every comparison slower and says nothing new.
    await sql`delete from ${sql.table(lifecycle.table)} where ${sql.ref(lifecycle.idColumn)}::text <> ${workspaceId}`.execute(
      db.kysely,
    );
    for (const [event, edge] of edges) {
      const [id] = [await insert(state), await insert(state)];
      const before = await rowsOf(lifecycle);
      const seq = await lastSeq();
      const changed = await apply(lifecycle, event, id, patch(edge.to));
      const after = await rowsOf(lifecycle);
      const told = await eventsAfter(seq);
      if (!edge.from.includes(state)) {
        expect([event, changed, told]).toEqual([event, null, []]);
        expect(after).toEqual(before);
        continue;
      }
      expect([event, after.get(id)?.status]).toEqual([event, edge.to]);
      if (lifecycle.changedAtColumn) expect(after.get(id)?.[lifecycle.changedAtColumn]).toBeTruthy();
      const expected = edge.event?.(changed, {});
      expect(told.map((row) => row.event_type)).toEqual(expected ? [expected.event] : []);
      for (const row of told) {
        const schema = RECORDED_EVENTS[row.event_type as keyof typeof RECORDED_EVENTS];
        expect([event, schema.safeParse(row.payload).error]).toEqual([event, undefined]);
      }
      // The bystander in the same state, and every other row, is as it was.
      before.delete(id);
      after.delete(id);
      expect(after).toEqual(before);
    }
  });

  it('a guard that fails keeps the row and its silence; an unknown id changes nothing', async () => {
    const [event, edge] = edges[0] ?? ['', null];
    const id = await insert(edge?.from[0] ?? '');
    const seq = await lastSeq();
    const before = await rowsOf(lifecycle);
    expect(await apply(lifecycle, event, id, {}, false)).toBeNull();
    expect(await apply(lifecycle, event, '00000000-0000-4000-8000-000000000001', {})).toBeNull();
    expect([await rowsOf(lifecycle), await eventsAfter(seq)]).toEqual([before, []]);
    expect(await apply(lifecycle, event, id, patch(edge?.to ?? ''), true)).not.toBeNull();
  });
});

describe('failed', () => {
  it('needs a reason: without one neither the status nor an event is written', async () => {
    const id = await insertWorkspace('provisioning');
    const seq = await lastSeq();
    await expect(
      apply(SUBJECTS.workspaces?.lifecycle as AnyLifecycle, 'provision_failed', id, {}),
    ).rejects.toMatchObject({
      constraint: 'failed_has_reason',
    });
    const { rows } = await sql<{ status: string }>`select status from workspaces where id = ${id}`.execute(db.kysely);
    expect([rows[0]?.status, await eventsAfter(seq)]).toEqual(['provisioning', []]);
  });
});

it('two writers of one row: exactly one wins', async () => {
  const id = await insertWorkspace('online');
  const seq = await lastSeq();
  const results = await Promise.all(
    ['go_offline', 'wedge', 'go_offline', 'remove', 'remove'].map((event) =>
      apply(SUBJECTS.workspaces?.lifecycle as AnyLifecycle, event, id, {}),
    ),
  );
  const changes = results.filter((row) => row !== null);
  expect((await eventsAfter(seq)).length).toBe(changes.length);
  expect(changes.filter((row) => (row as { status: string }).status === 'removed')).toHaveLength(1);
  expect((await rowsOf(SUBJECTS.workspaces?.lifecycle as AnyLifecycle)).get(id)?.status).toBe('removed');
});

it('a picked row moves along a silent edge, from its statuses only; an edge with an event is refused', async () => {
  const move = (id: string, lifecycle: AnyLifecycle, event: string, patch: Record<string, unknown>) => {
    const pick = sql<{ picked_id: string; room: number }>`select ${id}::uuid as picked_id, 3 as room`;
    return applyToPicked(db.kysely, 'test-pick', lifecycle, event, pick, patch);
  };
  const { a2a_queue: queue, workspaces } = SUBJECTS;
  if (!queue || !workspaces) throw new Error('a lifecycle is missing');
  const id = await queue.insert('queued');
  expect(await move(id, queue.lifecycle, 'claim', { last_error: 'x' })).toMatchObject({
    id,
    status: 'dispatched',
    last_error: 'x',
    room: 3,
  });
  expect(await move(id, queue.lifecycle, 'claim', { last_error: 'y' })).toBeNull();
  const seat = await workspaces.insert('online');
  await expect(move(seat, workspaces.lifecycle, 'go_offline', {})).rejects.toThrow('needs its transaction');
});
