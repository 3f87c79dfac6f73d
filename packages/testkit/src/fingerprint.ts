// What a database holds, small enough to compare: proof that a refused call left nothing behind.

import type { Database } from '@molecule/server/platform/db/index';

/** Written by the platform's own loops at any time: who holds a lease, when a credential was used last. */
const VOLATILE_TABLES = ['leases', 'schema_migrations'];
const VOLATILE_COLUMN = 'last_used_at';

/** Row count and digest of every table. Rows compare by content, whatever their order. */
export async function fingerprint({ pool }: Database): Promise<Record<string, string>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> all ($1) order by tablename`,
    [VOLATILE_TABLES],
  );
  const digests = tables.map(
    ({ name }) => `
      select '${name}' as name, count(*) || ' rows ' || coalesce(md5(string_agg(row::text, '|' order by row::text)), '') as content
      from (select to_jsonb(t) - '${VOLATILE_COLUMN}' as row from "${name}" t) rows`,
  );
  const { rows } = await pool.query<{ name: string; content: string }>(digests.join(' union all '));
  return Object.fromEntries(rows.map(({ name, content }) => [name, content]));
}
