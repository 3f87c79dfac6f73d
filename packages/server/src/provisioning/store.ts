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

/** Stores the backend's own address unless the seat was suspended or removed meanwhile. @returns its status; null = no row. */
export async function saveStarted(db: Executor, id: string, url: string): Promise<string | null> {
  const result = await sql<{ status: string }>`
    update workspaces set
      url = case when status in ('provisioning', 'online', 'degraded', 'offline') then ${url} else url end,
      url_source = case when status in ('provisioning', 'online', 'degraded', 'offline') then 'provisioner' else url_source end,
      updated_at = now()
    where id = ${id} returning status::text
  `.execute(db);
  return result.rows[0]?.status ?? null;
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
