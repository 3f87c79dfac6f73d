// Talking to an agent behind a real socket: one reply however it comes, queue, inbox, streaming (spec chapter 50 §7.1).

import { type Responder, replyBusy, replyWith } from '@molecule/testkit';
import type { Page } from '@playwright/test';
import { expect, keepBothThemes, keepScreenshot, test } from './stage.ts';
import { bubbles, messageOf, openChat, PLAIN, say, transcriptOf } from './talking.ts';

/** Resolves with the next frame of this kind that the page receives. */
function nextFrame(page: Page, event: string): Promise<void> {
  return new Promise((resolve) => {
    for (const socket of sockets.get(page) ?? [])
      socket.on('framereceived', ({ payload }) => {
        if (JSON.parse(String(payload)).event === event) resolve();
      });
  });
}
const sockets = new Map<Page, import('@playwright/test').WebSocket[]>();
test.beforeEach(({ page }) => {
  sockets.set(page, []);
  page.on('websocket', (socket) => sockets.get(page)?.push(socket));
});

test('C24 the message shows at once, the reply once although call and event deliver it, and a reload shows the same', async ({
  page,
  stage,
}) => {
  const release = Promise.withResolvers<void>();
  const slowly: Responder = async (call, response) => {
    await release.promise;
    await replyWith('**Thursday** works. Ask me for details.')(call, response);
  };
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: slowly,
    workspace: { canvas: { x: 300, y: 200 } },
  });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'Can we ship on Thursday?');
  await expect(bubbles(page, 'user')).toHaveText(/Can we ship on Thursday\?/);
  await expect(bubbles(page, 'user')).toHaveAttribute('data-state', 'sending');
  await expect(bubbles(page, 'agent')).toHaveCount(0);
  await agent.waitForCalls(1);
  const [event, row] = [nextFrame(page, 'A2A_RESPONSE'), nextFrame(page, 'ACTIVITY_LOGGED')];
  release.resolve();
  await expect(bubbles(page, 'agent')).toHaveText(/Thursday works/);
  await Promise.all([event, row]);
  await expect(bubbles(page, 'agent')).toHaveCount(1);
  await expect(bubbles(page, 'agent').locator('strong')).toHaveText('Thursday');
  const live = await transcriptOf(page);
  expect(live).toHaveLength(2);
  await keepBothThemes(page, 'c24-chat');
  await page.reload();
  await expect(bubbles(page, 'agent')).toHaveCount(1);
  expect(await transcriptOf(page)).toEqual(live);
});

test('C25 a reply of several parts and artifacts is shown whole', async ({ page, stage }) => {
  const parts: Responder = (call, response) => {
    const { id } = call.body as { id: unknown };
    const text = (words: string) => ({ kind: 'text', text: words });
    const result = {
      kind: 'task',
      id: 't1',
      contextId: 'c1',
      status: { state: 'completed' },
      artifacts: [
        { artifactId: 'a', parts: [text('First part.'), text('Second part.')] },
        { artifactId: 'b', parts: [text('From another artifact.')] },
        {
          artifactId: 'c',
          parts: [
            { kind: 'file', file: { uri: 'workspace:/workspace/plan.md', name: 'plan.md', mimeType: 'text/markdown' } },
          ],
        },
      ],
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  };
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: parts,
    workspace: { canvas: { x: 300, y: 200 } },
  });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'Everything, please');
  const check = async () => {
    await expect(bubbles(page, 'agent')).toContainText('First part.');
    await expect(bubbles(page, 'agent')).toContainText('Second part.');
    await expect(bubbles(page, 'agent')).toContainText('From another artifact.');
    await expect(bubbles(page, 'agent').getByRole('link', { name: 'plan.md' })).toHaveAttribute('download', 'plan.md');
  };
  await check();
  await page.reload();
  await check();
});

test('C28 C75 a busy agent: queued with its place, Send stays usable, the reply fills the bubble once, also after a reload', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({
    name: 'Lead',
    card: PLAIN,
    respond: replyBusy,
    workspace: { canvas: { x: 300, y: 200 } },
  });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'First question');
  await expect(bubbles(page, 'user').first().getByTestId('queued')).toContainText('Queued, next in line');
  await say(page, 'Second question');
  await expect(bubbles(page, 'user').nth(1).getByTestId('queued')).toContainText('Queued, 2nd in line');
  await page.getByTestId('composer').fill('A third one');
  await expect(page.getByTestId('send')).toBeEnabled();
  await page.getByTestId('composer').fill('');
  await keepScreenshot(page, 'c28-queued');

  const release = Promise.withResolvers<void>();
  agent.respond(async (call, response) => {
    const isFirst = messageOf(call).parts[0]?.text === 'First question';
    if (!isFirst) await release.promise;
    await replyWith(`Done with the ${isFirst ? 'first' : 'second'}`)(call, response);
  });
  await agent.heartbeat({ active_tasks: 0 });
  await expect(bubbles(page, 'agent')).toHaveText(/Done with the first/);
  await expect(bubbles(page, 'user').first().getByTestId('queued')).toBeHidden();
  await expect(bubbles(page, 'agent')).toHaveCount(1);

  // The second is answered while nobody looks.
  const place = page.url();
  await page.goto('about:blank');
  release.resolve();
  await agent.heartbeat({ active_tasks: 0 });
  await expect
    .poll(
      async () =>
        (await stage.platform.admin.listActivity({ params: { id: agent.id }, query: { source: 'canvas' } })).length,
    )
    .toBe(2);
  await page.goto(place);
  await expect(bubbles(page, 'agent')).toHaveCount(2);
  await expect(bubbles(page, 'agent').nth(1)).toHaveText(/Done with the second/);
  await expect(page.getByTestId('queued')).toHaveCount(0);
});

