// The folders of a workload as the files API sees them (chapter 30 §3.4). Paths are relative to a root, and validated before they
// come here; a backend still has to refuse what leads out of the root, such as a symbolic link.

export const FILE_ROOTS = ['/configs', '/workspace', '/home', '/plugins'] as const;
export type FileRoot = (typeof FILE_ROOTS)[number];

export interface FileEntry {
  path: string;
  /** In bytes; 0 for a directory. */
  size: number;
  dir: boolean;
}

export class FileTooLargeError extends Error {
  constructor(limitBytes: number) {
    super(`the file is larger than ${limitBytes} bytes`);
    this.name = 'FileTooLargeError';
  }
}

/** What a listing leaves out, and does not descend into. */
export const HIDDEN_NAMES: ReadonlySet<string> = new Set(['.git', '__pycache__', 'node_modules', '.DS_Store']);

/** A path that leads out of its root, or through something that is no directory. */
export class FilePathError extends Error {
  constructor(path: string) {
    super(`${path} leads out of its folder, or is in the way of one`);
    this.name = 'FilePathError';
  }
}

/** Writing and deleting touch `/configs` only. */
export interface FileStore {
  /** Which store holds the workload's folders now, as the files API names it: `directory`, `container`, `volume`, `ec2-ssh`. */
  source(id: string): Promise<string>;
  /** Entries below `path`, at most `depth` levels; an absent directory has none. */
  list(id: string, root: FileRoot, path: string, depth: number): Promise<FileEntry[]>;
  /** Null when it is not there. @throws FileTooLargeError */
  read(id: string, root: FileRoot, path: string, limitBytes: number): Promise<Uint8Array | null>;
  /** Creates parents; each file replaced atomically. @throws FilePathError before anything is written. */
  write(id: string, files: Record<string, string>): Promise<void>;
  /** A file, never a directory. @returns false when it is not there. */
  remove(id: string, path: string): Promise<boolean>;
}
