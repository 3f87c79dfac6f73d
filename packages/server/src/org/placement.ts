// Where a new root goes on the canvas. Below a root the grid of the contract places everything.

import { GRID } from '@molecule/contract';

export interface Point {
  x: number;
  y: number;
}

export const FIRST_ROOT: Point = { x: 80, y: 100 };
export const ROOT_GAP = 60;

/** Right of everything that stands there. */
export function findFreePlace(rows: readonly Point[]): Point {
  if (rows.length === 0) return FIRST_ROOT;
  const right = Math.max(...rows.map((row) => row.x)) + GRID.leafWidth + 2 * GRID.padding;
  return { x: right + ROOT_GAP, y: FIRST_ROOT.y };
}
