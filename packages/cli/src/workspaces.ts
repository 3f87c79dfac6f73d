// Workspaces as people name and read them: by id, name or an unambiguous beginning; why one is not healthy; the tree they form.

import type { Client, WorkspaceView } from '@molecule/contract';
import { usageError } from './failure.ts';

const MOST_LISTED = 10;

function listNames(workspaces: WorkspaceView[]): string {
  const names = workspaces.slice(0, MOST_LISTED).map(({ name, id }) => `${name} (${id.slice(0, 8)})`);
  const more = workspaces.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}

/** @throws CommandError (usage) naming the candidates when several fit, or none does. */
export async function findNamedWorkspace(client: Client, wanted: string): Promise<WorkspaceView> {
  const workspaces = await client.listWorkspaces();
  const needle = wanted.trim().toLowerCase();
  if (needle === '') throw usageError('no workspace is named', 'molecule status lists them');
  const tiers: ((workspace: WorkspaceView) => boolean)[] = [
    ({ id }) => id === needle,
    ({ name }) => name.toLowerCase() === needle,
    ({ id, name }) => name.toLowerCase().startsWith(needle) || id.startsWith(needle),
  ];
  const found = tiers.map((fits) => workspaces.filter(fits)).find((some) => some.length > 0) ?? [];
  if (found.length === 1 && found[0]) return found[0];
  if (found.length > 1)
    throw usageError(
      `${JSON.stringify(wanted)} could be ${found.length} workspaces: ${listNames(found)}`,
      'write more of the name, or the id',
    );
  throw workspaces.length === 0
    ? usageError('there are no workspaces yet', 'molecule org import sample-team')
    : usageError(`no workspace is called ${JSON.stringify(wanted)}`, `there are: ${listNames(workspaces)}`);
}

const REASONS: Record<string, string> = {
  provisioning: 'starting',
  offline: 'its agent does not report any more',
  awaiting_agent: 'waits for its agent to connect',
  paused: 'paused',
  hibernating: 'going to sleep',
  hibernated: 'asleep; a message wakes it',
};

/** Why a workspace is not simply at work; '' when it is. */
export function reasonOf({ status, last_sample_error: error, needs_restart: needsRestart }: WorkspaceView): string {
  if (status === 'online') return needsRestart ? 'changed settings wait for a restart' : '';
  const known = REASONS[status];
  if (known && status !== 'offline') return known;
  return error ?? known ?? 'no details reported';
}

export interface TreeRow {
  workspace: WorkspaceView;
  depth: number;
}

/** Parents before their children, siblings in the order they came; what hangs under nobody stands at the top. */
export function toTree(workspaces: WorkspaceView[]): TreeRow[] {
  const ids = new Set(workspaces.map(({ id }) => id));
  const below = Map.groupBy(workspaces, ({ parent_id: parent }) =>
    parent !== null && ids.has(parent) ? parent : null,
  );
  const walk = (parent: string | null, depth: number): TreeRow[] =>
    (below.get(parent) ?? []).flatMap((workspace) => [{ workspace, depth }, ...walk(workspace.id, depth + 1)]);
  return walk(null, 0);
}
