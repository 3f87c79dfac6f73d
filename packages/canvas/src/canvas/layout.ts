// Where every workspace stands: pure functions from stored absolute positions to boxes inside boxes.
// The server stores absolute positions; what React Flow needs (relative to the parent) is derived here and nowhere else.

import { GRID } from '@molecule/contract';

export interface Seat {
  id: string;
  parentId: string | null;
  /** Absolute, as stored; (0, 0) means never placed. */
  x: number;
  y: number;
  collapsed: boolean;
}

export interface Size {
  width: number;
  height: number;
}
export interface Rect extends Size {
  x: number;
  y: number;
}

export interface Box extends Rect {
  id: string;
  /** The parent it is drawn in; null for a root, and for one whose parent is missing or part of a cycle. */
  parentId: string | null;
  /** Position inside the parent. */
  relX: number;
  relY: number;
  depth: number;
  children: readonly string[];
  /** Every workspace below. */
  below: number;
  collapsed: boolean;
  /** Inside a folded team. */
  hidden: boolean;
  /** Its position was chosen here and is not stored yet. */
  placed: boolean;
}

export interface Layout {
  /** Parents before children. */
  boxes: readonly Box[];
  byId: ReadonlyMap<string, Box>;
  /** Seats whose parent could not be drawn. */
  broken: readonly string[];
}

const LEAF: Size = { width: GRID.leafWidth, height: GRID.leafHeight };
const ARRIVAL = { x: 100, y: 100, stepX: 320, stepY: 160, columns: 4 } as const;

