import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideDrop, findCandidate, LEAVE_SHARE, shareOutside } from './drop.ts';
import { layoutSeats, listBelow, overlaps, type Seat } from './layout.ts';

const seat = (id: string, parentId: string | null, x: number, y: number): Seat => ({
  id,
  parentId,
  x,
  y,
  collapsed: false,
});

/** chief ⊃ (eng ⊃ be, fe) and gro ⊃ an; lap stands alone. */
const layout = layoutSeats([
  seat('chief', null, 100, 100),
  seat('eng', 'chief', 116, 230),
  seat('be', 'eng', 132, 360),
  seat('fe', 'eng', 386, 360),
  seat('gro', 'chief', 656, 230),
  seat('an', 'gro', 672, 360),
  seat('lap', null, 100, 900),
]);
const box = (id: string) => {
  const found = layout.byId.get(id);
  if (!found) throw new Error(id);
  return found;
};
const moved = (id: string, dx: number, dy: number) => ({ ...box(id), x: box(id).x + dx, y: box(id).y + dy });
const over = (id: string, target: string, dy = 60) => ({
  ...box(id),
  x: box(target).x + box(target).width / 2 - box(id).width / 2,
  y: box(target).y + dy - box(id).height / 2,
});

describe('decideDrop', () => {
  it('the deepest card below the centre takes it', () => {
    expect(decideDrop(layout, 'lap', over('lap', 'eng'), false)).toMatchObject({ kind: 'nest', into: 'eng' });
    expect(decideDrop(layout, 'lap', over('lap', 'be'), false)).toMatchObject({ kind: 'nest', into: 'be' });
  });

  it('a nested card gets a free slot of the team', () => {
    const drop = decideDrop(layout, 'lap', over('lap', 'gro'), false);
    expect(drop.kind).toBe('nest');
    const slot = { x: drop.x, y: drop.y, width: 240, height: 130 };
    expect(overlaps(slot, box('an'))).toBe(false);
    expect(drop.y).toBeGreaterThanOrEqual(box('gro').y + 130);
  });

  it('a team is never dropped into itself or below', () => {
    for (const target of ['be', 'fe', 'eng']) {
      const candidate = findCandidate(layout, 'eng', over('eng', target));
      expect(['eng', 'be', 'fe']).not.toContain(candidate);
    }
  });

  it('a card a tenth outside is clamped back, more than a fifth outside leaves', () => {
    const parent = box('gro');
    const reach = parent.x + parent.width - (box('an').x + box('an').width);
    const tenth = decideDrop(layout, 'an', moved('an', reach + 24, 0), false);
    expect(tenth).toMatchObject({ kind: 'move', x: parent.x + parent.width - 16 - 240 });
    expect(decideDrop(layout, 'an', moved('an', reach + 60, 0), false)).toMatchObject({
      kind: 'extract',
      from: 'gro',
      into: 'chief',
    });
  });

  it('with Ctrl a card leaves its team whatever the distance', () => {
    expect(decideDrop(layout, 'an', moved('an', 12, 0), true)).toMatchObject({ kind: 'extract', from: 'gro' });
  });

  it('far outside of everything it stands alone', () => {
    expect(decideDrop(layout, 'be', moved('be', 3000, 0), false)).toMatchObject({ kind: 'extract', into: null });
  });

  it('an extracted card does not lie on the team it left, nor on its new siblings', () => {
    const drop = decideDrop(layout, 'an', moved('an', 70, 0), false);
    const rect = { x: drop.x, y: drop.y, width: 240, height: 130 };
    expect(overlaps(rect, box('gro'))).toBe(false);
    expect(overlaps(rect, box('eng'))).toBe(false);
  });

  it('for any drop: no cycle, and within the team when it only moves', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...layout.boxes.map((each) => each.id)),
        fc.integer({ min: -1500, max: 1500 }),
        fc.integer({ min: -1500, max: 1500 }),
        fc.boolean(),
        (id, dx, dy, detach) => {
          const drop = decideDrop(layout, id, moved(id, dx, dy), detach);
          if (drop.kind !== 'move') {
            expect([id, ...listBelow(layout, id)]).not.toContain(drop.into);
            return;
          }
          const parent = box(id).parentId;
          if (parent === null) return;
          expect(shareOutside({ ...box(id), x: drop.x, y: drop.y }, box(parent))).toBeLessThanOrEqual(LEAVE_SHARE);
        },
      ),
      { numRuns: 300 },
    );
  });
});
