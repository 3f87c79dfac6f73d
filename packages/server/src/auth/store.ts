// SQL of credentials. Only hashes are stored; one predicate decides whether a token is live.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

export interface FoundToken {
  kind: 'workspace' | 'deleted-workspace' | 'org';
  id: string;
  workspace_id: string | null;
  org_id: string | null;
  prefix: string;
}

/** The one lookup: a live workspace token, a live org token, or a token that the deletion of its workspace revoked. */
export async function findToken(db: Executor, hash: Buffer): Promise<FoundToken | null> {
  const result = await sql<FoundToken>`/* hot:token */
    select case when t.revoked_at is null and w.status <> 'removed' then 'workspace' else 'deleted-workspace' end as kind,
      t.id, t.workspace_id, null::uuid as org_id, t.prefix
    from workspace_auth_tokens t join workspaces w on w.id = t.workspace_id
    where t.token_hash = ${hash} and ((t.revoked_at is null and w.status <> 'removed') or t.revoked_by_deletion)
    union all
    select 'org', o.id, null::uuid, o.org_id, o.prefix from org_api_tokens o where o.token_hash = ${hash} and o.revoked_at is null
    limit 1
  `.execute(db);
  return result.rows[0] ?? null;
}

/** Locks a live workspace to the end of the transaction, so that its tokens are counted and made one after the other. */
export async function lockLiveWorkspace(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const result = await sql`select 1 from workspaces where id = ${id} and status <> 'removed' for no key update`.execute(
    trx,
  );
  return result.rows.length > 0;
}

/**
 * Waits for a removal that is under way, so that none ever leaves a live token behind.
 * @returns null when the workspace is gone.
 */
export async function insertWorkspaceToken(
  db: Executor,
  workspaceId: string,
  hash: Buffer,
  prefix: string,
): Promise<{ id: string } | null> {
  const result = await sql<{ id: string }>`
    insert into workspace_auth_tokens (workspace_id, token_hash, prefix)
    select id, ${hash}, ${prefix} from workspaces where id = ${workspaceId} and status <> 'removed' for share
    returning id
  `.execute(db);
  return result.rows[0] ?? null;
}

export async function countLiveTokens(db: Executor, workspaceId: string): Promise<number> {
  const result = await sql<{
    count: number;
  }>`select count(*)::int as count from workspace_auth_tokens where workspace_id = ${workspaceId} and revoked_at is null`.execute(
    db,
  );
  return result.rows[0]?.count ?? 0;
}

export async function listLiveTokens(db: Executor, workspaceId: string, limit: number, offset: number) {
  return await db
    .selectFrom('workspace_auth_tokens')
    .select(['id', 'prefix', 'created_at', 'last_used_at'])
    .where('workspace_id', '=', workspaceId)
    .where('revoked_at', 'is', null)
    .orderBy('created_at', 'desc')
    .limit(limit)
    .offset(offset)
    .execute();
}

/** @returns false when there was no such live token. */
export async function revokeWorkspaceToken(db: Executor, workspaceId: string, tokenId: string): Promise<boolean> {
  const result = await sql`
    update workspace_auth_tokens set revoked_at = now()
    where id = ${tokenId} and workspace_id = ${workspaceId} and revoked_at is null returning id
  `.execute(db);
  return result.rows.length > 0;
}

export async function revokeTokensOf(
  trx: Transaction<Tables>,
  workspaceIds: string[],
  byDeletion: boolean,
): Promise<number> {
  const result = await sql<{ id: string }>`
    update workspace_auth_tokens set revoked_at = coalesce(revoked_at, now()), revoked_by_deletion = ${byDeletion}
    where workspace_id = any(${workspaceIds}::uuid[]) and revoked_at is null returning id
  `.execute(trx);
  return result.rows.length;
}

export async function insertOrgToken(
  db: Executor,
  row: { hash: Buffer; prefix: string; name: string | null; createdBy: string; orgId: string | null },
) {
  return await db
    .insertInto('org_api_tokens')
    .values({ token_hash: row.hash, prefix: row.prefix, name: row.name, created_by: row.createdBy, org_id: row.orgId })
    .returning('id')
    .executeTakeFirstOrThrow();
}

const MOST_ORG_TOKENS = 500;

