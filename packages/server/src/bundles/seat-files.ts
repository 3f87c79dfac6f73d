// Where the files of an exported workspace come from (chapter 30 §4): its live `/configs`, else the host template of its name,
// never another one. Hidden files, environment files and notes an agent keeps for itself are not there for an export.

import { FILE_LIMIT } from '@molecule/contract';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { HIDDEN_NAMES, listFolder, type Provisioning, readFromFolder } from '../provisioning/index.ts';
import type { WorkspaceRow } from '../workspaces/index.ts';

const CONFIGS = '/configs';
const CONFIG_FILE = 'config.yaml';
/** Deeper than any skill goes. */
const MOST_LEVELS = 16;
/** What an agent remembers in files (chapter 40 §3). */
const MEMORY_FILES = new Set(['memory.md', 'user.md']);

export interface SeatFiles {
  /** Null when it is not there, is kept back, is no text or larger than 5 MiB. @throws files_failed */
  read(path: string): Promise<string | null>;
  /** Paths of files below a folder that may leave, sorted. @throws files_failed */
  listBelow(folder: string): Promise<string[]>;
}

const isKeptBack = (path: string) => {
  const names = path.split('/');
  return (
    names.some((name) => name.startsWith('.') || HIDDEN_NAMES.has(name) || /\.env(\.|$)/i.test(name)) ||
    MEMORY_FILES.has(path.toLowerCase())
  );
};

/** Null for what JSON or the store of another platform cannot hold as text. */
function toText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

interface Source {
  read(path: string): Promise<Uint8Array | null>;
  list(path: string): Promise<{ path: string; dir: boolean }[]>;
}

const NOTHING: Source = { read: async () => null, list: async () => [] };

async function findSource(row: WorkspaceRow, provisioning: Provisioning): Promise<Source> {
  const store = row.runtime === 'external' ? null : provisioning.files;
  if (store && (await store.read(row.id, CONFIGS, CONFIG_FILE, FILE_LIMIT)) !== null)
    return {
      read: (path) => store.read(row.id, CONFIGS, path, FILE_LIMIT),
      list: (path) => store.list(row.id, CONFIGS, path, MOST_LEVELS),
    };
  const template = provisioning.findTemplateFolder(row.name);
  if (!template) return NOTHING;
  return {
    read: (path) => readFromFolder(template, path, FILE_LIMIT),
    list: (path) => listFolder(template, path, MOST_LEVELS),
  };
}

async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new PlatformError('files_failed', 'the files of this workspace cannot be reached', {}, { cause: error });
  }
}

/** @throws files_failed */
export async function openSeatFiles(row: WorkspaceRow, provisioning: Provisioning, log: Logger): Promise<SeatFiles> {
  const source = await reached(findSource(row, provisioning));

  const leaveOut = (path: string, reason: string): null => {
    log.warn({ workspace_id: row.id, path, reason }, 'a file was left out of a bundle');
    return null;
  };

  async function readBytes(path: string): Promise<Uint8Array | null> {
    try {
      return await source.read(path);
    } catch (error) {
      if ((error as Error).name === 'FileTooLargeError') return leaveOut(path, 'larger than 5 MiB');
      throw error;
    }
  }

  return {
    async read(path) {
      if (isKeptBack(path)) return null;
      const bytes = await reached(readBytes(path));
      return bytes && (toText(bytes) ?? leaveOut(path, 'no text'));
    },
    async listBelow(folder) {
      const entries = await reached(source.list(folder));
      return entries
        .filter((entry) => !entry.dir && !isKeptBack(entry.path))
        .map((entry) => entry.path)
        .sort();
    },
  };
}
