// Without a mouse, without sight, on a phone (spec chapter 50 §11.3, C65, C67), and what the first load is made of (§1).

import { gzipSync } from 'node:zlib';
import { replyWith } from '@molecule/testkit';
import type { Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { boxOf, cardButton, expect, keepBothThemes, keepScreenshot, node, type Stage, test } from './stage.ts';

/** A lead with one report, and a seat beside them; the lead answers. */
async function arrange(stage: Stage) {
  const lead = await stage.agent({
    name: 'Lead',
    card: { name: 'fake', protocolVersion: '0.3.0', capabilities: {}, skills: [{ id: 'plan', name: 'planning' }] },
    respond: replyWith(
      'Nothing is **left**.\n\n| Piece | State |\n| --- | --- |\n| Ledger | done |\n\n`null` means no limit.',
    ),
    workspace: { canvas: { x: 100, y: 100 }, role: 'Plans the work.' },
  });
  const report = await stage.seat('Report', { x: 116, y: 230, parent: lead.id });
  const lone = await stage.seat('Lone', { x: 560, y: 150 });
  return { lead, report, lone };
}

/** The focused element, or the box around it, wears a ring. */
const isFocusSeen = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return false;
    const box = element.closest('.field, .composer, .node') ?? element;
    const hasRing = (each: Element) => getComputedStyle(each).outlineStyle !== 'none';
    return hasRing(element) || hasRing(box) || getComputedStyle(box).boxShadow.includes('0px 0px 0px 1px');
  });

test('C65 keyboard only: create, select, chat, move to a team, delete; the focus is seen and comes back; axe is clean', async ({
  page,
  stage,
}) => {
  const { lead, lone } = await arrange(stage);
  await stage.enter(page);
  await expect(node(page, lead.id)).toBeVisible();
  const { keyboard } = page;

  await keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the agents' })).toBeFocused();
  expect(await isFocusSeen(page)).toBe(true);

  // Create.
  await keyboard.press('n');
  await expect(page.getByLabel('Name')).toBeFocused();
  expect(await isFocusSeen(page)).toBe(true);
  await keyboard.type('Runner');
  await keyboard.press('Enter');
  const runner = page.getByRole('button', { name: /^Runner workspace/ });
  await expect(runner).toBeVisible();
  await expect(page.getByTestId('panel')).toBeVisible();
  await keyboard.press('Escape');
  await expect(page.getByTestId('panel')).toBeHidden();
  await expect(runner).toBeFocused();
  expect(await isFocusSeen(page)).toBe(true);

  // Select and chat.
  await cardButton(page, lead.id).focus();
  await keyboard.press('Enter');
  await expect(page.getByTestId('panel')).toContainText('Lead');
  await keyboard.press('/');
  await expect(page.getByTestId('composer')).toBeFocused();
  expect(await isFocusSeen(page)).toBe(true);
  await keyboard.type('What is left?');
  await keyboard.press('Enter');
  await expect(page.locator('[data-testid=bubble][data-role=agent]')).toContainText('Nothing is left.');
  await expect(page.getByTestId('composer')).toBeFocused();
  await expectAccessible(page);
  await keyboard.press('Escape');
  await expect(cardButton(page, lead.id)).toBeFocused();
  await keyboard.press('Escape');
  await expect(page.getByTestId('panel')).toBeHidden();

  // Move to a team.
  await keyboard.press('ArrowRight');
  await expect(cardButton(page, lone)).toBeFocused();
  await keyboard.press('Shift+F10');
  await expect(page.getByRole('menu')).toBeVisible();
  await keyboard.type('Move');
  await expect(page.getByRole('menuitem', { name: 'Move to…' })).toBeFocused();
  await keyboard.press('Enter');
  await expect(page.getByLabel('Search for a lead')).toBeFocused();
  await keyboard.type('Lead');
  await keyboard.press('Tab');
  await keyboard.press('ArrowDown');
  await expect(page.getByRole('radio', { name: 'Lead' })).toBeChecked();
  await expectAccessible(page);
  await keyboard.press('Tab');
  await keyboard.press('Tab');
  await expect(page.getByTestId('confirm-ok')).toBeFocused();
  await keyboard.press('Enter');
  await expect
    .poll(async () => (await stage.platform.admin.listWorkspaces()).find((row) => row.id === lone)?.parent_id)
    .toBe(lead.id);
  await expect(cardButton(page, lone)).toBeFocused();
  expect(await isFocusSeen(page)).toBe(true);

  // Delete.
  await keyboard.press('Enter');
  await keyboard.press('Delete');
  const dialog = page.getByRole('dialog', { name: 'Delete Lone?' });
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(cardButton(page, lone)).toBeFocused();
  await keyboard.press('Delete');
  await keyboard.press('Tab');
  await expect(page.getByTestId('confirm-ok')).toBeFocused();
  await keyboard.press('Enter');
  await expect(node(page, lone)).toBeHidden();
  await expect(cardButton(page, lead.id)).toBeFocused();
  expect(await isFocusSeen(page)).toBe(true);
});