test('C29 a polling agent: accepted, seen only once its cursor passed it; what it says appears and survives a reload', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({ name: 'Laptop', deliveryMode: 'poll', workspace: { canvas: { x: 300, y: 200 } } });
  const own = stage.platform.client(agent.token, agent.id);
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'Look at the design');
  const receipt = bubbles(page, 'user').getByTestId('receipt');
  await expect(receipt).toContainText('Accepted');
  const inbox = await own.listActivity({ params: { id: agent.id }, query: { type: 'a2a_receive', since_secs: 600 } });
  expect(inbox).toHaveLength(1);
  await stage.platform.admin.listActivity({ params: { id: agent.id }, query: { since_id: inbox[0]?.id ?? '' } });
  await own.heartbeat({ body: { workspace_id: agent.id } as never });
  await expect(receipt).toContainText('Accepted');
  await keepScreenshot(page, 'c29-accepted');
  await own.listActivity({ params: { id: agent.id }, query: { type: 'a2a_receive', since_id: inbox[0]?.id ?? '' } });
  await expect(receipt).toContainText('Seen');
  await own.notify({ params: { id: agent.id }, body: { message: 'The contrast is too low' } });
  await expect(bubbles(page, 'agent')).toHaveText(/The contrast is too low/);
  await page.reload();
  await expect(bubbles(page, 'agent')).toHaveText(/The contrast is too low/);
  await expect(bubbles(page, 'agent')).toHaveCount(1);
  await expect(bubbles(page, 'user')).toHaveText(/Look at the design/);
  await expect(bubbles(page, 'user').getByTestId('receipt')).toContainText('Seen');
});

test('C34 a streamed reply grows before it ends, Stop ends it, and what is stored is what was shown', async ({
  page,
  stage,
}) => {
  const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const cancelled = Promise.withResolvers<void>();
  const streaming: Responder = async (call, response) => {
    const { id, method } = call.body as { id: unknown; method: string };
    if (method === 'tasks/cancel') {
      cancelled.resolve();
      const task = { kind: 'task', id: 't1', contextId: 'c1', status: { state: 'canceled' } };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, result: task }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (result: unknown) => response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`);
    const chunk = (text: string, append: boolean) =>
      send({
        kind: 'artifact-update',
        taskId: 't1',
        contextId: 'c1',
        append,
        lastChunk: false,
        artifact: { artifactId: 'a', parts: [{ kind: 'text', text }] },
      });
    send({ kind: 'task', id: 't1', contextId: 'c1', status: { state: 'submitted' } });
    chunk('The plan has three parts', false);
    await steps[0]?.promise;
    chunk(', the first of them is done', true);
    await Promise.race([steps[1]?.promise, cancelled.promise]);
    send({ kind: 'status-update', taskId: 't1', contextId: 'c1', final: true, status: { state: 'canceled' } });
    response.end();
  };
  const agent = await stage.agent({ name: 'Lead', respond: streaming, workspace: { canvas: { x: 300, y: 200 } } });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'Explain the plan');
  const live = page.locator('[data-streaming=true]');
  await expect(live).toHaveText('The plan has three parts');
  await expect(page.getByTestId('thinking')).toContainText('Writing');
  steps[0]?.resolve();
  await expect(live).toHaveText('The plan has three parts, the first of them is done');
  await keepBothThemes(page, 'c34-streaming');
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(live).toBeHidden();
  await expect(bubbles(page, 'agent')).toContainText('The plan has three parts, the first of them is done');
  await expect(page.getByTestId('thinking')).toBeHidden();
  const shown = await bubbles(page, 'agent').locator('.md').textContent();
  await page.reload();
  await expect(bubbles(page, 'agent')).toHaveCount(1);
  expect(shown?.startsWith((await bubbles(page, 'agent').locator('.md').textContent()) ?? '?')).toBe(true);
});

test('a typed message never disappears: a refusal keeps it with the reason and one way out, a lost reply stays open', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({ name: 'Lead', card: PLAIN, workspace: { canvas: { x: 300, y: 200 } } });
  agent.respond((_call, response) => {
    response
      .writeHead(500, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: 'ANTHROPIC_API_KEY is not set' }));
  });
  await stage.enter(page);
  await openChat(page, agent.id);
  await say(page, 'Is anybody there?');
  await expect(bubbles(page, 'error')).toContainText('ANTHROPIC_API_KEY is not set');
  await expect(bubbles(page, 'user')).toHaveText(/Is anybody there\?/);
  await keepBothThemes(page, 'chat-refused');
  await bubbles(page, 'error').getByRole('button', { name: 'Add key' }).click();
  await expect(page.getByTestId('connect-model')).toBeVisible();
  await page.getByRole('button', { name: 'Not now' }).click();

  agent.respond(replyWith('Here I am'));
  await bubbles(page, 'error').getByRole('button', { name: 'Send again' }).click();
  await expect(bubbles(page, 'agent')).toHaveText(/Here I am/);
  await expect(bubbles(page, 'error')).toHaveCount(0);
  expect(new Set(agent.calls.map((call) => messageOf(call).messageId)).size).toBe(1);

  const never = Promise.withResolvers<void>();
  agent.respond(async () => await never.promise);
  await say(page, 'And this one?');
  await agent.waitForCalls(3);
  await page.reload();
  await expect(bubbles(page, 'user').last()).toHaveText(/And this one\?/);
  await expect(bubbles(page, 'user').last()).toContainText('The answer appears here');
  never.resolve();
});
