// The whole organisation in a corner, with the zoom controls below it.

import { MiniMap, type MiniMapNodeProps, useStore } from '@xyflow/react';
import { Maximize2, Minus, Plus } from 'lucide-react';
import { useMiddling, useNarrow } from '../app/use-media.ts';
import { getWorkspace } from '../live/index.ts';
import { Icon, IconButton } from '../ui/index.ts';
import { fitAll, zoomIn, zoomOut } from './camera.ts';
import { useGraph } from './graph-state.ts';

const SIZE = { width: 174, height: 108 };

function MapNode({ id, x, y, width, height }: MiniMapNodeProps) {
  const isTeam = useGraph((state) => (state.layout.byId.get(id)?.children.length ?? 0) > 0);
  const status = getWorkspace(id)?.status;
  if (isTeam) return <rect className="map-team" x={x} y={y} width={width} height={height} rx={24} />;
  return (
    <g data-status={status}>
      <rect className="map-card" x={x} y={y} width={width} height={height} rx={12} />
    </g>
  );
}

export function MinimapIsland() {
  const zoom = useStore((state) => Math.round(state.transform[2] * 100));
  const isMiddling = useMiddling();
  const isNarrow = useNarrow();
  return (
    <section aria-label="View" className={`island minimap ${isMiddling ? 'bare' : ''}`}>
      {!isMiddling && (
        <div className="map">
          <MiniMap
            style={SIZE}
            nodeComponent={MapNode}
            pannable
            zoomable
            bgColor="var(--canvas)"
            maskColor="transparent"
            maskStrokeColor="var(--ink-3)"
            maskStrokeWidth={1}
            ariaLabel="Overview of the organisation"
          />
        </div>
      )}
      <div className="zoom">
        {!isNarrow && (
          <>
            <IconButton label="Zoom out" onClick={zoomOut}>
              <Icon of={Minus} />
            </IconButton>
            <span className="num">{zoom} %</span>
            <IconButton label="Zoom in" onClick={zoomIn}>
              <Icon of={Plus} />
            </IconButton>
            <i className="sep" />
          </>
        )}
        <IconButton label="Fit everything" shortcut="F" onClick={() => fitAll()}>
          <Icon of={Maximize2} />
        </IconButton>
      </div>
    </section>
  );
}
