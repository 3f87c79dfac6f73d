// All SQL of provisioning. Status is written by the workspaces' lifecycle alone.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

/** @returns the secret that counts: the stored one, or `minted` where there was none. */
export async function ensureInboundSecret(trx: Transaction<Tables>, id: string, minted: string): Promise<string | null> {
  const result = await sql<{ secret: string }>`
    update workspaces set platform_inbound_secret = coalesce(nullif(platform_inbound_secret, ''), ${minted})
    where id = ${id} returning platform_inbound_secret as secret
  `.execute(trx);
  return result.rows[0]?.secret ?? null;
}

export async function openEnrolment(trx: Transaction<Tables>, id: string, seconds: number): Promise<void> {
  await sql`update workspaces set enroll_until = now() + make_interval(secs => ${seconds}::int) where id = ${id}`.execute(
    trx,
  );
}

/** @returns false when the workspace is no longer one that runs. */
export async function saveUrl(db: Executor, id: string, url: string): Promise<boolean> {
  const result = await sql<{ id: string }>`
    update workspaces set url = ${url}, url_source = 'provisioner', updated_at = now()
    where id = ${id} and status in ('provisioning', 'online', 'degraded', 'offline') returning id
  `.execute(db);
  return result.rows.length > 0;
}

export interface OverdueRow {
  id: string;
  runtime: string;
  age_seconds: number;
}

/** Provisioning rows older than the shortest deadline there is; the caller judges each by its own. */
export async function listProvisioning(db: Executor, olderThanSeconds: number, limit: number): Promise<OverdueRow[]> {
  const result = await sql<OverdueRow>`
    select id, runtime, extract(epoch from now() - status_changed_at)::int as age_seconds from workspaces
    where status = 'provisioning' and runtime <> 'external'
      and status_changed_at < now() - make_interval(secs => ${olderThanSeconds}::int)
    order by status_changed_at limit ${limit}
  `.execute(db);
  return result.rows;
}

export interface DesiredRow {
  id: string;
  status: string;
}

/** A page of the workspaces that should have a workload, by id. */
export async function listDesired(
  db: Executor,
  statuses: readonly string[],
  after: string | null,
  limit: number,
): Promise<DesiredRow[]> {
  const result = await sql<DesiredRow>`
    select id, status::text from workspaces
    where status = any(${[...statuses]}::workspace_status[]) and runtime <> 'external'
      and (${after}::uuid is null or id > ${after}::uuid)
    order by id limit ${limit}
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
