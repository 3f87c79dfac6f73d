// The graph on a real platform: camera, nesting, dragging (spec chapter 50, C06–C11).

import { layoutGrid } from '@molecule/contract';
import type { Locator } from '@playwright/test';
import { boxOf, dragBy, expect, frameOf, keepScreenshot, node, type Stage, test, watchPatches } from './stage.ts';

/** Longer than the pause before a camera is saved. */
const SAVED_MS = 1_500;

test('C06 pan and zoom survive a reload', async ({ page, stage }) => {
  const id = await stage.seat('Scout', { x: 300, y: 200 });
  await stage.enter(page);
  await expect(node(page, id)).toBeVisible();
  await page.mouse.move(900, 600);
  await page.mouse.down();
  await page.mouse.move(1000, 660, { steps: 6 });
  await page.mouse.up();
  const saved = page.waitForRequest(
    (request) => request.method() === 'PUT' && request.url().endsWith('/canvas/viewport'),
  );
  await page.mouse.wheel(0, 240);
  await saved;
  await expect.poll(async () => (await stage.platform.admin.getViewport()).zoom, { timeout: SAVED_MS }).not.toBe(1);
  const before = await boxOf(node(page, id));
  await page.reload();
  await expect(node(page, id)).toBeVisible();
  await expect.poll(async () => Math.round((await boxOf(node(page, id))).x)).toBe(Math.round(before.x));
  const after = await boxOf(node(page, id));
  expect(Math.abs(after.y - before.y)).toBeLessThan(1.5);
  expect(Math.abs(after.width - before.width)).toBeLessThan(1.5);
  // Another browser has no camera of its own and gets the saved one.
  await page.evaluate(() => localStorage.removeItem('molecule.viewport'));
  await page.reload();
  await expect.poll(async () => Math.round((await boxOf(node(page, id))).x)).toBe(Math.round(before.x));
});

test('C07 an imported organisation of three levels stands on the grid', async ({ page, stage }) => {
  const leaf = (name: string) => ({ name, runtime: 'echo' });
  await stage.platform.admin.importOrg({
    body: {
      template: {
        name: 'Grid',
        workspaces: [
          {
            name: 'Chief',
            runtime: 'echo',
            canvas: { x: 120, y: 160 },
            children: [
              { name: 'Lead', runtime: 'echo', children: [leaf('A'), leaf('B'), leaf('C')] },
              { name: 'Other', runtime: 'echo', children: [leaf('D')] },
            ],
          },
        ],
      },
    },
  });
  const rows = await stage.platform.admin.listWorkspaces();
  const find = (name: string) => {
    const row = rows.find((each) => each.name === name);
    if (!row) throw new Error(name);
    return row;
  };
  expect(rows).toHaveLength(7);
  const none = { children: [] };
  const grid = { children: [{ children: [none, none, none] }, { children: [none] }] };
  const top = layoutGrid(grid);
  const inner = layoutGrid(grid.children[0] ?? none);
  const chief = find('Chief');
  expect([chief.x, chief.y]).toEqual([120, 160]);
  expect([find('Lead').x, find('Lead').y]).toEqual([120 + (top.slots[0]?.x ?? 0), 160 + (top.slots[0]?.y ?? 0)]);
  expect([find('C').x, find('C').y]).toEqual([
    find('Lead').x + (inner.slots[2]?.x ?? 0),
    find('Lead').y + (inner.slots[2]?.y ?? 0),
  ]);
  const writes = watchPatches(page);
  await stage.enter(page);
  await expect(node(page, find('C').id)).toBeVisible();
  const drawn = new Map<string, { x: number; y: number; width: number; height: number }>();
  for (const row of rows) drawn.set(row.id, await boxOf(frameOf(page, row.id)));
  const boxes = (id: string) => drawn.get(id) ?? { x: 0, y: 0, width: 0, height: 0 };
  for (const row of rows) {
    const own = boxes(row.id);
    if (row.parent_id) {
      const parent = boxes(row.parent_id);
      expect(own.x).toBeGreaterThan(parent.x);
      expect(own.y).toBeGreaterThan(parent.y);
      expect(own.x + own.width).toBeLessThan(parent.x + parent.width);
      expect(own.y + own.height).toBeLessThan(parent.y + parent.height);
    }
    for (const other of rows) {
      if (other.id === row.id || other.parent_id !== row.parent_id) continue;
      const theirs = boxes(other.id);
      const apart =
        own.x + own.width <= theirs.x ||
        theirs.x + theirs.width <= own.x ||
        own.y + own.height <= theirs.y ||
        theirs.y + theirs.height <= own.y;
      expect(apart, `${row.name} and ${other.name}`).toBe(true);
    }
  }
  expect(writes).toEqual([]);
  await keepScreenshot(page, 'c07-grid');
});

/** Lead ⊃ Inside, and Lone beside them. */
async function arrange(stage: Stage) {
  const lead = await stage.seat('Lead', { x: 100, y: 100 });
  const inside = await stage.seat('Inside', { x: 116, y: 230, parent: lead });
  const lone = await stage.seat('Lone', { x: 560, y: 150 });
  return { lead, inside, lone };
}

async function rowOf(stage: Stage, id: string) {
  const row = (await stage.platform.admin.listWorkspaces()).find((each) => each.id === id);
  if (!row) throw new Error('gone');
  return row;
}

