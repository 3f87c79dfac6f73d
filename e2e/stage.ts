// What every end-to-end test starts from: a platform of its own, a signed-in page, seats to look at, gestures.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type StartOptions, startPlatform, type TestPlatform } from '@molecule/testkit';
import { test as base, expect, type Locator, type Page } from '@playwright/test';

const SCREENSHOTS = join(import.meta.dirname, '../test-results/screens');

export interface Stage {
  platform: TestPlatform;
  /** Signs a page in through a fresh sign-in link and waits for the canvas. */
  enter(page: Page, path?: string): Promise<void>;
  /** An external seat: it needs no process and can be dragged at once. */
  seat(name: string, place: { x: number; y: number; parent?: string }): Promise<string>;
}

export async function openStage(options: StartOptions = {}): Promise<Stage & { close(): Promise<void> }> {
  const platform = await startPlatform(options);
  return {
    platform,
    async enter(page, path) {
      const { url } = await platform.admin.createSignInLink({});
      await page.goto(url.replace(/^https?:\/\/[^/]+/, platform.url));
      await expect(page.getByTestId('canvas-root').or(page.getByTestId('list-view'))).toBeVisible();
      if (path) await page.goto(platform.url + path);
    },
    async seat(name, { x, y, parent }) {
      const created = await platform.admin.createWorkspace({
        body: { name, external: true, canvas: { x, y }, ...(parent ? { parent_id: parent } : {}) },
      });
      return created.id;
    },
    close: () => platform.stop(),
  };
}

export const test = base.extend<{ stage: Stage }>({
  // biome-ignore lint/correctness/noEmptyPattern: the fixture needs no other fixture
  stage: async ({}, use) => {
    const stage = await openStage();
    await use(stage);
    await stage.close();
  },
});
export { expect };

export const node = (page: Page, id: string): Locator => page.getByTestId(`node-${id}`);

export async function boxOf(locator: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await locator.boundingBox();
  if (!box) throw new Error('not visible');
  return box;
}

export interface DragOptions {
  /** Called before the button is let go. */
  meanwhile?(): Promise<void>;
  modifier?: 'Control';
}

/** Drags by the top of a card, by an offset on the screen. */
export async function dragBy(
  page: Page,
  card: Locator,
  dx: number,
  dy: number,
  options: DragOptions = {},
): Promise<void> {
  const box = await boxOf(card);
  const start = { x: box.x + box.width / 2, y: box.y + 14 };
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(start.x + Math.sign(dx) * 6, start.y + Math.sign(dy) * 6, { steps: 3 });
  if (options.modifier) await page.keyboard.down(options.modifier);
  await page.mouse.move(start.x + dx, start.y + dy, { steps: 12 });
  await options.meanwhile?.();
  await page.mouse.up();
  if (options.modifier) await page.keyboard.up(options.modifier);
}

export interface Write {
  method: string;
  path: string;
  body: unknown;
}

/** Collects PATCH requests on workspaces from now on. */
export function watchPatches(page: Page): Write[] {
  const writes: Write[] = [];
  page.on('request', (request) => {
    if (request.method() !== 'PATCH') return;
    writes.push({ method: 'PATCH', path: new URL(request.url()).pathname, body: request.postDataJSON() });
  });
  return writes;
}

export async function keepScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: 'disabled' });
}
