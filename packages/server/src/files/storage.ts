// Where staged files lie until their agent fetches them (chapter 20 §7.3): what staging.ts needs, and the database as one way to
// have it. In pieces: a file is never whole in memory, and no transaction waits for a sender.

import type { Transaction } from 'kysely';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Direction, NewUpload, StagedUpload } from './store.ts';
import * as store from './store.ts';

/** Two of them are in memory at most for each direction of a transfer; smaller ones cost a statement each. */
export const PIECE_BYTES = 256 * 1024;
/** How long a file may take to come in. */
const COMING_IN_SECONDS = 3_600;
export const LIFE_SECONDS: Readonly<Record<Direction, number>> = { inbound: 86_400, outbound: 7 * 86_400 };
/** After it a repeated acknowledgement is told of no such file. */
export const KEPT_ACKED_SECONDS = 3_600;
const MOST_SWEPT = 500;

export interface UploadStorage {
  /** Begins a file that nobody sees yet. @returns its id. */
  open(upload: NewUpload): Promise<string>;
  /** @param place counts from 0. */
  append(fileId: string, place: number, piece: Buffer): Promise<void>;
  /** Shows all of them at once, together with what `beside` writes; or none. */
  stage<T>(
    direction: Direction,
    files: readonly { fileId: string; size: number }[],
    beside: (trx: Transaction<Tables>) => Promise<T>,
  ): Promise<T>;
  discard(fileIds: readonly string[]): Promise<void>;
  waitingBytes(workspaceId: string, direction: Direction): Promise<number>;
  /** Null when it is unknown, another workspace's, expired or acknowledged. */
  fetch(workspaceId: string, fileId: string): Promise<StagedUpload | null>;
  /** @throws when it ends before its size: acknowledged or swept meanwhile. */
  read(file: StagedUpload): AsyncGenerator<Buffer, void, undefined>;
  /** `again`: it was acknowledged before. Null when there is no such file of this workspace. */
  ack(workspaceId: string, fileId: string): Promise<{ again: boolean; file: StagedUpload | null } | null>;
  /** @param keptSeconds of what was acknowledged; less than nothing counts as nothing. */
  sweep(keptSeconds: number): Promise<{ acked: number; expired: number }>;
}

export function createDatabaseStorage(db: Database): UploadStorage {
  return {
    open: (upload) => store.insertUpload(db.kysely, upload, COMING_IN_SECONDS),
    append: (fileId, place, piece) => store.insertPiece(db.kysely, fileId, place, piece),
    stage: (direction, files, beside) =>
      db.tx(async (trx) => {
        const staged = await store.stageUploads(trx, files, LIFE_SECONDS[direction]);
        if (staged < files.length) throw new Error(`${files.length - staged} files were swept while they came in`);
        return await beside(trx);
      }),
    discard: (fileIds) => store.deleteUploads(db.kysely, fileIds),
    waitingBytes: (workspaceId, direction) => store.countWaitingBytes(db.kysely, workspaceId, direction),
    fetch: (workspaceId, fileId) => store.markFetched(db.kysely, workspaceId, fileId),
    async *read({ file_id: fileId, size_bytes: size }) {
      let read = 0;
      for (let place = 0; read < size; place += 1) {
        const piece = await store.findPiece(db.kysely, fileId, place);
        if (piece === null) throw new Error('a staged file went while it was read');
        read += piece.length;
        yield piece;
      }
    },
    async ack(workspaceId, fileId) {
      const file = await store.markAcked(db.kysely, workspaceId, fileId);
      if (file) return { again: false, file };
      return (await store.isAcked(db.kysely, workspaceId, fileId)) ? { again: true, file: null } : null;
    },
    sweep: (keptSeconds) => store.sweepUploads(db.kysely, keptSeconds, MOST_SWEPT),
  };
}
