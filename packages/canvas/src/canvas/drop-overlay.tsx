// Where a dragged card would land, above all cards: the team's outline grown around the new slot, and one badge.

import { GRID } from '@molecule/contract';
import { ViewportPortal } from '@xyflow/react';
import { getWorkspace } from '../live/index.ts';
import { useGraph } from './graph-state.ts';
import type { Rect } from './layout.ts';

function around(team: Rect, ghost: Rect): Rect {
  const right = Math.max(team.x + team.width, ghost.x + ghost.width + GRID.padding);
  const bottom = Math.max(team.y + team.height, ghost.y + ghost.height + GRID.padding);
  return { x: team.x, y: team.y, width: right - team.x, height: bottom - team.y };
}

const at = ({ x, y, width, height }: Rect) => ({ left: x, top: y, width, height });

export function DropOverlay() {
  const drag = useGraph((state) => state.drag);
  const layout = useGraph((state) => state.layout);
  if (!drag || (drag.target === null && drag.leaves === null)) return null;
  const team = layout.byId.get(drag.target ?? drag.leaves ?? '');
  if (!team) return null;
  const name = getWorkspace(team.id)?.name ?? '';
  const box = drag.ghost && drag.target ? around(team, drag.ghost) : team;
  const badge = drag.ghost ?? { ...box, height: 48 };
  return (
    <ViewportPortal>
      <div className="drop-target" style={at(box)} />
      {drag.ghost && <div className="ghost" data-testid="drop-ghost" style={at(drag.ghost)} />}
      <span
        className="drop-l"
        data-testid="drop-badge"
        style={{ left: badge.x + badge.width / 2, top: badge.y + badge.height / 2 }}
      >
        {drag.target ? `Drop into: ${name}` : `Leaves ${name}`}
      </span>
    </ViewportPortal>
  );
}
