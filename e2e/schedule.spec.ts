// The schedules of a workspace in the browser (spec chapter 50 §7.8), fired by the real scheduler at an agent behind a socket.

import { holdCalls, replyStatus, replyWith } from '@molecule/testkit';
import type { Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, node, type Stage, test, watchPatches } from './stage.ts';
import { messageOf, PLAIN } from './talking.ts';

const rows = (page: Page) => page.getByTestId('schedule-row');
const rowOf = (page: Page, name: string) => rows(page).filter({ hasText: name });
const form = (page: Page) => page.getByTestId('schedule-form');
const fieldOf = (page: Page, label: string) => form(page).getByLabel(label, { exact: true });

async function openSchedules(page: Page, stage: Stage, name = 'Editor') {
  const agent = await stage.agent({ name, card: PLAIN, workspace: { canvas: { x: 300, y: 200 } } });
  await stage.enter(page);
  await node(page, agent.id).click({ position: { x: 60, y: 14 } });
  await page.getByTestId('tab-schedule').click();
  return agent;
}

test('C48 a bad expression is refused at its field; Run now ends in a history row; the sentence names the time zone', async ({
  page,
  stage,
}) => {
  const agent = await openSchedules(page, stage);
  await expect(page.getByText('Editor is asked nothing at set times.')).toBeVisible();
  await page.getByRole('button', { name: 'New schedule' }).click();
  await fieldOf(page, 'Name').fill('Morning report');
  await fieldOf(page, 'Prompt').fill('What changed since yesterday?');
  await fieldOf(page, 'Cron expression').fill('61 9 * * 1-5');
  await fieldOf(page, 'Time zone').fill('Europe/Berlin');
  await expect(page.getByTestId('schedule-preview')).toHaveCount(0);
  await page.getByTestId('confirm-ok').click();
  await expect(fieldOf(page, 'Cron expression')).toHaveAttribute('aria-invalid', 'true');
  await expect(form(page).getByRole('alert')).toHaveText('Is not a cron expression: Invalid value for minute: 61.');
  await keepBothThemes(page, 'c48-refused');
  await fieldOf(page, 'Cron expression').fill('0 9 * * 1-5');
  await fieldOf(page, 'Time zone').fill('Mars/Olympus');
  await page.getByTestId('confirm-ok').click();
  await expect(fieldOf(page, 'Time zone')).toHaveAttribute('aria-invalid', 'true');
  await fieldOf(page, 'Time zone').fill('Europe/Berlin');
  await expect(form(page).getByRole('alert')).toHaveCount(0);
  const sentence = 'Every weekday at 09:00, Europe/Berlin time';
  await expect(page.getByTestId('schedule-preview')).toContainText(sentence);
  await expect(form(page).getByRole('list', { name: 'Next runs' }).getByRole('listitem')).toHaveText(
    Array.from({ length: 5 }, () => /^(Mon|Tue|Wed|Thu|Fri),? .*09:00$/),
  );
  await keepBothThemes(page, 'c48-form');
  await page.getByTestId('confirm-ok').click();
  await expect(rowOf(page, 'Morning report')).toContainText(sentence);
  await expect(rowOf(page, 'Morning report')).toContainText('Never run');

  const held = holdCalls(replyWith('Two merges, one open question.'));
  agent.respond(held.respond);
  await page.getByRole('button', { name: 'Run now' }).click();
  const history = page.getByTestId('schedule-history');
  await expect(history).toHaveText('Fired. The agent has not answered yet.');
  const [call] = await agent.waitForCalls(1);
  expect(call && messageOf(call).parts[0]?.text).toBe('What changed since yesterday?');
  held.release();
  const runs = page.getByTestId('schedule-run');
  await expect(runs).toHaveCount(1);
  await expect(runs).toHaveAttribute('data-result', 'ok');
  await expect(history).not.toContainText('has not answered');
  await expect(rowOf(page, 'Morning report')).toContainText('1 run');
  await keepBothThemes(page, 'c48-history');
  await page.reload();
  await page.getByRole('button', { name: 'History' }).click();
  await expect(runs).toHaveCount(1);
});

