// Teams on the graph: moving several at once, folding, rescue, another browser, the lines of calls (spec chapter 50 §3).

import { replyWith } from '@molecule/testkit';
import { boxOf, cardButton, dragBy, expect, frameOf, keepScreenshot, node, type Stage, test } from './stage.ts';

async function parentOf(stage: Stage, id: string): Promise<string | null | undefined> {
  return (await stage.platform.admin.listWorkspaces()).find((row) => row.id === id)?.parent_id;
}

test('C12 three dragged into a team while one is refused: two are nested, one goes back, and a toast names it', async ({
  page,
  stage,
}) => {
  const lead = await stage.seat('Lead', { x: 100, y: 100 });
  await stage.seat('Inside', { x: 116, y: 230, parent: lead });
  const [one, two, three] = [
    await stage.seat('One', { x: 560, y: 100 }),
    await stage.seat('Two', { x: 560, y: 260 }),
    await stage.seat('Three', { x: 560, y: 420 }),
  ];
  await stage.enter(page);
  const before = await boxOf(node(page, two));
  for (const id of [one, two, three]) await node(page, id).click({ modifiers: ['Shift'], position: { x: 60, y: 14 } });
  await expect(page.getByTestId('batch-bar')).toContainText('3 selected');
  await page.route(`**/workspaces/${two}`, (route) =>
    route.request().method() === 'PATCH'
      ? route.fulfill({ status: 500, json: { error: 'the disk is full', code: 'internal' } })
      : route.continue(),
  );
  const [from, to] = [await boxOf(node(page, one)), await boxOf(node(page, lead))];
  await dragBy(page, node(page, one), to.x + to.width / 2 - from.x - from.width / 2, 10, {
    meanwhile: async () => expect(page.getByTestId('drop-badge')).toHaveText('Drop into: Lead'),
  });
  await expect(page.getByRole('dialog', { name: 'Nest 3 workspaces in Lead?' })).toBeVisible();
  await page.getByTestId('confirm-ok').click();
  await expect.poll(() => parentOf(stage, one)).toBe(lead);
  await expect.poll(() => parentOf(stage, three)).toBe(lead);
  expect(await parentOf(stage, two)).toBeNull();
  await expect(page.getByTestId('toast')).toContainText('Two could not be moved: the disk is full');
  await expect.poll(async () => (await boxOf(node(page, two))).x).toBeCloseTo(before.x, 0);
  await keepScreenshot(page, 'c12-refused');
});

test('C13 a folded team hides its children also after a reload, turns red with a failing one, and a double-click unfolds it', async ({
  page,
  stage,
}) => {
  const lead = await stage.seat('Lead', { x: 100, y: 100 });
  const inside = await stage.seat('Inside', { x: 116, y: 230, parent: lead });
  await stage.enter(page);
  await node(page, lead).click({ button: 'right', position: { x: 60, y: 14 } });
  const saved = page.waitForResponse((response) => response.request().method() === 'PATCH');
  await page.getByRole('menuitem', { name: 'Fold the team' }).click();
  await expect(node(page, inside)).toBeHidden();
  await expect(node(page, lead)).toContainText('1 hidden');
  await expect(node(page, lead)).toHaveAttribute('data-status', 'awaiting_agent');
  await saved;
  await page.reload();
  await expect(node(page, lead)).toContainText('1 hidden');
  await expect(node(page, inside)).toBeHidden();
  // Without a backend an agent of ours fails at once.
  const failing = await stage.platform.admin.createWorkspace({
    body: { name: 'Broken', runtime: 'echo', parent_id: lead },
  });
  await expect(node(page, lead)).toHaveAttribute('data-status', 'failed');
  await expect(node(page, lead)).toContainText('Broken: failed');
  await expect(node(page, lead)).toContainText('2 hidden');
  await expect(node(page, failing.id)).toBeHidden();
  await keepScreenshot(page, 'c13-folded');
  await node(page, lead).dblclick({ position: { x: 60, y: 14 } });
  await expect(node(page, inside)).toBeVisible();
  await expect(node(page, failing.id)).toBeVisible();
});

