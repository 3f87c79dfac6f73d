// SQL of schedules. Every change of a due row tests again that it is still due, so two replicas never take one run.

import type { ScheduleResult } from '@molecule/contract';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { type Database, type Tables, toPlainText } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;
export type ScheduleRow = Selectable<Tables['workspace_schedules']>;

export interface ScheduleContent {
  name: string;
  cron_expr: string;
  timezone: string;
  prompt: string;
  enabled: boolean;
}

const MOST_RUNS_LISTED = 20;
const STATEMENT_MS = 10_000;

/**
 * A transaction in which no statement takes longer than ten seconds: what somebody else holds costs one schedule its turn, and no
 * connection for good. Without effect on the embedded store, where nobody else can hold anything.
 */
export async function withinLimit<T>(db: Database, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  return await db.tx(async (trx) => {
    await sql`select set_config('statement_timeout', ${String(STATEMENT_MS)}, true)`.execute(trx);
    return await work(trx);
  });
}

const stillDue = (now: Date) => sql`s.enabled and s.next_run_at <= ${now}`;

/** A run that has not ended. */
const inFlight = sql<boolean>`exists (
  select 1 from a2a_queue q where q.schedule_id = s.id and q.status in ('queued', 'dispatched')
)`;

export async function listOf(db: Executor, workspaceId: string): Promise<ScheduleRow[]> {
  return await db
    .selectFrom('workspace_schedules')
    .selectAll()
    .where('workspace_id', '=', workspaceId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** Looked up within the workspace only: another's schedule is none. */
export async function findOf(db: Executor, workspaceId: string, id: string): Promise<ScheduleRow | null> {
  const row = await db
    .selectFrom('workspace_schedules')
    .selectAll()
    .where('id', '=', id)
    .where('workspace_id', '=', workspaceId)
    .executeTakeFirst();
  return row ?? null;
}

export async function lockOf(trx: Transaction<Tables>, workspaceId: string, id: string): Promise<ScheduleRow | null> {
  const result = await sql<ScheduleRow>`
    select * from workspace_schedules where id = ${id} and workspace_id = ${workspaceId} for update
  `.execute(trx);
  return result.rows[0] ?? null;
}

/** @throws a unique violation when the workspace has a schedule of that name. */
export async function insert(
  db: Executor,
  workspaceId: string,
  { name, prompt, ...content }: ScheduleContent,
  nextRunAt: Date,
): Promise<string> {
  const row = await db
    .insertInto('workspace_schedules')
    .values({
      workspace_id: workspaceId,
      name: toPlainText(name),
      prompt: toPlainText(prompt),
      ...content,
      next_run_at: nextRunAt,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

/** Changed by hand, so a template leaves it alone from now on. @throws a unique violation as `insert` does. */
export async function update(
  trx: Transaction<Tables>,
  id: string,
  { name, prompt, ...content }: ScheduleContent,
  nextRunAt: Date | null,
): Promise<void> {
  await trx
    .updateTable('workspace_schedules')
    .set({
      name: toPlainText(name),
      prompt: toPlainText(prompt),
      ...content,
      next_run_at: nextRunAt,
      waiting_since: null,
      source: 'runtime',
      updated_at: sql<Date>`now()`,
    })
    .where('id', '=', id)
    .execute();
}

/** Refreshes what a template put there and leaves what others did. */
export async function upsertFromTemplate(
  db: Executor,
  workspaceId: string,
  content: ScheduleContent,
  nextRunAt: Date,
): Promise<void> {
  const { name, cron_expr: cron, timezone, prompt, enabled } = content;
  await sql`
    insert into workspace_schedules as s (workspace_id, name, cron_expr, timezone, prompt, enabled, next_run_at, source)
    values (${workspaceId}, ${toPlainText(name)}, ${cron}, ${timezone}, ${toPlainText(prompt)}, ${enabled}, ${nextRunAt}, 'template')
    on conflict (workspace_id, name) do update set
      cron_expr = excluded.cron_expr, timezone = excluded.timezone, prompt = excluded.prompt, enabled = excluded.enabled,
      next_run_at = excluded.next_run_at, waiting_since = null, updated_at = now()
      where s.source = 'template' and (s.cron_expr, s.timezone, s.prompt, s.enabled)
        is distinct from (excluded.cron_expr, excluded.timezone, excluded.prompt, excluded.enabled)
  `.execute(db);
}

export async function remove(db: Executor, workspaceId: string, id: string): Promise<boolean> {
  const result = await db
    .deleteFrom('workspace_schedules')
    .where('id', '=', id)
    .where('workspace_id', '=', workspaceId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export async function disableOf(trx: Transaction<Tables>, workspaceIds: string[]): Promise<void> {
  await sql`
    update workspace_schedules set enabled = false, waiting_since = null where workspace_id = any(${workspaceIds}::uuid[]) and enabled
  `.execute(trx);
}

/** Enabled ones with one of these words in their names, whatever the case; of one workspace, or of all. @returns how many. */
export async function makeDue(
  trx: Transaction<Tables>,
  now: Date,
  words: readonly string[],
  workspaceId: string | null,
): Promise<number> {
  const only = workspaceId === null ? sql`` : sql`and workspace_id = ${workspaceId}`;
  const result = await sql`
    update workspace_schedules set next_run_at = least(next_run_at, ${now})
    where id in (
      select id from workspace_schedules where enabled ${only}
        and exists (select 1 from unnest(${words}::text[]) as word where position(word in lower(name)) > 0)
      order by id for update
    ) returning id
  `.execute(trx);
  return result.rows.length;
}

export type DueRow = ScheduleRow & { in_flight: boolean };

/** Oldest first. */
export async function listDue(db: Executor, now: Date, except: readonly string[], limit: number): Promise<DueRow[]> {
  const result = await sql<DueRow>`
    select s.*, ${inFlight} as in_flight from workspace_schedules s
    where ${stillDue(now)} and s.id <> all(${except}::uuid[]) order by s.next_run_at, s.id limit ${limit}
  `.execute(db);
  return result.rows;
}

export async function listWithoutNextRun(db: Executor, limit: number): Promise<ScheduleRow[]> {
  return await db
    .selectFrom('workspace_schedules')
    .selectAll()
    .where('enabled', '=', true)
    .where('next_run_at', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute();
}

export interface SeatLoad {
  id: string;
  status: string;
  has_room: boolean;
  schedules_itself: boolean;
}

/** What decides whether an agent gets its run now. */
export async function readLoads(db: Executor, workspaceIds: string[]): Promise<SeatLoad[]> {
  const result = await sql<SeatLoad>`
    select id, status, active_tasks < max_concurrent_tasks as has_room,
      coalesce(runtime_metadata -> 'capabilities' -> 'scheduler' = 'true', false) as schedules_itself
    from workspaces where id = any(${workspaceIds}::uuid[])
  `.execute(db);
  return result.rows;
}

/** Locked for the transaction; null when another has it, or it is not due any more. */
export async function takeDue(trx: Transaction<Tables>, id: string, now: Date): Promise<ScheduleRow | null> {
  const result = await sql<ScheduleRow>`
    select s.* from workspace_schedules s where s.id = ${id} and ${stillDue(now)} for update skip locked
  `.execute(trx);
  return result.rows[0] ?? null;
}

/** A run begins, unless one is under way. `nextRunAt` null: out of turn, the times stay as they are. */
export async function beginRun(
  trx: Transaction<Tables>,
  id: string,
  now: Date,
  nextRunAt: Date | null,
): Promise<boolean> {
  const result = await sql`
    update workspace_schedules s set last_run_at = ${now}, next_run_at = coalesce(${nextRunAt}::timestamptz, s.next_run_at),
      waiting_since = case when ${nextRunAt}::timestamptz is null then s.waiting_since end
    where s.id = ${id} and not ${inFlight} returning s.id
  `.execute(trx);
  return result.rows.length > 0;
}

/** Only the time moves on: its agent fires it itself. */
export async function advance(trx: Transaction<Tables>, id: string, nextRunAt: Date): Promise<void> {
  await sql`update workspace_schedules set next_run_at = ${nextRunAt}, waiting_since = null where id = ${id}`.execute(
    trx,
  );
}

export async function beginWaiting(trx: Transaction<Tables>, id: string, now: Date): Promise<void> {
  await sql`update workspace_schedules set waiting_since = coalesce(waiting_since, ${now}) where id = ${id}`.execute(
    trx,
  );
}

export async function skipRun(trx: Transaction<Tables>, id: string, nextRunAt: Date, reason: string): Promise<void> {
  await sql`
    update workspace_schedules set next_run_at = ${nextRunAt}, waiting_since = null, run_count = run_count + 1,
      last_status = 'skipped', last_error = ${reason}
    where id = ${id}
  `.execute(trx);
}

/** A row that can neither run nor move on says why, and keeps its time. @returns false when it says so already. */
export async function noteUnreadable(trx: Transaction<Tables>, id: string, error: string): Promise<boolean> {
  const result = await sql`
    update workspace_schedules set last_status = 'error', last_error = ${error}
    where id = ${id} and last_error is distinct from ${error} returning id
  `.execute(trx);
  return result.rows.length > 0;
}

export async function setNextRun(db: Executor, id: string, nextRunAt: Date): Promise<void> {
  await sql`update workspace_schedules set next_run_at = ${nextRunAt} where id = ${id} and next_run_at is null`.execute(
    db,
  );
}

const MOST_EMPTY_RUNS = 3;

/** `isEmpty` null: it is not known whether the agent will say something. */
export async function noteEnd(
  trx: Transaction<Tables>,
  id: string,
  { error, isEmpty }: { error: string | null; isEmpty: boolean | null },
): Promise<ScheduleRow | null> {
  const failed = error !== null;
  const result = await sql<ScheduleRow>`
    with counted as (
      select id, case when ${failed}::boolean or ${isEmpty}::boolean is null then consecutive_empty_runs
        when ${isEmpty}::boolean then consecutive_empty_runs + 1 else 0 end as empty_runs
      from workspace_schedules where id = ${id} for update
    )
    update workspace_schedules s set run_count = run_count + 1, consecutive_empty_runs = c.empty_runs,
      last_error = ${error === null ? null : toPlainText(error)}::text,
      last_status = case when ${failed}::boolean then 'error'
        when coalesce(${isEmpty}::boolean, false) and c.empty_runs >= ${MOST_EMPTY_RUNS} then 'stale' else 'ok' end
    from counted c where s.id = c.id returning s.*
  `.execute(trx);
  return result.rows[0] ?? null;
}

export interface RunRow {
  created_at: Date;
  duration_ms: number | null;
  status: ScheduleResult;
  error_detail: string | null;
  request_body: unknown;
  injected_at: Date | null;
  answered_at: Date | null;
}

/** What became of the message is known to the queue, or to the inbox of an agent in poll mode. */
export async function listRuns(db: Executor, workspaceId: string, id: string): Promise<RunRow[]> {
  const result = await sql<RunRow>`
    select r.created_at, r.duration_ms, r.status, r.error_detail, r.request_body,
      coalesce(q.injected_at, m.injected_at) as injected_at, coalesce(q.answered_at, m.answered_at) as answered_at
    from (
      select * from activity_logs where workspace_id = ${workspaceId} and activity_type = 'cron_run' and request_body ->> 'schedule_id' = ${id}
      order by seq desc limit ${MOST_RUNS_LISTED}
    ) r
    left join lateral (
      select injected_at, answered_at from a2a_queue where idempotency_key = r.message_id and schedule_id = ${id}::uuid limit 1
    ) q on true
    left join lateral (
      select injected_at, answered_at from activity_logs where workspace_id = ${workspaceId} and message_id = r.message_id and inbox limit 1
    ) m on true
    order by r.seq desc
  `.execute(db);
  return result.rows;
}

export async function listAll(db: Executor): Promise<(ScheduleRow & { workspace_name: string })[]> {
  return await db
    .selectFrom('workspace_schedules as s')
    .innerJoin('workspaces as w', 'w.id', 's.workspace_id')
    .selectAll('s')
    .select('w.name as workspace_name')
    .where('w.status', '<>', 'removed')
    .orderBy('s.created_at')
    .orderBy('s.id')
    .execute();
}
