// Bytes of files that only the platform can hand out: read with the session, saved by the browser, and a refusal in words.

import { readError } from '@molecule/contract';
import { api } from '../../../app/api.ts';
import { toast } from '../../../ui/index.ts';

const TIMEOUT_MS = 60_000;

/** @throws ApiError with the platform's or the agent's words. */
export async function fetchFile(path: string, signal?: AbortSignal): Promise<Blob> {
  const response = await api.raw('GET', path, { timeoutMs: TIMEOUT_MS, ...(signal ? { signal } : {}) });
  if (!response.ok) throw await readError(response);
  return await response.blob();
}

/** Saves under the name it was shown with; a failure is a toast. */
export async function saveFile(path: string, name: string): Promise<void> {
  try {
    const url = URL.createObjectURL(await fetchFile(path));
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    link.click();
    // The browser has begun to read it by the next task.
    setTimeout(() => URL.revokeObjectURL(url), 0);
  } catch (error) {
    toast.error(`${name} could not be downloaded: ${(error as Error).message}`);
  }
}
