// Starts that take too long (spec chapter 50 §8.9, C61), and a scripted team that is given a model.

import { test } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { openMachines } from './machines.ts';
import { expect, keepBothThemes, keepScreenshot, node, openStage, setTheme } from './stage.ts';

const TIMEOUT_MS = 5_000;

test('C61 a slow start has its banner, not while the socket is down; Retry cools down; Dismiss holds until the status changes', async ({
  page,
}) => {
  const machines = await openMachines();
  try {
    machines.silence(true);
    const id = await machines.create({ name: 'Slow', canvas: { x: 300, y: 200 } });
    // The limit is stubbed: no template that ships has one of five seconds.
    await page.route('**/workspaces', async (route) => {
      if (route.request().method() !== 'GET') return route.continue();
      const reply = await route.fetch();
      const rows: object[] = await reply.json();
      return route.fulfill({ json: rows.map((row) => ({ ...row, provision_timeout_ms: TIMEOUT_MS })) });
    });
    let isDown = true;
    await page.routeWebSocket(/\/ws/, (socket) => {
      if (isDown) void socket.close();
      else socket.connectToServer();
    });
    await page.clock.install();
    await machines.enter(page);
    await expect(node(page, id)).toHaveAttribute('data-status', 'provisioning');
    const banner = page.getByTestId('provision-banner');
    await page.clock.runFor(4 * TIMEOUT_MS);
    await expect(page.getByTestId('ws-pill')).not.toHaveText('Live');
    await expect(banner).toBeHidden();
    isDown = false;
    await page.clock.runFor(35_000);
    await expect(page.getByTestId('ws-pill')).toHaveText('Live');
    await page.clock.runFor(TIMEOUT_MS + 1_000);
    await expect(banner).toContainText('A start takes longer than expected.');
    await expect(banner).toContainText(/Slow starting for \d:\d\d/);
    await keepBothThemes(page, 'c61-slow-start');
    await expectAccessible(page);

    // Retry: a new start, a clock of its own, and no second one within five seconds.
    const provisions = machines.controlPlane.of('provision').length;
    await page.route('**/restart', (route) => route.abort(), { times: 1 });
    await banner.getByRole('button', { name: 'Retry' }).click();
    await expect(banner.getByRole('button', { name: 'Retry' })).toBeDisabled();
    await page.clock.runFor(TIMEOUT_MS);
    await expect(banner.getByRole('button', { name: 'Retry' })).toBeEnabled();
    await banner.getByRole('button', { name: 'Retry' }).click();
    await machines.controlPlane.waitFor('provision', provisions + 1);
    await expect(banner).toBeHidden();
    await page.clock.runFor(2 * TIMEOUT_MS);
    await expect(banner).toBeVisible();

    await banner.getByRole('button', { name: 'View logs' }).click();
    await expect(page.getByTestId('panel-details')).toBeVisible();
    await banner.getByRole('button', { name: 'Cancel…' }).click();
    const question = page.getByRole('dialog', { name: 'Delete Slow?' });
    await question.getByRole('button', { name: 'Cancel' }).click();
    expect((await machines.row(id))?.status).toBe('provisioning');

    await banner.getByRole('button', { name: 'Dismiss' }).click();
    await expect(banner).toBeHidden();
    await page.clock.runFor(4 * TIMEOUT_MS);
    await expect(banner).toBeHidden();
    await machines.platform.admin.pauseWorkspace({ params: { id } });
    await page.clock.runFor(1_000);
    await expect(node(page, id)).toHaveAttribute('data-status', 'paused');
    await machines.platform.admin.resumeWorkspace({ params: { id } });
    await page.clock.runFor(1_000);
    await expect(node(page, id)).toHaveAttribute('data-status', 'provisioning');
    await page.clock.runFor(2 * TIMEOUT_MS);
    await expect(banner).toBeVisible();

    await page.setViewportSize({ width: 390, height: 844 });
    await page.clock.runFor(1_000);
    await page.getByRole('button', { name: 'Back to the agents' }).click();
    await page.clock.runFor(1_000);
    await expect(banner).toBeVisible();
    await keepScreenshot(page, 'c61-phone');
  } finally {
    // A list that is just fetched for the page has nobody to answer any more.
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await machines.close();
  }
});

