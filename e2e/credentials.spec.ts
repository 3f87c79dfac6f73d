// Who may act as whom: connecting an agent that runs elsewhere, rotating its credentials, workspace tokens, keys of the
// organisation, pinned images (spec chapter 50 §7.4, §8.5, §8.6).

import { ApiError } from '@molecule/contract';
import { failureOf } from '@molecule/testkit';
import type { Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, keepScreenshot, node, test } from './stage.ts';

const TABS = ['Universal MCP', 'SDK', 'Claude Code', 'Hermes', 'Codex', 'OpenClaw', 'curl', 'Fields'];
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());

test('C56 a new external seat: Universal MCP first, snippets hold the token, contact turns the line; later a placeholder', async ({
  page,
  stage,
}) => {
  await stage.enter(page);
  await page.getByRole('button', { name: 'Connect an agent' }).click();
  await page.getByLabel('Name').fill("Mara's laptop");
  await page.getByTestId('confirm-ok').click();
  const modal = page.getByTestId('connect-modal');
  const token = (await modal.getByTestId('fresh-token').textContent()) ?? '';
  expect(token.length).toBeGreaterThan(20);
  const command = modal.getByRole('region', { name: 'Command' });
  await expect(modal.getByRole('tab')).toHaveText(TABS);
  await expect(modal.getByRole('tab', { name: 'Universal MCP' })).toHaveAttribute('aria-selected', 'true');
  await keepBothThemes(page, 'c56-connect');
  await expectAccessible(page);
  // Nothing was copied yet: closing asks once.
  await page.keyboard.press('Escape');
  const question = page.getByRole('dialog', { name: 'Close without the token?' });
  await question.getByRole('button', { name: 'Cancel' }).click();
  for (const name of TABS.slice(0, -1)) {
    await modal.getByRole('tab', { name, exact: true }).click();
    await expect(command).toContainText(token);
    await expect(command).not.toContainText('<token>');
    await expect(command).not.toContainText('MOLECULE_ORG_ID');
    await modal.getByRole('button', { name: 'Copy the command' }).click();
    await expect.poll(() => clipboard(page)).toBe(await command.textContent());
  }
  await modal.getByText('Common errors').click();
  await expect(modal).toContainText('The token is from before a rotation');
  await keepScreenshot(page, 'c56-connect-help');
  await modal.getByRole('tab', { name: 'Fields' }).click();
  await expect(modal.getByText('••••')).toBeVisible();
  await modal.getByRole('button', { name: 'Show the token' }).click();
  await keepScreenshot(page, 'c56-fields');

  const [row] = await stage.platform.admin.listWorkspaces();
  const id = row?.id ?? '';
  await expect(modal).toContainText('Waiting for first contact…');
  await stage.platform
    .client(token, id)
    .register({ body: { id, agent_card: { name: 'laptop' }, delivery_mode: 'poll' } });
  await expect(modal).toContainText('Connected ✓');
  await modal.getByRole('button', { name: 'Close', exact: true }).last().click();
  await expect(modal).toBeHidden();
  await expect(page.getByTestId('composer')).toBeEnabled();
  await page.reload();
  await expect(page.locator('body')).not.toContainText(token);

  // Reopened it has no token, and a snippet that is not there has no tab.
  await page.route('**/external/connection', async (route) => {
    const reply = await route.fetch();
    const { connection } = await reply.json();
    return route.fulfill({ json: { connection: { ...connection, codex_snippet: '' } } });
  });
  await page.getByTestId('tab-details').click();
  await page.getByRole('button', { name: 'Show connection info' }).click();
  await expect(modal.getByRole('tab')).toHaveText(TABS.filter((name) => name !== 'Codex'));
  await expect(command).toContainText('<token>');
  await expect(command).not.toContainText('MOLECULE_ORG_ID');
  await expect(modal).toContainText('Rotating makes a new one');
  await keepBothThemes(page, 'c56-reopened');
});

