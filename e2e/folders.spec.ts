// Whole folders in the Files tab (spec chapter 50 §7.9): made, uploaded to, renamed, emptied and cleared, on a real agent's folders.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, type Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, node, openStage } from './stage.ts';

const rowOf = (page: Page, name: string) => page.getByTestId('file-row').filter({ hasText: name });
const text = (page: Page) => page.getByTestId('file-text');
const crumb = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Folders' }).getByRole('button', { name });

async function choose(page: Page, item: string): Promise<void> {
  await page.getByRole('button', { name: 'Folder actions' }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

async function withFolders(page: Page, work: (configs: string, chosen: string) => Promise<void>) {
  base.setTimeout(120_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process', PATH: process.env.PATH ?? '' } });
  const chosen = mkdtempSync(join(tmpdir(), 'molecule-upload-'));
  try {
    const { id } = await stage.platform.admin.createWorkspace({
      body: { name: 'Keeper', runtime: 'echo', canvas: { x: 300, y: 200 } },
    });
    await stage.enter(page);
    await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await node(page, id).click({ position: { x: 60, y: 14 } });
    await page.getByTestId('tab-files').click();
    await expect(rowOf(page, 'config.yaml')).toBeVisible();
    await work(join(stage.platform.dataDir, 'workspaces', id, 'configs'), chosen);
  } finally {
    await stage.close();
    rmSync(chosen, { recursive: true, force: true });
  }
}

base(
  'C50 create, edit, save by key, reload: the same; a folder goes up without what is over 1 MB, listed; clear only in /configs',
  async ({ page }) => {
    await withFolders(page, async (configs, chosen) => {
      await choose(page, 'New folder…');
      await page.getByRole('textbox', { name: /^Name/ }).fill('handbook');
      await page.keyboard.press('Enter');
      await expect(page.getByText('This folder is empty')).toBeVisible();
      await page.getByRole('button', { name: 'New file' }).click();
      await page.getByRole('textbox', { name: /^Name/ }).fill('rules.md');
      await page.keyboard.press('Enter');
      await text(page).fill('# Rules\n\nAsk first.\n');
      await text(page).press('Control+s');
      await expect(page.getByTestId('file-state')).toHaveText('Saved');
      await page.reload();
      await rowOf(page, 'handbook').click();
      await rowOf(page, 'rules.md').click();
      await expect(text(page)).toHaveValue('# Rules\n\nAsk first.\n');
      await crumb(page, 'handbook').click();

      const folder = join(chosen, 'skills');
      mkdirSync(join(folder, 'report'), { recursive: true });
      writeFileSync(join(folder, 'report/SKILL.md'), 'Write it down.\n');
      writeFileSync(join(folder, 'report/large.md'), 'x'.repeat(1024 * 1024 + 1));
      writeFileSync(join(folder, 'logo.png'), Buffer.from([0x89, 0x50, 0xff, 0]));
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), choose(page, 'Upload a folder…')]);
      await chooser.setFiles(folder);
      await expect(page.getByTestId('upload-written').getByRole('listitem')).toHaveText([
        /handbook\/skills\/report\/SKILL\.md.*new/,
      ]);
      const skipped = page.getByTestId('upload-skipped').getByRole('listitem');
      await expect(skipped).toHaveCount(2);
      await expect(skipped.filter({ hasText: 'large.md' })).toContainText('larger than 1 MB');
      await expect(skipped.filter({ hasText: 'logo.png' })).toContainText('no text');
      await expectAccessible(page);
      await keepBothThemes(page, 'c50-upload');
      await page.getByTestId('confirm-ok').click();
      await expect(rowOf(page, 'skills')).toBeVisible();
      expect(readdirSync(join(configs, 'handbook/skills/report'))).toEqual(['SKILL.md']);
      expect(readFileSync(join(configs, 'handbook/skills/report/SKILL.md'), 'utf8')).toBe('Write it down.\n');

      await page.getByTestId('tab-/workspace').click();
      await expect(page.getByText('Read only')).toBeVisible();
      await expect(page.getByRole('button', { name: 'Folder actions' })).toHaveCount(0);
      await page.getByTestId('tab-/configs').click();
      await choose(page, 'Clear /configs…');
      await expect(page.getByTestId('confirm-ok')).toHaveText(/Delete \d files/);
      await expect(page.getByTestId('confirm-ok')).toBeDisabled();
      await page.getByRole('textbox', { name: 'Type Keeper to confirm' }).fill('Keeper');
      await keepBothThemes(page, 'c50-clear');
      await page.getByTestId('confirm-ok').click();
      await expect(rowOf(page, 'config.yaml')).toHaveCount(0);
      expect(existsSync(join(configs, 'config.yaml'))).toBe(false);
      expect(existsSync(join(configs, '.auth_token'))).toBe(true);
    });
  },
);

