// SQL of who waits for whom by delegations under way: read by the explanation of what is stuck (chapter 20 §12.4). Writes nothing.

import { sql } from 'kysely';
import type { DelegationRow } from '../lifecycle.ts';
import type { Executor } from '../store.ts';

const TEXT_LENGTH = 200;

export interface OpenDelegation
  extends Pick<
    DelegationRow,
    | 'delegation_id'
    | 'caller_id'
    | 'callee_id'
    | 'status'
    | 'parent_delegation_id'
    | 'last_heartbeat'
    | 'deadline'
    | 'error_detail'
    | 'lease_until'
    | 'injected_at'
    | 'answered_at'
    | 'created_at'
    | 'updated_at'
  > {
  text: string;
}

const columns = sql`d.delegation_id, d.caller_id, d.callee_id, d.status, d.parent_delegation_id, d.last_heartbeat, d.deadline, d.error_detail,
  d.lease_until, d.injected_at, d.answered_at, d.created_at, d.updated_at, left(d.task_preview, ${sql.lit(TEXT_LENGTH)}) as text`;
const open = sql`d.status in ('queued', 'dispatched', 'in_progress')`;

export async function findForOutlook(db: Executor, id: string): Promise<OpenDelegation | null> {
  const result = await sql<OpenDelegation>`select ${columns} from delegations d where d.delegation_id = ${id}`.execute(
    db,
  );
  return result.rows[0] ?? null;
}

/** What these workspaces wait for, the oldest of each first. */
export async function listOpenFrom(
  db: Executor,
  callerIds: readonly string[],
  mostEach: number,
): Promise<OpenDelegation[]> {
  const result = await sql<OpenDelegation>`
    select o.* from unnest(${callerIds}::uuid[]) c (id) cross join lateral (
      select ${columns} from delegations d where d.caller_id = c.id and ${open} order by d.created_at limit ${mostEach}
    ) o
  `.execute(db);
  return result.rows;
}

/**
 * What waits for a workspace beside its queue and its inbox, oldest first: those its agent holds, or a call carries to it.
 * @returns at most `limit` of them, and how many there are.
 */
export async function listOpenTo(
  db: Executor,
  calleeId: string,
  limit: number,
): Promise<{ rows: OpenDelegation[]; total: number }> {
  const elsewhere = sql`
    exists (select 1 from a2a_queue q where q.idempotency_key = d.delegation_id and q.workspace_id = d.callee_id and q.status in ('queued', 'dispatched'))
    or exists (
      select 1 from activity_logs a
      where a.workspace_id = d.callee_id and a.message_id = d.delegation_id and a.inbox and a.injected_at is null
    )`;
  const result = await sql<OpenDelegation & { total: number }>`
    select ${columns}, count(*) over ()::int as total from delegations d
    where d.callee_id = ${calleeId} and ${open} and not (${elsewhere})
    order by d.created_at limit ${limit}
  `.execute(db);
  return { rows: result.rows, total: result.rows[0]?.total ?? 0 };
}
