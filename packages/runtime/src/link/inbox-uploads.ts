// Files a person attached for a poll-mode workspace (chapter 40 §12.1): fetched before the message that names them, acknowledged
// when they lie on disk, and tried again for a day. A file's name on disk begins with its id, so that nothing is fetched twice
// and a restart finds what an earlier run wrote.

import { constants, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MOST_FILE_BYTES } from '../a2a/file-ingest.ts';
import { writeAtomically } from '../credentials.ts';
import { toSafeName } from '../file-names.ts';
import type { Logger } from '../logger.ts';
import { type InboxMessage, type InboxUpload, isObject, type Json } from './inbox-rows.ts';
import type { PlatformClient } from './platform-client.ts';
import type { Timers } from './timers.ts';

const RETRY_FILE = '.inbox_uploads.json';
const AT_ONCE = 4;
const FETCH_TIMEOUT_MS = 60_000;
const MOST_KNOWN = 1_024;
const MOST_RETRIES = 50;
const RETRY_EVERY_MS = 60_000;
const KEPT_MS = 24 * 3_600_000;
const STORED = /^([0-9a-f]{32})-/;

interface Retry extends InboxUpload {
  firstTriedAt: number;
}

export interface UploadFolder {
  /** On disk. */
  path: string;
  /** How the agent names a file in it. */
  uriOf(stored: string): string;
}

export interface InboxUploads {
  /** Resolves when each is on disk, gone, or put off. Never rejects. */
  fetch(uploads: readonly InboxUpload[], signal: AbortSignal): Promise<void>;
  /** What could not be fetched, once a minute. Never rejects. */
  retryDue(signal: AbortSignal): Promise<void>;
  /** The message with local addresses for the files that are here; others stay as they are. */
  resolve(message: InboxMessage): InboxMessage;
}

export interface InboxUploadsDeps {
  client: PlatformClient;
  /** Where the list of what is to be tried again lies. */
  directory: string;
  folder: UploadFolder;
  timers: Timers;
  log: Logger;
}

const prefixOf = (fileId: string) => fileId.replaceAll('-', '').toLowerCase();
const pendingUri = /^platform-pending:[^/]+\/([0-9a-f-]{36})$/i;