base('files and folders are renamed and moved, nothing is written over, and a folder is emptied', async ({ page }) => {
  await withFolders(page, async (configs, chosen) => {
    mkdirSync(join(configs, 'notes/deep'), { recursive: true });
    writeFileSync(join(configs, 'notes/today.md'), 'today');
    writeFileSync(join(configs, 'notes/deep/plan.md'), 'plan');
    writeFileSync(join(configs, 'taken.md'), 'taken');
    await page.reload();
    await rowOf(page, 'notes').click();
    await rowOf(page, 'today.md').click();
    await page.getByRole('button', { name: 'Rename…' }).click();
    const path = page.getByRole('textbox', { name: 'Path below /configs' });
    await path.fill('taken.md');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toHaveText('taken.md is there already');
    await path.fill('notes/deep/tomorrow.md');
    await page.keyboard.press('Enter');
    await expect(text(page)).toHaveValue('today');
    await expect.poll(() => existsSync(join(configs, 'notes/today.md'))).toBe(false);
    expect(readFileSync(join(configs, 'taken.md'), 'utf8')).toBe('taken');

    await crumb(page, 'notes').click();
    await choose(page, 'Rename or move…');
    await path.fill('archive/2026');
    await page.keyboard.press('Enter');
    await expect(crumb(page, 'archive')).toBeVisible();
    await expect(rowOf(page, 'deep')).toBeVisible();
    expect(readdirSync(join(configs, 'archive/2026/deep')).sort()).toEqual(['plan.md', 'tomorrow.md']);
    expect(readFileSync(join(configs, 'archive/2026/deep/tomorrow.md'), 'utf8')).toBe('today');

    const uploads = ['today.md', 'new.md'].map((name) => join(chosen, name));
    for (const file of uploads) writeFileSync(file, 'from here');
    writeFileSync(join(configs, 'archive/2026/today.md'), 'from there');
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), choose(page, 'Upload files…')]);
    await chooser.setFiles(uploads);
    const written = page.getByTestId('upload-written').getByRole('listitem');
    await expect(written).toHaveText([/today\.md.*replaced/, /new\.md.*new/]);
    await page.getByTestId('confirm-ok').click();
    await expect(rowOf(page, 'new.md')).toBeVisible();
    expect(readFileSync(join(configs, 'archive/2026/today.md'), 'utf8')).toBe('from here');

    await choose(page, 'Delete its files…');
    await expect(page.getByRole('list', { name: 'Files that are deleted' }).getByRole('listitem')).toHaveCount(4);
    await page.setViewportSize({ width: 390, height: 844 });
    await keepBothThemes(page, 'files-empty-phone');
    await page.getByTestId('confirm-ok').click();
    await expect(page.getByRole('dialog')).toHaveCount(0);
    expect(readdirSync(join(configs, 'archive/2026/deep'))).toEqual([]);
    await page.getByRole('button', { name: 'Folder actions' }).click();
    await keepBothThemes(page, 'files-actions-phone');
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  });
});
