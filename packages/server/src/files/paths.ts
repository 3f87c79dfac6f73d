// The path rule of the files API (chapter 30 §3.4), for every verb and whatever backend there is.

import { posix } from 'node:path';
import { invalid } from '../platform/errors.ts';

const MOST_CHARACTERS = 1_024;
/** What one name may hold on every file system we may meet. */
const MOST_NAME_BYTES = 255;
/** Credentials of the seat. The platform writes them before each start, and hands neither out (chapter 10 §1.1). */
const RESERVED = new Set(['.auth_token', '.platform_inbound_secret']);

/** Names of `/configs` that nobody lists, reads or writes by the API. */
export const isReserved = (root: string, path: string): boolean =>
  root === '/configs' && RESERVED.has(path.split('/')[0]?.toLowerCase() ?? '');

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const FOREIGN = /[\\\u0000-\u001f\u007f]/;

/**
 * @returns the path without `.`, doubled and trailing slashes: relative, and inside its root by its text.
 * @throws invalid_request
 */
export function judgePath(root: string, path: string): string {
  const wrong = (why: string) => invalid('path', why);
  if (path.length > MOST_CHARACTERS) throw wrong(`must be at most ${MOST_CHARACTERS} characters`);
  if (path.startsWith('/')) throw wrong('must be relative to its root');
  if (FOREIGN.test(path)) throw wrong('must not hold backslashes or control characters');
  // Also one that its neighbours would undo: nobody who means well writes it.
  if (path.split('/').includes('..')) throw wrong('must not hold ..');
  const normal = posix.normalize(path).replace(/\/$/, '');
  if (path === '' || normal === '.' || normal === '') throw wrong('must name something below its root');
  if (normal.split('/').some((name) => Buffer.byteLength(name) > MOST_NAME_BYTES))
    throw wrong(`must have names of at most ${MOST_NAME_BYTES} bytes`);
  if (isReserved(root, normal)) throw wrong('belongs to the platform');
  return normal;
}
