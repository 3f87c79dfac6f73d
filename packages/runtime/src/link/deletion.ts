// Whether this workspace was deleted: the one thing its revoked token may still learn (chapter 40 §6.2).

import type { PlatformClient } from './platform-client.ts';

/** Asked when the token was refused twice. Rejects when no answer came. */
export async function isDeleted(client: PlatformClient, signal: AbortSignal): Promise<boolean> {
  const state = await client.request('GET', `/workspaces/${client.workspaceId}/state`, { signal });
  return state.status === 404 && (state.body as { deleted?: unknown } | null)?.deleted === true;
}
