// The files of a seat in the browser (spec chapter 50 §7.9), on a real agent process and its real folders.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Page, test } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, node, openStage, type Stage } from './stage.ts';

const rows = (page: Page) => page.getByTestId('file-row');
const text = (page: Page) => page.getByTestId('file-text');
const state = (page: Page) => page.getByTestId('file-state');

async function withFiles(
  page: Page,
  work: (stage: Stage, path: (...parts: string[]) => string, id: string) => Promise<void>,
) {
  test.setTimeout(90_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process', PATH: process.env.PATH ?? '' } });
  try {
    const { id } = await stage.platform.admin.createWorkspace({
      body: { name: 'Keeper', runtime: 'echo', canvas: { x: 300, y: 200 } },
    });
    await stage.enter(page);
    await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await node(page, id).click({ position: { x: 60, y: 14 } });
    await page.getByTestId('tab-files').click();
    await work(stage, (...parts) => join(stage.platform.dataDir, 'workspaces', id, ...parts), id);
  } finally {
    await stage.close();
  }
}

test('create, edit, save by key, reload: the same; a draft survives another tab; delete asks first', async ({
  page,
}) => {
  await withFiles(page, async (_stage, path) => {
    await expect(rows(page).filter({ hasText: 'config.yaml' })).toBeVisible();
    await expect(rows(page).filter({ hasText: '.auth_token' })).toHaveCount(0);
    await page.getByRole('button', { name: 'New file' }).click();
    const name = page.getByRole('textbox', { name: /^Name/ });
    await name.fill('../outside.md');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('dialog')).toContainText('must not be . or ..');
    await name.fill('notes/today.md');
    await page.getByRole('button', { name: 'Create' }).click();
    await expect(state(page)).toHaveText('New, not saved yet');
    await text(page).fill('# Today\n\nwrite the plan\n');
    await page.getByTestId('tab-chat').click();
    await page.getByTestId('tab-files').click();
    await expect(text(page)).toHaveValue('# Today\n\nwrite the plan\n');
    await text(page).press('Control+s');
    await expect(state(page)).toHaveText('Saved');
    expect(readFileSync(path('configs/notes/today.md'), 'utf8')).toBe('# Today\n\nwrite the plan\n');
    await keepBothThemes(page, 'files-editor');
    await page.reload();
    await expect(rows(page).filter({ hasText: 'notes' })).toBeVisible();
    await keepBothThemes(page, 'files-list');
    await expectAccessible(page);
    await rows(page).filter({ hasText: 'notes' }).click();
    await rows(page).filter({ hasText: 'today.md' }).click();
    await expect(text(page)).toHaveValue('# Today\n\nwrite the plan\n');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByTestId('confirm-ok').click();
    await expect(page.getByText('This folder is empty.')).toBeVisible();
  });
});

test('a file that was changed elsewhere is not overwritten unasked', async ({ page }) => {
  await withFiles(page, async (_stage, path) => {
    writeFileSync(path('configs/shared.md'), 'first');
    await page.getByTestId('tab-chat').click();
    await page.getByTestId('tab-files').click();
    await rows(page).filter({ hasText: 'shared.md' }).click();
    await text(page).fill('mine');
    writeFileSync(path('configs/shared.md'), 'theirs');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByTestId('file-conflict')).toContainText('changed elsewhere');
    expect(readFileSync(path('configs/shared.md'), 'utf8')).toBe('theirs');
    await page.getByRole('button', { name: 'Take theirs' }).click();
    await expect(text(page)).toHaveValue('theirs');
    await text(page).fill('mine again');
    writeFileSync(path('configs/shared.md'), 'theirs again');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Keep mine' }).click();
    await expect(state(page)).toHaveText('Saved');
    expect(readFileSync(path('configs/shared.md'), 'utf8')).toBe('mine again');
  });
});

test('other roots are read only, what is no text can be downloaded, and a phone shows all of it', async ({ page }) => {
  await withFiles(page, async (stage, path, id) => {
    mkdirSync(path('workspace/src'), { recursive: true });
    writeFileSync(path('workspace/src/main.ts'), 'export {};\n');
    writeFileSync(path('workspace/logo.bin'), Buffer.from([0, 255, 1, 254]));
    await page.getByTestId('tab-/workspace').click();
    await expect(page.getByText('Read only')).toBeVisible();
    await expect(page.getByRole('button', { name: 'New file' })).toHaveCount(0);
    await rows(page).filter({ hasText: 'src' }).click();
    await rows(page).filter({ hasText: 'main.ts' }).click();
    await expect(text(page)).toHaveValue('export {};\n');
    await expect(text(page)).not.toBeEditable();
    await page.getByRole('navigation', { name: 'Folders' }).getByRole('button', { name: 'workspace' }).click();
    await rows(page).filter({ hasText: 'logo.bin' }).click();
    await expect(page.getByText('is no text (4 B)')).toBeVisible();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    expect(readFileSync(await file.path())).toEqual(Buffer.from([0, 255, 1, 254]));
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${stage.platform.url}/?ws=${id}&tab=files`);
    await expect(rows(page).first()).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await keepBothThemes(page, 'files-phone');
  });
});
