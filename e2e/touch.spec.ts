// The menu of a card or a row by a finger that stays on it (spec chapter 50 §11.3), in a browser with a touch screen.

import type { Locator, Page } from '@playwright/test';
import { boxOf, expect, keepBothThemes, node, test } from './stage.ts';

/** Longer than a press takes. */
const HELD_MS = 700;

test.use({ hasTouch: true, viewport: { width: 390, height: 844 } });

/** A finger goes down on something, and stays until `lift`. */
async function press(page: Page, target: Locator) {
  const box = await boxOf(target);
  const [x, y] = [Math.round(box.x + 80), Math.round(box.y + 16)];
  const browser = await page.context().newCDPSession(page);
  const send = (type: 'touchStart' | 'touchMove' | 'touchEnd', points: { x: number; y: number }[]) =>
    browser.send('Input.dispatchTouchEvent', { type, touchPoints: points });
  await send('touchStart', [{ x, y }]);
  return { move: (dy: number) => send('touchMove', [{ x, y: y + dy }]), lift: () => send('touchEnd', []) };
}

test('C82 a long press opens the menu of a row and of a card, and the lifted finger opens nothing else', async ({
  page,
  stage,
}) => {
  const id = await stage.seat('Keeper', { x: 40, y: 120 });
  await stage.enter(page);
  const menu = page.getByRole('menu', { name: 'Actions for Keeper' });
  const onRow = await press(page, node(page, id));
  await expect(menu).toBeVisible();
  await onRow.lift();
  await expect(menu).toBeVisible();
  await expect(page.getByTestId('panel')).toHaveCount(0);
  await keepBothThemes(page, 'long-press-row');
  await page.getByRole('menuitem', { name: 'Rename' }).tap();
  await expect(page.getByRole('dialog')).toContainText('Rename Keeper');
  await page.getByRole('button', { name: 'Cancel' }).tap();

  await page.getByRole('button', { name: 'Canvas' }).tap();
  const onCard = await press(page, node(page, id));
  await expect(menu).toBeVisible();
  await onCard.lift();
  await expect(menu).toBeVisible();
  await keepBothThemes(page, 'long-press-card');
  await page.keyboard.press('Escape');

  const tap = await press(page, node(page, id));
  await tap.lift();
  await expect(page.getByTestId('panel')).toBeVisible();
});

test('a finger that moves on asks for no menu, however long it stays', async ({ page, stage }) => {
  const id = await stage.seat('Keeper', { x: 40, y: 120 });
  await stage.enter(page);
  await page.clock.install();
  const scroll = await press(page, node(page, id));
  await scroll.move(40);
  await page.clock.runFor(HELD_MS);
  await expect(page.getByRole('menu')).toHaveCount(0);
  await scroll.lift();
  const held = await press(page, node(page, id));
  await page.clock.runFor(HELD_MS);
  await expect(page.getByRole('menu')).toHaveCount(1);
  await held.lift();
});
