// What every browser test starts from: one platform per worker, emptied before each test; signed-in pages, seats, agents, gestures.

import { mkdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type FakeAgent,
  type FakeAgentOptions,
  type StartOptions,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { test as base, expect, type Locator, type Page } from '@playwright/test';

export const SCREENSHOTS = join(import.meta.dirname, '../test-results/screens');

export interface Stage {
  platform: TestPlatform;
  /** Signs a page in through a fresh sign-in link and waits for the canvas; `path` is opened afterwards. @param base the platform's own address, unless another leads there. */
  enter(page: Page, path?: string, base?: string): Promise<void>;
  /** An external seat: it needs no process and can be dragged at once. */
  seat(name: string, place: { x: number; y: number; parent?: string }): Promise<string>;
  /** A scripted peer behind a real socket, registered; stopped with the test. */
  agent(options?: FakeAgentOptions): Promise<FakeAgent>;
}

function createStage(platform: TestPlatform, agents: FakeAgent[]): Stage {
  return {
    platform,
    async enter(page, path, base = platform.url) {
      const { url } = await platform.admin.createSignInLink({});
      await page.goto(url.replace(/^https?:\/\/[^/]+/, base));
      await expect(page.getByTestId('canvas-root').or(page.getByTestId('list-view')).first()).toBeVisible();
      if (path) await page.goto(base + path);
    },
    async seat(name, { x, y, parent }) {
      const created = await platform.admin.createWorkspace({
        body: { name, external: true, canvas: { x, y }, ...(parent ? { parent_id: parent } : {}) },
      });
      return created.id;
    },
    async agent(options = {}) {
      const agent = await startFakeAgent(platform, options);
      agents.push(agent);
      return agent;
    },
  };
}

/** A stage of its own, for tests that stop and start the platform. */
export async function openStage(options: StartOptions = {}): Promise<Stage & { close(): Promise<void> }> {
  const platform = await startPlatform(options);
  const agents: FakeAgent[] = [];
  return {
    ...createStage(platform, agents),
    async close() {
      await Promise.all(agents.map((agent) => agent.stop()));
      await platform.stop();
    },
  };
}

const NEEDS_KEY = `name: Paying team
description: Needs a model key and likes a token.
required_env:
  - any_of: [ANTHROPIC_API_KEY, OPENAI_API_KEY]
recommended_env: [GITHUB_TOKEN]
workspaces:
  - name: Payer
    external: true
    children:
      - { name: Clerk, external: true }
`;

/** The templates that ship, and one with requirements. */
async function makeTemplates(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'molecule-e2e-'));
  await cp(join(import.meta.dirname, '../templates/orgs'), join(folder, 'orgs'), { recursive: true });
  await mkdir(join(folder, 'orgs/paying-team'));
  await writeFile(join(folder, 'orgs/paying-team/org.yaml'), NEEDS_KEY);
  return folder;
}

/** Nothing of the test before: no seats, no camera, no secrets. */
async function clear({ admin }: TestPlatform): Promise<void> {
  const rows = await admin.listWorkspaces();
  const ids = new Set(rows.map((row) => row.id));
  for (const row of rows)
    if (!row.parent_id || !ids.has(row.parent_id))
      await admin.deleteWorkspace({ params: { id: row.id }, query: { confirm: true } });
  await admin.putViewport({ body: { x: 0, y: 0, zoom: 1 } });
  for (const secret of await admin.listGlobalSecrets()) await admin.deleteGlobalSecret({ params: { key: secret.key } });
}

export const test = base.extend<{ stage: Stage }, { platform: TestPlatform }>({
  platform: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures a fixture needs
    async ({}, use) => {
      const templates = await makeTemplates();
      const platform = await startPlatform({ env: { CONFIGS_DIR: templates } });
      await use(platform);
      await platform.stop();
      await rm(templates, { recursive: true, force: true });
    },
    { scope: 'worker' },
  ],
  stage: async ({ platform }, use) => {
    await clear(platform);
    const agents: FakeAgent[] = [];
    await use(createStage(platform, agents));
    await Promise.all(agents.map((agent) => agent.stop()));
  },
});
export { expect };

export const node = (page: Page, id: string): Locator => page.getByTestId(`node-${id}`);

/** What has the focus of a card, a team or a row, and its accessible name. */
export const cardButton = (page: Page, id: string): Locator => page.locator(`[data-node="${id}"]`);

/** A team with its body; `node` is its head. */
export const frameOf = (page: Page, id: string): Locator => page.locator(`.react-flow__node[data-id="${id}"]`);

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
  path: string;
  body: Record<string, unknown>;
}

/** Collects PATCH requests from now on. */
export function watchPatches(page: Page): Write[] {
  const writes: Write[] = [];
  page.on('request', (request) => {
    if (request.method() === 'PATCH')
      writes.push({ path: new URL(request.url()).pathname, body: request.postDataJSON() });
  });
  return writes;
}

export async function setTheme(page: Page, theme: 'dark' | 'light'): Promise<void> {
  await page.evaluate((wanted) => {
    document.documentElement.dataset.theme = wanted;
    // Colours on their way from one theme to the other belong to neither.
    for (const running of document.getAnimations()) if (running instanceof CSSTransition) running.finish();
  }, theme);
}

/** Kept as an artefact, to be looked at. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: 'disabled' });
}

/** Both themes of what is shown. */
export async function keepBothThemes(page: Page, name: string): Promise<void> {
  for (const theme of ['dark', 'light'] as const) {
    await setTheme(page, theme);
    await keepScreenshot(page, `${name}-${theme}`);
  }
  await setTheme(page, 'dark');
}
