// Where one is in the folders of a workspace, and what a path comes to.

import type { FileRootName } from '@molecule/contract';

export const ROOTS = ['/configs', '/workspace', '/home', '/plugins'] as const satisfies readonly FileRootName[];
/** The only one the platform writes to. */
export const isWritable = (root: FileRootName): boolean => root === '/configs';

export interface Place {
  root: FileRootName;
  /** '' = the root itself. */
  folder: string;
  /** The one that is open; null = the folder is shown. */
  file: string | null;
}

export const FIRST_PLACE: Place = { root: '/configs', folder: '', file: null };

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

/** Every folder above a path, the nearest last. */
export function listFolders(folder: string): { name: string; path: string }[] {
  const names = folder.split('/').filter(Boolean);
  return names.map((name, at) => ({ name, path: names.slice(0, at + 1).join('/') }));
}

/** What is wrong with the name of a new file; null when it will do. Folders in it are made. */
export function refuseName(name: string): string | null {
  const parts = name.split('/');
  if (name.trim() === '') return 'Give it a name';
  if (name.startsWith('/') || name.endsWith('/')) return 'A path below this folder, ending in the name of the file';
  if (parts.includes('..') || parts.includes('.') || parts.includes('') || name.includes('\\'))
    return 'Names must not be . or .. or hold a backslash';
  return null;
}
