// One transition table per status column, and the only function that writes such a column (ruling R11).
// Owns the conditional UPDATE; what the statuses mean stands in the domain's own table.

import type { NewEvent } from '@molecule/contract';
import { type RawBuilder, sql, type Transaction } from 'kysely';
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
  const { from, to, event: build } = lifecycle.transitions[event];
  const cast = lifecycle.enumType ? sql`::${sql.raw(lifecycle.enumType)}` : sql``;
  const castList = lifecycle.enumType ? sql`::${sql.raw(lifecycle.enumType)}[]` : sql`::text[]`;
  const sets = [sql`status = ${to}${cast}`];
  if (lifecycle.changedAtColumn) sets.push(sql`${sql.ref(lifecycle.changedAtColumn)} = now()`);
  for (const [column, value] of Object.entries(input.patch ?? {})) sets.push(sql`${sql.ref(column)} = ${value}`);
  const guard = input.guard ? sql`and (${input.guard})` : sql``;
  const result = await sql<Row>`
    update ${sql.table(lifecycle.table)} set ${sql.join(sets)}
    where ${sql.ref(lifecycle.idColumn)} = ${id} and status = any(${[...from]}${castList}) ${guard}
    returning *
  `.execute(trx);
  const row = result.rows[0];
  if (!row) return null;
  const built = build?.(row, input.details ?? {});
  if (built) await append(trx, built);
  return row;
}
