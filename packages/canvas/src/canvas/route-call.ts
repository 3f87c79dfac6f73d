// How a line between two workspaces runs: in gutters, never across a card (interface direction, "Edges").

import { GRID } from '@molecule/contract';
import type { Box, Layout } from './layout.ts';

export interface CallRoute {
  path: string;
  /** The atom at the target end. */
  end: { x: number; y: number };
  label: { x: number; y: number; centred: boolean };
  /** Drawn faintly: it has to pass behind cards. */
  isFar: boolean;
  /** Depth of the surface below the label. */
  depth: number;
}

const RADIUS = 6;
const STUB_INSET = 44;
/** Two stubs of one child (there and back) stand beside each other, with room for the label of the first. */
const RETURN_SHIFT = 96;
const EDGE_INSET = 12;

const centreX = (box: Box) => box.x + box.width / 2;

/** The visible end of a line: a workspace inside a folded team is represented by that team. */
export function visibleEnd(layout: Layout, id: string): Box | null {
  let box = layout.byId.get(id) ?? null;
  while (box?.hidden) box = box.parentId ? (layout.byId.get(box.parentId) ?? null) : null;
  return box;
}

function gapAbove(box: Box, siblings: readonly Box[]): number {
  const isFirstRow = !siblings.some((other) => other.id !== box.id && other.y + other.height <= box.y);
  return isFirstRow ? GRID.headerHeight - 112 : GRID.gutter;
}

function routeStub(parent: Box, child: Box, siblings: readonly Box[], isReturn: boolean): CallRoute {
  const base = child.children.length > 0 ? child.x + STUB_INSET : centreX(child);
  const x = isReturn ? Math.min(base + RETURN_SHIFT, child.x + child.width - EDGE_INSET) : base;
  const gap = gapAbove(child, siblings);
  const top = child.y - gap;
  const end = isReturn ? { x, y: top } : { x, y: child.y };
  return {
    path: isReturn ? `M${x} ${child.y}V${top}` : `M${x} ${top}V${child.y}`,
    end,
    label: { x: x + 8, y: child.y - gap / 2, centred: false },
    isFar: false,
    depth: parent.depth,
  };
}

/** A U through a horizontal channel; `up` says on which side of the boxes the channel lies. */
function routeChannel(fromX: number, fromY: number, toX: number, toY: number, channel: number): string {
  const turn = Math.min(RADIUS, Math.abs(fromY - channel), Math.abs(toY - channel), Math.abs(toX - fromX) / 2);
  const side = Math.sign(toX - fromX) || 1;
  const out = Math.sign(channel - fromY) || -1;
  const back = Math.sign(toY - channel) || 1;
  return [
    `M${fromX} ${fromY}`,
    `V${channel - out * turn}`,
    `Q${fromX} ${channel} ${fromX + side * turn} ${channel}`,
    `H${toX - side * turn}`,
    `Q${toX} ${channel} ${toX} ${channel + back * turn}`,
    `V${toY}`,
  ].join('');
}

function routeSiblings(from: Box, to: Box, siblings: readonly Box[]): CallRoute | null {
  const sameRow = from.y < to.y + to.height && to.y < from.y + from.height;
  const blocks = (low: number, high: number) =>
    siblings.some(
      (other) => other.id !== from.id && other.id !== to.id && other.y < high - 1 && other.y + other.height > low + 1,
    );
  if (sameRow) {
    const top = Math.min(from.y, to.y);
    const channel = top - gapAbove(from.y < to.y ? from : to, siblings) / 2;
    const fromX = from.x < to.x ? from.x + from.width - STUB_INSET : from.x + STUB_INSET;
    const toX = from.x < to.x ? to.x + STUB_INSET * 2 : to.x + to.width - STUB_INSET * 2;
    return {
      path: routeChannel(fromX, from.y, toX, to.y, channel),
      end: { x: toX, y: to.y },
      label: { x: (fromX + toX) / 2, y: channel, centred: true },
      isFar: false,
      depth: from.depth - 1,
    };
  }
  const isBelow = to.y >= from.y + from.height;
  const [start, finish] = isBelow ? [from.y + from.height, to.y] : [from.y, to.y + to.height];
  const low = Math.min(start, finish);
  const high = Math.max(start, finish);
  if (high - low > GRID.gutter * 3 && blocks(low, high)) return null;
  const fromX = centreX(from) + (centreX(to) >= centreX(from) ? 66 : -66);
  const toX = centreX(to) === centreX(from) ? fromX + 40 : centreX(to) - Math.sign(centreX(to) - centreX(from)) * 66;
  return {
    path: routeChannel(fromX, start, toX, finish, (low + high) / 2),
    end: { x: toX, y: finish },
    label: { x: (fromX + toX) / 2, y: (low + high) / 2, centred: true },
    isFar: false,
    depth: from.depth - 1,
  };
}

function routeFar(from: Box, to: Box): CallRoute {
  const toRight = centreX(to) >= centreX(from);
  const start = { x: toRight ? from.x + from.width : from.x, y: from.y + Math.min(from.height, 112) / 2 };
  const end = { x: toRight ? to.x : to.x + to.width, y: to.y + Math.min(to.height, 112) / 2 };
  const pull = Math.max(40, Math.abs(end.x - start.x) / 2) * (toRight ? 1 : -1);
  return {
    path: `M${start.x} ${start.y}C${start.x + pull} ${start.y} ${end.x - pull} ${end.y} ${end.x} ${end.y}`,
    end,
    label: { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2, centred: true },
    isFar: true,
    depth: 0,
  };
}

/** Null when both ends are the same visible box. */
export function routeCall(layout: Layout, fromId: string, toId: string): CallRoute | null {
  const from = visibleEnd(layout, fromId);
  const to = visibleEnd(layout, toId);
  if (!from || !to || from.id === to.id) return null;
  const siblingsOf = (box: Box) =>
    layout.boxes.filter((other) => other.parentId === box.parentId && other.parentId !== null);
  if (to.parentId === from.id) return routeStub(from, to, siblingsOf(to), false);
  if (from.parentId === to.id) return routeStub(to, from, siblingsOf(from), true);
  if (from.parentId !== null && from.parentId === to.parentId)
    return routeSiblings(from, to, siblingsOf(from)) ?? routeFar(from, to);
  return routeFar(from, to);
}
