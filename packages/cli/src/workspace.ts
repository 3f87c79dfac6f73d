// Finding the workspace a person means: by id, by full name, or by an unambiguous beginning of either.

import type { Client, WorkspaceView } from '@molecule/contract';

/** @throws Error naming the candidates when several match, or none. */
export async function findNamedWorkspace(client: Client, wanted: string): Promise<WorkspaceView> {
  const workspaces = await client.listWorkspaces();
  const needle = wanted.toLowerCase();
  const exact = workspaces.filter((workspace) => workspace.id === wanted || workspace.name.toLowerCase() === needle);
  const found =
    exact.length > 0
      ? exact
      : workspaces.filter(
          (workspace) => workspace.name.toLowerCase().startsWith(needle) || workspace.id.startsWith(needle),
        );
  if (found.length === 1 && found[0]) return found[0];
  if (found.length === 0)
    throw new Error(
      `no workspace is called ${JSON.stringify(wanted)}; there are: ${workspaces.map((workspace) => workspace.name).join(', ') || 'none'}`,
    );
  throw new Error(
    `${JSON.stringify(wanted)} could be ${found.map((workspace) => `${workspace.name} (${workspace.id.slice(0, 8)})`).join(' or ')}`,
  );
}
