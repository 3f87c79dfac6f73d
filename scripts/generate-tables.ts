// Writes packages/server/src/platform/db/tables.ts from the migrated schema, so that SQL and types cannot drift apart.

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, openDatabase } from '../packages/server/src/platform/db/index.ts';
import { createLog } from '../packages/server/src/platform/log.ts';

const ROOT = join(import.meta.dirname, '..');
const TARGET = join(ROOT, 'packages/server/src/platform/db/tables.ts');

interface Column {
  table_name: string;
  column_name: string;
  udt_name: string;
  is_nullable: 'YES' | 'NO';
  has_default: boolean;
  is_identity: 'YES' | 'NO';
}

const TYPES: Record<string, string> = {
  uuid: 'string',
  _uuid: 'string[]',
  text: 'string',
  bool: 'boolean',
  int2: 'number',
  int4: 'number',
  int8: 'number',
  float8: 'number',
  numeric: 'string',
  bytea: 'Buffer',
  jsonb: 'Json',
  timestamptz: 'Timestamp',
  date: 'string',
};

function toType(column: Column): string {
  const base = TYPES[column.udt_name] ?? 'string';
  const type = column.is_nullable === 'YES' ? `${base} | null` : base;
  if (column.is_identity === 'YES') return `GeneratedAlways<${type}>`;
  if (column.has_default && base === 'Timestamp' && column.is_nullable === 'NO') return 'GeneratedTimestamp';
  return column.has_default ? `Generated<${type}>` : type;
}

const toInterfaceName = (table: string) =>
  `${table
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}Table`;

/** The file's content for the schema the migrations make. */
export async function renderTables(): Promise<string> {
  const db = await openDatabase({ url: null, dataDir: tmpdir(), inMemory: true, log: createLog('silent') });
  try {
    await migrate(db, join(ROOT, 'packages/server/migrations'));
    const { rows } = await db.pool.query<Column>(
      `select table_name, column_name, udt_name, is_nullable, column_default is not null as has_default, is_identity
       from information_schema.columns where table_schema = 'public' order by table_name, ordinal_position`,
    );
    const tables = [...new Set(rows.map((row) => row.table_name))];
    const interfaces = tables.map((table) => {
      const fields = rows
        .filter((row) => row.table_name === table)
        .map((column) => `  ${column.column_name}: ${toType(column)};`);
      return `export interface ${toInterfaceName(table)} {\n${fields.join('\n')}\n}`;
    });
    return [
      '// Generated from the migrations by scripts/generate-tables.ts; do not edit.',
      '',
      "import type { ColumnType, Generated, GeneratedAlways } from 'kysely';",
      '',
      '/** Read as parsed JSON; written as text, or through `json()`. */',
      'export type Json = ColumnType<unknown, unknown, unknown>;',
      'export type Timestamp = ColumnType<Date, Date | string, Date | string>;',
      'export type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>;',
      '',
      interfaces.join('\n\n'),
      '',
      `export interface Tables {\n${tables.map((table) => `  ${table}: ${toInterfaceName(table)};`).join('\n')}\n}`,
      '',
    ].join('\n');
  } finally {
    await db.close();
  }
}

if (import.meta.main) {
  writeFileSync(TARGET, await renderTables());
  process.stderr.write(`wrote ${TARGET.slice(ROOT.length + 1)}\n`);
}
