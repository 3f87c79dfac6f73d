// The folders of a seat over HTTP (chapter 30 §3.4): which store answers, limits, and what a caller may learn of a failure.
// How a store reads and writes is its backend's business.

import { FILE_LIMIT, type FileEntryRow, MOST_FILES } from '@molecule/contract';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import {
  type FileRoot,
  type FileStore,
  generateConfig,
  HIDDEN_NAMES,
  listFolder,
  readFromFolder,
} from '../provisioning/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import { isReserved, judgePath } from './paths.ts';

export interface FoldersDeps {
  workspaces: Workspaces;
  /** Of the backend that runs the seats; null when it has none. */
  store: FileStore | null;
  /** A folder of this machine with the template a seat of that name was made from; null when there is none. */
  findTemplate(workspaceName: string): string | null;
  readModel(id: string, runtime: string): Promise<string>;
  log: Logger;
}

const byteLimit = () =>
  new PlatformError('body_too_large', `a file may hold ${FILE_LIMIT} bytes`, { max_bytes: FILE_LIMIT });

/** What a caller may know of a store's failure; the rest stays in the log. */
function translate(error: unknown): unknown {
  if (error instanceof PlatformError) return error;
  switch ((error as Error).name) {
    case 'FileTooLargeError':
      return byteLimit();
    case 'FilePathError':
      return invalid('path', 'leads out of its folder, or through a file');
    case 'TooManyEntriesError':
      return invalid('depth', 'finds too many entries: look at one level at a time');
    default:
      return new PlatformError('files_failed', 'the files of this workspace cannot be reached', {}, { cause: error });
  }
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw translate(error);
  }
}

/** Text as it is; what is no text travels as base64. */
function toContent(path: string, bytes: Uint8Array) {
  try {
    const content = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { path, content, size: bytes.byteLength };
  } catch {
    return {
      path,
      content: Buffer.from(bytes).toString('base64'),
      size: bytes.byteLength,
      encoding: 'base64' as const,
    };
  }
}

/** A template may keep credentials for its seats in hidden files; they are not part of what it shows. */
const isHidden = (path: string) => path.split('/').some((name) => name.startsWith('.'));

export function createFolders({ workspaces, store, findTemplate, readModel, log }: FoldersDeps) {
  async function findSeat(id: string): Promise<WorkspaceRow> {
    const row = await workspaces.get(id);
    if (!row || row.status === 'removed') throw notFound('workspace');
    return row;
  }

  /** An external agent keeps its files where it runs. */
  const storeOf = (row: WorkspaceRow) => (row.runtime === 'external' ? null : store);

  function storeForWriting(row: WorkspaceRow): FileStore {
    const found = storeOf(row);
    if (found) return found;
    throw new PlatformError(
      'files_unavailable',
      row.runtime === 'external'
        ? 'the files of an external agent are where it runs'
        : 'this backend has no way to the files of a workspace',
    );
  }

  const templateOf = (row: WorkspaceRow, root: FileRoot) => (root === '/configs' ? findTemplate(row.name) : null);

  async function writeAll(row: WorkspaceRow, files: Record<string, string>): Promise<FileStore> {
    const target = storeForWriting(row);
    for (const content of Object.values(files)) if (Buffer.byteLength(content) > FILE_LIMIT) throw byteLimit();
    await translated(target.write(row.id, files));
    return target;
  }

  return {
    /** @throws invalid_request, not_found, files_failed */
    async list(id: string, root: FileRoot, path: string, depth: number): Promise<FileEntryRow[]> {
      const below = path === '' || path === '.' ? '' : judgePath(root, path);
      const row = await findSeat(id);
      const found = storeOf(row);
      const template = found ? null : templateOf(row, root);
      const entries = await translated(
        found
          ? found.list(id, root, below, depth)
          : template
            ? listFolder(template, below, depth)
            : Promise.resolve([]),
      );
      const isShown = (entry: FileEntryRow) =>
        !(template && isHidden(entry.path)) &&
        !isReserved(root, entry.path) &&
        !entry.path.split('/').some((name) => HIDDEN_NAMES.has(name));
      return entries.filter(isShown);
    },

    /** @throws invalid_request, not_found, body_too_large, files_failed */
    async read(id: string, root: FileRoot, given: string) {
      const path = judgePath(root, given);
      const row = await findSeat(id);
      const found = storeOf(row);
      const template = found ? null : templateOf(row, root);
      const bytes = await translated(
        found
          ? found.read(id, root, path, FILE_LIMIT)
          : template && !isHidden(path)
            ? readFromFolder(template, path, FILE_LIMIT)
            : Promise.resolve(null),
      );
      if (bytes === null) throw notFound('file');
      return toContent(path, bytes);
    },

    /** @throws invalid_request, not_found, body_too_large, files_failed, files_unavailable */
    async write(id: string, given: string, content: string) {
      const path = judgePath('/configs', given);
      const row = await findSeat(id);
      await writeAll(row, { [path]: content });
      log.info({ workspace_id: id, path, bytes: Buffer.byteLength(content) }, 'a file of a workspace was written');
      return { status: 'saved' as const, path };
    },

    /** All paths are judged before the first file is written. @throws as `write` */
    async replace(id: string, given: Record<string, string>) {
      const count = Object.keys(given).length;
      if (count > MOST_FILES) throw invalid('files', `must be at most ${MOST_FILES} files`);
      const files = Object.fromEntries(
        Object.entries(given).map(([path, content]) => [judgePath('/configs', path), content]),
      );
      const row = await findSeat(id);
      const target = storeForWriting(row);
      const isConfigured =
        'config.yaml' in files || (await translated(target.read(id, '/configs', 'config.yaml', FILE_LIMIT))) !== null;
      if (!isConfigured) files['config.yaml'] = generateConfig(row, await readModel(id, row.runtime));
      await writeAll(row, files);
      log.info({ workspace_id: id, files: count }, 'files of a workspace were written');
      return {
        status: 'replaced' as const,
        workspace: id,
        files: count,
        source: await translated(target.source(id)),
      };
    },

    /** @throws invalid_request, not_found, files_failed, files_unavailable */
    async remove(id: string, given: string) {
      const path = judgePath('/configs', given);
      const row = await findSeat(id);
      if (!(await translated(storeForWriting(row).remove(id, path)))) throw notFound('file');
      log.info({ workspace_id: id, path }, 'a file of a workspace was deleted');
      return { status: 'deleted' as const, path };
    },
  };
}
