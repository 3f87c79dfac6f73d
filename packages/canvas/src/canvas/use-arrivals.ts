// What the camera does when workspaces arrive: a team is fitted as it grows, a single one is brought into view.
// A person who moved the camera is left alone until the next arrival.

import { useEffect, useRef } from 'react';
import { fitAll, movedLately, revealNode } from './camera.ts';
import type { Layout } from './layout.ts';

const SETTLE_MS = 500;
const OWN_HANDS_MS = 3_000;

export function useArrivals(layout: Layout): void {
  const known = useRef<Set<string> | null>(null);
  const arrived = useRef<string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    const before = known.current;
    known.current = new Set(layout.byId.keys());
    // An empty canvas that fills is an arrival as well; the first list is not.
    if (before === null) return;
    const fresh = layout.boxes.filter((box) => !before.has(box.id));
    if (fresh.length === 0) return;
    arrived.current.push(...fresh.map((box) => box.id));
    const first = Date.now();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const ids = arrived.current;
      arrived.current = [];
      if (movedLately(Math.max(OWN_HANDS_MS, Date.now() - first))) return;
      const [only] = ids;
      if (ids.length === 1 && only && before.size > 0) revealNode(only);
      else fitAll({ minZoom: 0.25 });
    }, SETTLE_MS);
  }, [layout]);
  useEffect(() => () => clearTimeout(timer.current), []);
}
