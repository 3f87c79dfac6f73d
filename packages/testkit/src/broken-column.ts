// A column that cannot be read, in a real database: the table steps behind a view in which reading this column is an error.
// Every other column reads as before, and everything that refers to the table still does.

import type { Database } from '@molecule/server/platform/db/index';

const behind = (table: string) => `behind_${table}`;

/** The table must have an `id`: the division by zero is hidden behind it from the planner, which would refuse the view itself. */
export async function breakColumn({ pool }: Database, table: string, column: string): Promise<void> {
  const { rows } = await pool.query<{ column_name: string; data_type: string }>(
    'select column_name, data_type from information_schema.columns where table_name = $1 order by ordinal_position',
    [table],
  );
  const columns = rows.map(({ column_name, data_type }) =>
    column_name === column
      ? `(1 / (length(id::text) - length(id::text)))::${data_type} as "${column_name}"`
      : `"${column_name}"`,
  );
  await pool.query(`alter table ${table} rename to ${behind(table)}`);
  await pool.query(`create view ${table} as select ${columns.join(', ')} from ${behind(table)}`);
}

export async function mendColumn({ pool }: Database, table: string): Promise<void> {
  await pool.query(`drop view ${table}`);
  await pool.query(`alter table ${behind(table)} rename to ${table}`);
}
