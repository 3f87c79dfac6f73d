// What happened, filtered, and the whole story of one entry (spec chapter 50 §7.3).

import { replyStatus, replyWith } from '@molecule/testkit';
import type { Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, node, type Stage, test } from './stage.ts';
import { openChat, PLAIN, say } from './talking.ts';

const rows = (page: Page) => page.getByTestId('activity-row');

async function team(stage: Stage) {
  const lead = await stage.agent({ name: 'Lead', card: PLAIN, workspace: { canvas: { x: 100, y: 100 } } });
  const worker = await stage.agent({
    name: 'Worker',
    parentId: lead.id,
    card: PLAIN,
    respond: replyWith('62 %, finishes about 14:00.'),
    workspace: { canvas: { x: 116, y: 230 } },
  });
  const alone = await stage.agent({ name: 'Alone', card: PLAIN, workspace: { canvas: { x: 560, y: 100 } } });
  const delegate = (task: string) =>
    stage.platform
      .client(lead.token, lead.id)
      .delegate({ params: { id: lead.id }, body: { target_id: worker.id, task } });
  return { lead, worker, alone, delegate };
}

test('C38 the range asks for its seconds; errors only; a row opens to both bodies; the full trace tells it of everyone', async ({
  page,
  stage,
}) => {
  const { lead, worker, alone, delegate } = await team(stage);
  await delegate('Confirm the ledger backfill.');
  await stage.platform.platform.messaging.idle();
  await stage.enter(page);
  await openChat(page, lead.id);
  await say(page, 'Can we ship?');
  await expect(page.locator('[data-testid=bubble][data-role=agent]')).toHaveCount(1);
  lead.respond(replyStatus(500, { error: 'tool crashed' }));
  await say(page, 'And now?');
  await expect(page.locator('[data-testid=bubble][data-role=error]')).toHaveCount(1);
  await page.getByTestId('tab-activity').click();
  await expect(rows(page)).toHaveCount(3);

  const asked: (string | null)[] = [];
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.pathname.endsWith('/activity')) asked.push(url.searchParams.get('since_secs'));
  });
  await page.getByRole('button', { name: '1 h', exact: true }).click();
  await expect.poll(() => asked).toContain('3600');
  await page.getByRole('button', { name: 'Custom' }).click();
  await page.getByRole('textbox', { name: 'Last' }).fill('36');
  await page.getByRole('combobox', { name: 'Unit' }).selectOption('hours');
  await expect.poll(() => asked).toContain(String(36 * 3_600));
  await page.getByRole('textbox', { name: 'Last' }).fill('9000');
  await expect(page.getByRole('textbox', { name: 'Last' })).toHaveAttribute('aria-invalid', 'true');
  expect(asked).not.toContain(String(9_000 * 3_600));
  await keepBothThemes(page, 'c38-custom');

  const errors = page.getByRole('button', { name: /^Errors/ });
  await expect(errors).toContainText('1');
  await errors.click();
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page)).toContainText('And now?');
  await page.getByRole('button', { name: 'Delegation', exact: true }).click();
  await expect(rows(page)).toHaveCount(1);
  await page.getByRole('searchbox', { name: 'Filter these rows' }).fill('nothing like it');
  await expect(page.getByText('Nothing matches these filters.')).toBeVisible();
  await page.getByRole('button', { name: 'Clear the filters' }).click();
  await expect(rows(page)).toHaveCount(3);

  await rows(page).filter({ hasText: 'Confirm the ledger backfill.' }).click();
  await expect(page.getByRole('region', { name: 'Request' })).toContainText('Confirm the ledger backfill.');
  await expect(page.getByRole('region', { name: 'Response' })).toContainText('62 %, finishes about 14:00.');
  await keepBothThemes(page, 'c38-row');
  // Another organisation is another story; one log cannot be read.
  await page.route(`**/workspaces/${worker.id}/activity*`, (route) => route.fulfill({ status: 500, json: {} }), {
    times: 1,
  });
  await page.getByRole('button', { name: 'Full trace' }).click();
  const trace = page.getByTestId('full-trace');
  await expect(trace.getByRole('alert')).toContainText('Not read: Worker.');
  await trace.getByRole('button', { name: 'Retry' }).click();
  await expect(trace.getByRole('alert')).toBeHidden();
  const lines = trace.getByTestId('trace-row');
  await expect(lines.filter({ hasText: 'Worker' }).first()).toBeVisible();
  const times = await lines.locator('time').evaluateAll((all) => all.map((time) => (time as HTMLTimeElement).dateTime));
  expect(times.length).toBeGreaterThanOrEqual(4);
  expect(times).toEqual([...times].sort());
  await expect(lines.locator('[data-part]').or(trace.locator('[data-part]')).first()).toContainText(
    'Confirm the ledger',
  );
  await expect(trace).not.toContainText('Alone');
  expect(alone.calls).toHaveLength(0);
  await keepBothThemes(page, 'c38-trace');
  await expectAccessible(page);
  await trace.getByRole('button', { name: 'Only this conversation' }).click();
  await expect(lines.filter({ hasText: 'Can we ship?' })).toHaveCount(0);
  await page.setViewportSize({ width: 390, height: 844 });
  await keepBothThemes(page, 'c38-trace-phone');
});

test('schedules have a filter of their own, and their name', async ({ page, stage }) => {
  const { lead } = await team(stage);
  const { id: scheduleId } = await stage.platform.admin.createSchedule({
    params: { id: lead.id },
    body: { name: 'Stand-up summary', cron_expr: '0 9 * * 1', prompt: 'Sum up the week' },
  });
  await stage.platform.admin.runSchedule({ params: { id: lead.id, scheduleId } });
  await stage.enter(page);
  await node(page, lead.id).click({ position: { x: 60, y: 14 } });
  await page.getByTestId('tab-activity').click();
  await expect(rows(page)).toHaveCount(2);
  await page.getByRole('button', { name: 'Schedules', exact: true }).click();
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page)).toContainText('Stand-up summary');
});
