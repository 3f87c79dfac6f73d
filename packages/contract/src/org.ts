// Organisation templates and import: the wire shapes of chapter 30 §2, and the grid constants server and canvas share (§2.6).

import { z } from 'zod';
import { jsonObject, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

/** Canvas px at zoom 1. */
export const GRID = {
  leafWidth: 240,
  leafHeight: 130,
  gutter: 14,
  headerHeight: 130,
  padding: 16,
  maxColumns: 2,
} as const;

export interface GridTree {
  children: readonly GridTree[];
}
export interface GridBox {
  width: number;
  height: number /** Slots of the children, relative to this box. */;
  slots: { x: number; y: number; width: number; height: number }[];
}

/** Size of a subtree and the slots of its direct children. */
export function layoutGrid(tree: GridTree): GridBox {
  const boxes = tree.children.map(layoutGrid);
  if (boxes.length === 0) return { width: GRID.leafWidth, height: GRID.leafHeight, slots: [] };
  const columns = Math.min(GRID.maxColumns, boxes.length);
  const columnWidth = Math.max(...boxes.map((box) => box.width));
  const slots: GridBox['slots'] = [];
  let y: number = GRID.headerHeight;
  for (let first = 0; first < boxes.length; first += columns) {
    const row = boxes.slice(first, first + columns);
    row.forEach((box, column) => {
      slots.push({ x: GRID.padding + column * (columnWidth + GRID.gutter), y, width: box.width, height: box.height });
    });
    y += Math.max(...row.map((box) => box.height)) + GRID.gutter;
  }
  return {
    width: 2 * GRID.padding + columnWidth * columns + GRID.gutter * (columns - 1),
    height: y - GRID.gutter + GRID.padding,
    slots,
  };
}

/** One variable, or a group of which any member will do. */
export const envRequirement = z.union([z.string(), z.object({ any_of: z.array(z.string()).min(1) })]);
export type EnvRequirement = z.infer<typeof envRequirement>;

export const orgTemplateView = z.object({
  dir: z.string(),
  name: z.string(),
  description: z.string(),
  workspaces: z.number(),
  required_env: z.array(envRequirement),
  recommended_env: z.array(envRequirement),
});

export const importResult = z.object({
  org: z.string(),
  workspaces: z.array(
    z.object({
      id: uuid,
      name: z.string(),
      tier: z.number(),
      skipped: z.literal(true).optional(),
      channels_skipped: z.array(z.object({ workspace: z.string(), type: z.string(), reason: z.string() })).optional(),
      plugins_skipped: z.array(z.string()).optional(),
      schedules_skipped: z.array(z.string()).optional(),
      memories_skipped: z.number().optional(),
    }),
  ),
  count: z.number(),
  error: z.string().optional(),
});

export const orgRoutes = defineRoutes({
  listOrgTemplates: {
    method: 'GET',
    path: '/org/templates',
    auth: 'ADMIN',
    summary: 'Organisation templates that can be imported.',
    replies: { 200: z.array(orgTemplateView) },
  },
  importOrg: {
    method: 'POST',
    path: '/org/import',
    auth: 'ADMIN',
    summary: 'Creates the workspaces of a template that do not exist yet.',
    body: z.object({ dir: z.string().optional(), template: jsonObject.optional() }),
    replies: { 201: importResult, 207: importResult },
    errors: ['invalid_template', 'unknown_runtime', 'unsafe_url', 'not_found', 'missing_env'],
  },
});
