// The lines between workspaces: who called whom in the last hour, how often, how long ago.

import { useStore, ViewportPortal } from '@xyflow/react';
import { usePreferences } from '../app/preferences.ts';
import { getWorkspace, select, useLive } from '../live/index.ts';
import { formatAge, plural, useSlowNow } from '../ui/index.ts';
import { type Pair, pairCalls } from './calls.ts';
import { useGraph } from './graph-state.ts';
import { type CallRoute, routeCall, visibleEnd } from './route-call.ts';
import { useCalls } from './use-calls.ts';

const LABEL_ZOOM = 0.7;
const WIDEST = 3.5;

/** Grows with the logarithm of the calls: 1 call 1.5 px, 100 calls 3.5 px. */
export const lineWidth = (count: number, base: number) => Math.min(WIDEST, base + Math.log10(Math.max(1, count)));

function describe(pair: Pair): string {
  const calls = plural(pair.count, 'call');
  if (pair.kind === 'failing') return `${calls} · ${pair.failed} failed`;
  return `${calls} · ${formatAge(Date.now() - pair.lastAt)}`;
}

function Line({ pair, route }: { pair: Pair; route: CallRoute }) {
  return (
    <g className={route.isFar ? 'far-edge' : undefined} data-testid={`call-${pair.from}-${pair.to}`}>
      <path
        className={`edge ${pair.kind === 'recent' ? '' : pair.kind}`}
        d={route.path}
        style={{ strokeWidth: lineWidth(pair.count, pair.kind === 'live' ? 2 : 1.5) }}
      />
      {pair.kind === 'live' && (
        <circle className="flow" r="2">
          <animateMotion dur="1.4s" repeatCount="indefinite" path={route.path} />
        </circle>
      )}
      <circle
        className={`edge-end ${pair.kind === 'recent' ? '' : pair.kind}`}
        cx={route.end.x}
        cy={route.end.y}
        r="3"
      />
    </g>
  );
}

function Label({ pair, route }: { pair: Pair; route: CallRoute }) {
  const name = (id: string) => getWorkspace(id)?.name ?? 'a removed workspace';
  const from = (pair.callers.length === 1 && pair.callers[0]) || pair.from;
  return (
    <button
      type="button"
      tabIndex={-1}
      className={`edge-l ${pair.kind} ${route.depth <= 0 ? 'on1' : ''} ${route.label.centred ? 'c' : ''}`}
      style={{ left: route.label.x, top: route.label.y }}
      title={`${name(pair.from)} called ${name(pair.to)}`}
      onClick={() => {
        if (useLive.getState().selection.id === from) return;
        // The log of one caller can be narrowed to one peer.
        select(from, 'activity', pair.callees.length === 1 ? pair.callees[0] : null);
      }}
    >
      {describe(pair)}
    </button>
  );
}

export function CallsOverlay() {
  const isShown = usePreferences((state) => state.showCalls);
  const calls = useCalls(isShown);
  const now = Math.max(useSlowNow(), Date.now());
  const layout = useGraph((state) => state.layout);
  const hasLabels = useStore((state) => state.transform[2] >= LABEL_ZOOM);
  const isHidden = useGraph((state) => state.drag !== null || state.chain !== null);
  if (!isShown || isHidden) return null;
  const pairs = pairCalls(calls, now, (id) => visibleEnd(layout, id)?.id ?? null);
  const drawn = pairs.flatMap((pair) => {
    const route = routeCall(layout, pair.from, pair.to);
    return route ? [{ pair, route }] : [];
  });
  return (
    <ViewportPortal>
      <div className="calls">
        <svg className="edges" width="1" height="1" aria-hidden="true">
          {drawn.map(({ pair, route }) => (
            <Line key={pair.key} pair={pair} route={route} />
          ))}
        </svg>
        {hasLabels &&
          drawn
            .filter(({ route }) => !route.isFar)
            .map(({ pair, route }) => <Label key={pair.key} pair={pair} route={route} />)}
      </div>
    </ViewportPortal>
  );
}
