// Taking a team out as a bundle and bringing one in (spec chapter 50 §8.4): real agents, real folders, a real download.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as base, type Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { cardButton, expect, keepBothThemes, node, openStage, test } from './stage.ts';

interface Dropped {
  name: string;
  text: string;
}

/** Lets files go over a part of the page, as a browser would; `until` runs while they hang over it. */
async function dropOn(page: Page, selector: string, files: Dropped[], until?: () => Promise<void>): Promise<void> {
  const transfer = await page.evaluateHandle((all) => {
    const data = new DataTransfer();
    for (const { name, text } of all) data.items.add(new File([text], name, { type: 'application/json' }));
    return data;
  }, files);
  const target = page.locator(selector).first();
  await target.dispatchEvent('dragover', { dataTransfer: transfer });
  await until?.();
  await target.dispatchEvent('drop', { dataTransfer: transfer });
}

const CANVAS = '[data-testid=canvas-root]';
const toasts = (page: Page) => page.getByTestId('toast');

async function exportOf(page: Page, id: string): Promise<{ name: string; text: string }> {
  await node(page, id).click({ button: 'right', position: { x: 60, y: 14 } });
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: 'Export bundle' }).click(),
  ]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
}

base('C62 an exported bundle holds no secret; dropped on the canvas a copy appears with new ids', async ({ page }) => {
  base.setTimeout(120_000);
  const stage = await openStage({ env: { MOLECULE_PROVISIONER: 'process', PATH: process.env.PATH ?? '' } });
  const { admin } = stage.platform;
  const value = 'hunter2-and-a-half';
  try {
    const lead = await admin.createWorkspace({
      body: { name: 'Growth Lead', role: 'Plans', runtime: 'echo', canvas: { x: 100, y: 120 } },
    });
    const child = await admin.createWorkspace({ body: { name: 'Writer', runtime: 'echo', parent_id: lead.id } });
    const params = { id: lead.id };
    await admin.putSecret({ params, body: { key: 'CRM_PASSWORD', value } });
    await stage.enter(page);
    for (const { id } of [lead, child])
      await expect(node(page, id)).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    const folder = join(stage.platform.dataDir, 'workspaces', lead.id, 'configs');
    writeFileSync(join(folder, 'system-prompt.md'), `You plan. The CRM opens with ${value}.\n`);
    const token = readFileSync(join(folder, '.auth_token'), 'utf8').trim();

    const file = await exportOf(page, lead.id);
    expect(file.name).toBe('growth-lead.bundle.json');
    await expect(toasts(page)).toContainText('growth-lead.bundle.json saved, without secrets');
    expect(JSON.parse(file.text)).toMatchObject({ name: 'Growth Lead', sub_workspaces: [{ name: 'Writer' }] });
    expect(file.text).toContain('You plan. The CRM opens with');
    expect(file.text).not.toContain(value);
    expect(file.text).not.toContain(token);

    await dropOn(page, CANVAS, [file], async () => {
      await expect(page.getByTestId('bundle-drop')).toBeVisible();
      await keepBothThemes(page, 'c62-drop');
    });
    await expect(page.getByTestId('bundle-drop')).toHaveCount(0);
    await expect(toasts(page).filter({ hasText: 'Growth Lead imported, 2 workspaces' })).toBeVisible();
    const rows = await admin.listWorkspaces();
    expect(rows).toHaveLength(4);
    const copy = rows.find(({ id, source_bundle_id: source }) => source === lead.id && id !== lead.id);
    const inner = rows.find(({ parent_id: parent }) => parent !== null && parent === copy?.id);
    expect(copy).toMatchObject({ name: 'Growth Lead', role: 'Plans' });
    expect(inner).toMatchObject({ name: 'Writer', source_bundle_id: child.id });
    for (const one of [copy, inner])
      await expect(node(page, one?.id ?? '')).toHaveAttribute('data-status', 'online', { timeout: 30_000 });
    await expect(page.getByTestId('panel')).toContainText('Growth Lead');
    expect(await admin.listSecrets({ params: { id: copy?.id ?? '' } })).not.toContainEqual(
      expect.objectContaining({ key: 'CRM_PASSWORD' }),
    );
    await keepBothThemes(page, 'c62-copy');
  } finally {
    await stage.close();
  }
});

