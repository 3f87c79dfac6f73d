// All SQL of provisioning. Status is written by the workspaces' lifecycle alone.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

/** The inbound secret, and the window in which an agent without a token may register. */
export async function saveCredentials(
  trx: Transaction<Tables>,
  id: string,
  inboundSecret: string,
  enrollUntil: Date,
): Promise<void> {
  await trx
    .updateTable('workspaces')
    .set({ platform_inbound_secret: inboundSecret, enroll_until: enrollUntil })
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

/** The seats that have been starting for longest; the caller judges each by the deadline of its runtime. */
export async function listOverdue(
  db: Executor,
  limit: number,
): Promise<{ id: string; runtime: string; age_seconds: number }[]> {
  const result = await sql<{ id: string; runtime: string; age_seconds: number }>`
    select id, runtime, extract(epoch from now() - status_changed_at)::int as age_seconds from workspaces
    where status = 'provisioning' and runtime <> 'external'
    order by status_changed_at limit ${limit}
  `.execute(db);
  return result.rows;
}

export async function listStatuses(db: Executor, ids: readonly string[]): Promise<Map<string, string>> {
  const result = await sql<{ id: string; status: string }>`
    select id, status::text from workspaces where id = any(${[...ids]}::uuid[])
  `.execute(db);
  return new Map(result.rows.map((row) => [row.id, row.status]));
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
