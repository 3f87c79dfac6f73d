// The structure of the organisation as React Flow needs it, rebuilt only when something moves: a heartbeat changes one card.

import { useMemo, useRef } from 'react';
import { useShallow } from 'zustand/react/shallow';
import { useLive } from '../live/index.ts';
import { type Layout, layoutSeats, type Seat, type Size } from './layout.ts';

const SEPARATOR = '|';

function useSeats(): Seat[] {
  const rows = useLive(
    useShallow(({ model }) =>
      model.order.map((id) => {
        const node = model.nodes[id];
        return [id, node?.parent_id ?? '', node?.x ?? 0, node?.y ?? 0, node?.collapsed ? 1 : 0].join(SEPARATOR);
      }),
    ),
  );
  return useMemo(
    () =>
      rows.map((row) => {
        const [id = '', parentId = '', x, y, collapsed] = row.split(SEPARATOR);
        return { id, parentId: parentId || null, x: Number(x), y: Number(y), collapsed: collapsed === '1' };
      }),
    [rows],
  );
}

interface Kept {
  size: Size;
  children: readonly string[];
}

/** Teams keep the size they had while the same children are in them; losing one refits the team. */
export function useLayout(): Layout {
  const seats = useSeats();
  const kept = useRef(new Map<string, Kept>());
  return useMemo(() => {
    const childrenNow = new Map<string, Set<string>>();
    for (const seat of seats) {
      if (!seat.parentId) continue;
      const set = childrenNow.get(seat.parentId) ?? new Set();
      childrenNow.set(seat.parentId, set.add(seat.id));
    }
    const sizes = new Map<string, Size>();
    for (const [id, before] of kept.current)
      if (before.children.every((child) => childrenNow.get(id)?.has(child))) sizes.set(id, before.size);
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
