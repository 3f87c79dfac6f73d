// The graph itself: React Flow fed from the live picture. Owns selection by pointer, camera events and the drag wiring.

import {
  Background,
  BackgroundVariant,
  type Node,
  type NodeChange,
  ReactFlow,
  SelectionMode,
  type Viewport,
} from '@xyflow/react';
import { type MouseEvent as ReactMouseEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useNarrow } from '../app/use-media.ts';
import { select, selectMany, useLive, useSelection } from '../live/index.ts';
import { CallsOverlay } from './calls-overlay.tsx';
import { fitAll, loadViewport, noteCamera, setFlow, zoomToNode } from './camera.ts';
import { type CardData, NODE_TYPES } from './card-node.tsx';
import { ChainOverlay } from './chain-overlay.tsx';
import { DropDialog } from './drop-dialog.tsx';
import { DropOverlay } from './drop-overlay.tsx';
import { EMPTY_LAYOUT, useGraph } from './graph-state.ts';
import type { Box } from './layout.ts';
import { savePlacements, setCollapsed } from './moves.ts';
import { NodeMenu, type NodeMenuRequest } from './node-menu.tsx';
import { useArrivals } from './use-arrivals.ts';
import { useDrag } from './use-drag.ts';
import { useLockedIds } from './use-locked.ts';
import { useLayout } from './use-seats.ts';

const DOTS = { gap: [28, 48.5] as [number, number], size: 1.8, color: 'var(--canvas-dot)' };
const ZOOM = { least: 0.1, most: 2 };
/** Above the outline of the team that would take the card. */
const DRAGGED_Z = 700;

function toFlowNode(box: Box, selected: boolean, isLocked: boolean, isTabStop: boolean): Node<CardData> {
  return {
    id: box.id,
    type: box.children.length === 0 ? 'card' : box.collapsed ? 'folded' : 'team',
    ...(box.parentId ? { parentId: box.parentId } : {}),
    position: { x: box.relX, y: box.relY },
    width: box.width,
    height: box.height,
    zIndex: box.depth,
    hidden: box.hidden,
    selected,
    draggable: !isLocked,
    data: { depth: box.depth, below: box.below, width: box.width, isTabStop },
  };
}

/** Same input, same object: React Flow re-renders only cards whose node object changed. */
function useFlowNodes(boxes: readonly Box[], selectedIds: readonly string[]): Node<CardData>[] {
  const locked = useLockedIds();
  const cache = useRef(new Map<string, { key: string; node: Node<CardData> }>());
  return useMemo(() => {
    const tabStop = selectedIds[0] ?? boxes[0]?.id;
    const next = new Map<string, { key: string; node: Node<CardData> }>();
    const nodes = boxes.map((box) => {
      const selected = selectedIds.includes(box.id);
      const isLocked = locked.has(box.id);
      const key = JSON.stringify([box, selected, isLocked, tabStop === box.id]);
      const known = cache.current.get(box.id);
      const entry = known?.key === key ? known : { key, node: toFlowNode(box, selected, isLocked, tabStop === box.id) };
      next.set(box.id, entry);
      return entry.node;
    });
    cache.current = next;
    return nodes;
  }, [boxes, selectedIds, locked]);
}

export function Graph() {
  const [start, setStart] = useState<Viewport | null | undefined>(undefined);
  useEffect(() => {
    void loadViewport().then(setStart);
  }, []);
  // The camera is known a moment later than the cards; drawing before it would jump.
  return start === undefined ? null : <LoadedGraph start={start} />;
}

