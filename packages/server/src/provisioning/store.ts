// All SQL of provisioning. Status is written by the workspaces' lifecycle alone.

import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

/** The inbound secret, and the window in which an agent without a token may register. The age of the start counts from here. */
export async function saveCredentials(
  trx: Transaction<Tables>,
  id: string,
  inboundSecret: string,
  enrollUntil: Date,
): Promise<void> {
  await trx
    .updateTable('workspaces')
    .set({
      platform_inbound_secret: inboundSecret,
      enroll_until: enrollUntil,
      // A start may have waited for its turn longer than it is given to come up.
      status_changed_at: sql<Date>`case when status = 'provisioning' then now() else status_changed_at end`,
    })
    .where('id', '=', id)
    .execute();
}

const MAY_RUN = sql`status in ('provisioning', 'online', 'degraded', 'offline')`;

/** Stores the backend's own address. @returns false when the seat is no longer one that runs: nothing is written then. */
export async function saveUrl(db: Executor, id: string, url: string): Promise<boolean> {
  const result = await sql`
    update workspaces set url = ${url}, url_source = 'provisioner', updated_at = now() where id = ${id} and ${MAY_RUN} returning id
  `.execute(db);
  return result.rows.length > 0;
}

export async function maySeatRun(db: Executor, id: string): Promise<boolean> {
  const result = await sql`select 1 from workspaces where id = ${id} and ${MAY_RUN}`.execute(db);
  return result.rows.length > 0;
}

/** A page, by id, of the seats that should have a workload. */
export async function listExpectedRunning(
  db: Executor,
  after: string | null,
  limit: number,
): Promise<{ id: string; status: string }[]> {
  const result = await sql<{ id: string; status: string }>`
    select id, status::text from workspaces
    where status in ('online', 'degraded', 'offline', 'provisioning') and runtime <> 'external'
      and (${after}::uuid is null or id > ${after}::uuid)
    order by id limit ${limit}
  `.execute(db);
  return result.rows;
}

/** How long a start may take, by runtime; `standard` for those not named. */
export interface Deadlines {
  standard: number;
  seconds: ReadonlyMap<string, number>;
}

/** The deadline of a row's runtime, in seconds. */
function deadlineOf({ standard, seconds }: Deadlines): RawBuilder<number> {
  const runtimes = [...seconds.keys()];
  const values = runtimes.map((runtime) => seconds.get(runtime) as number);
  return sql<number>`coalesce(
    (select d.seconds from unnest(${runtimes}::text[], ${values}::int[]) as d (runtime, seconds) where d.runtime = workspaces.runtime),
    ${standard}::int
  )`;
}

/** Starting for longer than its runtime may; holds also as the guard of a transition, for a start that began anew meanwhile. */
export function isOverdue(deadlines: Deadlines): RawBuilder<boolean> {
  return sql<boolean>`status_changed_at < now() - make_interval(secs => ${deadlineOf(deadlines)})`;
}

export async function listOverdue(
  db: Executor,
  deadlines: Deadlines,
  limit: number,
): Promise<{ id: string; runtime: string; deadline: number }[]> {
  const result = await sql<{ id: string; runtime: string; deadline: number }>`
    select id, runtime, ${deadlineOf(deadlines)} as deadline from workspaces
    where status = 'provisioning' and runtime <> 'external' and ${isOverdue(deadlines)}
    order by status_changed_at limit ${limit}
  `.execute(db);
  return result.rows;
}

/** Status by id; `external` for seats that run elsewhere whatever their status. */
export async function listStandings(db: Executor, ids: readonly string[]): Promise<Map<string, string>> {
  const result = await sql<{ id: string; standing: string }>`
    select id, case when runtime = 'external' and status <> 'removed' then 'external' else status::text end as standing
    from workspaces where id = any(${[...ids]}::uuid[])
  `.execute(db);
  return new Map(result.rows.map((row) => [row.id, row.standing]));
}

const STALE_TOKEN_MINUTES = 5;
const isStale = sql`t.revoked_at is null and coalesce(t.last_used_at, t.created_at) < now() - make_interval(mins => ${STALE_TOKEN_MINUTES})`;

/** Seats of ours that should be able to run and hold a live token nobody has used for five minutes. */
export async function listStaleTokenHolders(db: Executor, after: string | null, limit: number): Promise<string[]> {
  const result = await sql<{ id: string }>`
    select w.id from workspaces w
    where w.status in ('online', 'degraded', 'offline', 'failed', 'awaiting_agent') and w.runtime <> 'external'
      and (${after}::uuid is null or w.id > ${after}::uuid)
      and exists (select 1 from workspace_auth_tokens t where t.workspace_id = w.id and ${isStale})
    order by w.id limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.id);
}

/** Only tokens that are stale still: one issued or used meanwhile survives. Opens the window to register anew. */
export async function revokeStaleTokens(
  trx: Transaction<Tables>,
  workspaceId: string,
  enrollUntil: Date,
): Promise<number> {
  const revoked = await sql`
    update workspace_auth_tokens t set revoked_at = now() where t.workspace_id = ${workspaceId} and ${isStale} returning t.id
  `.execute(trx);
  if (revoked.rows.length > 0)
    await sql`update workspaces set enroll_until = ${enrollUntil} where id = ${workspaceId}`.execute(trx);
  return revoked.rows.length;
}

/** Takes the note another replica left; true when there was one. */
export async function takeNote(db: Executor, name: string): Promise<boolean> {
  const result = await sql`delete from leases where name = ${name} returning name`.execute(db);
  return result.rows.length > 0;
}

/** Leases of a platform process that is gone; only where no other replica can exist. */
export async function clearLeases(db: Executor, prefix: string): Promise<void> {
  await sql`delete from leases where starts_with(name, ${prefix})`.execute(db);
}