test('a scripted team is offered the model once a key is there: who got it, who did not, and never again after "Not now"', async ({
  page,
}) => {
  test.setTimeout(120_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process' } });
  try {
    const { admin } = stage.platform;
    const lead = (await admin.createWorkspace({ body: { name: 'Lead', runtime: 'echo', canvas: { x: 100, y: 120 } } }))
      .id;
    const clerk = (
      await admin.createWorkspace({ body: { name: 'Clerk', runtime: 'echo', canvas: { x: 400, y: 120 } } })
    ).id;
    await admin.createWorkspace({ body: { name: 'Laptop', external: true, canvas: { x: 700, y: 120 } } });
    await stage.enter(page);
    for (const id of [lead, clerk])
      await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    const offer = page.getByTestId('model-offer');
    await expect(offer).toBeHidden();
    await page.keyboard.press('Control+k');
    await expect(page.getByRole('combobox', { name: 'Search' })).toBeFocused();
    await page.keyboard.type('Connect a model');
    await page.keyboard.press('Enter');
    await page.getByLabel('Provider').selectOption('OPENAI_API_KEY');
    await page.getByLabel('OPENAI_API_KEY').fill('sk-test');
    await page.getByTestId('confirm-ok').click();
    await expect(offer).toContainText('2 agents are scripted.');
    await expect(offer).toContainText('OPENAI_API_KEY');
    await keepBothThemes(page, 'model-offer');
    await expectAccessible(page);

    // One of them cannot be changed at first.
    await page.route(`**/workspaces/${clerk}`, (route) =>
      route.request().method() === 'PATCH'
        ? route.fulfill({ status: 503, json: { error: 'the disk is nearly full', code: 'store_full' } })
        : route.continue(),
    );
    await offer.getByRole('button', { name: 'Give the team a model' }).click();
    const dialog = page.getByTestId('give-model');
    await expect(dialog.getByRole('checkbox')).toHaveCount(2);
    await keepBothThemes(page, 'model-choice');
    await dialog.getByRole('button', { name: 'Give 2 agents a model' }).click();
    await expect(dialog.getByRole('status')).toContainText('1 of 2 has the model. Clerk did not come up.', {
      timeout: 60_000,
    });
    await expect(dialog.getByRole('listitem').filter({ hasText: 'Clerk' })).toContainText('the disk is nearly full');
    await keepBothThemes(page, 'model-result');
    await expectAccessible(page);
    await page.unroute(`**/workspaces/${clerk}`);
    await dialog.getByRole('button', { name: 'Retry 1 agent' }).click();
    await expect(dialog.getByRole('status')).toContainText('2 agents have the model.', { timeout: 60_000 });
    await dialog.getByRole('button', { name: 'Done' }).click();
    await expect(offer).toBeHidden();
    const rows = await admin.listWorkspaces();
    expect(rows.map((row) => [row.name, row.runtime, row.status])).toEqual([
      ['Lead', 'ai-sdk', 'online'],
      ['Clerk', 'ai-sdk', 'online'],
      ['Laptop', 'external', 'awaiting_agent'],
    ]);

    // Another scripted one: the offer comes back until it is turned down, then never again.
    await admin.createWorkspace({ body: { name: 'Parrot', runtime: 'echo', canvas: { x: 100, y: 400 } } });
    await expect(offer).toContainText('1 agent is scripted.');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole('button', { name: 'Agents' }).click();
    for (const theme of ['dark', 'light'] as const) {
      await setTheme(page, theme);
      await keepScreenshot(page, `model-offer-phone-${theme}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await offer.getByRole('button', { name: 'Not now' }).click();
    await expect(offer).toBeHidden();
    await page.reload();
    await expect(page.getByTestId('list-view')).toContainText('Parrot');
    await expect(offer).toBeHidden();
  } finally {
    await stage.close();
  }
});