test('a bundle that comes up in part lists who failed and why; what is no bundle is said to be none', async ({
  page,
  stage,
}) => {
  const keeper = await stage.seat('Keeper', { x: 300, y: 200 });
  await stage.enter(page);
  await dropOn(page, CANVAS, [{ name: 'notes.txt', text: 'hello' }]);
  await expect(toasts(page).filter({ hasText: 'notes.txt ignored' })).toBeVisible();
  await dropOn(page, CANVAS, [{ name: 'broken.bundle.json', text: '{"name":' }]);
  await expect(toasts(page).filter({ hasText: 'broken.bundle.json was not imported: it is not JSON' })).toBeVisible();
  await dropOn(page, CANVAS, [{ name: 'odd.bundle.json', text: '{"name":7}' }]);
  await expect(toasts(page).filter({ hasText: 'odd.bundle.json was not imported: name' })).toBeVisible();
  expect(await stage.platform.admin.listWorkspaces()).toHaveLength(1);

  const runtime = (name: string) => ({ 'config.yaml': `runtime: ${name}\n` });
  const team = {
    name: 'Support',
    prompts: runtime('external'),
    sub_workspaces: [
      { name: 'First line', prompts: runtime('external') },
      { name: 'Night desk', prompts: runtime('echo') },
    ],
  };
  const file = { name: 'support.bundle.json', text: JSON.stringify(team) };
  await node(page, keeper).click({ position: { x: 60, y: 14 } });
  await dropOn(page, '[data-testid=panel-chat]', [file]);
  expect(await stage.platform.admin.listWorkspaces()).toHaveLength(1);
  await page.keyboard.press('Escape');
  await dropOn(page, CANVAS, [file]);
  const result = page.getByTestId('bundle-result');
  await expect(result).toContainText('1 of 3 workspaces did not come up');
  const failed = result.locator('[data-testid=bundle-entry][data-status=failed]');
  await expect(failed).toHaveCount(1);
  await expect(failed).toContainText('Night desk');
  await page.evaluate(() => {
    for (const each of document.querySelectorAll<HTMLElement>('[data-testid=toast] [aria-label=Dismiss]')) each.click();
  });
  await expect(toasts(page)).toHaveCount(0);
  await expectAccessible(page);
  await keepBothThemes(page, 'bundle-result');
  await page.setViewportSize({ width: 390, height: 844 });
  await keepBothThemes(page, 'bundle-result-phone');
  await failed.getByRole('button', { name: 'Open' }).click();
  await expect(page.getByTestId('panel')).toContainText('Night desk');
});

test('the palette imports from a chosen file, also into an empty canvas; a delete offers to export first', async ({
  page,
  stage,
}) => {
  await stage.enter(page);
  await page.keyboard.press('Control+k');
  const team = { name: 'Lone agent', prompts: { 'config.yaml': 'runtime: external\n' } };
  const [chooser] = await Promise.all([
    page.waitForEvent('filechooser'),
    page.getByRole('option', { name: 'Import a bundle' }).click(),
  ]);
  const buffer = Buffer.from(JSON.stringify(team));
  await chooser.setFiles({ name: 'lone.bundle.json', mimeType: 'application/json', buffer });
  await expect(page.getByTestId('panel')).toContainText('Lone agent');
  const [row] = await stage.platform.admin.listWorkspaces();
  await cardButton(page, row?.id ?? '').focus();
  await page.keyboard.press('Delete');
  await keepBothThemes(page, 'delete-export-first');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export first' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('lone-agent.bundle.json');
  expect(await stage.platform.admin.listWorkspaces()).toHaveLength(1);
});