/** Offset that brings the centre of a card over the head of a team. */
async function offsetOver(card: Locator, team: Locator) {
  const [from, to] = [await boxOf(card), await boxOf(team)];
  return { dx: to.x + to.width / 2 - (from.x + from.width / 2), dy: to.y + to.height / 2 - (from.y + from.height / 2) };
}

test('C08 a card dropped on a team asks, then nests with one request', async ({ page, stage }) => {
  const { lead, lone } = await arrange(stage);
  await stage.enter(page);
  const writes = watchPatches(page);
  const { dx, dy } = await offsetOver(node(page, lone), node(page, lead));
  await dragBy(page, node(page, lone), dx, dy, {
    async meanwhile() {
      await expect(page.getByTestId('drop-badge')).toHaveText('Drop into: Lead');
      await expect(page.getByTestId('drop-ghost')).toBeVisible();
      await keepScreenshot(page, 'c08-drag');
    },
  });
  await expect(page.getByRole('dialog', { name: 'Nest Lone in Lead?' })).toBeVisible();
  expect(writes).toEqual([]);
  await keepScreenshot(page, 'c08-dialog');
  await page.getByTestId('confirm-ok').click();
  await expect.poll(async () => (await rowOf(stage, lone)).parent_id).toBe(lead);
  const own = writes.filter((write) => write.path === `/workspaces/${lone}`);
  expect(own).toHaveLength(1);
  expect(Object.keys(own[0]?.body ?? {}).sort()).toEqual(['parent_id', 'x', 'y']);
  await page.reload();
  const [child, team] = [await boxOf(node(page, lone)), await boxOf(frameOf(page, lead))];
  expect(child.x).toBeGreaterThan(team.x);
  expect(child.x + child.width).toBeLessThan(team.x + team.width);
  expect((await rowOf(stage, lone)).parent_id).toBe(lead);
  await keepScreenshot(page, 'c08-nested');
});

test('C09 cancelling a nest puts the card back exactly and sends nothing', async ({ page, stage }) => {
  const { lead, lone } = await arrange(stage);
  await stage.enter(page);
  const writes = watchPatches(page);
  const before = await boxOf(node(page, lone));
  const { dx, dy } = await offsetOver(node(page, lone), node(page, lead));
  await dragBy(page, node(page, lone), dx, dy);
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  expect(await boxOf(node(page, lone))).toEqual(before);
  expect(writes).toEqual([]);
  // Esc during a drag is the same.
  await dragBy(page, node(page, lone), dx, dy, { meanwhile: () => page.keyboard.press('Escape') });
  await expect(page.getByRole('dialog')).toBeHidden();
  expect(await boxOf(node(page, lone))).toEqual(before);
  expect(writes).toEqual([]);
});

test('C10 a tenth outside snaps back, more than a fifth extracts, with Ctrl at once', async ({ page, stage }) => {
  const { lead, inside } = await arrange(stage);
  await stage.enter(page);
  const card = node(page, inside);
  const team = frameOf(page, lead);
  const [own, around] = [await boxOf(card), await boxOf(team)];
  const zoom = own.width / 240;
  const reach = around.x + around.width - (own.x + own.width);
  const writes = watchPatches(page);

  await dragBy(page, card, reach + 24 * zoom, 0);
  await expect(page.getByRole('dialog')).toBeHidden();
  // The team is as narrow as its one card: inside again means where it was, so there is nothing to save.
  await expect.poll(() => boxOf(card)).toEqual(own);
  expect(writes).toEqual([]);

  const now = await boxOf(card);
  const rest = around.x + around.width - (now.x + now.width);
  await dragBy(page, card, rest + 60 * zoom, 0);
  await expect(page.getByRole('dialog', { name: 'Extract Inside from Lead?' })).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  expect(await boxOf(card)).toEqual(now);

  await dragBy(page, card, -12 * zoom, 0, { modifier: 'Control' });
  await expect(page.getByRole('dialog', { name: 'Extract Inside from Lead?' })).toBeVisible();
  await page.getByTestId('confirm-ok').click();
  await expect.poll(async () => (await rowOf(stage, inside)).parent_id).toBeNull();
});

test('C11 a team over what is inside it is never a target', async ({ page, stage }) => {
  const top = await stage.seat('Top', { x: 100, y: 100 });
  const lead = await stage.seat('Lead', { x: 116, y: 230, parent: top });
  const leaf = await stage.seat('Leaf', { x: 132, y: 360, parent: lead });
  await stage.enter(page);
  const writes = watchPatches(page);
  await expect(node(page, leaf)).toBeVisible();
  // The head of the top team is dragged to where its grandchild stood.
  await dragBy(page, node(page, top), 30, 90, {
    meanwhile: async () => expect(page.getByTestId('drop-badge')).toBeHidden(),
  });
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect.poll(() => writes.length).toBe(3);
  expect(writes.every((write) => !('parent_id' in write.body))).toBe(true);
  expect((await rowOf(stage, top)).parent_id).toBeNull();
  // What is inside moved along.
  const [own, inner] = [await rowOf(stage, top), await rowOf(stage, leaf)];
  expect([inner.x - own.x, inner.y - own.y]).toEqual([32, 260]);
});
