// One transition table per status column, and the only functions that write such a column (ruling R11).
// Owns the conditional UPDATE; what the statuses mean stands in the domain's own table.

import type { NewEvent } from '@molecule/contract';
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Tables } from './db/index.ts';

export interface Transition<Status extends string, Row> {
  readonly from: readonly Status[];
  /** A status, or a function of the SQL row for a conditional target. */
  readonly to: Status;
  /** Why this edge exists; shown in the generated diagram. */
  readonly why: string;
  /** The event the change appends, built from the row as it is now. Absent: the change is silent by contract. */
  readonly event?: (row: Row, details: Record<string, unknown>) => NewEvent | null;
}

export interface Lifecycle<Status extends string, Event extends string, Row> {
  readonly table: keyof Tables & string;
  readonly idColumn: string;
  /** Set to now() with each change, where the table has one. */
  readonly changedAtColumn?: string;
  /** The database type of the column when it is an enum. */
  readonly enumType?: string;
  readonly statuses: readonly Status[];
  readonly final: readonly Status[];
  readonly transitions: Readonly<Record<Event, Transition<Status, Row>>>;
}

export function defineLifecycle<Row>() {
  return <const Status extends string, const Event extends string>(
    lifecycle: Lifecycle<Status, Event, Row>,
  ): Lifecycle<Status, Event, Row> => lifecycle;
}

export interface TransitionInput {
  /** Columns to set with the status. Values are bound; pass `sql\`…\`` for expressions. */
  patch?: Record<string, unknown>;
  /** Extra conditions, ANDed with the status test. */
  guard?: RawBuilder<unknown>;
  /** What the event needs beyond the row. */
  details?: Record<string, unknown>;
}

export type AppendEvent = (trx: Transaction<Tables>, event: NewEvent) => Promise<void>;

/** The assignments of a change, and the test of the status before it. */
function changeOf<Status extends string, Event extends string, Row>(
  lifecycle: Lifecycle<Status, Event, Row>,
  event: Event,
  { patch = {}, guard }: TransitionInput,
): { sets: RawBuilder<unknown>; isFrom: RawBuilder<unknown> } {
  const { from, to } = lifecycle.transitions[event];
  const cast = lifecycle.enumType ? sql`::${sql.raw(lifecycle.enumType)}` : sql``;
  const castList = lifecycle.enumType ? sql`::${sql.raw(lifecycle.enumType)}[]` : sql`::text[]`;
  const sets = [sql`status = ${to}${cast}`];
  if (lifecycle.changedAtColumn) sets.push(sql`${sql.ref(lifecycle.changedAtColumn)} = now()`);
  for (const [column, value] of Object.entries(patch)) sets.push(sql`${sql.ref(column)} = ${value}`);
  return {
    sets: sql.join(sets),
    isFrom: sql`status = any(${[...from]}${castList}) ${guard ? sql`and (${guard})` : sql``}`,
  };
}

/**
 * Moves one row along one edge, and appends the edge's event in the same transaction.
 * @returns the row after the change, or null when it was in no status of `from` or failed the guard: nothing is written then.
 */
export async function applyTransition<Status extends string, Event extends string, Row>(
  trx: Transaction<Tables>,
  append: AppendEvent,
  lifecycle: Lifecycle<Status, Event, Row>,
  event: Event,
  id: string,
  input: TransitionInput = {},
): Promise<Row | null> {
  const { sets, isFrom } = changeOf(lifecycle, event, input);
  const result = await sql<Row>`
    update ${sql.table(lifecycle.table)} set ${sets}
    where ${sql.ref(lifecycle.idColumn)} = ${id} and ${isFrom}
    returning *
  `.execute(trx);
  const row = result.rows[0];
  if (!row) return null;
  const built = lifecycle.transitions[event].event?.(row, input.details ?? {});
  if (built) await append(trx, built);
  return row;
}

/**
 * Moves the row that a query picks along an edge without event, in one statement: one round trip, its own commit unless `db` is a
 * transaction.
 * @param name of the statement, which is planned once per connection.
 * @param pick selects `picked_id` of at most one row, locked; what else it selects comes with the row.
 * @returns null when nothing was picked, or it was in no status of `from`.
 */
export async function applyToPicked<Status extends string, Event extends string, Row, Picked>(
  db: Kysely<Tables> | Transaction<Tables>,
  name: string,
  lifecycle: Lifecycle<Status, Event, Row>,
  event: Event,
  pick: RawBuilder<Picked & { picked_id: string }>,
  patch: Record<string, unknown>,
): Promise<(Row & Picked) | null> {
  if (lifecycle.transitions[event].event) throw new Error(`${event} appends an event, so it needs its transaction`);
  const { sets, isFrom } = changeOf(lifecycle, event, { patch });
  // Materialized: a query that locks and skips must not run once more for the join.
  const result = await sql<Row & Picked>`${sql.raw(`/* hot:${name} */`)}
    with picked as materialized (${pick})
    update ${sql.table(lifecycle.table)} set ${sets} from picked
    where ${sql.ref(lifecycle.idColumn)} = picked.picked_id and ${isFrom}
    returning *
  `.execute(db);
  return result.rows[0] ?? null;
}
