// What the tools know of the platform's answers: peers, the workspace itself, and what a refusal says. Reads only; no rules.

import type { PlatformClient, PlatformResponse } from '../link/platform-client.ts';

export interface PeerRow {
  id: string;
  name: string;
  role: string | null;
  status: string;
  parent_id: string | null;
  agent_card?: { skills?: { name?: string; id?: string }[] } | null;
}

export interface WorkspaceRow {
  id: string;
  name: string;
  role?: string | null;
  tier?: number;
  status?: string;
  parent_id?: string | null;
  delivery_mode?: string | null;
  max_concurrent_tasks?: number;
}

/** The platform said no, or said something unreadable; `message` is fit for the model. */
export class PlatformRefusal extends Error {
  readonly status: number;
  /** The platform's stable word for the reason; empty when it gave none. */
  readonly code: string;
  constructor(response: PlatformResponse) {
    const { error: said, code } = (response.body ?? {}) as { error?: unknown; code?: unknown };
    super(typeof said === 'string' ? said : `the platform answered ${response.status}`);
    this.status = response.status;
    this.code = typeof code === 'string' ? code : '';
  }
}

/** @throws PlatformRefusal unless the answer is 200; rejects when none came. */
export async function readJson<T>(
  client: PlatformClient,
  path: string,
  options: { query?: Record<string, string | number>; signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<T> {
  const response = await client.request('GET', path, options);
  if (response.status !== 200) throw new PlatformRefusal(response);
  return response.body as T;
}

/** Siblings, children and the parent. */
export async function readPeers(
  client: PlatformClient,
  options: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<PeerRow[]> {
  const peers = await readJson<unknown>(client, `/registry/${client.workspaceId}/peers`, options);
  return Array.isArray(peers) ? (peers as PeerRow[]) : [];
}

export const readSelf = (
  client: PlatformClient,
  options: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<WorkspaceRow> => readJson<WorkspaceRow>(client, `/workspaces/${client.workspaceId}`, options);

export type Relation = 'child' | 'parent' | 'sibling';

/** A child has me as its parent; a sibling has mine; what is left is my parent. */
export function relationTo(peer: PeerRow, selfId: string, parentId: string | null): Relation {
  if (peer.parent_id === selfId) return 'child';
  return parentId !== null && peer.id === parentId ? 'parent' : 'sibling';
}
