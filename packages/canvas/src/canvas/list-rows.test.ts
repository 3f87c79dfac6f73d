import { describe, expect, it } from 'vitest';
import { view } from '../live/fixtures.ts';
import { toNode } from '../live/model.ts';
import { filterRows, listRows } from './list-rows.ts';

const tree = [
  view('top'),
  view('a', { parent_id: 'top' }),
  view('b', { parent_id: 'top', status: 'failed' }),
  view('a1', { parent_id: 'a', status: 'failed' }),
  view('lost', { parent_id: 'gone' }),
  view('x', { parent_id: 'y' }),
  view('y', { parent_id: 'x' }),
].map((row) => toNode(row));

describe('list rows', () => {
  it('are in tree order with guides that go on to the next sibling; broken parents are roots', () => {
    const rows = listRows(tree);
    expect(rows.map((row) => [row.node.id, row.depth, row.below, row.guides])).toEqual([
      ['top', 0, 3, []],
      ['a', 1, 1, [true]],
      ['a1', 2, 0, [true, false]],
      ['b', 1, 0, [false]],
      ['lost', 0, 0, []],
      ['x', 0, 0, []],
      ['y', 0, 0, []],
    ]);
  });

  it('a folded team hides what is below and still counts it', () => {
    const folded = tree.map((node) => (node.id === 'top' ? { ...node, collapsed: true } : node));
    expect(listRows(folded)[0]).toMatchObject({ node: { id: 'top' }, below: 3 });
    expect(listRows(folded).some((row) => row.node.id === 'a1')).toBe(false);
  });

  it('a filter lists one status flat', () => {
    expect(filterRows(tree, 'failed').map((row) => [row.node.id, row.depth])).toEqual([
      ['b', 0],
      ['a1', 0],
    ]);
  });
});
