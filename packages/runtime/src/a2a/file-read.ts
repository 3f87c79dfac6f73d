// Reads one file for the platform (chapter 40 §12): only below the four wire roots, never through a link, never a credential.

import { constants } from 'node:fs';
import { lstat, open, realpath } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, dirname, join, posix, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { RuntimeEnvironment } from '../environment.ts';
import { toDisposition, typeOf } from '../file-names.ts';

/** Credentials and bookkeeping of chapter 40 §4. */
const SECRET_FILES = [
  '.auth_token',
  '.platform_inbound_secret',
  '.inbox_cursor',
  '.inbox_journal.json',
  '.inbox_uploads.json',
  '.delegations_seen.json',
  '.initial_prompt_done',
  '.agent_snapshot.json',
  '.tasks.jsonl',
];
/** With what is being written beside them. */
const isSecret = (name: string) => SECRET_FILES.some((secret) => name === secret || name.startsWith(`${secret}.`));

export class FileRefusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Wire name of a root → where it lies on disk. */
export type Roots = Readonly<Record<string, string>>;

export const rootsOf = (
  env: Pick<RuntimeEnvironment, 'workspaceRoot' | 'configDir' | 'pluginsDir' | 'homeDir'>,
): Roots => ({
  '/workspace': env.workspaceRoot,
  '/configs': env.configDir,
  '/plugins': env.pluginsDir,
  '/home': env.homeDir,
});

const refuse = (message: string) => new FileRefusal(400, 'invalid_path', message);
const isMissing = (error: unknown) => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * @param path as on the wire: absolute and canonical.
 * @returns where it lies on disk.
 * @throws FileRefusal
 */
export async function resolveFile(path: string, roots: Roots): Promise<string> {
  if (!path.startsWith('/') || path.includes('\0')) throw refuse('path must be absolute');
  if (path.includes('//') || path.split('/').includes('..') || posix.normalize(path) !== path)
    throw refuse('path must be canonical');
  const root = Object.keys(roots).find((name) => path.startsWith(`${name}/`) && path.length > name.length + 1);
  if (!root) throw refuse(`path must be a file below ${Object.keys(roots).join(', ')}`);
  if (isSecret(basename(path))) throw new FileRefusal(403, 'forbidden_path', 'credentials are never handed out');
  const onDisk = join(roots[root] as string, path.slice(root.length));
  try {
    const stats = await lstat(onDisk);
    const realRoot = await realpath(roots[root] as string);
    const realParent = await realpath(dirname(onDisk));
    const inside = realParent === realRoot || realParent.startsWith(realRoot + sep);
    if (!inside || !stats.isFile())
      throw new FileRefusal(403, 'forbidden_path', 'only regular files below the root are handed out');
    return join(realParent, basename(onDisk));
  } catch (error) {
    if (isMissing(error)) throw new FileRefusal(404, 'not_found', 'file not found');
    throw error;
  }
}

/** One `bytes=from-to` range; null = the whole file. */
function readRange(header: string | undefined, size: number): { from: number; to: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const from = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const to = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return from > to || from >= size ? 'unsatisfiable' : { from, to };
}

export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  wirePath: string,
  roots: Roots,
): Promise<void> {
  const path = await resolveFile(wirePath, roots);
  // A link put there since the check is not followed.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await file.stat();
    const range = readRange(request.headers.range, size);
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    const { from, to } = range ?? { from: 0, to: size - 1 };
    const name = basename(wirePath);
    response.writeHead(range ? 206 : 200, {
      'content-type': typeOf(name),
      'content-length': to - from + 1,
      'content-disposition': toDisposition(name),
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      ...(range ? { 'content-range': `bytes ${from}-${to}/${size}` } : {}),
    });
    if (size === 0) response.end();
    else await pipeline(file.createReadStream({ start: from, end: to, autoClose: false }), response);
  } finally {
    await file.close();
  }
}
