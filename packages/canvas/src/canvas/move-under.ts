// Moving without a pointer: cards get free slots under their new lead, or go out of their team as a block.

import { decideDrop, slotsIn } from './drop.ts';
import { saveMoves } from './moves.ts';
import { currentLayout } from './use-seats.ts';

/**
 * Saves the move with everything inside the workspaces; who could not be moved is said by a toast.
 * @param ids none below another. @returns those that could not be moved.
 */
export async function moveUnder(ids: readonly string[], parentId: string | null): Promise<string[]> {
  const layout = currentLayout();
  const boxes = ids.flatMap((id) => layout.byId.get(id) ?? []);
  if (parentId !== null) {
    const slots = slotsIn(layout, parentId, boxes);
    return saveMoves(
      layout,
      boxes.flatMap(({ id }, index) => {
        const slot = slots[index];
        return slot ? [{ id, parentId, ...slot }] : [];
      }),
    );
  }
  const [first] = boxes;
  if (!first) return [];
  const drop = decideDrop(layout, first.id, first, true);
  const shift = { x: drop.x - first.x, y: drop.y - first.y };
  return saveMoves(
    layout,
    boxes.map(({ id, x, y }) => ({ id, parentId: null, x: x + shift.x, y: y + shift.y })),
  );
}
