// Saving what the person arranged: positions, nesting, folding. One PATCH per workspace, at most four at a time.
// The server keeps absolute positions, so moving a team also moves what is inside.

import { api } from '../app/api.ts';
import { getWorkspace, useLive, writeLocally } from '../live/index.ts';
import { toast } from '../ui/index.ts';
import { type Layout, layoutSeats, listBelow } from './layout.ts';

const AT_ONCE = 4;

interface Save {
  id: string;
  x: number;
  y: number;
  parentId?: string | null;
}

let running = 0;
const queued: (() => void)[] = [];

/** Few requests at a time, in the order asked. */
async function inTurn<T>(run: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => queued.push(resolve));
  running += 1;
  try {
    return await run();
  } finally {
    running -= 1;
    queued.shift()?.();
  }
}

function savePlace({ id, x, y, parentId }: Save): Promise<void> {
  const place = { x: Math.round(x), y: Math.round(y), ...(parentId === undefined ? {} : { parent_id: parentId }) };
  return writeLocally(id, place, () => inTurn(() => api.patchWorkspace({ params: { id }, body: place })));
}

/** Everything jumps to its new place together; the requests follow. @returns those that were refused, with the reason. */
async function saveAll(saves: readonly Save[]): Promise<{ id: string; error: Error }[]> {
  const failures: { id: string; error: Error }[] = [];
  await Promise.all(
    saves.map((save) =>
      savePlace(save).catch((error: unknown) => void failures.push({ id: save.id, error: error as Error })),
    ),
  );
  return failures;
}

/** A card and, with the same shift, everything inside it. */
export function listMoves(layout: Layout, move: Save): Save[] {
  const box = layout.byId.get(move.id);
  if (!box) return [];
  const shift = { x: move.x - box.x, y: move.y - box.y };
  return [
    move,
    ...listBelow(layout, move.id).flatMap((id) => {
      const inner = layout.byId.get(id);
      return inner ? [{ id, x: inner.x + shift.x, y: inner.y + shift.y }] : [];
    }),
  ];
}

const MOST_NAMED = 3;

/** Moves the cards and says which of them could not be moved; those return to where they were. @returns their ids. */
export async function saveMoves(layout: Layout, moves: readonly Save[]): Promise<string[]> {
  const all = moves.flatMap((move) => listMoves(layout, move));
  const failures = await saveAll(all);
  const own = failures.filter(({ id }) => moves.some((move) => move.id === id));
  if (own.length === 0) return [];
  const names = own.slice(0, MOST_NAMED).map(({ id }) => getWorkspace(id)?.name ?? 'A workspace');
  const more = own.length > MOST_NAMED ? ` and ${own.length - MOST_NAMED} more` : '';
  toast.error(`${names.join(', ')}${more} could not be moved: ${own[0]?.error.message ?? ''}`);
  return own.map(({ id }) => id);
}

/** Back onto the grid: the children of a team, each with what is inside it. */
export function arrangeChildren(layout: Layout, id: string): void {
  const seats = layout.boxes.map((box) => {
    const isChild = box.parentId === id;
    return {
      id: box.id,
      parentId: box.parentId,
      x: isChild ? 0 : box.x,
      y: isChild ? 0 : box.y,
      collapsed: box.collapsed,
    };
  });
  const arranged = layoutSeats(seats);
  const moves = (layout.byId.get(id)?.children ?? []).flatMap((child) => {
    const box = arranged.byId.get(child);
    return box ? [{ id: child, x: box.x, y: box.y }] : [];
  });
  void saveMoves(layout, moves);
}

const attempted = new Set<string>();

/** Positions chosen by the layout are stored once; a refusal is left to the next move. */
export function savePlacements(layout: Layout): void {
  const { model, connection } = useLive.getState();
  if (!connection.canWrite) return;
  const saves = layout.boxes.flatMap((box) => {
    const node = model.nodes[box.id];
    if (!node || (Math.abs(node.x - box.x) < 1 && Math.abs(node.y - box.y) < 1)) return [];
    const key = `${box.id}:${box.x}:${box.y}`;
    if (attempted.has(key) || layout.broken.includes(box.id)) return [];
    attempted.add(key);
    return [{ id: box.id, x: box.x, y: box.y }];
  });
  void saveAll(saves);
}

export function setCollapsed(id: string, collapsed: boolean): void {
  writeLocally(id, { collapsed }, () => api.patchWorkspace({ params: { id }, body: { collapsed } })).catch(
    (error: unknown) =>
      toast.error(`The team could not be ${collapsed ? 'folded' : 'unfolded'}: ${(error as Error).message}`),
  );
}
