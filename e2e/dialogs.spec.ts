// Dialogs that change an organisation: import with its preflight, deleting a team, connecting an agent, the palette, links.

import { expect, keepBothThemes, keepScreenshot, node, test } from './stage.ts';

test('C53 an import waits for its required secret, any one of a group will do, and a second import makes nothing twice', async ({
  page,
  stage,
}) => {
  const sent: unknown[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/org/import')) sent.push(request.postDataJSON());
  });
  await stage.enter(page);
  await page.getByRole('button', { name: 'Import an organisation' }).click();
  const dialog = page.getByTestId('import-dialog');
  await dialog.getByRole('radio', { name: /Paying team/ }).check();
  await expect(page.getByTestId('confirm-ok')).toBeDisabled();
  await expect(dialog).toContainText('1 secret missing');
  await keepBothThemes(page, 'c53-preflight');
  const required = dialog.getByRole('region', { name: 'Required' });
  await required.getByLabel('Which one').selectOption('OPENAI_API_KEY');
  await required.getByLabel('ANTHROPIC_API_KEY or OPENAI_API_KEY').fill('sk-test');
  await required.getByRole('button', { name: 'Save' }).click();
  await expect(required).toContainText('OPENAI_API_KEY');
  await expect(required).toContainText('Configured');
  await expect(page.locator('input[value="sk-test"]')).toHaveCount(0);
  await page.getByTestId('confirm-ok').click();
  await expect(page.getByTestId('import-result')).toContainText('2 created');
  await keepBothThemes(page, 'c53-result');
  await dialog.getByRole('button', { name: 'Open Payer' }).click();
  await expect(page.getByTestId('panel')).toContainText('Payer');

  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('import');
  await page.keyboard.press('Enter');
  await dialog.getByRole('radio', { name: /Paying team/ }).check();
  await page.getByTestId('confirm-ok').click();
  await expect(page.getByTestId('import-result')).toContainText('2 already existed, 0 created');
  expect(await stage.platform.admin.listWorkspaces()).toHaveLength(2);
  expect(sent).toEqual([{ dir: 'paying-team' }, { dir: 'paying-team' }]);
});

test('C58 deleting a team needs a tick; agents that did not stop leave a Retry; success removes all', async ({
  page,
  stage,
}) => {
  const lead = await stage.seat('Lead', { x: 100, y: 100 });
  const inside = await stage.seat('Inside', { x: 116, y: 230, parent: lead });
  const other = await stage.seat('Other', { x: 600, y: 100 });
  await stage.enter(page);
  await node(page, lead).click({ button: 'right', position: { x: 60, y: 14 } });
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete Lead and 1 more?' });
  await expect(dialog.getByRole('list', { name: 'Also removed' })).toHaveText('Inside');
  await expect(page.getByTestId('confirm-ok')).toBeDisabled();
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await keepBothThemes(page, 'c58-delete');
  await dialog.getByLabel('I understand that 2 workspaces are removed').check();
  let isStuck = true;
  await page.route(`**/workspaces/${lead}?**`, (route) =>
    isStuck
      ? route.fulfill({
          status: 500,
          json: { error: 'Inside did not stop', code: 'stop_failures', stop_failures: [{ id: inside }] },
        })
      : route.continue(),
  );
  await page.getByTestId('confirm-ok').click();
  await expect(dialog.getByRole('alert')).toContainText('Removed, but 1 could not be stopped');
  await keepScreenshot(page, 'c58-stop-failure');
  isStuck = false;
  await dialog.getByRole('button', { name: 'Retry' }).click();
  await expect(node(page, lead)).toBeHidden();
  await expect(node(page, inside)).toBeHidden();
  await expect(node(page, other)).toBeVisible();
  expect((await stage.platform.admin.listWorkspaces()).map((row) => row.id)).toEqual([other]);
});

test('a link opens a tab of a workspace, Back and Forward follow, and an unknown one says so', async ({
  page,
  stage,
}) => {
  const scout = await stage.seat('Scout', { x: 100, y: 100 });
  const other = await stage.seat('Other', { x: 500, y: 100 });
  await stage.enter(page, `/?ws=${scout}&tab=activity`);
  await expect(page.getByTestId('panel-activity')).toBeVisible();
  await expect(page.getByTestId('panel')).toContainText('Scout');
  await node(page, other).click();
  await expect(page.getByTestId('panel')).toContainText('Other');
  await page.goBack();
  await expect(page.getByTestId('panel')).toContainText('Scout');
  await page.goForward();
  await expect(page.getByTestId('panel')).toContainText('Other');
  await page.goto(`${stage.platform.url}/?ws=00000000-0000-4000-8000-00000000dead`);
  await expect(page.getByTestId('toast')).toContainText('does not exist any more');
  await expect(node(page, scout)).toBeVisible();
});

test('C70 a read refused for its rate is repeated once silently, a write says so', async ({ page, stage }) => {
  const scout = await stage.seat('Scout', { x: 100, y: 100 });
  await stage.enter(page);
  const tooMany = {
    status: 429,
    headers: { 'retry-after': '1' },
    json: { error: 'too many requests', code: 'rate_limited' },
  };
  let reads = 0;
  await page.route('**/budget', (route) => {
    if (route.request().method() !== 'GET') return route.fulfill(tooMany);
    reads += 1;
    return reads === 1 ? route.fulfill(tooMany) : route.continue();
  });
  await node(page, scout).click();
  await page.getByTestId('tab-details').click();
  const limit = page.getByLabel('Monthly limit in dollars');
  await expect(limit).toBeVisible();
  expect(reads).toBe(2);
  await expect(page.getByTestId('toast')).toHaveCount(0);
  let writes = 0;
  page.on('request', (request) => {
    if (request.method() === 'PATCH') writes += 1;
  });
  await limit.fill('12.50');
  await page.getByRole('button', { name: 'Set limit' }).click();
  await expect(page.getByRole('region', { name: 'Budget' })).toContainText('too many requests');
  expect(writes).toBe(1);
});
