// Leaves files of a poll-mode agent where a person can fetch them: uploaded to the platform with the agent's own token, streamed
// from disk (chapter 20 §7.4). A push-mode agent hands its files out itself; a2a/file-read.ts does.

import { openAsBlob } from 'node:fs';
import { open } from 'node:fs/promises';
import { FileRefusal, type Roots, resolveFile } from '../a2a/file-read.ts';
import type { FilePart } from '../adapters/adapter.ts';
import { SNIFFED_BYTES, sniffType } from '../file-names.ts';
import { createForm } from '../link/http-client.ts';
import type { PlatformClient } from '../link/platform-client.ts';
import type { Logger } from '../logger.ts';
import { PlatformRefusal } from './platform-answers.ts';

/** 50 MB over a slow line. */
const UPLOAD_TIMEOUT_MS = 300_000;

export interface SharedFile {
  uri: string;
  name: string;
  mimeType: string;
  size: number;
}

/** By its name, else by how it begins. */
export async function typeOfFile(path: string, name: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
    return sniffType(name, buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/**
 * @param files paths on disk, in one request.
 * @throws PlatformRefusal, also when it did not take every file; rejects when no answer came.
 */
export async function uploadOwnFiles(
  client: PlatformClient,
  files: readonly { path: string; name: string }[],
  signal: AbortSignal,
): Promise<SharedFile[]> {
  const form = createForm();
  for (const { path, name } of files)
    form.append('files', await openAsBlob(path, { type: await typeOfFile(path, name) }), name);
  const response = await client.request('POST', `/workspaces/${client.workspaceId}/chat/uploads`, {
    form,
    signal,
    timeoutMs: UPLOAD_TIMEOUT_MS,
  });
  if (response.status !== 200) throw new PlatformRefusal(response);
  const { files: shared = [] } = (response.body ?? {}) as { files?: SharedFile[] };
  if (shared.length === files.length) return shared;
  const error = `the platform took ${shared.length} of ${files.length} files`;
  throw new PlatformRefusal({ ...response, body: { error } });
}

/**
 * The files of a reply as a person can fetch them. One that cannot be read, or that the platform does not take, is left out; links
 * to elsewhere stay as they are. Rejects when the platform does not answer, or may take them later.
 */
export function createFileSharing({ client, roots, log }: { client: PlatformClient; roots: Roots; log: Logger }) {
  async function shareOne(file: FilePart, signal: AbortSignal): Promise<FilePart[]> {
    const wirePath = /^(?:workspace:|file:\/\/)?(\/.*)$/.exec(file.uri)?.[1];
    if (wirePath === undefined) return [file];
    try {
      const path = await resolveFile(wirePath, roots);
      return await uploadOwnFiles(client, [{ path, name: file.name }], signal);
    } catch (error) {
      const isFinal =
        error instanceof FileRefusal ||
        (error instanceof PlatformRefusal && error.status < 500 && error.status !== 401 && error.status !== 429);
      if (!isFinal) throw error;
      log.warn({ err: error, file: file.name }, 'a file of the answer cannot be shared; it is left out');
      return [];
    }
  }

  return async (files: readonly FilePart[], signal: AbortSignal): Promise<FilePart[]> => {
    const shared: FilePart[] = [];
    for (const file of files) shared.push(...(await shareOne(file, signal)));
    return shared;
  };
}