export function createInboxUploads({ client, directory, folder, timers, log }: InboxUploadsDeps): InboxUploads {
  const own = `/workspaces/${client.workspaceId}/pending-uploads`;
  const retryPath = join(directory, RETRY_FILE);
  /** Id without dashes → name on disk; the least lately used go first. */
  const stored = new Map<string, string>();
  let retries: Retry[] = [];
  let lastRetryAt = timers.now();

  function remember(prefix: string, name: string): void {
    stored.delete(prefix);
    stored.set(prefix, name);
    const oldest = stored.size > MOST_KNOWN ? stored.keys().next().value : undefined;
    if (oldest !== undefined) stored.delete(oldest);
  }

  /** What earlier runs left. */
  async function load(): Promise<void> {
    const names = await readdir(folder.path).catch(() => []);
    for (const name of names) {
      const prefix = STORED.exec(name)?.[1];
      if (prefix && !name.endsWith('.part')) remember(prefix, name);
    }
    const text = await readFile(retryPath, 'utf8').catch(() => '[]');
    try {
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list)) retries = list.filter((one): one is Retry => typeof one?.fileId === 'string');
    } catch (error) {
      log.warn({ err: error }, 'the list of files to be fetched again cannot be read');
    }
  }
  let loading: Promise<void> | null = null;
  const loaded = () => (loading ??= load());

  function saveRetries(): void {
    try {
      writeAtomically(retryPath, JSON.stringify(retries));
    } catch (error) {
      log.warn({ err: error }, 'the list of files to be fetched again cannot be stored');
    }
  }

  /** Complete or not there at all: it gets its name when all of it is on disk. */
  async function write(upload: InboxUpload, name: string, signal: AbortSignal): Promise<boolean> {
    const path = `${own}/${upload.fileId}/content`;
    const { status, body } = await client.open(path, { timeoutMs: FETCH_TIMEOUT_MS, signal });
    if (status === 404) return false;
    if (body === null) throw new Error(`the platform answered ${status}`);
    // Said once by the pipeline; destroyed before there is one, nobody else would listen.
    body.on('error', () => {});
    const partial = join(folder.path, `${name}.part`);
    try {
      await mkdir(folder.path, { recursive: true });
      await rm(partial, { force: true });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const file = await open(partial, flags, 0o600);
      await pipeline(body, createWriteStream('', { fd: file, flush: true }));
      const { size } = await stat(partial);
      if (size !== upload.size || size > MOST_FILE_BYTES)
        throw new Error(`${size} bytes came of ${upload.size} announced`);
      await rename(partial, join(folder.path, name));
      return true;
    } catch (error) {
      body.destroy();
      await rm(partial, { force: true });
      throw error;
    }
  }

  /** @throws when it should be tried again. */
  async function take(upload: InboxUpload, signal: AbortSignal): Promise<void> {
    const prefix = prefixOf(upload.fileId);
    if (!stored.has(prefix)) {
      const name = `${prefix}-${toSafeName(upload.name)}`;
      if (!(await write(upload, name, signal))) {
        log.warn({ file_id: upload.fileId }, 'an attached file is gone from the platform');
        return;
      }
      remember(prefix, name);
    }
    const { status } = await client.request('POST', `${own}/${upload.fileId}/ack`, { body: {}, signal });
    if (status !== 200 && status !== 404) throw new Error(`the acknowledgement was answered ${status}`);
  }

  function postpone(upload: InboxUpload, error: unknown): void {
    log.warn({ err: error, file_id: upload.fileId }, 'an attached file could not be fetched; trying again for a day');
    const known = retries.find(({ fileId }) => fileId === upload.fileId);
    if (known) return;
    retries = [...retries, { ...upload, firstTriedAt: timers.now() }].slice(-MOST_RETRIES);
    saveRetries();
  }

  async function takeAll(uploads: readonly InboxUpload[], signal: AbortSignal): Promise<void> {
    const waiting = [...uploads];
    const worker = async () => {
      for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
        const upload = next;
        await take(upload, signal).then(
          () => {
            if (!retries.some(({ fileId }) => fileId === upload.fileId)) return;
            retries = retries.filter(({ fileId }) => fileId !== upload.fileId);
            saveRetries();
          },
          (error: unknown) => postpone(upload, error),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  function localUriOf(uri: unknown): string | null {
    const fileId = typeof uri === 'string' ? pendingUri.exec(uri)?.[1] : undefined;
    const name = fileId ? stored.get(prefixOf(fileId)) : undefined;
    if (!fileId || !name) return null;
    remember(prefixOf(fileId), name);
    return folder.uriOf(name);
  }

  /** Both spellings of a file part: v0.3's `file.uri` and v1.0's `url`. */
  function withLocalFile(part: Json): Json {
    const ofFile = isObject(part.file) ? localUriOf(part.file.uri) : null;
    if (ofFile !== null) return { ...part, file: { ...(part.file as Json), uri: ofFile } };
    const ofUrl = localUriOf(part.url);
    return ofUrl === null ? part : { ...part, url: ofUrl };
  }

  return {
    async fetch(uploads, signal) {
      await loaded();
      if (uploads.length > 0) await takeAll(uploads, signal);
    },
    async retryDue(signal) {
      if (retries.length === 0 || timers.now() - lastRetryAt < RETRY_EVERY_MS) return;
      lastRetryAt = timers.now();
      const kept = retries.filter(({ firstTriedAt }) => timers.now() - firstTriedAt < KEPT_MS);
      if (kept.length < retries.length) log.warn('an attached file was not to be had for a day; it is given up');
      retries = kept;
      await takeAll(kept, signal);
    },
    resolve(message) {
      const parts = message.parts.map(withLocalFile);
      const sent = message.params.message as Json;
      const inParams = (sent.parts as Json[]).map(withLocalFile);
      return { ...message, parts, params: { ...message.params, message: { ...sent, parts: inParams } } };
    },
  };
}
