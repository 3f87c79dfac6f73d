// Work on whole folders, made of what the platform does with single files: it has no verb for a folder (chapter 30 §3.4).

import { ApiError, type FileRootName } from '@molecule/contract';
import { api } from '../../app/api.ts';
import { splitUpload } from './upload-plan.ts';

/** What one listing reaches. */
const DEPTH = 5;
const AT_ONCE = 4;
const UPLOAD_TIMEOUT_MS = 60_000;

/** Every file below a folder, `''` for the root itself. */
export async function listAllFiles(id: string, root: FileRootName, folder: string): Promise<string[]> {
  const entries = await api.listFiles({ params: { id }, query: { root, path: folder, depth: DEPTH } });
  const start = folder === '' ? 0 : folder.split('/').length;
  const deeper = entries.filter(({ path, dir }) => dir && path.split('/').length - start === DEPTH);
  const below = await Promise.all(deeper.map(({ path }) => listAllFiles(id, root, path)));
  return [...entries.filter(({ dir }) => !dir).map(({ path }) => path), ...below.flat()];
}

/** Those that are gone already are not missed. @throws the first refusal, after the others have been tried. */
export async function removeFiles(id: string, paths: readonly string[]): Promise<void> {
  const queue = [...paths];
  let refusal: unknown = null;
  const worker = async () => {
    for (let path = queue.shift(); path !== undefined; path = queue.shift())
      await api.deleteFile({ params: { id, path } }).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) refusal ??= error;
      });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (refusal) throw refusal;
}

/** In as many requests as it takes; what an earlier one wrote stays when a later one is refused. */
export async function writeFiles(id: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const part of splitUpload(files))
    await api.replaceFiles({ params: { id }, body: { files: part }, timeoutMs: UPLOAD_TIMEOUT_MS });
}

async function readText(id: string, path: string): Promise<string> {
  const { content, encoding } = await api.readFile({ params: { id, path } });
  if (encoding !== undefined) throw new Error(`${path} is no text, and only text can be moved`);
  return content;
}

/** Where each file of a folder, or the file itself, goes when `from` becomes `to`. */
export const movedPath = (path: string, from: string, to: string): string => to + path.slice(from.length);

/**
 * Gives a file, or a folder with everything in it, another path: written first, deleted then, so that nothing is lost on the
 * way. @throws Error when something is there already, or a file is no text
 */
export async function moveFiles(id: string, from: string, to: string): Promise<void> {
  const below = await listAllFiles(id, '/configs', from);
  const paths = below.length > 0 ? below : [from];
  const taken = new Set(await listAllFiles(id, '/configs', ''));
  const clash = paths.map((path) => movedPath(path, from, to)).find((path) => taken.has(path));
  if (clash) throw new Error(`${clash} is there already`);
  const texts: Record<string, string> = {};
  for (const path of paths) texts[movedPath(path, from, to)] = await readText(id, path);
  await writeFiles(id, texts);
  await removeFiles(id, paths);
}