test('C57 rotating asks first, Cancel sends nothing, and afterwards the old token is refused', async ({
  page,
  stage,
}) => {
  const { admin } = stage.platform;
  const created = await admin.createWorkspace({ body: { name: 'Laptop', external: true, canvas: { x: 300, y: 200 } } });
  const old = created.connection?.auth_token ?? '';
  let rotations = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/external/rotate')) rotations += 1;
  });
  await stage.enter(page, `/?ws=${created.id}&tab=details`);
  await page.getByRole('button', { name: 'Rotate credentials…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Rotate the credentials of Laptop?' });
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await keepBothThemes(page, 'c57-rotate');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  expect(rotations).toBe(0);
  await stage.platform.client(old).getWorkspaceState({ params: { id: created.id } });

  await page.getByRole('button', { name: 'Rotate credentials…' }).click();
  await page.getByTestId('confirm-ok').click();
  const modal = page.getByTestId('connect-modal');
  const fresh = (await modal.getByTestId('fresh-token').textContent()) ?? '';
  expect(fresh).not.toBe(old);
  expect(rotations).toBe(1);
  const refused = await failureOf(stage.platform.client(old).getWorkspaceState({ params: { id: created.id } }));
  expect(refused.status).toBe(401);
  await stage.platform.client(fresh).getWorkspaceState({ params: { id: created.id } });
  await modal.getByRole('button', { name: 'Copy token' }).click();
  // Until it is in the clipboard, closing asks.
  await expect(modal.getByRole('button', { name: 'Copied' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(modal).toBeHidden();
  // Whoever has Details open learns of it.
  await expect(page.getByRole('region', { name: 'Connection' })).toContainText(
    `The new token begins with ${fresh.slice(0, 8)}`,
  );
});

test('a token of a workspace is shown once, works, and is refused once it was revoked', async ({ page, stage }) => {
  const id = await stage.seat('Scout', { x: 300, y: 200 });
  const { admin } = stage.platform;
  for (const token of (await admin.listTokens({ params: { id } })).tokens)
    await admin.revokeToken({ params: { id, tokenId: token.id } });
  await stage.enter(page, `/?ws=${id}&tab=details`);
  const tokens = page.getByRole('region', { name: 'Tokens', exact: true });
  await expect(tokens).toContainText('It has no token.');
  await tokens.getByRole('button', { name: 'Make a token' }).click();
  const token = (await tokens.getByTestId('fresh-token').textContent()) ?? '';
  await stage.platform.client(token).getWorkspaceState({ params: { id } });
  await tokens.getByRole('button', { name: 'Copy token' }).click();
  await expect.poll(() => clipboard(page)).toBe(token);
  await tokens.scrollIntoViewIfNeeded();
  await keepBothThemes(page, 'workspace-tokens');
  await expectAccessible(page);
  await page.reload();
  await expect(tokens.getByRole('listitem')).toHaveCount(1);
  await expect(page.locator('body')).not.toContainText(token);
  await tokens.getByRole('button', { name: /^Revoke/ }).click();
  await expect(page.getByRole('dialog')).toContainText('stops being Scout at once');
  await page.getByTestId('confirm-ok').click();
  await expect(tokens).toContainText('It has no token.');
  expect((await failureOf(stage.platform.client(token).getWorkspaceState({ params: { id } }))).status).toBe(401);
  await page.route(`**/workspaces/${id}/tokens`, (route) =>
    route.fulfill({ status: 429, json: { error: 'too many', code: 'too_many_tokens' } }),
  );
  await tokens.getByRole('button', { name: 'Make a token' }).click();
  await expect(tokens.getByRole('alert')).toContainText('as many tokens as it may');
});

test('a key of the organisation is minted once under its name, works, and is refused once it was revoked', async ({
  page,
  stage,
}) => {
  await stage.seat('Scout', { x: 300, y: 200 });
  await stage.enter(page);
  await page.getByRole('button', { name: 'Settings' }).click();
  const settings = page.getByTestId('settings');
  await settings.getByRole('button', { name: 'Org API keys' }).click();
  const section = settings.getByRole('region', { name: 'Org API keys' });
  await expect(section).toContainText('There is no key yet.');
  await section.getByLabel('Name').fill('deploys');
  await section.getByRole('button', { name: 'Make a key' }).click();
  const key = (await section.getByTestId('fresh-token').textContent()) ?? '';
  const listed = section.getByRole('list', { name: 'Org API keys' });
  await expect(listed.getByRole('listitem')).toContainText(['deploys']);
  expect(await stage.platform.client(key).listWorkspaces()).toHaveLength(1);
  await keepBothThemes(page, 'org-keys');
  await expectAccessible(page);
  await settings.getByRole('button', { name: 'Workspace tokens' }).click();
  await expect(settings.getByRole('list', { name: 'Tokens of Scout' })).toBeVisible();
  await keepScreenshot(page, 'settings-workspace-tokens');
  await settings.getByRole('button', { name: 'Org API keys' }).click();
  await expect(section).not.toContainText(key);
  await section.getByRole('button', { name: 'Revoke deploys' }).click();
  await page.getByTestId('confirm-ok').click();
  await expect(section).toContainText('There is no key yet.');
  const refused = await failureOf(stage.platform.client(key).listWorkspaces());
  expect(refused).toBeInstanceOf(ApiError);
  expect(refused.status).toBe(401);
  // Only a container engine has images.
  await expect(settings.getByRole('button', { name: 'Runtime images' })).toHaveCount(0);
});

test('where a container engine starts the agents, images are pinned, rolled back and unpinned', async ({
  page,
  stage,
}) => {
  await stage.seat('Scout', { x: 300, y: 200 });
  // The pins are real; that this platform has a container engine is not.
  await page.route('**/admin/info', async (route) => {
    const reply = await route.fetch();
    return route.fulfill({ json: { ...(await reply.json()), backend: 'docker' } });
  });
  await page.route('**/admin/workspace-images/refresh**', (route) =>
    route.fulfill({ json: { pulled: ['echo', 'ai-sdk'], failed: ['codex'], recreated: ['one'] } }),
  );
  const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
  const { admin } = stage.platform;
  await stage.enter(page);
  await page.getByRole('button', { name: 'Settings' }).click();
  const settings = page.getByTestId('settings');
  await settings.getByRole('button', { name: 'Runtime images' }).click();
  const section = settings.getByRole('region', { name: 'Runtime images' });
  await expect(section).toContainText('No runtime is pinned.');
  await section.getByLabel('Digest').fill('latest');
  await expect(section).toContainText('sha256: and 64 hexadecimal digits');
  await expect(section.getByRole('button', { name: 'Pin', exact: true })).toBeDisabled();
  for (const letter of ['a', 'b']) {
    await section.getByLabel('Runtime', { exact: true }).selectOption('codex');
    await section.getByLabel('Digest').fill(digest(letter));
    await section.getByRole('button', { name: 'Pin', exact: true }).click();
    await expect(section.getByRole('listitem')).toContainText(`codex sha256:${letter}`);
  }
  await section.getByRole('button', { name: 'Fetch the newest' }).click();
  await page.getByTestId('confirm-ok').click();
  await expect(section).toContainText('2 images pulled, 1 workspace started anew. Not pulled: codex.');
  await keepBothThemes(page, 'settings-images');
  await expectAccessible(page);
  await section.getByRole('button', { name: 'Go back to the image of codex before' }).click();
  await expect(section.getByRole('listitem')).toContainText('codex sha256:a');
  expect(await admin.listImagePins()).toMatchObject([{ template_name: 'codex', digest: digest('a') }]);
  await section.getByRole('button', { name: 'Unpin codex' }).click();
  await expect(section).toContainText('No runtime is pinned.');
  expect(await admin.listImagePins()).toEqual([]);
});

test('today’s tokens, calls and cost stand in Details', async ({ page, stage }) => {
  const id = await stage.seat('Scout', { x: 300, y: 200 });
  await page.route('**/metrics', (route) =>
    route.fulfill({
      json: {
        input_tokens: 12_345,
        output_tokens: 980,
        total_calls: 7,
        estimated_cost_usd: '0.041200',
        period_start: new Date().toISOString(),
        period_end: new Date().toISOString(),
      },
    }),
  );
  await stage.enter(page, `/?ws=${id}&tab=details`);
  const usage = page.getByRole('region', { name: 'Usage today' });
  for (const text of ['12.3 k', '980', '7', '$0.0412']) await expect(usage).toContainText(text);
  await usage.scrollIntoViewIfNeeded();
  await keepScreenshot(page, 'usage');
  await expect(node(page, id)).toBeVisible();
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('connecting and the keys of the organisation fit a phone', async ({ page, stage }) => {
    const id = await stage.seat('Laptop', { x: 0, y: 0 });
    await stage.enter(page);
    await node(page, id).getByRole('button', { name: 'Connect' }).tap();
    await expect(page.getByRole('tab', { name: 'Universal MCP' })).toBeVisible();
    await keepBothThemes(page, 'phone-connect');
    await expectAccessible(page);
    await page.getByTestId('connect-modal').getByRole('button', { name: 'Close', exact: true }).last().tap();
    await page.getByRole('button', { name: 'Settings' }).tap();
    await page.getByRole('button', { name: 'Org API keys' }).tap();
    await page.getByRole('button', { name: 'Make a key' }).tap();
    await expect(page.getByTestId('fresh-token')).toBeVisible();
    await keepBothThemes(page, 'phone-org-keys');
    await page.getByRole('button', { name: /^Revoke/ }).tap();
    await page.getByTestId('confirm-ok').tap();
    await expect(page.getByRole('region', { name: 'Org API keys' })).toContainText('There is no key yet.');
    expect(await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)).toBe(
      false,
    );
  });
});
