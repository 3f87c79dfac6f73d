// The live state of this browser tab: the picture, the connection and the selection, and the actions that change them.
// Rules of the picture are pure (model, apply-event, merge-snapshot); this file only holds and hands out.

import type { EventFrame, WorkspaceView } from '@molecule/contract';
import { create } from 'zustand';
import { applyEvent, removeNode } from './apply-event.ts';
import { mergeSnapshot, type Snapshot } from './merge-snapshot.ts';
import { EMPTY_MODEL, type LiveModel, type LocalWrite, listDescendants } from './model.ts';

export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'offline';
export interface Connection {
  state: ConnectionState;
  /** When the state began (ms). */
  since: number;
  /** Last time the platform answered in any way (ms); the age of what is shown. */
  lastContactAt: number;
  /** False while the platform cannot be reached: writes are disabled, drafts kept. */
  canWrite: boolean;
}

/** In the order they stand in. */
export const PANEL_TABS = ['chat', 'activity', 'details', 'terminal', 'schedule', 'files'] as const;
export type PanelTab = (typeof PANEL_TABS)[number];
export interface Selection {
  /** The workspace the panel shows. */
  id: string | null;
  tab: PanelTab;
  /** Further selected cards (Shift-click, marquee); includes `id` when it has members. */
  ids: readonly string[];
  /** A peer or row the tab should open on; the tab clears nothing, it only reads. */
  sub: string | null;
}

export type Hydration = { state: 'loading' } | { state: 'ready' } | { state: 'failed'; message: string };

export interface LiveState {
  model: LiveModel;
  connection: Connection;
  selection: Selection;
  hydration: Hydration;
}

const FIRST_TAB: PanelTab = 'chat';

export const useLive = create<LiveState>(() => ({
  model: EMPTY_MODEL,
  connection: { state: 'connecting', since: Date.now(), lastContactAt: Date.now(), canWrite: true },
  selection: { id: null, tab: FIRST_TAB, ids: [], sub: null },
  hydration: { state: 'loading' },
}));

const setModel = (change: (model: LiveModel) => LiveModel) =>
  useLive.setState((state) => ({ model: change(state.model) }));

/** Opens the side panel on a workspace; `null` closes it. */
export function select(id: string | null, tab?: PanelTab, sub: string | null = null): void {
  useLive.setState(({ selection }) => ({
    selection: { id, tab: tab ?? selection.tab, ids: id ? [id] : [], sub },
  }));
}

export function selectMany(ids: readonly string[]): void {
  useLive.setState(({ selection }) => ({
    selection: { ...selection, ids, id: ids.length === 1 ? (ids[0] ?? null) : null, sub: null },
  }));
}

function dropGoneFromSelection(): void {
  const { selection, model } = useLive.getState();
  const ids = selection.ids.filter((id) => model.nodes[id]);
  const id = selection.id && model.nodes[selection.id] ? selection.id : null;
  if (id === selection.id && ids.length === selection.ids.length) return;
  useLive.setState({ selection: { ...selection, id, ids } });
}

/** Frames of one animation frame, in order. */
export function applyFrames(frames: readonly EventFrame[]): void {
  const now = Date.now();
  setModel((model) => frames.reduce((next, frame) => applyEvent(next, frame, now), model));
  dropGoneFromSelection();
}

export function applySnapshot(snapshot: Snapshot): void {
  setModel((model) => mergeSnapshot(model, snapshot, Date.now()));
  useLive.setState({ hydration: { state: 'ready' } });
  dropGoneFromSelection();
}

export function setHydration(hydration: Hydration): void {
  useLive.setState({ hydration });
}

export function setConnection(change: Partial<Connection>): void {
  useLive.setState(({ connection }) => ({ connection: { ...connection, ...change } }));
}

/**
 * Shows a change at once and holds it against older server values until `send` settles; a refusal restores what was there.
 * Rejects with the error of `send`.
 */
export async function writeLocally(id: string, write: LocalWrite, send: () => Promise<unknown>): Promise<void> {
  const before = useLive.getState().model.nodes[id];
  if (!before) return;
  setModel((model) => ({
    ...model,
    writes: { ...model.writes, [id]: { ...model.writes[id], ...write } },
    nodes: model.nodes[id] ? { ...model.nodes, [id]: { ...model.nodes[id], ...write } } : model.nodes,
  }));
  const fields = Object.keys(write) as (keyof LocalWrite)[];
  const settle = (restore: LocalWrite) =>
    setModel((model) => {
      const held = Object.entries(model.writes[id] ?? {}).filter(([key]) => !fields.includes(key as keyof LocalWrite));
      const { [id]: _settled, ...writes } = model.writes;
      const node = model.nodes[id];
      return {
        ...model,
        writes: held.length > 0 ? { ...writes, [id]: Object.fromEntries(held) } : writes,
        nodes: node ? { ...model.nodes, [id]: { ...node, ...restore } } : model.nodes,
      };
    });
  try {
    await send();
    settle({});
  } catch (error) {
    settle(Object.fromEntries(fields.map((key) => [key, before[key]])));
    throw error;
  }
}

/** Dims and locks a workspace and what is below it while its removal is under way. */
export function setDeleting(id: string, deleting: boolean): void {
  setModel((model) => {
    const nodes = { ...model.nodes };
    for (const each of [id, ...listDescendants(model, id)]) if (nodes[each]) nodes[each] = { ...nodes[each], deleting };
    return { ...model, nodes };
  });
}

/** The platform confirmed a removal (or answered that the workspace is gone); `alsoBelow` for a cascade. */
export function dropWorkspace(id: string, alsoBelow = false): void {
  setModel((model) => {
    const ids = alsoBelow ? [...listDescendants(model, id).reverse(), id] : [id];
    return ids.reduce((next, each) => removeNode(next, each, Date.now()), model);
  });
  dropGoneFromSelection();
}

/** What the reply to a change says about one workspace; the next list says the same. */
export function applyFields(id: string, fields: Partial<WorkspaceView>): void {
  setModel((model) => {
    const node = model.nodes[id];
    return node ? { ...model, nodes: { ...model.nodes, [id]: { ...node, ...fields, ...model.writes[id] } } } : model;
  });
}
