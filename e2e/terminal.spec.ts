// The terminal of a seat in the browser (spec chapter 50 §7.6), on a real agent process with a real shell beside it.

import type { Page, WebSocket } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, keepScreenshot, node, openStage, type Stage, test } from './stage.ts';

const screen = (page: Page) => page.getByTestId('terminal');
const state = (page: Page) => page.getByTestId('terminal-state');

/** Types into the shell as a person would. */
async function type(page: Page, line: string): Promise<void> {
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}

async function openTerminal(page: Page, id: string): Promise<void> {
  await node(page, id).click({ position: { x: 60, y: 14 } });
  await page.getByTestId('tab-terminal').click();
  await expect(state(page)).toHaveText('Connected');
}

/** A page of a platform whose seat runs, with the terminal open. */
async function withShell(page: Page, work: (stage: Stage, id: string) => Promise<void>): Promise<void> {
  test.setTimeout(120_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process', PATH: process.env.PATH ?? '' } });
  try {
    const { id } = await stage.platform.admin.createWorkspace({
      body: { name: 'Keeper', runtime: 'echo', canvas: { x: 300, y: 200 } },
    });
    const problems: string[] = [];
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(error.message));
    await stage.enter(page);
    await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await openTerminal(page, id);
    await work(stage, id);
    // Nothing of it needed what the policy of the page forbids.
    expect(problems.filter((text) => /Content Security Policy|Error/i.test(text) && !/WebSocket/.test(text))).toEqual(
      [],
    );
  } finally {
    await stage.close();
  }
}

test('C47 echo works, a resize reflows, stopping the agent closes it with a reason, Reconnect brings it back', async ({
  page,
}) => {
  await withShell(page, async (stage, id) => {
    await type(page, 'echo hi-"there"');
    await expect(screen(page)).toContainText('hi-there');
    const columns = async (mark: string) => {
      await type(page, `echo ${mark}"="$(stty size | cut -d" " -f2)"."`);
      await expect(screen(page)).toContainText(new RegExp(`${mark}=\\d+\\.`));
      return Number(new RegExp(`${mark}=(\\d+)\\.`).exec((await screen(page).textContent()) ?? '')?.[1]);
    };
    const narrow = await columns('narrow');
    await page.getByRole('button', { name: 'Expand the panel' }).click();
    await screen(page).click();
    await expect.poll(() => columns(`w${Date.now()}`)).toBeGreaterThan(narrow + 40);
    await keepBothThemes(page, 'c47-terminal-wide');
    await page.getByRole('button', { name: 'Dock the panel' }).click();
    await screen(page).click();
    await type(
      page,
      "printf '\\033[31mred \\033[32mgreen \\033[33myellow \\033[34mblue \\033[35mmagenta \\033[36mcyan \\033[0mplain\\n'",
    );
    await expect(screen(page)).toContainText('magenta cyan plain');
    await keepBothThemes(page, 'c47-terminal');

    await stage.platform.admin.pauseWorkspace({ params: { id } });
    await expect(state(page)).toHaveText('Closed: the agent was stopped');
    await expect(screen(page)).toContainText('hi-there');
    await keepScreenshot(page, 'c47-closed');
    // While it is stopped the reason is asked for and told.
    await page.getByRole('button', { name: 'Reconnect' }).click();
    await expect(state(page)).toHaveText('Terminal unavailable: not running');
    await stage.platform.admin.resumeWorkspace({ params: { id } });
    await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await page.getByRole('button', { name: 'Reconnect' }).click();
    await expect(state(page)).toHaveText('Connected');
    await type(page, 'echo once-"more"');
    await expect(screen(page)).toContainText('once-more');
    await stage.seat('Elsewhere', { x: 900, y: 200 });
    await node(
      page,
      (await stage.platform.admin.listWorkspaces()).find((row) => row.name === 'Elsewhere')?.id ?? '',
    ).click({
      position: { x: 60, y: 14 },
    });
    await expect(page.getByTestId('terminal-unavailable')).toContainText('an external agent runs where');
    await page.getByTestId('tab-chat').click();
    await expect(page.getByTestId('tab-terminal')).toBeDisabled();
    await expect(page.getByTestId('tab-terminal')).toHaveAttribute('title', /external agent/);
  });
});

