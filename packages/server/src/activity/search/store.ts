// SQL of the session search: one stretch of a workspace's log at a time, by the index on (workspace_id, seq).

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

export interface FoundRow {
  id: string;
  seq: number;
  activity_type: string;
  method: string | null;
  status: string;
  summary: string | null;
  error_detail: string | null;
  request_body: unknown;
  response_body: unknown;
  created_at: Date;
}

/** The next `most` rows down from `below`, exclusive: how many there are, and where the last of them stands. */
export function selectStretch(workspaceId: string, below: number, most: number) {
  return sql<{ rows: number; lowest: number | null; since: Date | null }>`
    select count(*)::int as rows, min(seq) as lowest, min(created_at) as since from (
      select seq, created_at from activity_logs where workspace_id = ${workspaceId} and seq < ${below}
      order by seq desc limit ${most}
    ) stretch
  `;
}

/**
 * Rows of [lowest, below) that say it somewhere, newest first. Letters are folded by ICU: the libc of the store may know only
 * ASCII. Bodies are searched as JSON text, where quotes and line ends are escaped, so it is looked for in that form, too.
 */
export function selectMatches(workspaceId: string, wanted: string, from: number, below: number, limit: number) {
  const folded = (text: ReturnType<typeof sql>) => sql`lower(${text} collate "und-x-icu")`;
  const plain = folded(sql`${wanted}::text`);
  const escaped = folded(sql`${JSON.stringify(wanted).slice(1, -1)}::text`);
  return sql<FoundRow>`
    select id, seq, activity_type, method, status, summary, error_detail, request_body, response_body, created_at
    from activity_logs
    where workspace_id = ${workspaceId} and seq >= ${from} and seq < ${below} and (
      strpos(${folded(sql`concat_ws(E'\\x1f', summary, error_detail, activity_type, method, status)`)}, ${plain}) > 0
      or strpos(${folded(sql`request_body::text`)}, ${escaped}) > 0
      or strpos(${folded(sql`response_body::text`)}, ${escaped}) > 0
    )
    order by seq desc limit ${limit}
  `;
}

export async function findStretch(db: Executor, workspaceId: string, below: number, most: number) {
  return (await selectStretch(workspaceId, below, most).execute(db)).rows[0] ?? { rows: 0, lowest: null, since: null };
}

export async function findMatches(db: Executor, ...args: Parameters<typeof selectMatches>): Promise<FoundRow[]> {
  return (await selectMatches(...args).execute(db)).rows;
}
