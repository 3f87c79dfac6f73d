// Putting workspaces away and taking them back, from the card, the menu, Details and the phone (spec chapter 50 §2, §7.4, §8.3).

import { answerStatus } from '@molecule/testkit';
import { test as base, type Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { type MachineStage, openMachines } from './machines.ts';
import { cardButton, expect, keepBothThemes, keepScreenshot, node } from './stage.ts';

const test = base.extend<{ machines: MachineStage }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures a fixture needs
  machines: async ({}, use) => {
    const machines = await openMachines();
    await use(machines);
    await machines.close();
  },
});

async function openMenu(page: Page, id: string): Promise<void> {
  await node(page, id).click({ button: 'right', position: { x: 60, y: 14 } });
  await expect(page.getByRole('menu')).toBeVisible();
}

async function pick(page: Page, id: string, item: string): Promise<void> {
  await openMenu(page, id);
  await page.getByRole('menuitem', { name: new RegExp(`^${item}`) }).click();
}

const runItems = (page: Page) =>
  page
    .getByRole('menuitem')
    .filter({ hasText: /^(Restart|Retry|Wake|Pause|Resume|Hibernate|Connect…)$/ })
    .allTextContents();

test('a pause says whom it reaches; a resume below a paused lead names the lead and leads to it', async ({
  page,
  machines,
}) => {
  const lead = await machines.createOnline({ name: 'Lead', canvas: { x: 100, y: 100 } });
  const inside = await machines.createOnline({ name: 'Inside', parent_id: lead, canvas: { x: 116, y: 230 } });
  await machines.enter(page);
  await expect(node(page, inside)).toHaveAttribute('data-status', 'online');
  const reset = page.waitForRequest((request) => request.url().endsWith(`/workspaces/${inside}/restart?reset=true`));
  await pick(page, inside, 'Restart with a clear session');
  await reset;
  await expect(page.getByTestId('toast')).toContainText('Restarting Inside');
  await expect(node(page, inside)).toHaveAttribute('data-status', 'online');
  await openMenu(page, inside);
  await expect.poll(() => runItems(page)).toEqual(['Restart', 'Pause', 'Hibernate']);
  await page.keyboard.press('Escape');

  await pick(page, lead, 'Pause');
  const dialog = page.getByRole('dialog', { name: 'Pause Lead and 1 more?' });
  await expect(dialog.getByRole('list', { name: 'Also paused' })).toHaveText('Inside');
  await keepBothThemes(page, 'pause-team');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  expect((await machines.row(lead))?.status).toBe('online');
  await pick(page, lead, 'Pause');
  await page.getByTestId('confirm-ok').click();
  await expect(page.getByTestId('toast').filter({ hasText: 'Lead and 1 below paused' })).toBeVisible();
  await expect(node(page, lead)).toHaveAttribute('data-status', 'paused');
  await expect(node(page, inside)).toHaveAttribute('data-status', 'paused');
  expect(machines.controlPlane.machineOf(inside)).toBeUndefined();
  await openMenu(page, inside);
  expect(await runItems(page)).toEqual(['Resume']);
  await page.keyboard.press('Escape');

  // From the card: a toast, with the way to the one that has to be resumed first.
  await node(page, inside).getByRole('button', { name: 'Resume' }).click();
  const refusal = page.getByTestId('toast').filter({ hasText: 'Lead above it is paused; resume that first' });
  await refusal.getByRole('button', { name: 'Open Lead' }).click();
  await expect(page.getByTestId('panel')).toHaveAccessibleName('Lead workspace');

  // From Details: beside the button.
  await node(page, inside).click({ position: { x: 60, y: 14 } });
  const status = page.getByRole('region', { name: 'Status' });
  await status.getByRole('button', { name: 'Resume' }).click();
  await expect(status.getByRole('alert')).toContainText('Lead above it is paused');
  await keepBothThemes(page, 'resume-refused');
  await status.getByRole('button', { name: 'Open Lead' }).click();
  await status.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByTestId('toast').filter({ hasText: 'Resuming Lead and 1 below' })).toBeVisible();
  await expect(node(page, inside)).toHaveAttribute('data-status', 'online');
  await expect(node(page, lead)).toHaveAttribute('data-status', 'online');
});

