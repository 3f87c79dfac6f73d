// Takes files a person attached (chapter 40 §12): streamed to disk part by part, all of one request or none.

import { randomBytes } from 'node:crypto';
import { constants, createWriteStream } from 'node:fs';
import { mkdir, open, realpath, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy } from '@fastify/busboy';
import { chooseType, toSafeName } from '../file-names.ts';
import { UPLOADS } from '../workspace-folder.ts';
import { FileRefusal } from './file-read.ts';

export const MOST_REQUEST_BYTES = 50 * 1024 * 1024;
export const MOST_FILE_BYTES = 25 * 1024 * 1024;
const MOST_FILES = 64;
const FIELD = 'files';

export interface StoredFile {
  uri: string;
  name: string;
  mimeType: string;
  size: number;
}

const tooLarge = (what: string, mostBytes: number) =>
  new FileRefusal(413, 'body_too_large', `${what} is larger than ${mostBytes / 1024 / 1024} MB`);

/** @throws FileRefusal 413 naming the file. */
async function store(part: Readable & { truncated?: boolean }, path: string, name: string): Promise<number> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o600);
  const target = createWriteStream('', { fd: file });
  await pipeline(part, target);
  if (part.truncated) throw tooLarge(name, MOST_FILE_BYTES);
  return target.bytesWritten;
}

/** Every part of one request, or the first thing that is wrong with it. The request itself stays open for the answer. */
async function receive(request: IncomingMessage, folder: string, written: string[]): Promise<StoredFile[]> {
  const { 'content-type': contentType = '', ...headers } = request.headers;
  const parser = new Busboy({
    headers: { ...headers, 'content-type': contentType },
    limits: { fileSize: MOST_FILE_BYTES, files: MOST_FILES },
  });
  const storing: Promise<StoredFile>[] = [];
  const parts: Readable[] = [];
  const { promise: parsed, resolve, reject } = Promise.withResolvers<void>();
  const malformed = (detail: string) =>
    reject(new FileRefusal(400, 'invalid_multipart', `the form cannot be read: ${detail}`));
  let total = 0;
  request.on('data', (chunk: Buffer) => {
    total += chunk.length;
    if (total > MOST_REQUEST_BYTES) reject(tooLarge('the request', MOST_REQUEST_BYTES));
  });
  request.once('aborted', () => malformed('it ended early'));
  parser.on('file', (field, part, filename, _encoding, mimeType) => {
    // A form that breaks off in it says so by the parser.
    if (field !== FIELD) return void part.on('error', () => {}).resume();
    const name = toSafeName(filename ?? '');
    const stored = `${randomBytes(16).toString('hex')}-${name}`;
    const path = join(folder, stored);
    written.push(path);
    parts.push(part);
    const entry = store(part, path, filename || name).then((size) => ({
      uri: `workspace:/workspace/${UPLOADS}/${stored}`,
      name,
      mimeType: chooseType(mimeType, name),
      size,
    }));
    entry.catch(reject);
    storing.push(entry);
  });
  parser.on('filesLimit', () => reject(new FileRefusal(413, 'body_too_large', `more than ${MOST_FILES} files`)));
  parser.on('error', (error) => malformed(error instanceof Error ? error.message : String(error)));
  parser.on('finish', resolve);
  request.pipe(parser);
  try {
    await parsed;
    return await Promise.all(storing);
  } finally {
    request.unpipe(parser);
    parser.destroy();
    // The form may have ended inside a part, which then waits for bytes that never come.
    for (const part of parts) part.destroy();
    await Promise.allSettled(storing);
  }
}

/** The rest of a refused form is read away: its sender gets to the answer instead of a broken connection. Endless ones are cut off. */
function drainRest(request: IncomingMessage): void {
  let left = MOST_REQUEST_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.on('error', () => {}).resume();
}

/** The upload folder itself may be a link that somebody put there. @throws FileRefusal 403 when it leads out of the workspace. */
async function openFolder(workspaceRoot: string): Promise<string> {
  const folder = join(workspaceRoot, UPLOADS);
  await mkdir(folder, { recursive: true });
  const [real, root] = await Promise.all([realpath(folder), realpath(workspaceRoot)]);
  if (!real.startsWith(root + sep))
    throw new FileRefusal(403, 'forbidden_path', 'the upload folder leads out of the workspace');
  return real;
}

/**
 * @param workspaceRoot where `/workspace` lies on disk.
 * @throws FileRefusal 400 malformed or without files, 413 naming the file; what was written is removed then.
 */
export async function ingestFiles(request: IncomingMessage, workspaceRoot: string): Promise<StoredFile[]> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_REQUEST_BYTES)
    throw tooLarge('the request', MOST_REQUEST_BYTES);
  if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? ''))
    throw new FileRefusal(400, 'invalid_multipart', 'the body must be multipart/form-data');
  const folder = await openFolder(workspaceRoot);
  const written: string[] = [];
  try {
    const files = await receive(request, folder, written);
    if (files.length === 0) throw new FileRefusal(400, 'no_files', `no file in the field ${FIELD}`);
    return files;
  } catch (error) {
    drainRest(request);
    await Promise.all(written.map((path) => rm(path, { force: true })));
    throw error;
  }
}
