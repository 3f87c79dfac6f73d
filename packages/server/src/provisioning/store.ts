// All SQL of provisioning. Status is written by the workspaces' lifecycle alone.

import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

/** A time of the database's own clock. */
export const afterNow = (milliseconds: number) =>
  sql<Date>`now() + make_interval(secs => ${milliseconds / 1000}::double precision)`;

const MAY_RUN = sql<boolean>`status in ('provisioning', 'online', 'degraded', 'offline')`;

/**
 * The inbound secret, and the window in which an agent without a token may register. The age of the start counts from here.
 * @returns false when the seat is no longer one that runs: nothing is written then.
 */
export async function saveCredentials(
  trx: Transaction<Tables>,
  id: string,
  inboundSecret: string,
  enrollUntil: Date,
): Promise<boolean> {
  const saved = await trx
    .updateTable('workspaces')
    .set({
      platform_inbound_secret: inboundSecret,
      enroll_until: enrollUntil,
      // A start may have waited for its turn longer than it is given to come up.
      status_changed_at: sql<Date>`case when status = 'provisioning' then now() else status_changed_at end`,
    })
    .where('id', '=', id)
    .where(MAY_RUN)
    .returning('id')
    .executeTakeFirst();
  return saved !== undefined;
}

/** Stores the backend's own address. @returns false when the seat is no longer one that runs: nothing is written then. */
export async function saveUrl(db: Executor, id: string, url: string): Promise<boolean> {
  const result = await sql`
    update workspaces set url = ${url}, url_source = 'provisioner', updated_at = now() where id = ${id} and ${MAY_RUN} returning id
  `.execute(db);
  return result.rows.length > 0;
}

/**
 * A machine whose place is taken, and that was never seen to stop, is owed from here on; the one that stands in the row no more.
 * @returns false when there is no such row any more.
 */
export async function saveFacts(
  db: Executor,
  id: string,
  facts: { instanceId?: string; requestKey?: string; imageDigest?: string },
): Promise<boolean> {
  const instanceId = facts.instanceId ?? null;
  const result = await sql`
    with before as (select instance_id from workspaces where id = ${id} for update),
      saved as (
        update workspaces set instance_id = coalesce(${instanceId}, workspaces.instance_id),
          runtime_image_digest = coalesce(${facts.imageDigest ?? null}, runtime_image_digest), updated_at = now()
        from before where id = ${id} returning id
      ),
      paid as (delete from machine_debts where id = ${facts.requestKey ?? null}::uuid and exists (select 1 from saved)),
      owed as (
        insert into machine_debts (id, workspace_id, instance_id, due_at)
        select gen_random_uuid(), ${id}, before.instance_id, now() from before
        where before.instance_id is not null and ${instanceId}::text is not null and before.instance_id <> ${instanceId}
      )
    select id from saved
  `.execute(db);
  return result.rows.length > 0;
}

/** Not one that a start recorded meanwhile. */
export async function clearInstance(db: Executor, id: string, instanceId: string): Promise<void> {
  await sql`update workspaces set instance_id = null where id = ${id} and instance_id = ${instanceId}`.execute(db);
}

/** Whatever their status: a tombstone may still hold a machine. */
export async function listInstanceHolders(db: Executor): Promise<string[]> {
  const result = await sql<{ id: string }>`select id from workspaces where instance_id is not null`.execute(db);
  return result.rows.map((row) => row.id);
}

export async function maySeatRun(db: Executor, id: string): Promise<boolean> {
  const result = await sql`select 1 from workspaces where id = ${id} and ${MAY_RUN}`.execute(db);
  return result.rows.length > 0;
}

/** A page, by id, of the seats that should have a workload. A machine that is booting has until its deadline. */
export async function listExpectedRunning(
  db: Executor,
  after: string | null,
  limit: number,
): Promise<{ id: string; status: string }[]> {
  const result = await sql<{ id: string; status: string }>`
    select id, status::text from workspaces
    where (status in ('online', 'degraded', 'offline', 'provisioning') or (status = 'failed' and retry_at <= now()))
      and runtime <> 'external' and (status <> 'provisioning' or instance_id is null)
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

/** Removed workspaces whose ids begin so, where no other one's does: the name of a workload does not tell the two apart. */
export async function listRemovedNamed(db: Executor, prefixes: readonly string[], limit: number): Promise<string[]> {
  const result = await sql<{ id: string }>`
    select w.id from workspaces w join unnest(${[...prefixes]}::text[]) as p (prefix) on left(w.id::text, 12) = p.prefix
    where w.status = 'removed' and not exists (
      select 1 from workspaces o where left(o.id::text, 12) = p.prefix and o.status <> 'removed')
    order by w.id limit ${limit}
  `.execute(db);
  return result.rows.map((row) => row.id);
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

/** Takes notes of whose workspaces nobody has the turn any more. @returns the workspaces. */
export async function takeAbandonedNotes(
  db: Executor,
  gatePrefix: string,
  notePrefix: string,
  limit: number,
): Promise<string[]> {
  const result = await sql<{ id: string }>`
    delete from leases where name in (
      select note.name from leases note where starts_with(note.name, ${notePrefix})
        and not exists (
          select 1 from leases turn
          where turn.name = ${gatePrefix} || substr(note.name, length(${notePrefix}) + 1) and turn.expires_at > now()
        )
      order by note.name for update skip locked limit ${limit}
    ) returning substr(name, length(${notePrefix}) + 1) as id
  `.execute(db);
  return result.rows.map(({ id }) => id);
}

/** Takes or keeps a lease whose holder outlives processes. @returns false while another holder has it. */
export async function holdLease(db: Executor, name: string, holder: string, seconds: number): Promise<boolean> {
  const result = await sql`
    insert into leases (name, holder, token, expires_at)
    values (${name}, ${holder}, gen_random_uuid(), now() + make_interval(secs => ${seconds}::int))
    on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
      where leases.holder = excluded.holder or leases.expires_at <= now()
    returning name
  `.execute(db);
  return result.rows.length > 0;
}

export async function dropLease(db: Executor, name: string, holder: string): Promise<void> {
  await sql`delete from leases where name = ${name} and holder = ${holder}`.execute(db);
}

/** Leases of a platform process that is gone; only where no other replica can exist. */
export async function clearLeases(db: Executor, prefix: string): Promise<void> {
  await sql`delete from leases where starts_with(name, ${prefix})`.execute(db);
}
