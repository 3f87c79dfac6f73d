// A disk that loses power: replays a trace of `disk-recorder.ts` and keeps apart what was written from what was synced.
// The rules are those of a journaling file system at its worst: a file's content survives up to its last sync; a name survives when
// the file was synced under it, or its directory was; what was written since then survives in parts, or not at all.

import { closeSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DiskOperation } from './disk-recorder.ts';

class File {
  readonly directory: boolean;
  /** As it was at the last sync. */
  durable: Buffer = Buffer.alloc(0);
  /** What was done to the content since then. */
  unsynced: ({ offset: number; content: Buffer } | { size: number })[] = [];

  constructor(directory: boolean) {
    this.directory = directory;
  }

  sync(): void {
    this.durable = this.after(() => true);
    this.unsynced = [];
  }

  /** The content when of the unsynced changes those happened that `survives` says. */
  after(survives: () => boolean): Buffer {
    let size = this.durable.length;
    const changes = this.unsynced.filter(survives);
    for (const change of changes)
      size = 'size' in change ? change.size : Math.max(size, change.offset + change.content.length);
    const largest = Math.max(size, ...changes.map((c) => ('size' in c ? c.size : c.offset + c.content.length)));
    const content = Buffer.alloc(Math.max(largest, this.durable.length));
    this.durable.copy(content);
    for (const change of changes)
      if ('size' in change) content.fill(0, change.size);
      else change.content.copy(content, change.offset);
    return content.subarray(0, size);
  }
}

export interface PowerLoss {
  /** Length of the trace at the moment of the loss. */
  at: number;
  /** Whether an unsynced write survives; a disk may have written any of them. */
  survives(): boolean;
  /** False: a sync does nothing, as with PGlite as shipped. The state at `from` is on the disk all the same. */
  syncs: { honoured: true } | { honoured: false; from: number };
}

function* readTrace(path: string, end: number): Generator<{ operation: DiskOperation; content: Buffer; at: number }> {
  const fd = openSync(path, 'r');
  const read = (position: number, length: number): Buffer => {
    const buffer = Buffer.alloc(length);
    readSync(fd, buffer, 0, length, position);
    return buffer;
  };
  try {
    for (let at = 0; at < end; ) {
      const headerLength = read(at, 4).readUInt32BE();
      const operation = JSON.parse(read(at + 4, headerLength).toString()) as DiskOperation;
      const contentLength = operation.op === 'write' ? operation.bytes : 0;
      const next = at + 4 + headerLength + contentLength;
      if (next > end) return;
      yield { operation, content: read(at + 4 + headerLength, contentLength), at: next };
      at = next;
    }
  } finally {
    closeSync(fd);
  }
}

class Disk {
  private names = new Map<string, File>();
  private durableNames = new Map<string, File>();

  apply(operation: DiskOperation, content: Buffer): void {
    const { path } = operation;
    switch (operation.op) {
      case 'create': {
        if (!this.names.has(path)) this.names.set(path, new File(operation.directory));
        if (operation.truncate) this.names.get(path)?.unsynced.push({ size: 0 });
        break;
      }
      case 'write':
        this.names.get(path)?.unsynced.push({ offset: operation.offset, content });
        break;
      case 'resize':
        this.names.get(path)?.unsynced.push({ size: operation.size });
        break;
      case 'rename': {
        const file = this.names.get(path);
        this.names.delete(path);
        if (file) this.names.set(operation.to, file);
        break;
      }
      case 'remove':
        for (const name of this.names.keys()) if (name === path || name.startsWith(`${path}/`)) this.names.delete(name);
        break;
    }
  }

  sync({ path, data }: Extract<DiskOperation, { op: 'sync' }>): void {
    const file = this.names.get(path);
    file?.sync();
    if (data) return;
    if (file && !file.directory) this.keepName(path, file);
    // The root is no entry of the trace.
    if (!file || file.directory) this.syncEntries(path);
  }

  syncEverything(): void {
    this.durableNames = new Map(this.names);
    for (const file of this.names.values()) file.sync();
  }

  private keepName(path: string, file: File): void {
    for (const [name, other] of this.durableNames) if (other === file) this.durableNames.delete(name);
    this.durableNames.set(path, file);
  }

  private syncEntries(directory: string): void {
    const isEntry = (name: string) => dirname(name) === (directory === '' ? '/' : directory);
    for (const name of this.durableNames.keys())
      if (isEntry(name) && !this.names.has(name)) this.durableNames.delete(name);
    for (const [name, file] of this.names) if (isEntry(name)) this.keepName(name, file);
  }

  writeSurvivors(target: string, survives: () => boolean): void {
    for (const [name, file] of this.durableNames) {
      if (file.directory) mkdirSync(join(target, name), { recursive: true });
      else {
        mkdirSync(dirname(join(target, name)), { recursive: true });
        writeFileSync(join(target, name), file.after(survives));
      }
    }
  }
}

/** Builds, in `target`, the directory a machine finds when it comes back from a power loss. */
export function rebuildAfter(trace: string, loss: PowerLoss, target: string): void {
  const disk = new Disk();
  const { syncs } = loss;
  let settled = syncs.honoured;
  for (const { operation, content, at } of readTrace(trace, loss.at)) {
    if (operation.op !== 'sync') disk.apply(operation, content);
    else if (syncs.honoured) disk.sync(operation);
    if (!syncs.honoured && !settled && at >= syncs.from) {
      disk.syncEverything();
      settled = true;
    }
  }
  mkdirSync(target, { recursive: true });
  disk.writeSurvivors(target, loss.survives);
}
