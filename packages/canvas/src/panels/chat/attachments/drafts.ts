// The files of messages that are being written, one list per workspace, for as long as the page lives; and their upload.

import { ApiError } from '@molecule/contract';
import { create } from 'zustand';
import { newId } from '../../../ui/index.ts';
import type { ChatFile } from '../turns.ts';
import { freeName, pickFiles } from './limits.ts';
import { uploadFiles } from './upload.ts';

export interface DraftFile {
  id: string;
  file: File;
  /** Bytes that have left the browser; null while nothing is sent. */
  sent: number | null;
}

/** Why the files were not taken; the draft is as it was. */
export interface UploadProblem {
  text: string;
  /** When it may be tried again (ms); null: at once. */
  retryAt: number | null;
  mayRetry: boolean;
}

interface Draft {
  files: readonly DraftFile[];
  /** What was not taken when it was offered. */
  refused: readonly string[];
  problem: UploadProblem | null;
  upload: AbortController | null;
}

const EMPTY: Draft = { files: [], refused: [], problem: null, upload: null };
const useDrafts = create<Record<string, Draft>>(() => ({}));
const read = (id: string): Draft => useDrafts.getState()[id] ?? EMPTY;
const patch = (id: string, change: Partial<Draft>) => useDrafts.setState({ [id]: { ...read(id), ...change } });

export const useDraftFiles = (id: string): Draft => useDrafts((state) => state[id] ?? EMPTY);

/** Adds what fits. @param isPasted a browser calls every pasted picture the same. */
export function attach(id: string, offered: readonly File[], isPasted = false): void {
  const { files, upload } = read(id);
  if (upload) return;
  const used = files.map(({ file }) => file.name);
  const named = isPasted
    ? offered.map((file) => {
        const name = freeName(file.name, used);
        used.push(name);
        return new File([file], name, { type: file.type });
      })
    : offered;
  const { taken, refused } = pickFiles(
    files.map(({ file }) => file),
    named,
  );
  const added = taken.map((file) => ({ id: newId(), file, sent: null }));
  patch(id, { files: [...files, ...added], refused, problem: null });
}

export function detach(id: string, fileId: string): void {
  patch(id, { files: read(id).files.filter((one) => one.id !== fileId), problem: null, refused: [] });
}

export function clearNotes(id: string): void {
  patch(id, { refused: [], problem: null });
}

const ADVICE_ONLY = new Set([400, 413, 422]);

function describeProblem(error: unknown): UploadProblem {
  if (!(error instanceof ApiError)) return { text: String(error), retryAt: null, mayRetry: true };
  const asked = Number(error.body.retry_after_seconds ?? error.retryAfterSeconds ?? 0);
  return {
    text: `Not sent. ${error.message}`,
    retryAt: asked > 0 ? Date.now() + asked * 1000 : null,
    mayRetry: !ADVICE_ONLY.has(error.status),
  };
}

/** @returns where the files are now; null when they could not be sent, and the draft says why. */
export async function uploadDraft(id: string): Promise<ChatFile[] | null> {
  const { files } = read(id);
  const upload = new AbortController();
  patch(id, { upload, problem: null, refused: [], files: files.map((one) => ({ ...one, sent: 0 })) });
  try {
    const stored = await uploadFiles(
      id,
      files.map(({ file }) => file),
      {
        signal: upload.signal,
        onProgress: (sent) =>
          patch(id, { files: read(id).files.map((one, index) => ({ ...one, sent: sent[index] ?? 0 })) }),
      },
    );
    patch(id, EMPTY);
    return stored;
  } catch (error) {
    const isStopped = error instanceof DOMException && error.name === 'AbortError';
    patch(id, {
      upload: null,
      files: read(id).files.map((one) => ({ ...one, sent: null })),
      problem: isStopped ? null : describeProblem(error),
    });
    return null;
  }
}

export function stopUpload(id: string): void {
  read(id).upload?.abort();
}
