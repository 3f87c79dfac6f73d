// What dropping a dragged card means: a move, a clamp, a nest or an extract. Pure geometry in absolute coordinates.

import { GRID } from '@molecule/contract';
import { type Box, findFreeSlot, type Layout, listBelow, overlapArea, overlaps, type Rect } from './layout.ts';

/** Share of the card that has to be outside before it leaves its team. */
export const LEAVE_SHARE = 0.2;

export type Drop =
  | { kind: 'move'; x: number; y: number }
  | { kind: 'nest'; into: string; x: number; y: number }
  | { kind: 'extract'; from: string; into: string | null; x: number; y: number };

const centre = (rect: Rect) => ({ x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 });

function contains(box: Rect, point: { x: number; y: number }): boolean {
  return point.x >= box.x && point.x < box.x + box.width && point.y >= box.y && point.y < box.y + box.height;
}

/** Deepest card whose box contains the centre of the dragged one; never itself, one below it, or a hidden one. */
export function findCandidate(
  layout: Layout,
  id: string,
  dragged: Rect,
  except: readonly string[] = [],
): string | null {
  const own = new Set([id, ...listBelow(layout, id), ...except]);
  const point = centre(dragged);
  let best: Box | null = null;
  for (const box of layout.boxes) {
    if (own.has(box.id) || box.hidden || !contains(box, point)) continue;
    const isDeeper = !best || box.depth > best.depth;
    const isSmaller = best && box.depth === best.depth && box.width * box.height < best.width * best.height;
    if (isDeeper || isSmaller) best = box;
  }
  return best?.id ?? null;
}

/** 0…1: how much of the card lies outside of the box. */
export function shareOutside(card: Rect, box: Rect): number {
  return 1 - overlapArea(card, box) / (card.width * card.height);
}

/** Inside the padding and below the head, so that a team neither grows nor gets its name covered by accident. */
function clampInto(card: Rect, box: Rect): { x: number; y: number } {
  const within = (value: number, low: number, high: number) => Math.min(Math.max(value, low), Math.max(low, high));
  return {
    x: within(card.x, box.x + GRID.padding, box.x + box.width - GRID.padding - card.width),
    y: within(card.y, box.y + GRID.headerHeight, box.y + box.height - GRID.padding - card.height),
  };
}

/** Slots for several cards inside a team, in absolute coordinates and in the order of the cards; none touch. */
export function slotsIn(
  layout: Layout,
  into: string,
  cards: readonly (Rect & { id: string })[],
): { x: number; y: number }[] {
  const team = layout.byId.get(into);
  if (!team) return cards.map(({ x, y }) => ({ x, y }));
  const moved = new Set(cards.map(({ id }) => id));
  const taken: Rect[] = team.children.flatMap((child) => {
    const box = moved.has(child) ? undefined : layout.byId.get(child);
    return box ? [{ x: box.relX, y: box.relY, width: box.width, height: box.height }] : [];
  });
  return cards.map((card) => {
    const slot = findFreeSlot(taken, card);
    taken.push({ ...slot, width: card.width, height: card.height });
    return { x: team.x + slot.x, y: team.y + slot.y };
  });
}

/** The slot a card gets inside a team, in absolute coordinates. */
export function slotIn(layout: Layout, into: string, card: Rect, id: string): { x: number; y: number } {
  return slotsIn(layout, into, [{ ...card, id }])[0] ?? { x: card.x, y: card.y };
}

/** The nearest place outside of the team it leaves that touches nobody on its new level. */
function placeOutside(
  layout: Layout,
  id: string,
  card: Rect,
  left: Rect,
  into: string | null,
): { x: number; y: number } {
  const gap = GRID.gutter;
  const taken = layout.boxes.filter((box) => box.parentId === into && box.id !== id);
  const isFree = (point: { x: number; y: number }) => {
    const rect = { ...point, width: card.width, height: card.height };
    return !overlaps(rect, left) && !taken.some((box) => overlaps(rect, box));
  };
  const home = into === null ? null : layout.byId.get(into);
  const isAllowed = (point: { x: number; y: number }) =>
    !home || (point.x >= home.x + GRID.padding && point.y >= home.y + GRID.headerHeight);
  const edges = [left, ...taken];
  const options = [
    { x: card.x, y: card.y },
    ...edges.flatMap((box) => [
      { x: box.x + box.width + gap, y: card.y },
      { x: card.x, y: box.y + box.height + gap },
      { x: box.x - card.width - gap, y: card.y },
      { x: card.x, y: box.y - card.height - gap },
    ]),
  ].filter((point) => isFree(point) && isAllowed(point));
  const far = (point: { x: number; y: number }) => Math.hypot(point.x - card.x, point.y - card.y);
  options.sort((a, b) => far(a) - far(b));
  return options[0] ?? (into === null ? { x: card.x, y: card.y } : slotIn(layout, into, card, id));
}

/**
 * @param dragged the box where it was let go, absolute.
 * @param detach Ctrl or ⌘ was held: the card leaves its team whatever the distance.
 */
export function decideDrop(layout: Layout, id: string, dragged: Rect, detach: boolean): Drop {
  const box = layout.byId.get(id);
  const parent = box?.parentId ? layout.byId.get(box.parentId) : undefined;
  const candidate = findCandidate(layout, id, dragged);
  const above = new Set<string>();
  for (let up = parent?.parentId ?? null; up !== null; up = layout.byId.get(up)?.parentId ?? null) above.add(up);
  if (candidate !== null && candidate !== parent?.id && !above.has(candidate))
    return { kind: 'nest', into: candidate, ...slotIn(layout, candidate, dragged, id) };
  if (!parent) return { kind: 'move', x: dragged.x, y: dragged.y };
  if (detach || shareOutside(dragged, parent) > LEAVE_SHARE) {
    const into = findCandidate(layout, id, dragged, [parent.id, ...listBelow(layout, parent.id)]);
    return { kind: 'extract', from: parent.id, into, ...placeOutside(layout, id, dragged, parent, into) };
  }
  return { kind: 'move', ...clampInto(dragged, parent) };
}