test('C14 at load a child partly outside of its team stays there, one fully outside gets a slot', async ({
  page,
  stage,
}) => {
  const lead = await stage.seat('Lead', { x: 100, y: 100 });
  const partly = await stage.seat('Partly', { x: 300, y: 300, parent: lead });
  const outside = await stage.seat('Outside', { x: 2000, y: 1500, parent: lead });
  await stage.enter(page);
  const team = await boxOf(frameOf(page, lead));
  const zoom = (await boxOf(node(page, partly))).width / 240;
  const [stays, rescued] = [await boxOf(node(page, partly)), await boxOf(node(page, outside))];
  expect((stays.x - team.x) / zoom).toBeCloseTo(200, 0);
  expect((stays.y - team.y) / zoom).toBeCloseTo(200, 0);
  expect(rescued.x).toBeGreaterThan(team.x);
  expect(rescued.x + rescued.width).toBeLessThan(team.x + team.width);
  expect(rescued.y + rescued.height).toBeLessThan(team.y + team.height);
  const rows = await stage.platform.admin.listWorkspaces();
  expect(rows.find((row) => row.id === partly)).toMatchObject({ x: 300, y: 300 });
});

test('C74 a move in a second browser is seen live in the first', async ({ page, stage, browser }) => {
  const lead = await stage.seat('Lead', { x: 100, y: 100 });
  const inside = await stage.seat('Inside', { x: 116, y: 230, parent: lead });
  const lone = await stage.seat('Lone', { x: 560, y: 150 });
  await stage.enter(page);
  await expect(node(page, lone)).toBeVisible();
  const other = await browser.newPage();
  await stage.enter(other);
  await node(other, lone).click({ button: 'right', position: { x: 60, y: 14 } });
  await other.getByRole('menuitem', { name: 'Move to…' }).click();
  await other.getByRole('radio', { name: 'Lead' }).check();
  await other.getByTestId('confirm-ok').click();
  await expect.poll(() => parentOf(stage, lone)).toBe(lead);
  await expect
    .poll(async () => {
      const [child, team] = [await boxOf(node(page, lone)), await boxOf(frameOf(page, lead))];
      return child.x > team.x && child.x + child.width < team.x + team.width && child.y > team.y;
    })
    .toBe(true);
  await expect(node(page, inside)).toBeVisible();
  await other.close();
});

test('C15 a delegation draws a line within two seconds; its label opens the caller on Activity; switched off stays off', async ({
  page,
  stage,
}) => {
  const lead = await stage.agent({ name: 'Lead', workspace: { canvas: { x: 100, y: 100 } } });
  const worker = await stage.agent({
    name: 'Worker',
    parentId: lead.id,
    respond: replyWith('Done'),
    workspace: { canvas: { x: 116, y: 230 } },
  });
  await stage.enter(page);
  await expect(node(page, worker.id)).toBeVisible();
  const line = page.getByTestId(`call-${lead.id}-${worker.id}`);
  await expect(line).toHaveCount(0);
  await stage.platform
    .client(lead.token, lead.id)
    .delegate({ params: { id: lead.id }, body: { target_id: worker.id, task: 'Check the ledger' } });
  await expect(line).toHaveCount(1, { timeout: 2_000 });
  const label = page.getByTitle('Lead called Worker');
  await expect(label).toHaveText('1 call · now', { timeout: 2_000 });
  await keepScreenshot(page, 'c15-call');
  await label.click();
  await expect(page.getByTestId('panel-activity')).toBeVisible();
  await expect(page.getByTestId('panel')).toContainText('Lead');
  await expect(page.getByTestId('activity-row').first()).toContainText('Worker');
  await expect(cardButton(page, lead.id)).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('button', { name: 'Hide calls between agents' }).click();
  await expect(line).toHaveCount(0);
  await page.reload();
  await expect(node(page, worker.id)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Show calls between agents' })).toBeVisible();
  await expect(line).toHaveCount(0);
});

test('C21 a start that fails shows as Failed with its reason on the card and as a toast that opens it', async ({
  page,
  stage,
}) => {
  await stage.seat('Scout', { x: 100, y: 100 });
  await stage.enter(page);
  await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'live');
  const { id } = await stage.platform.admin.createWorkspace({
    body: { name: 'Unlucky', runtime: 'echo', canvas: { x: 500, y: 100 } },
  });
  await expect(node(page, id)).toHaveAttribute('data-status', 'failed');
  const reason = (await stage.platform.admin.listWorkspaces()).find((row) => row.id === id)?.last_sample_error ?? '';
  expect(reason).not.toBe('');
  await expect(node(page, id)).toContainText(reason.slice(0, 60));
  await expect(node(page, id).getByRole('button', { name: 'Retry' })).toBeVisible();
  const toast = page.getByTestId('toast').filter({ hasText: 'Unlucky could not start' });
  await expect(toast).toContainText(reason);
  await keepScreenshot(page, 'c21-failed');
  await toast.getByRole('button', { name: 'Open' }).click();
  await expect(page.getByTestId('panel-details').getByRole('region', { name: 'Reported error' })).toContainText(reason);
});
