// PGlite's file system with an fsync that reaches the disk. PGlite as shipped never syncs, so a power loss would lose
// acknowledged rows or leave a database that does not open. Leans on an internal of the package; `syncs` proves that it works.

import { fdatasyncSync, fsyncSync } from 'node:fs';
import { NodeFS } from '@electric-sql/pglite/nodefs';

interface EmscriptenStream {
  nfd?: number;
  path?: string;
}
interface EmscriptenModule {
  NODEFS?: { stream_ops: { fsync?: (stream: EmscriptenStream) => number } };
  FS: { filesystems: { NODEFS: { stream_ops: { fsync?: (stream: EmscriptenStream) => number } } } };
}

/** EIO of the engine's C library (WASI numbering). */
const IO_ERROR = 29;

export class DurableFiles extends NodeFS {
  /** How often the engine asked for a sync and got one. */
  syncs = 0;
  /** A sync that failed: what was written since the one before is lost or not, nobody can tell. */
  failure: Error | null = null;

  override async init(...input: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const result = await super.init(...input);
    const preRun = (result.emscriptenOpts.preRun ?? []) as ((module: EmscriptenModule) => void)[];
    preRun.push((module) => {
      const operations = (module.NODEFS ?? module.FS.filesystems.NODEFS).stream_ops;
      operations.fsync = (stream) => this.sync(stream);
    });
    return result;
  }

  /** Directories too: the engine syncs them after it created or renamed a file. @returns 0, or the engine's error number. */
  private sync(stream: EmscriptenStream): number {
    if (stream.nfd === undefined) return 0;
    try {
      // Log segments are preallocated, so their size does not change and the data alone suffices.
      if (stream.path?.includes('/pg_wal/')) fdatasyncSync(stream.nfd);
      else fsyncSync(stream.nfd);
    } catch (error) {
      this.failure = error as Error;
      return IO_ERROR;
    }
    this.syncs += 1;
    return 0;
  }
}
