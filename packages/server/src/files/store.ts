// SQL of staged uploads: a row per file, its bytes in pieces beside it. Rows whose `staged_at` is null are nobody's yet.

import { type Kysely, sql, type Transaction } from 'kysely';
import { type Tables, toJsonText } from '../platform/db/index.ts';

export type Executor = Kysely<Tables> | Transaction<Tables>;
export type Direction = 'inbound' | 'outbound';

export interface NewUpload {
  workspaceId: string;
  direction: Direction;
  name: string;
  mimeType: string;
}

export interface StagedUpload {
  file_id: string;
  filename: string;
  mime_type: string;
  size_bytes: number;
}

const columns = sql`file_id, filename, mime_type, size_bytes`;

export async function insertUpload(db: Executor, upload: NewUpload, lifeSeconds: number): Promise<string> {
  const result = await sql<{ file_id: string }>`
    insert into pending_uploads (workspace_id, direction, filename, mime_type, expires_at)
    values (${upload.workspaceId}, ${upload.direction}, ${upload.name}, ${upload.mimeType}, now() + make_interval(secs => ${lifeSeconds}))
    returning file_id
  `.execute(db);
  return (result.rows[0] as { file_id: string }).file_id;
}

/** @throws a foreign key violation when the row was swept meanwhile. */
export async function insertPiece(db: Executor, fileId: string, place: number, content: Buffer): Promise<void> {
  await sql`insert into pending_upload_pieces (file_id, place, content) values (${fileId}, ${place}, ${content})`.execute(
    db,
  );
}

/** @returns how many of them are staged now. */
export async function stageUploads(
  trx: Transaction<Tables>,
  files: readonly { fileId: string; size: number }[],
  lifeSeconds: number,
): Promise<number> {
  const values = files.map(({ fileId, size }) => ({ file_id: fileId, size }));
  const result = await sql`
    update pending_uploads u
    set size_bytes = f.size, staged_at = now(), expires_at = now() + make_interval(secs => ${lifeSeconds})
    from jsonb_to_recordset(${toJsonText(values)}::jsonb) as f (file_id uuid, size int)
    where u.file_id = f.file_id
    returning u.file_id
  `.execute(trx);
  return result.rows.length;
}

export async function deleteUploads(db: Executor, fileIds: readonly string[]): Promise<void> {
  await sql`delete from pending_uploads where file_id = any(${fileIds}::uuid[])`.execute(db);
}

/** Bytes of a workspace that nobody has acknowledged. */
export async function countWaitingBytes(db: Executor, workspaceId: string, direction: Direction): Promise<number> {
  const result = await sql<{ bytes: number }>`
    select coalesce(sum(size_bytes), 0)::bigint as bytes from pending_uploads
    where workspace_id = ${workspaceId} and direction = ${direction} and acked_at is null and expires_at > now()
  `.execute(db);
  return result.rows[0]?.bytes ?? 0;
}

/** The file, marked as fetched; null when it is unknown, another workspace's, expired or acknowledged. */
export async function markFetched(db: Executor, workspaceId: string, fileId: string): Promise<StagedUpload | null> {
  const result = await sql<StagedUpload>`
    update pending_uploads set fetched_at = now()
    where file_id = ${fileId} and workspace_id = ${workspaceId}
      and staged_at is not null and acked_at is null and expires_at > now()
    returning ${columns}
  `.execute(db);
  return result.rows[0] ?? null;
}

export async function findPiece(db: Executor, fileId: string, place: number): Promise<Buffer | null> {
  const result = await sql<{ content: Buffer }>`
    select content from pending_upload_pieces where file_id = ${fileId} and place = ${place}
  `.execute(db);
  return result.rows[0]?.content ?? null;
}

/** The first time; its bytes go. Null when there is no such file of this workspace, or it was acknowledged before. */
export async function markAcked(db: Executor, workspaceId: string, fileId: string): Promise<StagedUpload | null> {
  const result = await sql<StagedUpload>`
    with acked as (
      update pending_uploads set acked_at = now()
      where file_id = ${fileId} and workspace_id = ${workspaceId} and staged_at is not null and acked_at is null
      returning ${columns}
    ), emptied as (
      delete from pending_upload_pieces where file_id in (select file_id from acked)
    )
    select ${columns} from acked
  `.execute(db);
  return result.rows[0] ?? null;
}

export async function isAcked(db: Executor, workspaceId: string, fileId: string): Promise<boolean> {
  const result = await sql`
    select 1 from pending_uploads where file_id = ${fileId} and workspace_id = ${workspaceId} and acked_at is not null
  `.execute(db);
  return result.rows.length > 0;
}

/** Oldest first; what is left of a request that broke off counts as expired. */
export async function sweepUploads(
  db: Executor,
  keptSeconds: number,
  most: number,
): Promise<{ acked: number; expired: number }> {
  const result = await sql<{ acked: number; expired: number }>`
    with due as (
      (select file_id from pending_uploads
        where acked_at is not null and acked_at <= now() - make_interval(secs => greatest(${keptSeconds}, 0))
        order by acked_at limit ${most})
      union all
      (select file_id from pending_uploads where acked_at is null and expires_at <= now() order by expires_at limit ${most})
    ), gone as (
      delete from pending_uploads where file_id in (select file_id from due) returning acked_at
    )
    select count(acked_at)::int as acked, (count(*) - count(acked_at))::int as expired from gone
  `.execute(db);
  return result.rows[0] ?? { acked: 0, expired: 0 };
}