test('a workspace at work is asked about before it is put to sleep; asleep it offers to be woken everywhere', async ({
  page,
  machines,
}) => {
  const id = await machines.createOnline({ name: 'Worker', canvas: { x: 300, y: 200 } });
  await machines.beat(id, { active_tasks: 2, current_task: 'Counting' });
  await machines.enter(page);
  await expect(node(page, id)).toContainText('2/');
  await pick(page, id, 'Hibernate');
  const dialog = page.getByRole('dialog', { name: 'Worker is at work. Hibernate it all the same?' });
  await expect(dialog).toContainText('2 tasks of it are running');
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await keepBothThemes(page, 'hibernate-at-work');
  await page.getByTestId('confirm-ok').click();
  await expect(node(page, id)).toHaveAttribute('data-status', 'hibernated');
  await expect(node(page, id)).toContainText('Wakes on message');
  await node(page, id).click({ position: { x: 60, y: 14 } });
  await expect(page.getByTestId('trouble')).toContainText('Asleep. Wakes on message.');
  await keepBothThemes(page, 'asleep');
  await openMenu(page, id);
  expect(await runItems(page)).toEqual(['Wake', 'Pause']);
  await page.keyboard.press('Escape');
  await page.getByTestId('trouble').getByRole('button', { name: 'Wake' }).click();
  await expect(page.getByTestId('toast').filter({ hasText: 'Waking Worker' })).toBeVisible();
  await expect(node(page, id)).toHaveAttribute('data-status', 'online');
});

test('a stop that fails leaves the agent as it was and says so beside the button', async ({ page, machines }) => {
  const id = await machines.createOnline({ name: 'Stubborn', canvas: { x: 300, y: 200 } });
  await machines.enter(page, `/?ws=${id}&tab=details`);
  machines.controlPlane.fail('stop', answerStatus(500, { error: 'no' }));
  const status = page.getByRole('region', { name: 'Status' });
  await status.getByRole('button', { name: 'Hibernate' }).click();
  await expect(status.getByRole('alert')).toContainText('Stubborn could not be put to sleep');
  await expect(node(page, id)).toHaveAttribute('data-status', 'online');
  await expect(status.getByRole('button', { name: 'Hibernate' })).toBeEnabled();
  // A pause is marked first and stopped after: it holds, and what may still run is said.
  await status.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByTestId('toast')).toContainText('Stubborn paused, but 1 may still run');
  await expect(node(page, id)).toHaveAttribute('data-status', 'paused');
  machines.controlPlane.fail('stop', null);
});

test('C21 a start that fails shows its reason on the card and whole in Details, with the log and Retry', async ({
  page,
  machines,
}) => {
  const reason = 'No machine of this size is free in the zone that was asked for';
  machines.controlPlane.fail('provision', answerStatus(422, { error: reason }));
  await machines.enter(page);
  const id = await machines.create({ name: 'Unlucky', canvas: { x: 300, y: 200 } });
  const card = node(page, id);
  await expect(card).toHaveAttribute('data-status', 'failed');
  const stored = (await machines.row(id))?.last_sample_error ?? '';
  expect(stored).not.toBe('');
  await expect(card.locator('.card-msg .clip')).toHaveAttribute('title', stored);
  const toast = page.getByTestId('toast').filter({ hasText: 'Unlucky could not start' });
  await expect(toast).toContainText(stored);
  await toast.getByRole('button', { name: 'Open' }).click();
  const details = page.getByTestId('panel-details');
  await expect(details.getByRole('region', { name: 'Reported error' })).toHaveText(stored);
  await expect(details.getByRole('region', { name: 'Log' }).first()).toBeVisible();
  await expect(details.getByRole('region', { name: 'Console' }).first()).toBeVisible();
  await keepBothThemes(page, 'failed-details');
  machines.controlPlane.fail('provision', null);
  await page.getByRole('region', { name: 'Status' }).getByRole('button', { name: 'Retry' }).click();
  await expect(card).toHaveAttribute('data-status', 'online');
  await expect(details.getByRole('region', { name: 'Reported error' })).toBeHidden();
  // The machine is there: so is what it printed.
  const consoleText = details.getByRole('region', { name: 'Console' }).last();
  await expect(consoleText).toContainText('booting');
});

