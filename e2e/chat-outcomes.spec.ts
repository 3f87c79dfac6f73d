// What becomes of a message that is not simply answered: a restart, a wake-up, a budget, a full queue, an agent that speaks by
// itself, a schedule (spec chapter 50 §7.1).

import { replyBusy, replyBusyWith, replyWith } from '@molecule/testkit';
import type { Page } from '@playwright/test';
import { openMachines } from './machines.ts';
import { expect, keepBothThemes, openStage, test } from './stage.ts';
import { bubbles, messageOf, openChat, PLAIN, say } from './talking.ts';

const countdown = (page: Page) => bubbles(page, 'user').getByTestId('countdown');

test('C30 a killed agent: the restart is counted down, one resend with the same id, one reply', async ({ page }) => {
  const machines = await openMachines();
  try {
    await page.clock.install();
    const id = await machines.createOnline({ name: 'Lead', canvas: { x: 300, y: 200 } });
    await machines.enter(page);
    await openChat(page, id);
    await machines.kill(id);
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/a2a')) sent.push(request.postDataJSON().params.message.messageId);
    });
    await say(page, 'Can we ship?');
    await expect(countdown(page)).toHaveText(/^Restarting\. Sends again in 1[0-9] s\.$/);
    await keepBothThemes(page, 'c30-restarting');
    await machines.untilStatus(id, 'online');
    const next = machines.agentOf(id);
    next.respond(replyWith('We can.'));
    await page.clock.runFor(16_000);
    await expect(bubbles(page, 'agent')).toHaveText(/We can\./);
    await expect(countdown(page)).toHaveCount(0);
    expect(sent).toHaveLength(2);
    expect(new Set(sent).size).toBe(1);
    expect(next.calls.map((call) => messageOf(call).messageId)).toEqual([sent[0]]);
    await page.reload();
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    await expect(bubbles(page, 'user')).toHaveCount(1);
  } finally {
    await machines.close();
  }
});

test('a message wakes who sleeps: the wake-up is counted down, and the answer comes once', async ({ page }) => {
  const machines = await openMachines();
  try {
    await page.clock.install();
    const id = await machines.createOnline({ name: 'Lead', canvas: { x: 300, y: 200 } });
    await machines.platform.admin.hibernateWorkspace({ params: { id }, query: {} });
    await machines.enter(page);
    await openChat(page, id);
    await say(page, 'Good morning');
    await expect(countdown(page)).toHaveText(/^Waking up\. Sends again in \d+ s\.$/);
    await machines.untilStatus(id, 'online');
    await page.clock.runFor(16_000);
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    await expect(countdown(page)).toHaveCount(0);
  } finally {
    await machines.close();
  }
});

test('C31 a spent budget refuses the message and leads to the limit; raised, the same message is answered', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: replyWith('Here.'),
    workspace: { canvas: { x: 300, y: 200 }, budget_limit: 1_000 },
  });
  await agent.heartbeat({ monthly_spend: 1_000 });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'Are you there?');
  await expect(bubbles(page, 'error')).toContainText('Budget reached');
  await expect(bubbles(page, 'user')).toHaveText(/Are you there\?/);
  expect(agent.calls).toHaveLength(0);
  await keepBothThemes(page, 'c31-budget');
  await bubbles(page, 'error').getByRole('button', { name: 'Raise the limit' }).click();
  await page.getByRole('textbox', { name: 'Monthly limit in dollars' }).fill('50');
  await page.getByRole('button', { name: 'Set limit' }).click();
  await expect(page.getByText('$10.00 spent this month of $50.00.')).toBeVisible();
  await page.getByTestId('tab-chat').click();
  await bubbles(page, 'error').getByRole('button', { name: 'Send again' }).click();
  await expect(bubbles(page, 'agent')).toHaveText(/Here\./);
  await expect(bubbles(page, 'error')).toHaveCount(0);
});

test('an agent busy in its own session is tried again by hand, under the same id', async ({ page, stage }) => {
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: replyBusyWith({ native_session: true }),
    workspace: { canvas: { x: 300, y: 200 } },
  });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'One');
  await expect(bubbles(page, 'error')).toContainText('Busy in its own session');
  agent.respond(replyWith('Now I can.'));
  await bubbles(page, 'error').getByRole('button', { name: 'Send again' }).click();
  await expect(bubbles(page, 'agent')).toHaveText(/Now I can\./);
  await expect(bubbles(page, 'error')).toHaveCount(0);
  expect(new Set(agent.calls.map((call) => messageOf(call).messageId)).size).toBe(1);
});

