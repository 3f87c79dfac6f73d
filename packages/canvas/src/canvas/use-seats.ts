// The structure of the organisation as the graph needs it, rebuilt only when something moves: a heartbeat changes one card.

import { useMemo, useRef } from 'react';
import { useShallow } from 'zustand/react/shallow';
import { useLive } from '../live/index.ts';
import { useGraph } from './graph-state.ts';
import { type Layout, layoutSeats, type Seat, type Size } from './layout.ts';

const SEPARATOR = '|';

function listSeatKeys({ model }: ReturnType<typeof useLive.getState>): string[] {
  return model.order.map((id) => {
    const node = model.nodes[id];
    return [id, node?.parent_id ?? '', node?.x ?? 0, node?.y ?? 0, node?.collapsed ? 1 : 0].join(SEPARATOR);
  });
}

function readSeat(key: string): Seat {
  const [id = '', parentId = '', x, y, collapsed] = key.split(SEPARATOR);
  return { id, parentId: parentId || null, x: Number(x), y: Number(y), collapsed: collapsed === '1' };
}

function useSeats(): Seat[] {
  const keys = useLive(useShallow(listSeatKeys));
  return useMemo(() => keys.map(readSeat), [keys]);
}

/** The layout as drawn, or as it would be drawn while the list is shown instead. */
export function currentLayout(): Layout {
  const { layout } = useGraph.getState();
  return layout.boxes.length > 0 ? layout : layoutSeats(listSeatKeys(useLive.getState()).map(readSeat));
}

interface Kept {
  size: Size;
  children: readonly string[];
}

/** Sizes of teams that still have every child they had; losing one refits the team. */
function keepSizes(kept: ReadonlyMap<string, Kept>, seats: readonly Seat[]): Map<string, Size> {
  const parents = new Map(seats.map((seat) => [seat.id, seat.parentId]));
  const sizes = new Map<string, Size>();
  for (const [id, { size, children }] of kept)
    if (children.every((child) => parents.get(child) === id)) sizes.set(id, size);
  return sizes;
}

export function useLayout(): Layout {
  const seats = useSeats();
  const kept = useRef<ReadonlyMap<string, Kept>>(new Map());
  return useMemo(() => {
    const sizes = keepSizes(kept.current, seats);
    const layout = layoutSeats(seats, sizes);
    const next = new Map<string, Kept>();
    for (const box of layout.boxes) {
      if (box.children.length === 0) continue;
      const size = box.collapsed ? sizes.get(box.id) : { width: box.width, height: box.height };
      if (size) next.set(box.id, { size, children: box.children });
    }
    kept.current = next;
    if (layout.broken.length > 0)
      console.warn('Drawn without their team: its parent is missing or circular', layout.broken);
    return layout;
  }, [seats]);
}
