// Preloaded into the database worker by a test (NODE_OPTIONS=--import): writes down, in order, everything that is done to files below
// DISK_TRACE_ROOT, into the file DISK_TRACE. `disk-model.ts` reads it and works out what a power loss would have left.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export type DiskOperation =
  | { op: 'create'; path: string; directory: boolean; truncate: boolean }
  | { op: 'write'; path: string; offset: number; bytes: number }
  | { op: 'resize'; path: string; size: number }
  | { op: 'rename'; path: string; to: string }
  | { op: 'remove'; path: string }
  /** Of a file: its content and its name. Of a directory: the names in it. `data`: the content alone. */
  | { op: 'sync'; path: string; data: boolean };

const { DISK_TRACE_ROOT: root, DISK_TRACE: trace } = process.env;

function record(root: string, trace: string): void {
  const log = fs.openSync(trace, 'a');
  const { openSync, closeSync, writeSync, fsyncSync, fdatasyncSync, ftruncateSync, existsSync } = fs;
  const paths = new Map<number, string>();
  const isInside = (path: unknown): path is string => typeof path === 'string' && path.startsWith(root);

  /** Length of the header, header, and for a write its bytes. */
  function note(operation: DiskOperation, content: Uint8Array = new Uint8Array()): void {
    const header = Buffer.from(JSON.stringify({ ...operation, path: operation.path.slice(root.length) }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(header.length);
    writeSync(log, Buffer.concat([length, header, content]));
  }

  fs.openSync = (path, flags, mode) => {
    const inside = isInside(path);
    const truncate = typeof flags === 'number' ? (flags & fs.constants.O_TRUNC) !== 0 : flags === 'w';
    const existed = inside && existsSync(path);
    const fd = openSync(path, flags, mode);
    if (!inside) return fd;
    paths.set(fd, path);
    if (!existed || truncate) note({ op: 'create', path, directory: false, truncate });
    return fd;
  };
  fs.closeSync = (fd) => {
    paths.delete(fd);
    closeSync(fd);
  };
  fs.writeSync = ((fd: number, buffer: Uint8Array, start: number, length: number, position: number | null) => {
    const written = writeSync(fd, buffer, start, length, position);
    const path = paths.get(fd);
    if (path === undefined) return written;
    if (typeof position !== 'number') throw new Error(`a write to ${path} without a position is not recorded`);
    note(
      { op: 'write', path, offset: position, bytes: written },
      new Uint8Array(buffer.buffer, buffer.byteOffset + start, written),
    );
    return written;
  }) as typeof fs.writeSync;
  const onFd = <Rest extends unknown[]>(
    original: (fd: number, ...rest: Rest) => void,
    toOperation: (path: string, ...rest: Rest) => DiskOperation,
  ) =>
    ((fd: number, ...rest: Rest) => {
      original(fd, ...rest);
      const path = paths.get(fd);
      if (path !== undefined) note(toOperation(path, ...rest));
    }) as typeof original;
  fs.fsyncSync = onFd(fsyncSync, (path) => ({ op: 'sync', path, data: false }));
  fs.fdatasyncSync = onFd(fdatasyncSync, (path) => ({ op: 'sync', path, data: true }));
  fs.ftruncateSync = onFd(ftruncateSync, (path, size?: number | null) => ({ op: 'resize', path, size: size ?? 0 }));

  const onPath = <Rest extends unknown[], Result>(
    original: (path: never, ...rest: Rest) => Result,
    toOperation: (path: string, ...rest: Rest) => DiskOperation,
  ) =>
    ((path: never, ...rest: Rest) => {
      const result = original(path, ...rest);
      if (isInside(path)) note(toOperation(path, ...rest));
      return result;
    }) as never;
  fs.truncateSync = onPath(fs.truncateSync as never, (path, size?: number) => ({
    op: 'resize',
    path,
    size: size ?? 0,
  }));
  fs.mkdirSync = onPath(fs.mkdirSync as never, (path) => ({ op: 'create', path, directory: true, truncate: false }));
  fs.unlinkSync = onPath(fs.unlinkSync as never, (path) => ({ op: 'remove', path }));
  fs.rmdirSync = onPath(fs.rmdirSync as never, (path) => ({ op: 'remove', path }));
  fs.rmSync = onPath(fs.rmSync as never, (path) => ({ op: 'remove', path }));
  fs.renameSync = onPath(fs.renameSync as never, (path, to: string) => ({
    op: 'rename',
    path,
    to: to.slice(root.length),
  }));
  // Used here for empty files only, to make a name.
  fs.writeFileSync = onPath(fs.writeFileSync as never, (path) => ({
    op: 'create',
    path,
    directory: false,
    truncate: true,
  }));

  const open = fs.promises.open;
  fs.promises.open = async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    if (!isInside(path)) return file;
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await sync();
      note({ op: 'sync', path, data: false });
    };
    return file;
  };
  syncBuiltinESMExports();
}

if (root && trace) record(root, trace);
