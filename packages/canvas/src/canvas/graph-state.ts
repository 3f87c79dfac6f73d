// What the graph knows beyond the live picture: the drag under way, the status filter, the layout it drew last.
// Owns no rules; drop.ts and layout.ts do.

import { create } from 'zustand';
import type { Layout, Rect } from './layout.ts';

export interface DragPreview {
  id: string;
  /** The team that would take the card. */
  target: string | null;
  /** The team it would leave. */
  leaves: string | null;
  /** The slot it would get in the target, absolute. */
  ghost: Rect | null;
}

export interface ChainStep {
  id: string;
  /** Since when it waits; null when nobody knows. */
  since: string | null;
}

interface GraphState {
  drag: DragPreview | null;
  /** Cards of any other status are dimmed. */
  filter: string | null;
  layout: Layout;
  /** From what waits to what blocks; cards outside of it are dimmed. */
  chain: { steps: readonly ChainStep[]; stuck: boolean } | null;
}

export const EMPTY_LAYOUT: Layout = { boxes: [], byId: new Map(), broken: [] };

export const useGraph = create<GraphState>(() => ({
  drag: null,
  filter: null,
  layout: EMPTY_LAYOUT,
  chain: null,
}));

export function setDragPreview(drag: DragPreview | null): void {
  const before = useGraph.getState().drag;
  if (before === drag) return;
  if (before && drag && before.target === drag.target && before.leaves === drag.leaves && before.id === drag.id) return;
  useGraph.setState({ drag });
}

export function showChain(steps: readonly ChainStep[] | null, stuck: boolean): void {
  useGraph.setState({ chain: steps ? { steps, stuck } : null });
}

export function toggleFilter(status: string): void {
  useGraph.setState(({ filter }) => ({ filter: filter === status ? null : status }));
}