export function overlaps(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

export function overlapArea(a: Rect, b: Rect): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Parents as drawn: a missing parent or a cycle makes a root. */
export function resolveParents(seats: readonly Seat[]): { parents: Map<string, string | null>; broken: string[] } {
  const known = new Map(seats.map((seat) => [seat.id, seat]));
  const parents = new Map<string, string | null>();
  const broken: string[] = [];
  for (const seat of seats) {
    let isSound = true;
    const seen = new Set([seat.id]);
    for (let above = seat.parentId; above !== null; above = known.get(above)?.parentId ?? null) {
      if (known.has(above) && !seen.has(above)) {
        seen.add(above);
        continue;
      }
      // Further up is the problem of the seat it belongs to; only a cycle through this one, or its own parent, counts.
      isSound = above !== seat.id && !(above === seat.parentId && !known.has(above));
      break;
    }
    if (!isSound) broken.push(seat.id);
    parents.set(seat.id, isSound ? seat.parentId : null);
  }
  return { parents, broken };
}

const rectAt = (point: { x: number; y: number }, size: Size): Rect => ({
  x: point.x,
  y: point.y,
  width: size.width,
  height: size.height,
});

/** First slot of the two-column grid of a team that none of its children touches. */
export function findFreeSlot(taken: readonly Rect[], size: Size): { x: number; y: number } {
  const columnWidth = Math.max(size.width, ...taken.map((each) => each.width), GRID.leafWidth);
  const columns = taken.length === 0 ? 1 : GRID.maxColumns;
  const candidates: { x: number; y: number }[] = [];
  const rows = [GRID.headerHeight, ...taken.map((each) => each.y + each.height + GRID.gutter)].sort((a, b) => a - b);
  for (const y of rows)
    for (let column = 0; column < columns; column += 1)
      candidates.push({ x: GRID.padding + column * (columnWidth + GRID.gutter), y: Math.max(y, GRID.headerHeight) });
  const free = candidates.find((point) => !taken.some((each) => overlaps(rectAt(point, size), each)));
  return free ?? { x: GRID.padding, y: rows.at(-1) ?? GRID.headerHeight };
}

/** First free place of the arrival grid for a workspace without a team. */
export function findArrivalPoint(taken: readonly Rect[], size: Size = LEAF): { x: number; y: number } {
  for (let index = 0; ; index += 1) {
    const point = {
      x: ARRIVAL.x + (index % ARRIVAL.columns) * ARRIVAL.stepX,
      y: ARRIVAL.y + Math.floor(index / ARRIVAL.columns) * ARRIVAL.stepY,
    };
    if (!taken.some((each) => overlaps(rectAt(point, size), each))) return point;
  }
}

interface Draft {
  seat: Seat;
  parentId: string | null;
  children: Draft[];
  size: Size;
  /** The size the grid alone would give: children outside of it are rescued. */
  gridSize: Size;
  rel: { x: number; y: number };
  placed: boolean;
}

/** Smallest box around the children, never smaller than what it was or what the grid asks for. */
function growAround(children: readonly Draft[], least: Size): Size {
  return children.reduce(
    (size, child) => ({
      width: Math.max(size.width, child.rel.x + child.size.width + GRID.padding),
      height: Math.max(size.height, child.rel.y + child.size.height + GRID.padding),
    }),
    least,
  );
}

function gridSizeOf(children: readonly Draft[]): Size {
  const columns = Math.min(GRID.maxColumns, children.length);
  const columnWidth = Math.max(...children.map((child) => child.size.width));
  let height: number = GRID.headerHeight + GRID.padding - GRID.gutter;
  for (let first = 0; first < children.length; first += columns)
    height += Math.max(...children.slice(first, first + columns).map((child) => child.size.height)) + GRID.gutter;
  return { width: 2 * GRID.padding + columnWidth * columns + GRID.gutter * (columns - 1), height };
}

/** Sizes a team from its children and gives a slot to every child that has no place in it. */
function settle(draft: Draft, kept: ReadonlyMap<string, Size>): void {
  for (const child of draft.children) settle(child, kept);
  if (draft.children.length === 0) return;
  draft.gridSize = gridSizeOf(draft.children);
  const remembered = kept.get(draft.seat.id);
  const initial = {
    width: Math.max(draft.gridSize.width, remembered?.width ?? 0),
    height: Math.max(draft.gridSize.height, remembered?.height ?? 0),
  };
  const inside = (child: Draft) => overlaps({ x: 0, y: 0, ...initial }, { ...child.rel, ...child.size });
  const settled = draft.children.filter((child) => !child.placed && inside(child));
  for (const child of draft.children) {
    if (settled.includes(child)) continue;
    child.rel = findFreeSlot(
      settled.map((each) => ({ ...each.rel, ...each.size })),
      child.size,
    );
    child.placed = true;
    settled.push(child);
  }
  draft.size = draft.seat.collapsed ? LEAF : growAround(draft.children, initial);
}

/**
 * @param kept sizes teams had before: a team grows with its children and never shrinks by itself.
 */
export function layoutSeats(seats: readonly Seat[], kept: ReadonlyMap<string, Size> = new Map()): Layout {
  const { parents, broken } = resolveParents(seats);
  const known = new Map(seats.map((seat) => [seat.id, seat]));
  const drafts = new Map<string, Draft>();
  for (const seat of seats) {
    const parentId = parents.get(seat.id) ?? null;
    const parent = parentId === null ? undefined : known.get(parentId);
    drafts.set(seat.id, {
      seat,
      parentId,
      children: [],
      size: LEAF,
      gridSize: LEAF,
      rel: { x: seat.x - (parent?.x ?? 0), y: seat.y - (parent?.y ?? 0) },
      placed: seat.x === 0 && seat.y === 0,
    });
  }
  const roots: Draft[] = [];
  for (const draft of drafts.values()) {
    const parent = draft.parentId === null ? undefined : drafts.get(draft.parentId);
    if (parent) parent.children.push(draft);
    else roots.push(draft);
  }
  for (const root of roots) settle(root, kept);
  const stand = (root: Draft): Rect => ({ x: root.rel.x, y: root.rel.y, ...root.size });
  const standing = roots.filter((root) => !root.placed);
  for (const root of roots.filter((each) => each.placed)) {
    root.rel = findArrivalPoint(standing.map(stand), root.size);
    standing.push(root);
  }
  const boxes: Box[] = [];
  const emit = (draft: Draft, origin: { x: number; y: number }, depth: number, hidden: boolean): number => {
    const at = boxes.length;
    const box: Box = {
      id: draft.seat.id,
      parentId: draft.parentId,
      x: origin.x + draft.rel.x,
      y: origin.y + draft.rel.y,
      relX: draft.rel.x,
      relY: draft.rel.y,
      ...draft.size,
      depth,
      children: draft.children.map((child) => child.seat.id),
      below: 0,
      collapsed: draft.seat.collapsed && draft.children.length > 0,
      hidden,
      placed: draft.placed,
    };
    boxes.push(box);
    let below = 0;
    for (const child of draft.children) below += 1 + emit(child, box, depth + 1, hidden || box.collapsed);
    boxes[at] = { ...box, below };
    return below;
  };
  for (const root of roots) emit(root, { x: 0, y: 0 }, 0, false);
  return { boxes, byId: new Map(boxes.map((box) => [box.id, box])), broken };
}

/** Ids below a box, nearest first. */
export function listBelow(layout: Layout, id: string): string[] {
  const below: string[] = [];
  for (const next of layout.byId.get(id)?.children ?? []) below.push(next, ...listBelow(layout, next));
  return below;
}
