// What a visitor sees when the platform is away, and how cards show each status (C05, C18, C63).

import type { WorkspaceView } from '@molecule/contract';
import { test as base } from '@playwright/test';
import { expect, keepScreenshot, node, openStage, test } from './stage.ts';

test('C05 a platform that is unavailable shows the outage page, never the login page, and recovers by itself', async ({
  page,
  stage,
}) => {
  await stage.seat('Scout', { x: 300, y: 200 });
  await stage.enter(page);
  let isAway = true;
  await page.route('**/auth/session', (route) =>
    isAway
      ? route.fulfill({ status: 503, json: { error: 'the database is starting', code: 'platform_unavailable' } })
      : route.continue(),
  );
  await page.reload();
  await expect(page.getByTestId('outage')).toContainText('The platform does not answer');
  await expect(page.getByTestId('outage')).toContainText('the database is starting');
  await expect(page.getByLabel('Admin token')).toBeHidden();
  expect(new URL(page.url()).pathname).toBe('/');
  await keepScreenshot(page, 'c05-outage');
  isAway = false;
  await expect(page.getByTestId('canvas-root')).toBeVisible({ timeout: 15_000 });
});

const STATUSES: [status: string, label: string, action: string | null][] = [
  ['provisioning', 'Starting', null],
  ['online', 'Online', null],
  ['degraded', 'Degraded', 'Restart'],
  ['offline', 'Offline', 'Restart'],
  ['failed', 'Failed', 'Retry'],
  ['awaiting_agent', 'Awaiting agent', 'Connect…'],
  ['paused', 'Paused', 'Resume'],
  ['hibernating', 'Going to sleep', null],
  ['hibernated', 'Asleep', null],
  ['draining', 'draining', null],
];

test('C18 every status has its label, its shape and its action; an unknown one its raw text', async ({
  page,
  stage,
}) => {
  for (const [index, [status]] of STATUSES.entries())
    await stage.seat(`Seat ${status}`, { x: 80 + (index % 4) * 260, y: 120 + Math.floor(index / 4) * 150 });
  const rows = await stage.platform.admin.listWorkspaces();
  // The list is stubbed: not every status can be brought about on purpose.
  await page.route('**/workspaces', (route) => {
    if (route.request().method() !== 'GET') return route.continue();
    const shown = rows.map((row: WorkspaceView) => ({
      ...row,
      runtime: 'echo',
      status: row.name.replace('Seat ', ''),
      last_sample_error: row.name === 'Seat degraded' ? '529 overloaded, 14 of 20 calls' : null,
    }));
    return route.fulfill({ json: shown });
  });
  await stage.enter(page);
  const shapes = new Set<string>();
  for (const [status, label, action] of STATUSES) {
    const row = rows.find((each) => each.name === `Seat ${status}`);
    const card = node(page, row?.id ?? '');
    await expect(card).toHaveAttribute('data-status', status);
    await expect(card).toHaveAttribute('aria-label', `Seat ${status} workspace — ${label}`);
    await expect(card.locator('.lbl')).toHaveText(label);
    if (action) await expect(card.getByRole('button', { name: action })).toBeVisible();
    else await expect(card.getByRole('button')).toHaveCount(0);
    shapes.add(await card.locator('.gl').first().innerHTML());
  }
  expect(shapes.size).toBe(STATUSES.length);
  const cardOf = (status: string) => node(page, rows.find((each) => each.name === `Seat ${status}`)?.id ?? '');
  await expect(cardOf('degraded')).toContainText('529 overloaded, 14 of 20 calls');
  await expect(cardOf('failed')).toContainText('No details reported');
  await expect(cardOf('hibernated')).toContainText('Wakes on message');
  await expect(cardOf('provisioning')).toContainText(/\d+:\d\d/);
  await keepScreenshot(page, 'c18-statuses-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.evaluate(() => {
    document.documentElement.dataset.theme = 'light';
  });
  await keepScreenshot(page, 'c18-statuses-light');
});

base(
  'C63 while the platform is stopped: pill, banner, no writes, the draft stays; afterwards one toast and the true state',
  async ({ page }) => {
    base.setTimeout(120_000);
    const first = await openStage();
    const { db, dataDir } = first.platform;
    const { port } = new URL(first.platform.url);
    const scout = await first.seat('Scout', { x: 300, y: 200 });
    const gone = await first.seat('Gone', { x: 600, y: 200 });
    await first.enter(page);
    await node(page, scout).click();
    const composer = page.getByTestId('composer');
    await composer.fill('Half a thought');

    await first.platform.platform.close();
    await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'reconnecting');
    await expect(page.getByTestId('offline-banner')).toBeVisible();
    await expect(page.getByTestId('send')).toBeDisabled();
    await expect(composer).toHaveValue('Half a thought');
    await keepScreenshot(page, 'c63-offline');
    await page.waitForTimeout(20_000);
    await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'reconnecting');

    const second = await openStage({ db, dataDir, env: { PORT: port } });
    await second.platform.admin.deleteWorkspace({ params: { id: gone } });
    const added = await second.seat('Added', { x: 600, y: 420 });
    await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'live', { timeout: 40_000 });
    await expect(page.getByTestId('toast').filter({ hasText: 'Connection restored' })).toHaveCount(1);
    await expect(page.getByTestId('offline-banner')).toBeHidden();
    await expect(node(page, added)).toBeVisible();
    await expect(node(page, gone)).toBeHidden();
    await expect(composer).toHaveValue('Half a thought');
    await second.close();
    await db.close();
  },
);
