// SQL of the event log: append in commit order, read by cursor.

import { type Kysely, sql, type Transaction } from 'kysely';
import { type Tables, toJsonText } from '../platform/db/index.ts';

type Executor = Kysely<Tables> | Transaction<Tables>;

export const EVENTS_CHANNEL = 'molecule_events';
/** One lock for the whole log, held to the end of the transaction: `seq` rises in commit order. */
const LOG_LOCK = 7_236_002;

export interface StoredEvent {
  id: string;
  seq: number;
  event_type: string;
  workspace_id: string | null;
  payload: unknown;
  created_at: Date;
}

/** Appends and wakes every replica when the transaction commits. */
export async function appendEvent(
  trx: Transaction<Tables>,
  event: { event: string; workspace_id: string; payload: unknown },
): Promise<void> {
  await sql`
    with locked as (select pg_advisory_xact_lock(${LOG_LOCK})),
    stored as (
      insert into structure_events (event_type, workspace_id, payload)
      select ${event.event}, ${event.workspace_id}::uuid, ${toJsonText(event.payload)}::jsonb from locked
      returning seq
    )
    select pg_notify(${EVENTS_CHANNEL}, seq::text) from stored
  `.execute(trx);
}

/** Tells every replica each of the payloads, in one round trip. */
export async function notifyAll(db: Executor, channel: string, payloads: string[]): Promise<void> {
  await sql`select pg_notify(${channel}, payload) from unnest(${payloads}::text[]) payload`.execute(db);
}

const columns = sql`id, seq, event_type, workspace_id, payload, created_at`;

export async function listAfter(
  db: Executor,
  seq: number,
  limit: number,
  workspaceId: string | null = null,
): Promise<StoredEvent[]> {
  const only = workspaceId === null ? sql`` : sql`and workspace_id = ${workspaceId}`;
  const result =
    await sql<StoredEvent>`select ${columns} from structure_events where seq > ${seq} ${only} order by seq limit ${limit}`.execute(
      db,
    );
  return result.rows;
}

export async function listNewest(
  db: Executor,
  limit: number,
  workspaceId: string | null = null,
): Promise<StoredEvent[]> {
  const only = workspaceId === null ? sql`` : sql`where workspace_id = ${workspaceId}`;
  const result =
    await sql<StoredEvent>`select ${columns} from structure_events ${only} order by seq desc limit ${limit}`.execute(
      db,
    );
  return result.rows;
}

export async function readBounds(db: Executor): Promise<{ first: number; last: number }> {
  const result = await sql<{
    first: number | null;
    last: number | null;
  }>`select min(seq) as first, max(seq) as last from structure_events`.execute(db);
  return { first: result.rows[0]?.first ?? 0, last: result.rows[0]?.last ?? 0 };
}
