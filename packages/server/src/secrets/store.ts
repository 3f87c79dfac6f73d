// SQL of secrets. Values are bytes here; what they mean is the cipher's business.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

export interface StoredSecret {
  key: string;
  scope: 'workspace' | 'global';
  encrypted_value: Buffer;
  encryption_version: number;
  created_at: Date;
  updated_at: Date;
}

const MOST_SECRETS = 2_000;

/** What a workspace gets: its own keys hide the global ones. */
export async function listMerged(db: Executor, workspaceId: string): Promise<StoredSecret[]> {
  const result = await sql<StoredSecret>`
    select key, 'workspace' as scope, encrypted_value, encryption_version, created_at, updated_at from workspace_secrets where workspace_id = ${workspaceId}
    union all
    select g.key, 'global', g.encrypted_value, g.encryption_version, g.created_at, g.updated_at from global_secrets g
    where not exists (select 1 from workspace_secrets s where s.workspace_id = ${workspaceId} and s.key = g.key)
    order by key limit ${MOST_SECRETS}
  `.execute(db);
  return result.rows;
}

export async function listGlobal(db: Executor): Promise<StoredSecret[]> {
  const result = await sql<StoredSecret>`
    select key, 'global' as scope, encrypted_value, encryption_version, created_at, updated_at from global_secrets order by key limit ${MOST_SECRETS}
  `.execute(db);
  return result.rows;
}

export interface SecretRow {
  key: string;
  encrypted_value: Buffer;
  encryption_version: number;
  key_id: Buffer;
}

export async function upsertWorkspace(db: Executor, workspaceId: string, row: SecretRow): Promise<void> {
  await sql`
    insert into workspace_secrets (workspace_id, key, encrypted_value, encryption_version, key_id)
    values (${workspaceId}, ${row.key}, ${row.encrypted_value}, ${row.encryption_version}, ${row.key_id})
    on conflict (workspace_id, key) do update set encrypted_value = excluded.encrypted_value, encryption_version = excluded.encryption_version,
      key_id = excluded.key_id, updated_at = now()
  `.execute(db);
}

export async function upsertGlobal(db: Executor, row: SecretRow): Promise<void> {
  await sql`
    insert into global_secrets (key, encrypted_value, encryption_version, key_id)
    values (${row.key}, ${row.encrypted_value}, ${row.encryption_version}, ${row.key_id})
    on conflict (key) do update set encrypted_value = excluded.encrypted_value, encryption_version = excluded.encryption_version,
      key_id = excluded.key_id, updated_at = now()
  `.execute(db);
}

export async function deleteWorkspace(db: Executor, workspaceId: string, key: string): Promise<boolean> {
  const result =
    await sql`delete from workspace_secrets where workspace_id = ${workspaceId} and key = ${key} returning key`.execute(
      db,
    );
  return result.rows.length > 0;
}

export async function deleteGlobal(db: Executor, key: string): Promise<boolean> {
  const result = await sql`delete from global_secrets where key = ${key} returning key`.execute(db);
  return result.rows.length > 0;
}

/** Workspaces a global change reaches: those that run or should, without a key of their own. */
export async function listReached(db: Executor, key: string): Promise<string[]> {
  const result = await sql<{ id: string }>`
    select w.id from workspaces w
    where w.status not in ('removed', 'paused', 'hibernated', 'hibernating') and w.runtime <> 'external'
      and not exists (select 1 from workspace_secrets s where s.workspace_id = w.id and s.key = ${key})
    order by w.created_at limit 10000
  `.execute(db);
  return result.rows.map((row) => row.id);
}

/** A secret by its place in the order that rotation walks; `workspace_id` is empty for a global one. */
export interface RotatableSecret {
  workspace_id: string;
  key: string;
  encrypted_value: Buffer;
  encryption_version: number;
}

export interface Position {
  workspace_id: string;
  key: string;
}

export const FIRST_POSITION: Position = { workspace_id: '', key: '' };
export const positionOf = (row: RotatableSecret | undefined): Position => row ?? FIRST_POSITION;

/** Secrets behind `after` that the named key did not write; global ones first. */
export async function listUnderOtherKeys(
  db: Executor,
  keyId: Buffer,
  after: Position,
  limit: number,
): Promise<RotatableSecret[]> {
  const result = await sql<RotatableSecret>`
    select workspace_id, key, encrypted_value, encryption_version from (
      select '' as workspace_id, key, encrypted_value, encryption_version, key_id from global_secrets
      union all
      select workspace_id::text, key, encrypted_value, encryption_version, key_id from workspace_secrets
    ) s
    where key_id is distinct from ${keyId} and (workspace_id collate "C", key) > (${after.workspace_id}, ${after.key})
    order by workspace_id collate "C", key limit ${limit}
  `.execute(db);
  return result.rows;
}

/** Changes how a value is kept, not the value: `updated_at` stays. @returns false when it was saved or deleted meanwhile. */
export async function replaceValue(db: Executor, row: RotatableSecret, next: Omit<SecretRow, 'key'>): Promise<boolean> {
  const changes = sql`encrypted_value = ${next.encrypted_value}, encryption_version = ${next.encryption_version}, key_id = ${next.key_id}`;
  const isSame = sql`key = ${row.key} and encrypted_value = ${row.encrypted_value} and encryption_version = ${row.encryption_version}`;
  const result =
    row.workspace_id === ''
      ? await sql`update global_secrets set ${changes} where ${isSame} returning key`.execute(db)
      : await sql`update workspace_secrets set ${changes} where workspace_id = ${row.workspace_id} and ${isSame} returning key`.execute(
          db,
        );
  return result.rows.length > 0;
}