test('the keyboard: Esc belongs to the shell, Shift+Esc leaves it, Ctrl+K still searches, Ctrl+Shift+F finds', async ({
  page,
}) => {
  await withShell(page, async () => {
    // `read` shows what reached it: one escape character.
    await type(page, 'read -rsn1 key; printf "got=%d\\n" "\'$key"');
    await page.keyboard.press('Escape');
    await expect(screen(page)).toContainText('got=27');
    await expect(page.getByTestId('panel')).toBeVisible();
    // Letters that are shortcuts of the canvas are the shell's.
    await type(page, 'echo nz0f1"2"');
    await expect(screen(page)).toContainText('nz0f12');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await page.keyboard.press('Control+k');
    await expect(page.getByRole('dialog')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await screen(page).click();
    await page.keyboard.press('Control+Shift+F');
    await page.keyboard.type('no such thing');
    await expect(page.getByText('Nothing found')).toBeVisible();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Shift+Escape');
    await expect(page.getByTestId('tab-terminal')).toBeFocused();
    await expect(state(page)).toHaveText('Connected');
    await expectAccessible(page);
    await page.keyboard.press('ArrowLeft');
    await expect(page.getByTestId('panel-details')).toBeVisible();
  });
});

test('a paste of several lines is asked about, one line is not; closing the tab ends the shell', async ({ page }) => {
  const shells: WebSocket[] = [];
  page.on('websocket', (socket) => socket.url().endsWith('/terminal') && shells.push(socket));
  await withShell(page, async () => {
    const paste = async (text: string) => {
      await page.evaluate((wanted) => navigator.clipboard.writeText(wanted), text);
      await page.keyboard.press('Control+Shift+V');
    };
    await paste('echo one-"line"');
    await expect(screen(page)).toContainText('echo one-"line"');
    await page.keyboard.press('Enter');
    await paste('echo first-"line"\necho second-"line"\n');
    await expect(page.getByRole('dialog')).toContainText('Paste 2 lines?');
    await keepScreenshot(page, 'c47-paste');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expect(screen(page)).not.toContainText('second');
    await paste('echo first-"line"\necho second-"line"\n');
    await page.getByTestId('confirm-ok').click();
    await expect(screen(page)).toContainText('echo second-"line"');
    await page.getByTestId('tab-chat').click();
    await expect(screen(page)).toHaveCount(0);
    await expect.poll(() => shells.map((shell) => shell.isClosed())).toEqual([true]);
    await page.getByTestId('tab-terminal').click();
    // A new shell: it knows nothing of the one before.
    await expect(state(page)).toHaveText('Connected');
    await expect(screen(page)).not.toContainText('second-line');
  });
});

test('a phone shows it over the whole page, and nothing scrolls sideways', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  test.setTimeout(120_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process', PATH: process.env.PATH ?? '' } });
  try {
    const { id } = await stage.platform.admin.createWorkspace({ body: { name: 'Keeper', runtime: 'echo' } });
    await stage.enter(page);
    await expect(page.locator(`[data-node="${id}"]`)).toBeVisible();
    await expect
      .poll(async () => (await stage.platform.admin.listWorkspaces())[0]?.status, { timeout: 30_000 })
      .toBe('online');
    await page.goto(`${stage.platform.url}/?ws=${id}&tab=terminal`);
    await expect(state(page)).toHaveText('Connected');
    await type(page, 'ls -la / | head -12');
    await expect(screen(page)).toContainText('total');
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await keepBothThemes(page, 'c47-phone');
  } finally {
    await stage.close();
  }
});

test('a backend without terminals says so in words', async ({ page, stage }) => {
  const { id } = await stage.platform.admin.createWorkspace({ body: { name: 'Nowhere', runtime: 'echo' } });
  await stage.enter(page, `/?ws=${id}&tab=terminal`);
  await expect(page.getByTestId('terminal-unavailable')).toContainText('not running, its start failed');
  await keepScreenshot(page, 'c47-unavailable');
});