test('axe has no serious finding on canvas, activity, details, list, settings and import, in both themes', async ({
  page,
  stage,
}) => {
  const { lead } = await arrange(stage);
  await stage.enter(page);
  await expect(node(page, lead.id)).toBeVisible();
  await expectAccessible(page);
  await node(page, lead.id).click();
  await page.getByTestId('composer').fill('Anything?');
  await page.getByTestId('send').click();
  await expect(page.locator('[data-testid=bubble][data-role=agent]')).toBeVisible();
  await page.getByTestId('tab-activity').click();
  await page.getByTestId('activity-row').first().click();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Expand the panel' }).click();
  await expect(page.getByRole('table')).toBeVisible();
  await expectAccessible(page);
  await keepBothThemes(page, 'activity-full');
  await page.getByRole('button', { name: 'Dock the panel' }).click();
  await page.getByTestId('tab-details').click();
  await expect(page.getByLabel('Monthly limit in dollars')).toBeVisible();
  await expectAccessible(page);
  await keepBothThemes(page, 'details');
  await page.getByRole('button', { name: 'Close the panel' }).click();
  await page.getByRole('button', { name: 'Settings' }).click();
  await expect(page.getByTestId('settings')).toBeVisible();
  await expectAccessible(page);
  await keepBothThemes(page, 'settings');
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Show as a list' }).click();
  await expect(page.getByTestId('list-view')).toBeVisible();
  await expectAccessible(page);
  await keepBothThemes(page, 'list');
});

test('axe has no serious finding on the login page and on an empty platform, in both themes', async ({
  page,
  stage,
}) => {
  await page.goto(stage.platform.url);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expectAccessible(page);
  await stage.enter(page);
  await expect(page.getByTestId('empty-state')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Import an organisation' }).click();
  await expect(page.getByRole('radio', { name: /Sample team/ })).toBeVisible();
  await expectAccessible(page);
});

const hasSideScroll = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('C67 list first, the panel is a sheet, chat works above the keyboard, nothing scrolls sideways', async ({
    page,
    stage,
  }) => {
    const { lead, report } = await arrange(stage);
    await stage.enter(page);
    await expect(page.getByTestId('list-view')).toBeVisible();
    await expect(node(page, report)).toHaveAttribute('aria-level', '2');
    expect(await hasSideScroll(page)).toBe(false);
    await keepBothThemes(page, 'c67-list');

    await node(page, lead.id).tap();
    const panel = page.getByTestId('panel');
    await expect(panel).toBeVisible();
    await expect.poll(async () => (await boxOf(panel)).x).toBe(0);
    expect((await boxOf(panel)).width).toBe(390);
    await page.getByTestId('composer').tap();
    // What the keyboard leaves: browsers shrink the content for it (interactive-widget=resizes-content).
    await page.setViewportSize({ width: 390, height: 470 });
    await page.getByTestId('composer').fill('What is left?');
    const send = await boxOf(page.getByTestId('send'));
    expect(send.y + send.height).toBeLessThan(470);
    expect([send.width, send.height].every((side) => side >= 44)).toBe(true);
    await page.getByTestId('send').tap();
    await expect(page.locator('[data-testid=bubble][data-role=agent]')).toContainText('Nothing is left.');
    await expect(page.locator('[data-testid=bubble][data-role=agent]')).toBeInViewport();
    await keepScreenshot(page, 'c67-keyboard');
    await page.setViewportSize({ width: 390, height: 844 });
    await keepBothThemes(page, 'c67-chat');
    expect(await hasSideScroll(page)).toBe(false);
    for (const tab of ['activity', 'details']) {
      await page.getByTestId(`tab-${tab}`).tap();
      await expect(page.getByTestId(`panel-${tab}`)).toBeVisible();
      expect(await hasSideScroll(page)).toBe(false);
      await keepScreenshot(page, `c67-${tab}`);
    }
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Back to the agents' }).tap();
    await expect(panel).toBeHidden();
    await page.getByRole('button', { name: 'Canvas' }).tap();
    await expect(page.getByTestId('canvas-root')).toBeVisible();
    expect(await hasSideScroll(page)).toBe(false);
    await keepScreenshot(page, 'c67-canvas');
  });
});

const MOST_FIRST_LOAD_BYTES = 350 * 1024;

test('the first load is ours alone: one origin, no inline script, no eval, at most 350 KB of compressed JavaScript', async ({
  page,
  stage,
}) => {
  await stage.seat('Scout', { x: 300, y: 200 });
  const refusals: string[] = [];
  const origins = new Set<string>();
  const scripts = new Map<string, Promise<Buffer>>();
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) refusals.push(message.text());
  });
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  page.on('response', (response) => {
    if (response.request().resourceType() === 'script') scripts.set(response.url(), response.body());
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`Refused to ${event.violatedDirective}`),
    );
  });
  await stage.enter(page);
  const policy = (await (await page.request.get(stage.platform.url)).headers())['content-security-policy'] ?? '';
  expect(policy).toMatch(/script-src 'self'(;|$)/);
  const bodies = await Promise.all(scripts.values());
  const bytes = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(MOST_FIRST_LOAD_BYTES);
  expect([...origins]).toEqual([stage.platform.url]);
  expect(refusals).toEqual([]);
});