function LoadedGraph({ start }: { start: Viewport | null }) {
  const layout = useLayout();
  const { ids } = useSelection();
  const isNarrow = useNarrow();
  const drag = useDrag();
  const [menu, setMenu] = useState<NodeMenuRequest | null>(null);
  const isMarquee = useRef(false);
  useGraphLayout(layout);
  useArrivals(layout);

  const base = useFlowNodes(layout.boxes, ids);
  const nodes = useMemo(
    () =>
      drag.points.size === 0
        ? base
        : base.map((node) => {
            const position = drag.points.get(node.id);
            return position ? { ...node, position, zIndex: DRAGGED_Z } : node;
          }),
    [base, drag.points],
  );

  const onNodesChange = useCallback(
    (changes: NodeChange<Node<CardData>>[]) => {
      drag.onPositions(changes as NodeChange[]);
      const flips = changes.filter((change) => change.type === 'select');
      if (flips.length === 0) return;
      const before = useLive.getState().selection.ids;
      const next = new Set(before);
      for (const flip of flips) {
        if (flip.selected) next.add(flip.id);
        else next.delete(flip.id);
      }
      const list = [...next];
      if (list.length === before.length && list.every((id) => before.includes(id))) return;
      if (list.length <= 1 && !isMarquee.current) select(list[0] ?? null);
      else selectMany(list);
    },
    [drag.onPositions],
  );

  const onDoubleClick = useCallback((_event: ReactMouseEvent, node: Node) => {
    const box = useGraph.getState().layout.byId.get(node.id);
    if (box?.collapsed) setCollapsed(node.id, false);
    else if (box && box.children.length > 0) zoomToNode(node.id);
    else select(node.id, 'chat');
  }, []);

  return (
    <>
      <ReactFlow
        nodes={nodes}
        nodeTypes={NODE_TYPES}
        onInit={(instance) => {
          setFlow(instance as never);
          if (!start) fitAll({ animate: false });
        }}
        {...(start ? { defaultViewport: start } : {})}
        minZoom={ZOOM.least}
        maxZoom={ZOOM.most}
        onNodesChange={onNodesChange}
        onNodeDragStart={drag.onStart}
        onNodeDrag={drag.onDrag}
        onNodeDragStop={drag.onStop}
        onNodeDoubleClick={onDoubleClick}
        onNodeContextMenu={(event, node) => {
          event.preventDefault();
          setMenu({ id: node.id, point: { x: event.clientX, y: event.clientY } });
        }}
        onPaneClick={() => select(null)}
        onSelectionStart={() => {
          isMarquee.current = true;
        }}
        onSelectionEnd={() => {
          isMarquee.current = false;
        }}
        onMoveEnd={(event, viewport) => noteCamera(viewport, event !== null)}
        nodesDraggable={!isNarrow}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elevateNodesOnSelect={false}
        selectNodesOnDrag={false}
        selectionMode={SelectionMode.Partial}
        selectionKeyCode="Shift"
        multiSelectionKeyCode="Shift"
        deleteKeyCode={null}
        disableKeyboardA11y
        zoomOnDoubleClick={false}
        onlyRenderVisibleElements={layout.boxes.length > 150}
        nodeDragThreshold={4}
        proOptions={{ hideAttribution: true }}
        fitView={false}
      >
        <Background id="dots-a" variant={BackgroundVariant.Dots} {...DOTS} />
        <Background id="dots-b" variant={BackgroundVariant.Dots} {...DOTS} offset={[14, 24.25]} />
        <CallsOverlay />
        <ChainOverlay />
        <DropOverlay />
      </ReactFlow>
      {drag.pending && <DropDialog pending={drag.pending} onConfirm={drag.confirm} onCancel={drag.cancel} />}
      {menu && <NodeMenu request={menu} onClose={() => setMenu(null)} />}
    </>
  );
}

/** Hands the layout to those outside of React Flow, and stores positions that were chosen here. */
function useGraphLayout(layout: ReturnType<typeof useLayout>): void {
  useEffect(() => {
    useGraph.setState({ layout });
    savePlacements(layout);
  }, [layout]);
  useEffect(
    () => () => {
      setFlow(null);
      useGraph.setState({ layout: EMPTY_LAYOUT });
    },
    [],
  );
}
