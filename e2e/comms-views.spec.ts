// The other views of agent comms: the table of delegations and the transcript (spec chapter 50 §7.2).

import { type ReceivedCall, type replyBusy, replyStatus, replyWith } from '@molecule/testkit';
import { expectAccessible } from './a11y.ts';
import { expect, keepBothThemes, node, test } from './stage.ts';
import { leadAndWorker, PLAIN } from './talking.ts';

test('C79 delegations as a table: live from queued to answered, failed with its words, each open one with its why', async ({
  page,
  stage,
}) => {
  const { lead, worker, delegate } = await leadAndWorker(stage, PLAIN);
  await stage.enter(page);
  await node(page, lead.id).click({ position: { x: 60, y: 14 } });
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await page.getByRole('tab', { name: 'Delegations' }).click();
  await expect(page.getByText('Lead has handed out nothing yet.')).toBeVisible();
  await delegate('Confirm the ledger backfill and name any blocker.');
  const line = page.getByTestId('delegation-row');
  await expect(line).toContainText('Confirm the ledger backfill and name any blocker.');
  await expect(line).toContainText('queued at target');
  await line.getByRole('button', { name: 'Why?' }).click();
  await expect(page.getByTestId('why')).toBeVisible();
  await page.keyboard.press('Escape');
  worker.respond(replyWith('62 %, finishes about 14:00.'));
  await worker.heartbeat({ active_tasks: 0 });
  await expect(line).toContainText('answered');
  await expect(line).toContainText('62 %, finishes about 14:00.');
  await expect(line.getByRole('button', { name: 'Why?' })).toHaveCount(0);
  worker.respond(replyStatus(400, { error: 'cannot read the ledger' }));
  await delegate('Again, please.');
  await expect(line).toHaveCount(2);
  await expect(line.first()).toHaveAttribute('data-status', 'failed');
  await expect(line.first()).toContainText('cannot read the ledger');
  await keepBothThemes(page, 'c79-delegations');
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await keepBothThemes(page, 'c79-delegations-phone');
});

test('C39 the transcript follows live, waits out a failure, filters, pauses; a runtime without one says so', async ({
  page,
  stage,
}) => {
  const said = (type: string, content: string, tool?: string) => ({
    type,
    content,
    ts: '2026-01-01T10:00:00.000Z',
    ...(tool ? { tool } : {}),
  });
  const lines = [said('user', 'Can we ship?'), said('thinking', 'The ledger first')];
  let fails = false;
  const serve = (call: ReceivedCall, response: Parameters<typeof replyBusy>[1]) => {
    const url = new URL(call.path, 'http://agent');
    if (!url.pathname.endsWith('/transcript')) return replyWith('ok')(call, response);
    if (fails) return replyStatus(500, {})(call, response);
    const since = Number(url.searchParams.get('since') ?? 0);
    const page = { runtime: 'echo', supported: true, lines: lines.slice(since), cursor: lines.length, more: false };
    return replyStatus(200, page)(call, response);
  };
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: serve,
    workspace: { canvas: { x: 300, y: 200 } },
  });
  const mute = await stage.agent({
    name: 'Mute',
    card: PLAIN,
    respond: replyStatus(200, { runtime: 'hermes', supported: false, lines: [], cursor: 0, more: false }),
    workspace: { canvas: { x: 300, y: 400 } },
  });
  await stage.enter(page);
  await node(page, agent.id).click({ position: { x: 60, y: 14 } });
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await page.getByRole('tab', { name: 'Transcript' }).click();
  const shown = page.getByTestId('transcript-line');
  await expect(shown).toHaveText([/asked.*Can we ship\?/, /thought.*The ledger first/]);
  lines.push(said('tool_call', '{"path":"ledger.csv"}', 'read_file'), said('agent', 'On Thursday.'));
  await expect(shown).toHaveCount(4);
  await expect(shown.nth(2)).toContainText('called read_file');
  await keepBothThemes(page, 'c39-transcript');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Tools', exact: true }).click();
  await expect(shown).toHaveText([/read_file/]);
  await page.getByRole('button', { name: 'All', exact: true }).click();
  fails = true;
  await expect(page.getByText('Tries again by itself.')).toBeVisible();
  await expect(shown).toHaveCount(4);
  fails = false;
  lines.push(said('agent', 'Late words.'));
  await expect(shown).toHaveCount(5);
  await expect(page.getByText('Tries again by itself.')).toBeHidden();
  await page.getByRole('button', { name: 'Pause' }).click();
  lines.push(said('agent', 'While paused.'));
  await page.getByRole('button', { name: 'Follow again' }).click();
  await expect(shown).toHaveCount(6);

  await node(page, mute.id).click({ position: { x: 60, y: 14 } });
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await page.getByRole('tab', { name: 'Transcript' }).click();
  await expect(page.getByText('Mute runs on hermes, which keeps no transcript.')).toBeVisible();
});
