// The chain of a "why" answer on the graph: its numbers on the cards, the way from one to the next, and how long each waits.

import { useStore, ViewportPortal } from '@xyflow/react';
import { ElapsedWords } from '../ui/index.ts';
import { type ChainStep, useGraph } from './graph-state.ts';
import { routeCall, visibleEnd } from './route-call.ts';

const LABEL_ZOOM = 0.5;

/** A workspace inside a folded team is shown by that team; of two of one box the later one counts. */
function listBadges(layout: Parameters<typeof visibleEnd>[0], steps: readonly ChainStep[]) {
  const badges = new Map<string, { x: number; y: number; number: number }>();
  steps.forEach(({ id }, index) => {
    const box = visibleEnd(layout, id);
    if (box) badges.set(box.id, { x: box.x, y: box.y, number: index + 1 });
  });
  return [...badges.values()];
}

export function ChainOverlay() {
  const chain = useGraph((state) => state.chain);
  const layout = useGraph((state) => state.layout);
  const hasLabels = useStore((state) => state.transform[2] >= LABEL_ZOOM);
  if (!chain) return null;
  const { steps, stuck } = chain;
  const hops = steps.flatMap((step, index) => {
    const next = steps[index + 1];
    const route = next ? routeCall(layout, step.id, next.id) : null;
    return route ? [{ step, route, key: index }] : [];
  });
  return (
    <ViewportPortal>
      <div className="calls">
        <svg className="edges" width="1" height="1" aria-hidden="true">
          {hops.map(({ route, key }) => (
            <g key={key}>
              <path className="edge chain" d={route.path} />
              <circle className="edge-end chain" cx={route.end.x} cy={route.end.y} r="3" />
            </g>
          ))}
        </svg>
        {hasLabels &&
          hops.map(
            ({ step, route, key }) =>
              step.since && (
                <span
                  key={key}
                  className={`edge-l chain ${route.depth <= 0 ? 'on1' : ''} ${route.label.centred ? 'c' : ''}`}
                  style={{ left: route.label.x, top: route.label.y }}
                >
                  waits <ElapsedWords since={step.since} />
                </span>
              ),
          )}
        {listBadges(layout, steps).map(({ x, y, number }) => (
          <span
            key={number}
            className={`num-b on-card ${stuck && number === steps.length ? 'root' : ''}`}
            style={{ left: x - 9, top: y - 9 }}
          >
            {number}
          </span>
        ))}
      </div>
    </ViewportPortal>
  );
}