test('C58 agents that did not stop are counted after their cards are gone; Retry stops them and ends it', async ({
  page,
  machines,
}) => {
  const lead = await machines.createOnline({ name: 'Lead', canvas: { x: 100, y: 100 } });
  const inside = await machines.createOnline({ name: 'Inside', parent_id: lead, canvas: { x: 116, y: 230 } });
  const other = await machines.createOnline({ name: 'Other', canvas: { x: 700, y: 100 } });
  await machines.enter(page);
  await expect(node(page, inside)).toHaveAttribute('data-status', 'online');
  await pick(page, lead, 'Delete');
  const dialog = page.getByRole('dialog', { name: 'Delete Lead and 1 more?' });
  await expect(page.getByTestId('confirm-ok')).toBeDisabled();
  await dialog.getByLabel('I understand that 2 workspaces are removed').check();
  machines.controlPlane.fail('stop', answerStatus(500, { error: 'no' }));
  await page.getByTestId('confirm-ok').click();
  await expect(dialog.getByRole('alert')).toContainText('Removed, but 2 could not be stopped');
  await expect(dialog.getByRole('list', { name: 'Also removed' })).toHaveText('Inside');
  await keepBothThemes(page, 'c58-real-stop-failure');
  expect(machines.controlPlane.machineOf(inside)).toBeDefined();
  machines.controlPlane.fail('stop', null);
  await dialog.getByRole('button', { name: 'Retry' }).click();
  await expect(dialog).toBeHidden();
  await expect(node(page, lead)).toBeHidden();
  await expect(node(page, inside)).toBeHidden();
  await expect(node(page, other)).toBeVisible();
  expect(machines.controlPlane.machineOf(inside)).toBeUndefined();
  expect(machines.controlPlane.machineOf(lead)).toBeUndefined();
});

test('C59 a batch restart of three with one failure leaves that one selected and the bar; a pause reaches who was not chosen', async ({
  page,
  machines,
}) => {
  const ids: string[] = [];
  for (const [index, name] of ['Ant', 'Bee', 'Cat'].entries())
    ids.push(await machines.createOnline({ name, canvas: { x: 80 + index * 280, y: 120 } }));
  const [ant = '', bee = '', cat = ''] = ids;
  const below = await machines.createOnline({ name: 'Below', parent_id: cat, canvas: { x: 656, y: 250 } });
  await machines.enter(page);
  await expect(node(page, below)).toHaveAttribute('data-status', 'online');
  for (const [index, id] of ids.entries())
    await node(page, id).click({ position: { x: 60, y: 14 }, modifiers: index === 0 ? [] : ['Shift'] });
  const bar = page.getByTestId('batch-bar');
  await expect(bar).toContainText('3 selected');
  await expect(bar.getByRole('button')).toHaveText(['Restart', 'Pause', 'Hibernate', 'Move to…', 'Delete…', /Clear/]);
  await keepBothThemes(page, 'c59-batch');
  await page.route(`**/workspaces/${bee}/restart**`, (route) =>
    route.fulfill({ status: 500, json: { error: 'the log has the reason', code: 'internal' } }),
  );
  await bar.getByRole('button', { name: 'Restart' }).click();
  await expect(page.getByTestId('toast').filter({ hasText: '2 restarted' })).toBeVisible();
  await expect(page.getByTestId('toast').filter({ hasText: 'Not restarted: Bee' })).toContainText(
    'the log has the reason',
  );
  await expect(bar).toContainText('1 selected');
  await expect(cardButton(page, bee)).toHaveAttribute('aria-pressed', 'true');
  await expect(cardButton(page, ant)).toHaveAttribute('aria-pressed', 'false');
  for (const id of ids) await expect(node(page, id)).toHaveAttribute('data-status', 'online');

  await bar.getByRole('button', { name: 'Clear' }).click();
  await node(page, ant).click({ position: { x: 60, y: 14 } });
  await node(page, cat).click({ position: { x: 60, y: 14 }, modifiers: ['Shift'] });
  await bar.getByRole('button', { name: 'Pause' }).click();
  const dialog = page.getByRole('dialog', { name: 'Pause 2 workspaces and 1 more?' });
  await expect(dialog.getByRole('list', { name: 'Also paused' })).toHaveText('Below');
  await page.getByTestId('confirm-ok').click();
  for (const id of [ant, cat, below]) await expect(node(page, id)).toHaveAttribute('data-status', 'paused');
  await expect(node(page, bee)).toHaveAttribute('data-status', 'online');
});