test('a failed run says why, a change sends what changed, off stays off, and a name is not taken twice', async ({
  page,
  stage,
}) => {
  const agent = await openSchedules(page, stage);
  const params = { id: agent.id };
  const { admin } = stage.platform;
  await admin.createSchedule({ params, body: { name: 'Hourly', cron_expr: '0 * * * *', prompt: 'Any news?' } });
  await admin.createSchedule({ params, body: { name: 'Nightly', cron_expr: '30 2 * * *', prompt: 'Tidy up.' } });
  await page.reload();
  agent.respond(replyStatus(200, { jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'the model is gone' } }));
  await rowOf(page, 'Hourly').getByRole('button', { name: 'Run now' }).click();
  await expect(page.getByTestId('schedule-run')).toHaveAttribute('data-result', 'error');
  await expect(page.getByTestId('schedule-run')).toContainText('the model is gone');

  const more = (name: string) => rowOf(page, name).getByRole('button', { name: `More for ${name}` });
  const patches = watchPatches(page);
  await more('Nightly').click();
  await page.getByRole('menuitem', { name: 'Change…' }).click();
  await fieldOf(page, 'Name').fill('Hourly');
  await page.getByTestId('confirm-ok').click();
  await expect(fieldOf(page, 'Name')).toHaveAttribute('aria-invalid', 'true');
  await fieldOf(page, 'Name').fill('Weekly');
  await fieldOf(page, 'When').selectOption({ label: 'Mondays at 09:00' });
  await expect(fieldOf(page, 'Cron expression')).toHaveValue('0 9 * * 1');
  await page.getByTestId('confirm-ok').click();
  await expect(rowOf(page, 'Weekly')).toContainText('On Mondays at 09:00 UTC');
  expect(patches.map(({ body }) => body)).toEqual([{ name: 'Hourly' }, { name: 'Weekly', cron_expr: '0 9 * * 1' }]);

  await rowOf(page, 'Weekly').getByRole('switch').click();
  await expect(rowOf(page, 'Weekly')).toContainText('Off');
  await page.reload();
  await expect(rowOf(page, 'Weekly').getByRole('switch')).toHaveAttribute('aria-checked', 'false');
  await more('Weekly').click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await page.getByTestId('confirm-ok').click();
  await expect(rows(page)).toHaveCount(1);
  expect((await admin.listSchedules({ params })).map(({ name }) => name)).toEqual(['Hourly']);
});

test('an agent that schedules itself is said to, both themes are accessible, and a phone shows all of it', async ({
  page,
  stage,
}) => {
  const agent = await openSchedules(page, stage, 'Night shift');
  const body = { name: 'Close the books of every team', cron_expr: '*/20 9-17 1,15 * *', timezone: 'Asia/Kolkata' };
  const prompt = 'Close the books. Ask whoever is missing something, and say what is open at the end of the day.';
  await stage.platform.admin.createSchedule({ params: { id: agent.id }, body: { ...body, prompt } });
  await agent.heartbeat({ runtime_metadata: { capabilities: { scheduler: true } } });
  await page.reload();
  await expect(page.getByText('The agent schedules itself.')).toBeVisible();
  await expect(rows(page)).toContainText('Every 20 minutes from 09:00 to 17:40 on the 1st and 15th, Asia/Kolkata time');
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${stage.platform.url}/?ws=${agent.id}&tab=schedule`);
  await expect(rows(page)).toBeVisible();
  await keepBothThemes(page, 'schedule-phone');
  await page.getByRole('button', { name: 'New schedule' }).click();
  await expect(form(page)).toBeVisible();
  await expectAccessible(page);
  await keepBothThemes(page, 'schedule-phone-form');
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
});
