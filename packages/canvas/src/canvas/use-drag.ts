// Dragging: follows the pointer, previews where the card would land, and on drop moves, nests or extracts it.

import type { Node, NodeChange, OnNodeDrag } from '@xyflow/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { type Drop, decideDrop } from './drop.ts';
import { setDragPreview, useGraph } from './graph-state.ts';
import type { Layout, Rect } from './layout.ts';
import { saveMoves } from './moves.ts';

export interface PendingDrop {
  drop: Exclude<Drop, { kind: 'move' }>;
  /** The card that was held, then the rest of the block. */
  ids: readonly string[];
  /** Shift of every card of the block to its new place. */
  shift: { x: number; y: number };
}
type Points = ReadonlyMap<string, { x: number; y: number }>;
const NOWHERE: Points = new Map();

function rectOf(layout: Layout, node: Node): Rect | null {
  const box = layout.byId.get(node.id);
  if (!box) return null;
  const parent = box.parentId ? layout.byId.get(box.parentId) : undefined;
  const [x, y] = [node.position.x + (parent?.x ?? 0), node.position.y + (parent?.y ?? 0)];
  return { x, y, width: box.width, height: box.height };
}

export function useDrag() {
  /** Positions while dragged or waiting for an answer, relative to the parent. */
  const [points, setPoints] = useState<Points>(NOWHERE);
  const [pending, setPending] = useState<PendingDrop | null>(null);
  const isCancelled = useRef(false);
  const isDragging = useRef(false);

  const reset = useCallback(() => {
    setPoints(NOWHERE);
    setDragPreview(null);
    setPending(null);
  }, []);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || !isDragging.current) return;
      event.stopPropagation();
      isCancelled.current = true;
      reset();
    };
    window.addEventListener('keydown', onKey, true);
    return () => window.removeEventListener('keydown', onKey, true);
  }, [reset]);

  const onPositions = useCallback((changes: readonly NodeChange[]) => {
    if (isCancelled.current) return;
    const moved = changes.flatMap((change) =>
      change.type === 'position' && change.position ? [[change.id, change.position] as const] : [],
    );
    if (moved.length > 0 && isDragging.current) setPoints((before) => new Map([...before, ...moved]));
  }, []);

  const onStart: OnNodeDrag = useCallback(() => {
    isCancelled.current = false;
    isDragging.current = true;
  }, []);

  const onDrag: OnNodeDrag = useCallback((event, node) => {
    if (isCancelled.current) return;
    const { layout } = useGraph.getState();
    const rect = rectOf(layout, node);
    if (!rect) return;
    const drop = decideDrop(layout, node.id, rect, event.ctrlKey || event.metaKey);
    const target = drop.kind === 'nest' ? drop.into : drop.kind === 'extract' ? drop.into : null;
    setDragPreview({
      id: node.id,
      target,
      leaves: drop.kind === 'extract' ? drop.from : null,
      ghost: target === null ? null : { x: drop.x, y: drop.y, width: rect.width, height: rect.height },
    });
  }, []);

  const onStop: OnNodeDrag = useCallback(
    (event, node, nodes) => {
      isDragging.current = false;
      if (isCancelled.current) return reset();
      const { layout } = useGraph.getState();
      const rect = rectOf(layout, node);
      const box = layout.byId.get(node.id);
      if (!rect || !box) return reset();
      const block = [node, ...nodes.filter((other) => other.id !== node.id)];
      const drop = decideDrop(layout, node.id, rect, event.ctrlKey || event.metaKey);
      const shift = { x: drop.x - rect.x, y: drop.y - rect.y };
      setDragPreview(null);
      if (drop.kind !== 'move') return setPending({ drop, ids: block.map((each) => each.id), shift });
      const moves = block.flatMap((each) => {
        const at = rectOf(layout, each);
        return at ? [{ id: each.id, x: at.x + shift.x, y: at.y + shift.y }] : [];
      });
      const isMoved = Math.abs(drop.x - box.x) >= 1 || Math.abs(drop.y - box.y) >= 1;
      if (isMoved) void saveMoves(layout, moves);
      setPoints(NOWHERE);
    },
    [reset],
  );

  const confirm = useCallback(async () => {
    if (!pending) return;
    const { layout } = useGraph.getState();
    const parentId = pending.drop.into;
    const moves = pending.ids.flatMap((id) => {
      const box = layout.byId.get(id);
      const point = points.get(id);
      if (!box || !point) return [];
      const parent = box.parentId ? layout.byId.get(box.parentId) : undefined;
      return [
        {
          id,
          x: point.x + (parent?.x ?? 0) + pending.shift.x,
          y: point.y + (parent?.y ?? 0) + pending.shift.y,
          parentId,
        },
      ];
    });
    reset();
    await saveMoves(layout, moves);
  }, [pending, points, reset]);

  return { points, pending, onPositions, onStart, onDrag, onStop, confirm, cancel: reset };
}
