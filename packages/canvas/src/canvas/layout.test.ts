import { GRID, type GridTree, layoutGrid } from '@molecule/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findArrivalPoint, layoutSeats, overlaps, resolveParents, type Seat } from './layout.ts';

const seat = (id: string, parentId: string | null = null, x = 0, y = 0, collapsed = false): Seat => ({
  id,
  parentId,
  x,
  y,
  collapsed,
});

interface Tree extends GridTree {
  children: Tree[];
}
const teamOf = (child: fc.Arbitrary<Tree>, most: number) =>
  fc.array(child, { maxLength: most }).map((children): Tree => ({ children }));
const tree = teamOf(teamOf(teamOf(fc.constant<Tree>({ children: [] }), 3), 3), 4);

/** The seats the server stores for a template: absolute positions of the shared grid. */
function seatsOf(root: Tree, origin: { x: number; y: number }): Seat[] {
  const seats: Seat[] = [];
  const walk = (node: Tree, id: string, parentId: string | null, at: { x: number; y: number }) => {
    seats.push(seat(id, parentId, at.x, at.y));
    const { slots } = layoutGrid(node);
    for (const [index, child] of node.children.entries()) {
      const slot = slots[index];
      if (slot) walk(child, `${id}.${index}`, id, { x: at.x + slot.x, y: at.y + slot.y });
    }
  };
  walk(root, 'r', null, origin);
  return seats;
}

describe('layoutSeats', () => {
  it('draws what the server laid out exactly there: inside the parent, without overlaps', () => {
    fc.assert(
      fc.property(tree, (root) => {
        const seats = seatsOf(root, { x: 100, y: 100 });
        const { boxes, byId } = layoutSeats(seats);
        expect(boxes.some((box) => box.placed)).toBe(false);
        for (const box of boxes) {
          const stored = seats.find((each) => each.id === box.id);
          expect([box.x, box.y]).toEqual([stored?.x, stored?.y]);
          const parent = box.parentId ? byId.get(box.parentId) : undefined;
          if (parent) {
            expect(box.relX).toBeGreaterThanOrEqual(GRID.padding);
            expect(box.relY).toBeGreaterThanOrEqual(GRID.headerHeight);
            expect(box.relX + box.width).toBeLessThanOrEqual(parent.width - GRID.padding);
            expect(box.relY + box.height).toBeLessThanOrEqual(parent.height - GRID.padding);
          }
          for (const other of boxes)
            if (other.id !== box.id && other.parentId === box.parentId) expect(overlaps(box, other)).toBe(false);
        }
        expect([byId.get('r')?.width, byId.get('r')?.height]).toEqual([
          layoutGrid(root).width,
          layoutGrid(root).height,
        ]);
      }),
    );
  });

  it('has the sizes of chapter 30 §2.6: two columns of 240 × 130, gutter 14, header 130, padding 16', () => {
    const leaves = ['a', 'b', 'c', 'd'].map((id) => seat(id, 'lead'));
    const { byId } = layoutSeats([seat('lead', null, 50, 60), ...leaves]);
    expect(byId.get('lead')).toMatchObject({ x: 50, y: 60, width: 526, height: 420 });
    expect(['a', 'b', 'c', 'd'].map((id) => [byId.get(id)?.relX, byId.get(id)?.relY])).toEqual([
      [16, 130],
      [270, 130],
      [16, 274],
      [270, 274],
    ]);
    const single = layoutSeats([seat('lead', null, 50, 60), seat('a', 'lead')]).byId.get('lead');
    expect(single).toMatchObject({ width: 272, height: 276 });
  });

  it('gives children without a place the slots of the grid', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (count) => {
        const seats = [seat('r', null, 40, 40), ...Array.from({ length: count }, (_, i) => seat(`c${i}`, 'r'))];
        const { boxes, byId } = layoutSeats(seats);
        const children = boxes.filter((box) => box.parentId === 'r');
        expect(children.every((box) => box.placed)).toBe(true);
        const grown = byId.get('r');
        for (const a of children) {
          expect(a.relX + a.width + GRID.padding).toBeLessThanOrEqual(grown?.width ?? 0);
          expect(a.relY + a.height + GRID.padding).toBeLessThanOrEqual(grown?.height ?? 0);
          for (const b of children) if (a.id !== b.id) expect(overlaps(a, b)).toBe(false);
        }
      }),
    );
  });

  it('a child partly outside of its parent stays, one fully outside gets a slot', () => {
    const { byId } = layoutSeats([
      seat('r', null, 100, 100),
      seat('partly', 'r', 100 - 100, 100 + 130),
      seat('lost', 'r', 5000, 5000),
    ]);
    expect(byId.get('partly')).toMatchObject({ x: 0, y: 230, placed: false });
    expect(byId.get('lost')?.placed).toBe(true);
    expect(byId.get('lost')?.relY).toBeGreaterThanOrEqual(GRID.headerHeight);
  });

  it('draws a seat with a missing parent, and every seat of a cycle, as a root', () => {
    const seats = [
      seat('a', 'b', 10, 10),
      seat('b', 'a', 400, 10),
      seat('c', 'gone', 800, 10),
      seat('d', 'c', 830, 150),
    ];
    const { parents, broken } = resolveParents(seats);
    expect(Object.fromEntries(parents)).toEqual({ a: null, b: null, c: null, d: 'c' });
    expect(broken.sort()).toEqual(['a', 'b', 'c']);
    expect(layoutSeats(seats).boxes).toHaveLength(4);
  });

  it('hides what is inside a folded team and shrinks it to a card', () => {
    const { byId } = layoutSeats([seat('r', null, 100, 100, true), seat('c', 'r', 116, 230), seat('d', 'c', 132, 360)]);
    expect(byId.get('r')).toMatchObject({ collapsed: true, width: GRID.leafWidth, below: 2 });
    expect([byId.get('c')?.hidden, byId.get('d')?.hidden]).toEqual([true, true]);
  });

  it('never shrinks a team below the size it had', () => {
    const kept = new Map([['r', { width: 900, height: 700 }]]);
    const { byId } = layoutSeats([seat('r', null, 100, 100), seat('c', 'r', 116, 230)], kept);
    expect(byId.get('r')).toMatchObject({ width: 900, height: 700 });
  });

  it('arrivals fill four columns from (100, 100) and touch nobody', () => {
    const taken: { x: number; y: number; width: number; height: number }[] = [];
    for (let count = 0; count < 9; count += 1) {
      const point = findArrivalPoint(taken);
      expect(taken.some((other) => overlaps(other, { ...point, width: 240, height: 130 }))).toBe(false);
      taken.push({ ...point, width: 240, height: 130 });
    }
    expect(taken.slice(0, 5).map(({ x, y }) => [x, y])).toEqual([
      [100, 100],
      [420, 100],
      [740, 100],
      [1060, 100],
      [100, 260],
    ]);
  });
});
