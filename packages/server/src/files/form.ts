// Reads the files of a multipart form one after the other, as they come in (chapter 20 §7.1). Holds no more than the piece under
// way; what happens to the bytes is the taker's business.

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { UPLOAD_LIMIT, UPLOADED_FILE_LIMIT } from '@molecule/contract';
import { chooseType, toSafeName } from '@molecule/runtime/file-names';
import type { FastifyRequest } from 'fastify';
import { startDeadline } from '../platform/deadline.ts';
import { PlatformError } from '../platform/errors.ts';

const FIELD = 'files';
const MOST_FILES = 64;
const MEGABYTE = 1024 * 1024;
/** Between two pieces of what a sender sends. */
export const SENDER_SILENCE_MS = 60_000;

export interface FormFile {
  /** Sanitised. */
  name: string;
  mimeType: string;
  /** Breaks off with an error when the file is too large or the form does. */
  bytes: AsyncIterable<Buffer>;
}

const tooLarge = (what: string, most: number) =>
  new PlatformError('body_too_large', `${what} is larger than ${most / MEGABYTE} MB`, { max_bytes: most });

export const requestTooLarge = () => tooLarge('the request', UPLOAD_LIMIT);

/** @throws unsupported_media_type, and body_too_large by the declared length, before a byte is read. */
export function assertForm({ headers }: FastifyRequest): void {
  if (!/^multipart\/form-data\b/i.test(headers['content-type'] ?? ''))
    throw new PlatformError('unsupported_media_type', 'the content type must be multipart/form-data');
  if (Number(headers['content-length'] ?? 0) > UPLOAD_LIMIT) throw requestTooLarge();
}

/** What is left of a refused form is read away, so that its sender gets to the answer; one that does not end is cut off. */
export function drainRest(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return;
  const cutOff = () => void incoming.destroy();
  const deadline = startDeadline({ silenceMs: SENDER_SILENCE_MS, ceilingMs: null, onExpire: cutOff });
  let left = UPLOAD_LIMIT;
  incoming.unpipe();
  incoming.on('data', (chunk: Buffer) => {
    deadline.touch();
    left -= chunk.length;
    if (left < 0) cutOff();
  });
  incoming
    .on('error', () => {})
    .once('close', deadline.cancel)
    .resume();
}

export const malformed = (detail: string) =>
  new PlatformError('invalid_multipart', `the form cannot be read: ${detail}`);

/** @throws invalid_multipart without a boundary. */
function openParser({ headers }: IncomingMessage): BusboyInstance {
  try {
    return new Busboy({
      headers: headers as { 'content-type': string },
      limits: { fileSize: UPLOADED_FILE_LIMIT, files: MOST_FILES },
    });
  } catch (error) {
    throw malformed((error as Error).message);
  }
}

/**
 * Hands every file of the field `files` to `take`, one after the other in the order of the form.
 * @throws what `take` throws; invalid_multipart; body_too_large naming the file. The rest of the request is left to `drainRest`.
 */
export async function readFiles(incoming: IncomingMessage, take: (file: FormFile) => Promise<void>): Promise<void> {
  const parser = openParser(incoming);
  const { promise: parsed, resolve, reject } = Promise.withResolvers<void>();
  const parts: Readable[] = [];
  let taking: Promise<void> = Promise.resolve();
  let total = 0;
  const deadline = startDeadline({
    silenceMs: SENDER_SILENCE_MS,
    ceilingMs: null,
    onExpire: () => reject(malformed('its sender fell silent')),
  });
  const count = (chunk: Buffer) => {
    deadline.touch();
    total += chunk.length;
    if (total > UPLOAD_LIMIT) reject(requestTooLarge());
  };
  const leave = () => {
    if (!incoming.complete) reject(malformed('it ended early'));
  };
  parser.on('file', (field, part, filename, _encoding, mimeType) => {
    // The parser's own error says the same, also of a part nobody reads yet.
    part.on('error', () => {});
    if (field !== FIELD) return void part.resume();
    parts.push(part);
    const name = toSafeName(filename ?? '');
    part.once('limit', () => reject(tooLarge(name, UPLOADED_FILE_LIMIT)));
    taking = taking.then(() => take({ name, mimeType: chooseType(mimeType, name), bytes: part }));
    taking.catch(reject);
  });
  parser.on('filesLimit', () =>
    reject(new PlatformError('body_too_large', `more than ${MOST_FILES} files`, { max_files: MOST_FILES })),
  );
  parser.on('error', (error) => reject(malformed(error instanceof Error ? error.message : String(error))));
  parser.on('finish', resolve);
  incoming.on('data', count).once('close', leave).pipe(parser);
  try {
    await parsed;
    await taking;
  } finally {
    deadline.cancel();
    incoming.off('data', count).off('close', leave).unpipe(parser);
    parser.destroy();
    // The form may have ended inside a part, which then waits for bytes that never come.
    for (const part of parts) part.destroy();
    await taking.catch(() => undefined);
  }
}
