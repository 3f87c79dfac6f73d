// All SQL of image pins.

import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../platform/db/index.ts';

export interface PinRow {
  template_name: string;
  digest: string;
  previous_digest: string | null;
  updated_by: string;
  updated_at: Date;
}

const COLUMNS = sql`template_name, digest, previous_digest, updated_by, updated_at`;

export async function listPins(db: Kysely<Tables>): Promise<PinRow[]> {
  return (await sql<PinRow>`select ${COLUMNS} from runtime_image_pins order by template_name`.execute(db)).rows;
}

export async function findDigest(db: Kysely<Tables>, name: string): Promise<string | null> {
  const found = await sql<{ digest: string }>`
    select digest from runtime_image_pins where template_name = ${name}
  `.execute(db);
  return found.rows[0]?.digest ?? null;
}

/** The digest before it is kept; pinning the same one again keeps the older. */
export async function savePin(db: Kysely<Tables>, name: string, digest: string, by: string): Promise<PinRow> {
  const saved = await sql<PinRow>`
    insert into runtime_image_pins as pin (template_name, digest, updated_by) values (${name}, ${digest}, ${by})
    on conflict (template_name) do update set
      previous_digest = case when pin.digest = excluded.digest then pin.previous_digest else pin.digest end,
      digest = excluded.digest, updated_by = excluded.updated_by, updated_at = now()
    returning ${COLUMNS}
  `.execute(db);
  return saved.rows[0] as PinRow;
}

/** @returns null when there is no pin, or none before it. */
export async function swapPin(db: Kysely<Tables>, name: string, by: string): Promise<PinRow | null> {
  const swapped = await sql<PinRow>`
    update runtime_image_pins set digest = previous_digest, previous_digest = digest, updated_by = ${by}, updated_at = now()
    where template_name = ${name} and previous_digest is not null returning ${COLUMNS}
  `.execute(db);
  return swapped.rows[0] ?? null;
}

export async function deletePin(db: Kysely<Tables>, name: string): Promise<boolean> {
  const deleted = await sql`
    delete from runtime_image_pins where template_name = ${name} returning template_name
  `.execute(db);
  return deleted.rows.length > 0;
}
