// What the tools know of the platform's answers: peers, delegations, and what a refusal says. Reads only; no rules.

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
}

export interface DelegationRow {
  delegation_id?: string;
  method?: string;
  target_id?: string | null;
  status?: string;
  summary?: string;
  error?: string;
  response_preview?: string;
  created_at?: string;
}

/** The platform said no, or said something unreadable; `message` is fit for the model. */
export class PlatformRefusal extends Error {
  readonly status: number;
  constructor(response: PlatformResponse) {
    const said = (response.body as { error?: unknown } | null)?.error;
    super(typeof said === 'string' ? said : `the platform answered ${response.status}`);
    this.status = response.status;
  }
}

export async function readJson<T>(
  client: PlatformClient,
  path: string,
  options: { query?: Record<string, string | number>; signal?: AbortSignal } = {},
): Promise<T> {
  const response = await client.request('GET', path, options);
  if (response.status !== 200) throw new PlatformRefusal(response);
  return response.body as T;
}

export const readPeers = (client: PlatformClient, signal: AbortSignal): Promise<PeerRow[]> =>
  readJson<PeerRow[]>(client, `/registry/${client.workspaceId}/peers`, { signal });

export const readSelf = (client: PlatformClient, signal: AbortSignal): Promise<WorkspaceRow> =>
  readJson<WorkspaceRow>(client, `/workspaces/${client.workspaceId}`, { signal });

export type Relation = 'child' | 'parent' | 'sibling';

export function relationTo(peer: PeerRow, selfId: string, parentId: string | null): Relation {
  if (peer.parent_id === selfId) return 'child';
  return parentId !== null && peer.id === parentId ? 'parent' : 'sibling';
}

const isOver = (row: DelegationRow) => row.status === 'completed' || row.status === 'failed';

/**
 * The row that speaks for a delegation: its newest result, else the delegation itself.
 * @param rows newest first, as the platform lists them.
 */
export function latestOf(rows: readonly DelegationRow[], delegationId: string): DelegationRow | null {
  const own = rows.filter((row) => row.delegation_id === delegationId);
  return own.find((row) => row.method === 'delegate_result' && isOver(row)) ?? own.find(isOver) ?? own[0] ?? null;
}