export async function listOrgTokens(db: Executor) {
  return await db
    .selectFrom('org_api_tokens')
    .select(['id', 'prefix', 'name', 'org_id', 'created_by', 'created_at', 'last_used_at'])
    .where('revoked_at', 'is', null)
    .orderBy('created_at', 'desc')
    .limit(MOST_ORG_TOKENS)
    .execute();
}

/** What a session that an organisation token opened is marked with. */
export const openedByOrgToken = (id: string) => `org-token:${id}`;

/** Ends the sessions it opened with it: they would give for hours what the token no longer may. */
export async function revokeOrgToken(db: Executor, id: string): Promise<boolean> {
  const result = await sql`
    with ended as (delete from sessions where created_by = ${openedByOrgToken(id)})
    update org_api_tokens set revoked_at = now() where id = ${id} and revoked_at is null returning id
  `.execute(db);
  return result.rows.length > 0;
}

/** Best effort, many at once: when a token was used last is a hint for people, not a record. */
export async function touchTokens(db: Executor, workspaceTokens: string[], orgTokens: string[]): Promise<void> {
  await sql`
    with org as (update org_api_tokens set last_used_at = now() where id = any(${orgTokens}::uuid[]))
    update workspace_auth_tokens set last_used_at = now() where id = any(${workspaceTokens}::uuid[])
  `.execute(db);
}

/** Expiry is told by the database's clock alone, so that replicas agree. @returns when the code ends. */
export async function insertSignInCode(db: Executor, hash: Buffer, minutes: number): Promise<Date> {
  const result = await sql<{ expires_at: Date }>`
    with expired as (delete from sign_in_codes where expires_at < now())
    insert into sign_in_codes (code_hash, expires_at) values (${hash}, now() + make_interval(mins => ${minutes}))
    returning expires_at
  `.execute(db);
  return (result.rows[0] as { expires_at: Date }).expires_at;
}

/** @returns true exactly once per code, before it expires. */
export async function useSignInCode(db: Executor, hash: Buffer): Promise<boolean> {
  const result =
    await sql`update sign_in_codes set used_at = now() where code_hash = ${hash} and used_at is null and expires_at > now() returning code_hash`.execute(
      db,
    );
  return result.rows.length > 0;
}

/** @returns when the session ends. */
export async function insertSession(db: Executor, hash: Buffer, createdBy: string, hours: number): Promise<Date> {
  const row = await db
    .insertInto('sessions')
    .values({
      secret_hash: hash,
      created_by: createdBy,
      expires_at: sql<Date>`now() + make_interval(hours => ${hours})`,
    })
    .returning('expires_at')
    .executeTakeFirstOrThrow();
  return row.expires_at;
}

export interface FoundSession {
  id: string;
  expires_at: Date;
  /** Opened with an organisation token, whose bounds it has. */
  by_org_token: boolean;
  org_id: string | null;
}

export async function findSession(db: Executor, hash: Buffer): Promise<FoundSession | null> {
  const result = await sql<FoundSession>`
    select s.id, s.expires_at, starts_with(s.created_by, ${openedByOrgToken('')}) as by_org_token, o.org_id
    from sessions s left join org_api_tokens o on s.created_by = ${openedByOrgToken('')} || o.id
    where s.secret_hash = ${hash} and s.expires_at > now()
  `.execute(db);
  return result.rows[0] ?? null;
}

export async function deleteSession(db: Executor, id: string): Promise<void> {
  await db.deleteFrom('sessions').where('id', '=', id).execute();
}

export async function deleteExpiredSessions(db: Executor): Promise<number> {
  const result =
    await sql`delete from sessions where id in (select id from sessions where expires_at < now() limit 1000) returning id`.execute(
      db,
    );
  return result.rows.length;
}

/** An organisation is a root that was not removed. */
export async function isLiveOrg(db: Executor, id: string): Promise<boolean> {
  const result =
    await sql`select 1 from workspaces where id = ${id} and parent_id is null and status <> 'removed'`.execute(db);
  return result.rows.length > 0;
}

export async function isLiveWorkspace(db: Executor, id: string): Promise<boolean> {
  const result = await sql`select 1 from workspaces where id = ${id} and status <> 'removed'`.execute(db);
  return result.rows.length > 0;
}
