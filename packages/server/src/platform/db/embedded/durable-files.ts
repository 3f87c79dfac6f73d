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

export class DurableFiles extends NodeFS {
  /** How often the engine asked for a sync and got one. */
  syncs = 0;

  override async init(...input: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const result = await super.init(...input);
    const preRun = (result.emscriptenOpts.preRun ?? []) as ((module: EmscriptenModule) => void)[];
    preRun.push((module) => {
      const operations = (module.NODEFS ?? module.FS.filesystems.NODEFS).stream_ops;
      operations.fsync = (stream) => {
        this.syncs += 1;
        if (stream.nfd === undefined) return 0;
        // Log segments are preallocated, so their size does not change and the data alone suffices.
        if (stream.path?.includes('/pg_wal/')) fdatasyncSync(stream.nfd);
        else fsyncSync(stream.nfd);
        return 0;
      };
    });
    return result;
  }
}