test('the console is followed where machines are, a failed read has a Retry, and elsewhere it is not there', async ({
  page,
  machines,
}) => {
  const id = await machines.createOnline({ name: 'Worker', canvas: { x: 300, y: 200 } });
  machines.controlPlane.consoleOutput = 'booting\n';
  machines.controlPlane.fail('console', answerStatus(500, { error: 'no' }));
  await machines.enter(page, `/?ws=${id}&tab=details`);
  const part = page.locator('section.det-sec').filter({ has: page.getByRole('heading', { name: 'Console' }) });
  await part.getByRole('button', { name: 'Show' }).click();
  await expect(part.getByRole('alert')).toContainText('did not give the console out');
  machines.controlPlane.fail('console', null);
  await part.getByRole('button', { name: 'Retry' }).click();
  const output = part.getByRole('region', { name: 'Console' });
  await expect(output).toHaveText('booting\n');
  machines.controlPlane.consoleOutput = 'booting\nready\n';
  await expect(output).toContainText('ready');
  await keepScreenshot(page, 'console');
  const downloading = page.waitForEvent('download');
  await part.getByRole('button', { name: 'Download' }).click();
  expect((await downloading).suggestedFilename()).toBe('worker-console.txt');

  // A control plane that has no consoles after all.
  await page.route('**/console', (route) =>
    route.fulfill({ status: 501, json: { error: 'consoles exist only on hosted machines', code: 'no_console' } }),
  );
  await expect(part).toBeHidden({ timeout: 15_000 });
  await page.unroute('**/console');
  await page.route('**/admin/info', async (route) => {
    const reply = await route.fetch();
    return route.fulfill({ json: { ...(await reply.json()), backend: 'process' } });
  });
  await page.reload();
  await expect(page.getByRole('region', { name: 'Log' })).toBeVisible();
  await expect(part).toHaveCount(0);
});

test('a team is dissolved only after its name was typed; the lead stays and keeps working', async ({
  page,
  machines,
}) => {
  const lead = await machines.createOnline({ name: 'Lead', canvas: { x: 100, y: 100 } });
  const inside = await machines.createOnline({ name: 'Inside', parent_id: lead, canvas: { x: 116, y: 230 } });
  await machines.enter(page, `/?ws=${lead}&tab=details`);
  await page.getByRole('button', { name: 'Dissolve…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Dissolve the team of Lead?' });
  await expect(page.getByTestId('confirm-ok')).toBeDisabled();
  await dialog.getByLabel('Type Lead to confirm').fill('lead');
  await expect(page.getByTestId('confirm-ok')).toBeDisabled();
  await dialog.getByLabel('Type Lead to confirm').fill('Lead');
  await keepScreenshot(page, 'dissolve');
  await page.getByTestId('confirm-ok').click();
  await expect(node(page, inside)).toBeHidden();
  await expect(node(page, lead)).toHaveAttribute('data-status', 'online');
  expect((await machines.platform.admin.listWorkspaces()).map((row) => row.id)).toEqual([lead]);
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('a sleeping and a paused agent are taken back from their rows, and put away from the panel', async ({
    page,
    machines,
  }) => {
    const asleep = await machines.createOnline({ name: 'Sleeper' });
    const away = await machines.createOnline({ name: 'Away' });
    const { admin } = machines.platform;
    await admin.hibernateWorkspace({ params: { id: asleep }, query: {} });
    await admin.pauseWorkspace({ params: { id: away } });
    await machines.enter(page);
    await expect(node(page, asleep)).toContainText('Asleep, wakes on message');
    await keepBothThemes(page, 'phone-put-away');
    await expectAccessible(page);
    await node(page, asleep).getByRole('button', { name: 'Wake' }).tap();
    await node(page, away).getByRole('button', { name: 'Resume' }).tap();
    await expect(node(page, asleep)).toHaveAttribute('data-status', 'online');
    await expect(node(page, away)).toHaveAttribute('data-status', 'online');
    await node(page, away).tap();
    await page.getByTestId('tab-details').tap();
    await keepScreenshot(page, 'phone-details-status');
    const status = page.getByRole('region', { name: 'Status' });
    await status.getByRole('button', { name: 'Pause' }).tap();
    await expect(status).toContainText('Takes no work until resumed.');
    await expect(status.getByRole('button', { name: 'Resume' })).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)).toBe(
      false,
    );
  });
});
