// SQL of the figures calls leave behind: tokens per workspace and day, and when a workspace last sent something.

import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from '../../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

export interface CallFigures {
  workspaceId: string;
  input: number;
  output: number;
}

const DOLLARS_PER_MILLION = { input: 3, output: 15 };
/** What the column holds: an agent that reports the impossible must not cost the others their figures. */
const MOST_DOLLARS = '999999.999999';

/** Tokens per workspace and UTC day, many calls in one statement. */
export async function addUsage(db: Executor, figures: readonly CallFigures[]): Promise<void> {
  await sql`
    insert into workspace_token_usage as u (workspace_id, period_start, input_tokens, output_tokens, call_count, estimated_cost_usd)
    select f."workspaceId", (now() at time zone 'utc')::date, sum(f.input), sum(f.output), count(*),
      least(sum(f.input) * ${DOLLARS_PER_MILLION.input}::numeric / 1000000 + sum(f.output) * ${DOLLARS_PER_MILLION.output}::numeric / 1000000, ${MOST_DOLLARS}::numeric)
    from jsonb_to_recordset(${JSON.stringify(figures)}::jsonb) as f ("workspaceId" uuid, input bigint, output bigint)
    where exists (select 1 from workspaces w where w.id = f."workspaceId") group by 1
    on conflict (workspace_id, period_start) do update set input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
      call_count = u.call_count + excluded.call_count, estimated_cost_usd = least(u.estimated_cost_usd + excluded.estimated_cost_usd, ${MOST_DOLLARS}::numeric)
  `.execute(db);
}

export async function touchOutbound(db: Executor, workspaceIds: string[]): Promise<void> {
  await sql`update workspaces set last_outbound_at = now() where id = any(${workspaceIds}::uuid[])`.execute(db);
}
