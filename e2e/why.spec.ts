// "Why is it stuck" on a real platform: asked from a card, a waiting message, a delegation and the activity, and kept true by events
// (spec chapter 50 §7.12).

import { replyBusy, replyWith } from '@molecule/testkit';
import type { Locator, Page } from '@playwright/test';
import { expect, frameOf, keepBothThemes, node, type Stage, test } from './stage.ts';
import { bubbles, openChat, PLAIN, say } from './talking.ts';

const why = (page: Page): Locator => page.getByTestId('why');
const cause = (page: Page): Locator => why(page).getByTestId('why-cause');

async function stuckPair(stage: Stage) {
  const lead = await stage.agent({ name: 'Lead', card: PLAIN, workspace: { canvas: { x: 100, y: 100 } } });
  const worker = await stage.agent({
    name: 'Worker',
    parentId: lead.id,
    card: PLAIN,
    respond: replyBusy,
    workspace: { canvas: { x: 116, y: 230 } },
  });
  const alone = await stage.agent({ name: 'Alone', card: PLAIN, workspace: { canvas: { x: 520, y: 100 } } });
  await worker.heartbeat({ active_tasks: 1, current_task: 'Reading the ledger' });
  const { delegation_id: delegationId } = await stage.platform
    .client(lead.token, lead.id)
    .delegate({ params: { id: lead.id }, body: { target_id: worker.id, task: 'Confirm the ledger backfill.' } });
  await expect
    .poll(async () =>
      (await stage.platform.admin.listDelegations({ params: { id: lead.id } })).map((one) => one.status),
    )
    .toContain('queued');
  return { lead, worker, alone, delegationId };
}

test('C77 why: from the card to the busy one below it, on the graph with the same numbers, and true again when it is free', async ({
  page,
  stage,
}) => {
  const { lead, worker, alone } = await stuckPair(stage);
  await stage.enter(page);
  await node(page, lead.id).click({ button: 'right', position: { x: 60, y: 14 } });
  await page.getByRole('menuitem', { name: /^Why is it waiting\?/ }).click();
  const hops = why(page).getByTestId('why-hop');
  await expect(hops).toHaveCount(2);
  await expect(hops.first()).toContainText('Lead waits for Worker');
  await expect(hops.first()).toContainText('Confirm the ledger backfill.');
  await expect(cause(page)).toHaveAttribute('data-cause', 'busy_target');
  await expect(cause(page)).toContainText('Reading the ledger');
  await expect(page.locator('.num-b.on-card')).toHaveText(['1', '2']);
  await expect(frameOf(page, alone.id).locator('.node')).toHaveClass(/dim/);
  await expect(frameOf(page, worker.id).locator('.node')).not.toHaveClass(/dim/);
  await keepBothThemes(page, 'c77-why');

  // A model that fails is another cause; its restart is offered, and asked of the platform.
  await worker.heartbeat({ active_tasks: 1, runtime_state: 'wedged', sample_error: 'control request timeout' });
  await expect(cause(page)).toHaveAttribute('data-cause', 'wedged');
  await expect(cause(page)).toContainText('control request timeout');
  const restart = page.waitForRequest((request) => request.url().includes(`/workspaces/${worker.id}/restart`));
  await why(page).getByRole('button', { name: 'Restart Worker' }).click();
  await restart;

  worker.respond(replyWith('62 %'));
  await worker.heartbeat({ active_tasks: 0, runtime_state: '', sample_error: '', error_rate: 0 });
  await expect(why(page).locator('.num-b.root')).toHaveCount(0);
  await expect(hops).toHaveCount(1);
  await keepBothThemes(page, 'c77-why-free');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('panel')).toHaveAccessibleName('Lead workspace');
  await expect(page.locator('.num-b.on-card')).toHaveCount(0);
});

test('C77 why: from a waiting message, its delegation and the number on the card', async ({ page, stage }) => {
  const { lead, worker } = await stuckPair(stage);
  await stage.enter(page);
  await node(page, worker.id)
    .getByRole('button', { name: /waiting for Worker: why\?/ })
    .click();
  await expect(cause(page)).toHaveAttribute('data-cause', 'working');
  await expect(why(page).getByTestId('why-behind')).toContainText('Confirm the ledger backfill.');
  await page.keyboard.press('Escape');
  await expect(why(page)).toBeHidden();

  await openChat(page, worker.id);
  await say(page, 'Are you done?');
  await bubbles(page, 'user').getByTestId('queued').getByRole('button', { name: 'Why?' }).click();
  await expect(cause(page)).toHaveAttribute('data-cause', 'busy_target');
  await expect(why(page)).toContainText('Are you done?');
  await page.keyboard.press('Escape');

  await node(page, lead.id).click({ position: { x: 60, y: 14 } });
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await page.getByRole('tab', { name: 'Delegations' }).click();
  await page.getByTestId('delegation-row').getByRole('button', { name: 'Why?' }).click();
  await expect(why(page).getByTestId('why-hop').first()).toContainText('Confirm the ledger backfill.');
  // Cancelled here, it has failed for everyone.
  await why(page)
    .getByRole('button', { name: /^Cancel/ })
    .click();
  await page.getByTestId('confirm-ok').click();
  await expect(page.getByTestId('toast')).toContainText('Cancelled.');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('delegation-row')).toHaveAttribute('data-status', 'failed');
});
