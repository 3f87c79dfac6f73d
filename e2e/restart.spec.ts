// A real agent process that dies on a message (spec chapter 50, C30), and the log of one that runs.

import { test } from '@playwright/test';
import { expect, keepScreenshot, node, openStage } from './stage.ts';

test('C30 the agent is killed by a message: a countdown, one resend with the same message id, one reply', async ({
  page,
}) => {
  test.setTimeout(120_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process' } });
  try {
    const { id } = await stage.platform.admin.createWorkspace({
      body: { name: 'Fragile', runtime: 'echo', canvas: { x: 300, y: 200 } },
    });
    await stage.enter(page);
    await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await node(page, id).click({ position: { x: 60, y: 14 } });
    await page.getByTestId('tab-details').click();
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await expect(page.getByRole('region', { name: 'Log', exact: true }).last()).toContainText('listening');
    await page.getByTestId('tab-chat').click();

    const sent: string[] = [];
    page.on('request', (request) => {
      // Asking for the rest of a stream that broke sends nothing.
      const isSending = request.url().endsWith('/a2a') && !request.headers()['last-event-id'];
      if (isSending) sent.push(request.postDataJSON().params.message.messageId);
    });
    const composer = page.getByTestId('composer');
    await composer.fill('[[echo: crash]] [[echo: reply "Here again."]]');
    await composer.press('Enter');
    await expect(page.getByTestId('countdown')).toContainText('Restarting. Sends again in', { timeout: 15_000 });
    await keepScreenshot(page, 'c30-countdown');
    const replies = page.locator('[data-testid=bubble][data-role=agent]');
    await expect(replies).toContainText('Here again.', { timeout: 40_000 });
    await expect(page.getByTestId('countdown')).toBeHidden();
    await expect(replies).toHaveCount(1);
    await expect(page.locator('[data-testid=bubble][data-role=user]')).toHaveCount(1);
    await expect(page.locator('[data-testid=bubble][data-role=error]')).toHaveCount(0);
    expect(sent).toHaveLength(2);
    expect(new Set(sent).size).toBe(1);
    await page.reload();
    await expect(replies).toHaveCount(1);
    await expect(page.locator('[data-testid=bubble][data-role=user]')).toHaveCount(1);
  } finally {
    await stage.close();
  }
});
