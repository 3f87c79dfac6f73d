// A platform that stops and comes back while somebody works (spec chapter 50, C63).

import { test } from '@playwright/test';
import { expect, keepBothThemes, node, openStage } from './stage.ts';

const AWAY_MS = 20_000;

test('C63 while the platform is stopped: pill, banner, no writes, the draft stays; afterwards one toast and the true state', async ({
  page,
}) => {
  test.setTimeout(120_000);
  const first = await openStage();
  const { db, dataDir } = first.platform;
  const { port } = new URL(first.platform.url);
  const scout = await first.seat('Scout', { x: 300, y: 200 });
  const gone = await first.seat('Gone', { x: 600, y: 200 });
  await page.clock.install();
  await first.enter(page);
  await node(page, scout).click();
  await page.getByTestId('tab-details').click();
  await expect(page.getByRole('button', { name: 'Delete…' })).toBeEnabled();
  await page.getByTestId('tab-chat').click();
  const composer = page.getByTestId('composer');
  await composer.fill('Half a thought');

  await first.platform.platform.close();
  await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'reconnecting');
  await page.clock.fastForward(AWAY_MS);
  await expect(page.getByTestId('ws-pill')).toHaveText('Reconnecting');
  await expect(page.getByTestId('offline-banner')).toContainText('The platform is out of reach.');
  await expect(page.getByTestId('send')).toBeDisabled();
  await expect(composer).toHaveValue('Half a thought');
  await expect(page.getByTestId('panel-chat')).toContainText('Your draft is kept.');
  await keepBothThemes(page, 'c63-offline');
  await page.getByTestId('tab-details').click();
  await expect(page.getByRole('button', { name: 'Delete…' })).toBeDisabled();
  await page.getByTestId('tab-chat').click();

  const second = await openStage({ db, dataDir, env: { PORT: port } });
  await second.platform.admin.deleteWorkspace({ params: { id: gone } });
  const added = await second.seat('Added', { x: 600, y: 420 });
  await page.clock.fastForward(AWAY_MS);
  await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
  await expect(page.getByTestId('toast').filter({ hasText: 'Connection restored' })).toHaveCount(1);
  await expect(page.getByTestId('offline-banner')).toBeHidden();
  await expect(node(page, added)).toBeVisible();
  await expect(node(page, gone)).toBeHidden();
  const rows = await second.platform.admin.listWorkspaces();
  for (const row of rows) await expect(node(page, row.id)).toHaveAttribute('data-status', row.status);
  await expect(page.locator('.react-flow__node')).toHaveCount(rows.length);
  await expect(composer).toHaveValue('Half a thought');
  await second.close();
  await db.close();
});
