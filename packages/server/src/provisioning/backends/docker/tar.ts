// Tar streams as the engine's archive calls take and give them. Owns the format only.

import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
/** Scripts and prose written on Windows do not run in a container. */
const TEXT_FILE = /\.(sh|py|md)$/;

export interface ArchiveEntry {
  path: string;
  size: number;
  kind: 'file' | 'directory' | 'other';
}

/** Line ends as a container reads them. */
export function withUnixLines(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, TEXT_FILE.test(path) ? text.replaceAll('\r\n', '\n') : text]),
  );
}

function listParents(path: string): string[] {
  const segments = path.split('/').slice(0, -1);
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}

/** @param files text by relative path; each ends up readable by its owner alone. */
export async function packFiles(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const pack = tar.pack();
  const folders = new Set(Object.keys(files).flatMap(listParents));
  for (const name of [...folders].sort()) pack.entry({ name, type: 'directory', mode: PRIVATE_FOLDER });
  for (const [name, content] of Object.entries(files))
    pack.entry({ name, mode: PRIVATE_FILE, mtime: new Date() }, content);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/**
 * Reads an archive to its end, or until `visit` has seen enough.
 * @param visit gets each entry, and its content when it returns a listener for it.
 */
export async function readArchive(
  stream: NodeJS.ReadableStream,
  visit: (entry: ArchiveEntry) => ((chunk: Buffer) => void) | null,
): Promise<void> {
  const extract = tar.extract();
  extract.on('entry', (header, content, next) => {
    const kind = header.type === 'file' ? 'file' : header.type === 'directory' ? 'directory' : 'other';
    const onChunk = visit({ path: header.name.replace(/\/+$/, ''), size: header.size ?? 0, kind });
    content.on('end', next);
    if (onChunk) content.on('data', (chunk) => onChunk(chunk as Buffer));
    else content.resume();
  });
  await pipeline(stream as Readable, extract);
}
