// The public face of the live picture: hooks to read it, functions to change it, the bus of raw events.

import { useMemo } from 'react';
import { listNodes, type WorkspaceNode } from './model.ts';
import { type Connection, type Selection, useLive } from './store.ts';

export { onEvent } from './bus.ts';
export { rehydrate, startConnection, stopConnection } from './connection.ts';
export { listDescendants, type WorkspaceNode } from './model.ts';
export {
  applyFields,
  type Connection,
  type ConnectionState,
  dropWorkspace,
  PANEL_TABS,
  type PanelTab,
  type Selection,
  select,
  selectMany,
  setDeleting,
  useLive,
  writeLocally,
} from './store.ts';

/** Every workspace, oldest first; a new array whenever any of them changes. */
export function useWorkspaces(): WorkspaceNode[] {
  const model = useLive((state) => state.model);
  return useMemo(() => listNodes(model), [model]);
}

/** One workspace; re-renders only when that one changes. */
export function useWorkspace(id: string | null): WorkspaceNode | undefined {
  return useLive((state) => (id === null ? undefined : state.model.nodes[id]));
}

export function useConnection(): Connection {
  return useLive((state) => state.connection);
}

export function useSelection(): Selection {
  return useLive((state) => state.selection);
}

/** A workspace as it is now, outside of React. */
export function getWorkspace(id: string): WorkspaceNode | undefined {
  return useLive.getState().model.nodes[id];
}