test('C80 a full queue refuses the message and says when there may be room; then the same one is sent', async ({
  page,
}) => {
  const stage = await openStage({ env: { A2A_QUEUE_LIMIT_PER_CALLER: '1' } });
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: replyBusy,
    workspace: { canvas: { x: 300, y: 200 } },
  });
  try {
    await page.clock.install();
    await stage.enter(page);
    await openChat(page, agent.id);
    await say(page, 'One');
    await expect(bubbles(page, 'user').getByTestId('queued')).toContainText('Queued, next in line');
    await say(page, 'Two');
    const refused = bubbles(page, 'error');
    await expect(refused).toContainText('Too many of your messages wait');
    await expect(bubbles(page, 'user').nth(1)).toContainText('Two');
    const again = refused.getByRole('button', { name: /^Send again/ });
    await expect(again).toHaveText(/Send again in \d+ s/);
    await expect(again).toBeDisabled();
    await keepBothThemes(page, 'c80-queue-full');
    agent.respond(replyWith('Done.'));
    await agent.heartbeat({ active_tasks: 0 });
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    await page.clock.runFor(60_000);
    await again.click();
    await expect(bubbles(page, 'agent')).toHaveCount(2);
    await expect(refused).toHaveCount(0);
  } finally {
    await stage.close();
  }
});

test('C32 C76 an agent message keeps its text and its good attachment; without text and a good one it is nothing', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({ name: 'Lead', card: PLAIN, workspace: { canvas: { x: 300, y: 200 } } });
  await stage.enter(page);
  await openChat(page, agent.id);
  const { events } = stage.platform.platform;
  const tell = (message: string, attachments: unknown[]) =>
    events.broadcast({
      event: 'AGENT_MESSAGE',
      workspace_id: agent.id,
      payload: { message, workspace_id: agent.id, name: 'Lead', attachments },
    });
  tell('', [{ uri: '', name: 'lost.md' }, { uri: 'workspace:/workspace/x.md' }, 'nonsense']);
  tell('The report', [
    { uri: '', name: 'lost.md' },
    { uri: 'workspace:/workspace/report.md', name: 'report.md', mimeType: 'text/markdown', size: 4_096 },
  ]);
  await expect(bubbles(page, 'agent')).toHaveCount(1);
  await expect(bubbles(page, 'agent')).toContainText('The report');
  await expect(bubbles(page, 'agent').getByRole('link')).toHaveText(/report\.md/);
  await expect(bubbles(page, 'agent')).not.toContainText('lost.md');
});

test('C35 what an agent tells itself and upload rows are nobody’s words; a schedule is an event with its name', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: replyWith('Summary sent.'),
    workspace: { canvas: { x: 300, y: 200 } },
  });
  const { admin } = stage.platform;
  const self = stage.platform.client(agent.token, agent.id);
  await self.raw('POST', `/workspaces/${agent.id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: '1',
      method: 'message/send',
      params: {
        message: {
          role: 'user',
          messageId: 'self-1',
          parts: [{ kind: 'text', text: 'Results are in' }],
          metadata: { internal: 'delegation_results' },
        },
      },
    }),
  });
  await stage.platform.db.kysely
    .insertInto('activity_logs')
    .values({
      workspace_id: agent.id,
      activity_type: 'a2a_receive',
      method: 'chat_upload_receive',
      summary: 'File received: notes.md',
      status: 'ok',
      request_body: JSON.stringify({ file_id: 'f', name: 'notes.md', mimeType: 'text/markdown', size: 4, uri: 'x' }),
    })
    .execute();
  const { id: scheduleId } = await admin.createSchedule({
    params: { id: agent.id },
    body: { name: 'Stand-up summary', cron_expr: '0 9 * * 1', prompt: 'Sum up the week' },
  });
  await stage.enter(page);
  await openChat(page, agent.id);
  await expect(page.getByTestId('bubble')).toHaveCount(0);
  await admin.runSchedule({ params: { id: agent.id, scheduleId } });
  const event = bubbles(page, 'event');
  await expect(event).toContainText('Stand-up summary');
  await expect(event).toContainText('Schedule');
  await expect(event).toContainText('Sum up the week');
  await expect(bubbles(page, 'agent')).toHaveText(/Summary sent\./);
  await expect(bubbles(page, 'user')).toHaveCount(0);
  await keepBothThemes(page, 'c35-schedule');
  await page.reload();
  await expect(event).toHaveCount(1);
  await expect(page.getByText('Results are in')).toHaveCount(0);
  await expect(page.getByText('notes.md')).toHaveCount(0);
});
