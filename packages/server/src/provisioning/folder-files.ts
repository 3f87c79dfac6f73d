// Reading and writing below one folder of this machine without ever leaving it (chapter 30 §3.4): every component of a path is
// resolved and judged, and the folder that is acted in is held open meanwhile. Which folder that is, is the caller's business.

import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type FileEntry, FilePathError, FileTooLargeError, HIDDEN_NAMES } from './file-store.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
/** A listing deeper than one level ends here; the caller is told to look level by level. */
const MOST_ENTRIES = 20_000;

export class TooManyEntriesError extends Error {
  constructor() {
    super(`more than ${MOST_ENTRIES} entries`);
    this.name = 'TooManyEntriesError';
  }
}

const isAbsent = (error: unknown) => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as { code?: string }).code ?? '');
const isWithin = (root: string, path: string) => path === root || path.startsWith(root + sep);
const segmentsOf = (path: string) => path.split('/').filter((segment) => segment !== '');

/** Null when there is nothing. */
async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** The folder `segments` below `root`, links followed. Null when it is not there or lies elsewhere. */
async function enter(root: string, segments: readonly string[], create: boolean): Promise<string | null> {
  if (create) await mkdir(root, { recursive: true, mode: 0o700 });
  const top = await orNull(realpath(root));
  let at = top;
  for (const segment of segments) {
    if (at === null || top === null) return null;
    if (create) await makeFolder(join(at, segment));
    at = await orNull(realpath(join(at, segment)));
    if (at !== null && !isWithin(top, at)) return null;
  }
  return at;
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
}

/** Where an open file or folder really lies; null where the system does not tell. */
async function placeOf(handle: FileHandle): Promise<string | null> {
  return process.platform === 'linux' ? await readlink(`/proc/self/fd/${handle.fd}`) : null;
}

/**
 * Works inside a folder that is held open, under a name for it that nobody can redirect any more (what `openat` does).
 * @returns null when the folder became something else since it was judged.
 */
async function inside<T>(root: string, folder: string, work: (place: string) => Promise<T>): Promise<T | null> {
  const handle = await orNull(open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!handle) return null;
  try {
    const place = await placeOf(handle);
    if (place !== null && !isWithin(await realpath(root), place)) return null;
    return await work(place === null ? folder : `/proc/self/fd/${handle.fd}`);
  } finally {
    await handle.close();
  }
}

/** Null for what is neither file nor folder, and for links that lead out. */
async function describeEntry(top: string, path: string, isLink: boolean): Promise<Stats | null> {
  if (!isLink) return await orNull(lstat(path));
  const target = await orNull(realpath(path));
  return target !== null && isWithin(top, target) ? await orNull(stat(target)) : null;
}

/** @throws TooManyEntriesError when `depth` is more than one. */
export async function listFolder(root: string, path: string, depth: number): Promise<FileEntry[]> {
  const top = await orNull(realpath(root));
  const start = await enter(root, segmentsOf(path), false);
  if (top === null || start === null) return [];
  const entries: FileEntry[] = [];
  const walk = async (folder: string, prefix: string, levels: number): Promise<void> => {
    const names = (await orNull(readdir(folder, { withFileTypes: true }))) ?? [];
    for (const entry of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (HIDDEN_NAMES.has(entry.name)) continue;
      const full = join(folder, entry.name);
      const found = await describeEntry(top, full, entry.isSymbolicLink());
      if (!found || (!found.isFile() && !found.isDirectory())) continue;
      const dir = found.isDirectory();
      entries.push({ path: prefix + entry.name, size: dir ? 0 : found.size, dir });
      if (depth > 1 && entries.length > MOST_ENTRIES) throw new TooManyEntriesError();
      // Links are shown, not followed: they may lead round in a circle.
      if (dir && levels > 1 && !entry.isSymbolicLink()) await walk(full, `${prefix}${entry.name}/`, levels - 1);
    }
  };
  await walk(start, path === '' ? '' : `${segmentsOf(path).join('/')}/`, depth);
  return entries;
}

/** Null when it is absent, no file, or lies outside. @throws FileTooLargeError */
export async function readFromFolder(root: string, path: string, limitBytes: number): Promise<Uint8Array | null> {
  const segments = segmentsOf(path);
  const name = segments.pop();
  const parent = await enter(root, segments, false);
  if (name === undefined || parent === null) return null;
  const [top, target] = [await orNull(realpath(root)), await orNull(realpath(join(parent, name)))];
  if (top === null || target === null || !isWithin(top, target)) return null;
  // A pipe would hold the call for ever.
  const handle = await orNull(open(target, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (!handle) return null;
  try {
    const [found, place] = [await handle.stat(), await placeOf(handle)];
    if (!found.isFile() || (place !== null && !isWithin(top, place))) return null;
    if (found.size > limitBytes) throw new FileTooLargeError(limitBytes);
    const bytes = await handle.readFile();
    // It may have grown meanwhile.
    if (bytes.byteLength > limitBytes) throw new FileTooLargeError(limitBytes);
    return bytes;
  } finally {
    await handle.close();
  }
}

async function replaceFile(folder: string, name: string, content: string): Promise<void> {
  const fresh = join(folder, `.${randomUUID()}.new`);
  try {
    const handle = await open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, join(folder, name));
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

/** @throws FilePathError when a file could not lie there. */
async function assertWritable(root: string, path: string): Promise<void> {
  const segments = segmentsOf(path);
  const top = (await orNull(realpath(root))) ?? root;
  for (let count = 1; count <= segments.length; count += 1) {
    const full = join(top, ...segments.slice(0, count));
    const isLast = count === segments.length;
    const found = await orNull(lstat(full));
    if (!found) return;
    // The link itself is replaced, whatever it points to.
    if (isLast && !found.isDirectory()) return;
    const target = await orNull(realpath(full));
    const isFolder = target !== null && isWithin(top, target) && (await stat(target)).isDirectory();
    if (isLast || !isFolder) throw new FilePathError(path);
  }
}

/** All paths are judged before the first is written; each file is replaced at once or not at all. @throws FilePathError */
export async function writeIntoFolder(root: string, files: Record<string, string>): Promise<void> {
  for (const path of Object.keys(files)) await assertWritable(root, path);
  for (const [path, content] of Object.entries(files)) {
    const segments = segmentsOf(path);
    const name = segments.pop() ?? '';
    const parent = await enter(root, segments, true);
    const written =
      parent !== null &&
      (await inside(root, parent, async (place) => {
        await replaceFile(place, name, content);
        return true;
      }));
    if (!written) throw new FilePathError(path);
  }
}

/** A file or a link, never a folder. @returns false when there is none. */
export async function removeFromFolder(root: string, path: string): Promise<boolean> {
  const segments = segmentsOf(path);
  const name = segments.pop();
  const parent = await enter(root, segments, false);
  if (name === undefined || parent === null) return false;
  const removed = await inside(root, parent, async (place) => {
    const found = await orNull(lstat(join(place, name)));
    if (!found || found.isDirectory()) return false;
    await rm(join(place, name));
    return true;
  });
  return removed ?? false;
}
