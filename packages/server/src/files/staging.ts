// Chat files of poll-mode agents (chapter 20 §7.3): kept here until the agent fetches and acknowledges them, and the other way
// round what such an agent left for the person. Bytes go to and from the storage piece by piece.

import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { toDisposition } from '@molecule/runtime/file-names';
import type { FastifyReply } from 'fastify';
import type { Activity, NewActivity } from '../activity/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { noteStreamed } from '../platform/memory.ts';
import { UNTRUSTED_CONTENT } from './agent-door.ts';
import { type FormFile, readFiles } from './form.ts';
import { PIECE_BYTES, type UploadStorage } from './storage.ts';
import type { Direction } from './store.ts';

/** Of one workspace and direction. It bounds what an agent that never fetches can make the platform keep. */
export const MOST_WAITING_BYTES = 1024 * 1024 * 1024;
const FULL_RETRY_SECONDS = 3_600;

export interface UploadedFile {
  uri: string;
  name: string;
  mimeType: string;
  size: number;
}

interface Incoming extends Omit<UploadedFile, 'uri'> {
  fileId: string;
}

export interface StagingDeps {
  storage: UploadStorage;
  activity: Pick<Activity, 'logIn' | 'announce'>;
  log: Logger;
}

const uriOf = (workspaceId: string, fileId: string) => `platform-pending:${workspaceId}/${fileId}`;

/** What a poll-mode agent reads in its inbox of a file that waits for it. */
function toInboxRow(workspaceId: string, { fileId, name, mimeType, size }: Incoming): NewActivity {
  return {
    workspaceId,
    targetId: workspaceId,
    type: 'a2a_receive',
    method: 'chat_upload_receive',
    summary: `Upload: ${name}`,
    requestBody: { file_id: fileId, name, mimeType, size, uri: uriOf(workspaceId, fileId) },
    inbox: true,
  };
}

/** The same bytes, cut to the storage's size. */
async function* cutToPieces(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let gathered: Buffer[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    noteStreamed(chunk.length);
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + PIECE_BYTES - size);
      gathered.push(part);
      size += part.length;
      from += part.length;
      if (size < PIECE_BYTES) continue;
      yield Buffer.concat(gathered, size);
      gathered = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(gathered, size);
}

export function createStaging({ storage, activity, log }: StagingDeps) {
  const tell = (workspaceId: string, file: Incoming | null) => ({
    workspace_id: workspaceId,
    file_id: file?.fileId ?? null,
    size: file?.size ?? null,
    name: file?.name ?? null,
  });

  async function assertRoom(workspaceId: string, direction: Direction): Promise<void> {
    if ((await storage.waitingBytes(workspaceId, direction)) < MOST_WAITING_BYTES) return;
    throw new PlatformError(
      'uploads_full',
      'too many files of this workspace wait to be fetched',
      { retry_after: FULL_RETRY_SECONDS },
      { headers: { 'retry-after': String(FULL_RETRY_SECONDS) } },
    );
  }

  async function keep(workspaceId: string, direction: Direction, form: FormFile, files: Incoming[]): Promise<void> {
    const { name, mimeType } = form;
    const file = { fileId: await storage.open({ workspaceId, direction, name, mimeType }), name, mimeType, size: 0 };
    files.push(file);
    let place = 0;
    for await (const piece of cutToPieces(form.bytes)) {
      await storage.append(file.fileId, place, piece);
      file.size += piece.length;
      place += 1;
    }
  }

  /** All files of the request become visible together, with their rows in the inbox; a failed request leaves nothing. */
  async function stageAll(workspaceId: string, direction: Direction, files: Incoming[]): Promise<void> {
    const rows = direction === 'inbound' ? files.map((file) => toInboxRow(workspaceId, file)) : [];
    const stored = await storage.stage(direction, files, async (trx) =>
      rows.length === 0 ? [] : await activity.logIn(trx, rows),
    );
    for (const [index, row] of rows.entries()) {
      const logged = stored[index];
      if (logged) activity.announce(row, logged);
    }
  }

  return {
    /**
     * @param direction `outbound`: the agent's own, for the person; it gets no row in its inbox for it.
     * @throws uploads_full, no_files, and what `readFiles` throws.
     */
    async stage(workspaceId: string, direction: Direction, incoming: IncomingMessage): Promise<UploadedFile[]> {
      const files: Incoming[] = [];
      try {
        await assertRoom(workspaceId, direction);
        await readFiles(incoming, (form) => keep(workspaceId, direction, form, files));
        if (files.length === 0) throw new PlatformError('no_files', 'no file in the field files');
        await stageAll(workspaceId, direction, files);
      } catch (error) {
        log.warn({ ...tell(workspaceId, files.at(-1) ?? null), direction, err: error }, 'upload failed');
        // What stays is swept an hour later.
        await storage
          .discard(files.map(({ fileId }) => fileId))
          .catch((failure: unknown) =>
            log.warn({ err: failure, workspace_id: workspaceId }, 'an upload was left over'),
          );
        throw error;
      }
      for (const file of files) log.info({ ...tell(workspaceId, file), direction }, 'upload staged');
      return files.map(({ fileId, ...file }) => ({ uri: uriOf(workspaceId, fileId), ...file }));
    },

    /** Writes the reply itself. @throws not_found */
    async send(workspaceId: string, fileId: string, reply: FastifyReply): Promise<void> {
      const file = await storage.fetch(workspaceId, fileId);
      if (!file) throw notFound('file');
      const told = tell(workspaceId, { fileId, name: file.filename, mimeType: file.mime_type, size: file.size_bytes });
      reply.headers({
        'content-type': file.mime_type,
        'content-length': file.size_bytes,
        'content-disposition': toDisposition(file.filename),
        ...UNTRUSTED_CONTENT,
      });
      reply.hijack();
      reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
      try {
        await pipeline(storage.read(file), reply.raw);
        log.info(told, 'upload fetched');
      } catch (error) {
        log.warn({ ...told, err: error }, 'upload failed');
        reply.raw.destroy();
      }
    },

    /** @throws not_found */
    async ack(workspaceId: string, fileId: string): Promise<void> {
      const acked = await storage.ack(workspaceId, fileId);
      if (!acked) throw notFound('file');
      const { file } = acked;
      if (file)
        log.info(
          tell(workspaceId, { fileId, name: file.filename, mimeType: file.mime_type, size: file.size_bytes }),
          'upload acked',
        );
    },
  };
}

export type Staging = ReturnType<typeof createStaging>;
