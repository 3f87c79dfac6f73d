// Sends the files of one message in one form, and tells how far each has come. Knows the route, not the chat.

import { ApiError, readError } from '@molecule/contract';
import type { ChatFile } from '../turns.ts';

const TIMEOUT_MS = 60_000;

export interface UploadOptions {
  signal: AbortSignal;
  /** Bytes of each file that have left the browser, in the order given. */
  onProgress(sent: readonly number[]): void;
}

/** The files go out one after the other, so how much has gone says which. */
export function shareOut(sent: number, sizes: readonly number[]): number[] {
  let left = sent;
  return sizes.map((size) => {
    const own = Math.min(size, Math.max(0, left));
    left -= size;
    return own;
  });
}

const asResponse = (request: XMLHttpRequest): Response =>
  new Response(request.responseText, {
    status: request.status,
    statusText: request.statusText,
    headers: { 'retry-after': request.getResponseHeader('retry-after') ?? '' },
  });

/**
 * All of the files or none. Only XMLHttpRequest tells the progress of an upload.
 * @throws ApiError as the client's calls do; `AbortError` when `signal` fired.
 */
export function uploadFiles(
  workspaceId: string,
  files: readonly File[],
  { signal, onProgress }: UploadOptions,
): Promise<ChatFile[]> {
  const form = new FormData();
  for (const file of files) form.append('files', file, file.name);
  const sizes = files.map((file) => file.size);
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => request.abort());
    request.upload.onprogress = ({ loaded }) => onProgress(shareOut(loaded, sizes));
    request.onabort = () => reject(new DOMException('The upload was stopped', 'AbortError'));
    request.onerror = () => reject(new ApiError(0, 'network', 'The platform cannot be reached'));
    request.ontimeout = () => reject(new ApiError(0, 'timeout', 'No answer in time'));
    request.onload = () => {
      const response = asResponse(request);
      if (response.ok) resolve(response.json().then((body: { files: ChatFile[] }) => body.files));
      else readError(response).then(reject, reject);
    };
    request.open('POST', `/workspaces/${encodeURIComponent(workspaceId)}/chat/uploads`);
    request.timeout = TIMEOUT_MS;
    request.send(form);
  });
}
