// Several selected workspaces at once (spec chapter 50 §8.4, §3.2 rule 6): moved under a lead, and deleted with everyone below.

import type { Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, node, type Stage, test, watchPatches } from './stage.ts';

const bar = (page: Page) => page.getByTestId('batch-bar');

async function selectAll(page: Page, ids: readonly string[]): Promise<void> {
  for (const [index, id] of ids.entries())
    await node(page, id).click({ position: { x: 60, y: 14 }, ...(index > 0 ? { modifiers: ['Shift'] } : {}) });
  await expect(bar(page)).toContainText(`${ids.length} selected`);
}

const parentsOf = async ({ platform }: Stage) =>
  new Map((await platform.admin.listWorkspaces()).map((row) => [row.name, row.parent_id]));

test('C81 several are moved under a lead, those below them go along, a failed one stays selected; then all are deleted with a tick', async ({
  page,
  stage,
}) => {
  const lead = await stage.seat('Lead', { x: 560, y: 80 });
  const team = await stage.seat('Team', { x: 60, y: 80 });
  const inner = await stage.seat('Inner', { x: 76, y: 210, parent: team });
  const solo = await stage.seat('Solo', { x: 60, y: 420 });
  const stuck = await stage.seat('Stuck', { x: 330, y: 420 });
  await stage.enter(page);
  let isRefusing = true;
  await page.route(`**/workspaces/${stuck}`, (route) =>
    isRefusing && route.request().method() === 'PATCH'
      ? route.fulfill({ status: 500, json: { error: 'the disk is full', code: 'internal' } })
      : route.continue(),
  );
  await selectAll(page, [team, inner, solo, stuck]);
  const patches = watchPatches(page);
  await bar(page).getByRole('button', { name: 'Move to…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Move 3 workspaces');
  await expect(dialog.getByRole('radio')).toHaveCount(2);
  await dialog.getByText('Lead', { exact: true }).click();
  await keepBothThemes(page, 'batch-move');
  await page.getByTestId('confirm-ok').click();
  await expect(page.getByTestId('toast')).toContainText('Stuck could not be moved: the disk is full');
  await expect(bar(page)).toContainText('1 selected');
  const moved = patches.filter(({ body }) => 'parent_id' in body).map(({ path }) => path.split('/').at(-1));
  expect(moved.sort()).toEqual([team, solo, stuck].sort());
  expect(Object.fromEntries(await parentsOf(stage))).toEqual({
    Lead: null,
    Team: lead,
    Inner: team,
    Solo: lead,
    Stuck: null,
  });
  const rows = await stage.platform.admin.listWorkspaces();
  const boxes = rows.filter(({ parent_id: parent }) => parent === lead).map(({ x, y }) => `${x}:${y}`);
  expect(new Set(boxes).size).toBe(2);

  isRefusing = false;
  await page.keyboard.press('Escape');
  await selectAll(page, [lead, stuck]);
  let isFailing = true;
  await page.route(`**/workspaces/${stuck}?**`, (route) =>
    isFailing && route.request().method() === 'DELETE'
      ? route.fulfill({ status: 500, json: { error: 'the disk is full', code: 'internal' } })
      : route.continue(),
  );
  await bar(page).getByRole('button', { name: 'Delete…' }).click();
  await expect(dialog).toContainText('Delete 5 workspaces?');
  await expect(dialog.getByRole('list', { name: 'Removed' }).getByRole('listitem')).toHaveCount(5);
  await expect(page.getByTestId('confirm-ok')).toBeDisabled();
  await page.getByText('I understand that 5 workspaces are removed').click();
  await expectAccessible(page);
  await keepBothThemes(page, 'batch-delete');
  await page.getByTestId('confirm-ok').click();
  await expect(dialog.getByRole('alert')).toHaveText('Not deleted: Stuck (the disk is full)');
  expect([...(await parentsOf(stage)).keys()]).toEqual(['Stuck']);
  await page.setViewportSize({ width: 390, height: 844 });
  await keepBothThemes(page, 'batch-delete-phone');
  await page.setViewportSize({ width: 1440, height: 900 });
  isFailing = false;
  await page.getByTestId('confirm-ok').click();
  await expect(dialog).toHaveCount(0);
  expect(await stage.platform.admin.listWorkspaces()).toEqual([]);
});
