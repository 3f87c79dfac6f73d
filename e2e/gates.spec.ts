// What a visitor sees before the canvas: sign-in, an empty platform, a platform that cannot answer (spec chapter 50, C01–C05, C71).

import { expect, keepBothThemes, keepScreenshot, node, test } from './stage.ts';

test('C01 an empty platform offers a team; the blank agent makes one card and the offer goes', async ({
  page,
  stage,
}) => {
  await stage.enter(page);
  const empty = page.getByTestId('empty-state');
  await expect(empty.getByRole('button', { name: 'Start a sample team' })).toBeVisible();
  await expect(empty.getByRole('button', { name: 'Import an organisation' })).toBeVisible();
  await keepBothThemes(page, 'c01-empty');
  await empty.getByRole('button', { name: 'Import an organisation' }).click();
  await expect(page.getByRole('radio', { name: /Sample team/ })).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await empty.getByRole('button', { name: 'Blank agent' }).click();
  const dialog = page.getByRole('dialog', { name: 'New workspace' });
  await expect(dialog.getByLabel('Name')).toHaveValue('My First Agent');
  await keepScreenshot(page, 'c01-create');
  await page.getByTestId('confirm-ok').click();
  await expect(page.locator('.react-flow__node')).toHaveCount(1);
  await expect(page.getByRole('button', { name: /^My First Agent workspace/ })).toBeVisible();
  await expect(empty).toBeHidden();
});

test('C02 a list that cannot be read shows why; Retry opens the canvas without a reload', async ({ page, stage }) => {
  const id = await stage.seat('Scout', { x: 300, y: 200 });
  await stage.enter(page);
  let isBroken = true;
  await page.route('**/workspaces', (route) =>
    isBroken && route.request().method() === 'GET'
      ? route.fulfill({ status: 500, json: { error: 'the database refused', code: 'internal' } })
      : route.continue(),
  );
  await page.reload();
  await expect(page.getByTestId('hydration-error')).toContainText('The database refused.');
  await page.evaluate(() => Object.assign(window, { isSamePage: true }));
  isBroken = false;
  await page.getByRole('button', { name: 'Retry' }).click();
  await expect(node(page, id)).toBeVisible();
  expect(await page.evaluate(() => 'isSamePage' in window)).toBe(true);
});

test('C03 without a session: login, an inline error for a wrong token, then the page that was asked for', async ({
  page,
  stage,
}) => {
  const id = await stage.seat('Scout', { x: 300, y: 200 });
  await page.goto(`${stage.platform.url}/?ws=${id}&tab=details`);
  const field = page.getByLabel('Admin token or organisation token');
  await expect(field).toBeFocused();
  await keepBothThemes(page, 'c03-login');
  await field.fill('not-the-token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toHaveText('This token is not known here.');
  await field.fill(stage.platform.adminToken);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByTestId('panel-details')).toBeVisible();
  const url = new URL(page.url());
  expect([url.pathname, url.searchParams.get('ws'), url.searchParams.get('tab')]).toEqual(['/', id, 'details']);
});

test('C04 a single 401 on a tab stays on that tab', async ({ page, stage }) => {
  const id = await stage.seat('Scout', { x: 300, y: 200 });
  await stage.enter(page);
  await page.route('**/budget', (route) =>
    route.fulfill({ status: 401, json: { error: 'this token is not valid here', code: 'unauthorized' } }),
  );
  const probe = page.waitForResponse((response) => response.url().endsWith('/auth/session'));
  await node(page, id).click();
  await page.getByTestId('tab-details').click();
  await expect(page.getByTestId('panel-details')).toContainText('this token is not valid here');
  expect((await probe).status()).toBe(200);
  await expect(node(page, id)).toBeVisible();
  expect(new URL(page.url()).pathname).toBe('/');
});

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
  await expect(page.getByTestId('outage')).toContainText('The database is starting.');
  await expect(page.getByLabel('Admin token')).toBeHidden();
  expect(new URL(page.url()).pathname).toBe('/');
  await keepBothThemes(page, 'c05-outage');
  isAway = false;
  await expect(page.getByTestId('canvas-root')).toBeVisible({ timeout: 15_000 });
});

test('C71 the printed link signs in once and leaves the address; opened again it says so', async ({
  page,
  stage,
  browser,
}) => {
  const { url } = await stage.platform.admin.createSignInLink({});
  const link = url.replace(/^https?:\/\/[^/]+/, stage.platform.url);
  await page.goto(link);
  await expect(page.getByTestId('canvas-root')).toBeVisible();
  expect(page.url()).not.toContain('code=');
  const other = await browser.newPage();
  await other.goto(link);
  await expect(other.getByRole('alert')).toContainText('This sign-in link was used already or has expired.');
  expect(other.url()).not.toContain('code=');
  await keepScreenshot(other, 'c71-used-link');
  await other.close();
});
