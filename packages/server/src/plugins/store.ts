// SQL of the plugin allowlists.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;

/** Locks an organisation to the end of the transaction, so that its list is replaced by one writer after the other. False: there is none. */
export async function lockOrg(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const result = await sql`
    select 1 from workspaces where id = ${id} and parent_id is null and status <> 'removed' for no key update
  `.execute(trx);
  return result.rows.length > 0;
}

export async function listAllowed(db: Executor, orgId: string) {
  return await db
    .selectFrom('org_plugin_allowlist')
    .select(['plugin_name', 'enabled_by', 'enabled_at'])
    .where('org_id', '=', orgId)
    .orderBy('plugin_name')
    .execute();
}

export async function replaceAllowed(
  trx: Transaction<Tables>,
  orgId: string,
  names: readonly string[],
  enabledBy: string,
): Promise<void> {
  await trx.deleteFrom('org_plugin_allowlist').where('org_id', '=', orgId).execute();
  if (names.length === 0) return;
  await trx
    .insertInto('org_plugin_allowlist')
    .values(names.map((name) => ({ org_id: orgId, plugin_name: name, enabled_by: enabledBy })))
    .execute();
}

/** True when the list at the top of the workspace's parent chain holds the plugin, or is empty. A cycle of parents has no top. */
export async function isAllowed(db: Executor, workspaceId: string, name: string): Promise<boolean> {
  const result = await sql<{ allowed: boolean }>`
    with recursive above as (
      select id, parent_id from workspaces where id = ${workspaceId}
      union
      select w.id, w.parent_id from workspaces w join above a on w.id = a.parent_id
    )
    select count(*) = 0 or coalesce(bool_or(l.plugin_name = ${name}), false) as allowed
    from above a join org_plugin_allowlist l on l.org_id = a.id where a.parent_id is null
  `.execute(db);
  return result.rows[0]?.allowed ?? true;
}
