// How the live picture follows the platform: statuses, late and broken news, text that is only text (spec chapter 50, C18–C23, C64).

import type { WorkspaceView } from '@molecule/contract';
import type { Page, WebSocketRoute } from '@playwright/test';
import { expect, keepBothThemes, node, type Stage, test } from './stage.ts';

const STATUSES: [status: string, label: string, action: string | null][] = [
  ['provisioning', 'Starting', null],
  ['online', 'Online', null],
  ['degraded', 'Degraded', 'Restart'],
  ['offline', 'Offline', 'Restart'],
  ['failed', 'Failed', 'Retry'],
  ['awaiting_agent', 'Awaiting agent', 'Connect…'],
  ['paused', 'Paused', 'Resume'],
  ['hibernating', 'Going to sleep', null],
  ['hibernated', 'Asleep', 'Wake'],
  ['draining', 'draining', null],
];

test('C18 every status has its label, its shape and its action; an unknown one its raw text', async ({
  page,
  stage,
}) => {
  for (const [index, [status]] of STATUSES.entries())
    await stage.seat(`Seat ${status}`, { x: 80 + (index % 4) * 260, y: 120 + Math.floor(index / 4) * 150 });
  const rows = await stage.platform.admin.listWorkspaces();
  // The list is stubbed: not every status can be brought about on purpose.
  await page.route('**/workspaces', (route) => {
    if (route.request().method() !== 'GET') return route.continue();
    const shown = rows.map((row: WorkspaceView) => ({
      ...row,
      runtime: 'echo',
      status: row.name.replace('Seat ', ''),
      last_sample_error: row.name === 'Seat degraded' ? '529 overloaded, 14 of 20 calls' : null,
    }));
    return route.fulfill({ json: shown });
  });
  await stage.enter(page);
  const cardOf = (status: string) => node(page, rows.find((each) => each.name === `Seat ${status}`)?.id ?? '');
  const shapes = new Set<string>();
  for (const [status, label, action] of STATUSES) {
    const card = cardOf(status);
    await expect(card).toHaveAttribute('data-status', status);
    await expect(card.getByRole('button', { name: `Seat ${status} workspace — ${label}` })).toBeVisible();
    await expect(card.locator('.lbl')).toHaveText(label);
    if (action) await expect(card.getByRole('button', { name: action })).toBeVisible();
    else await expect(card.getByRole('button')).toHaveCount(1);
    shapes.add(await card.locator('.gl').first().innerHTML());
  }
  expect(shapes.size).toBe(STATUSES.length);
  await expect(cardOf('degraded')).toContainText('529 overloaded, 14 of 20 calls');
  await expect(cardOf('failed')).toContainText('No details reported');
  await expect(cardOf('hibernated')).toContainText('Wakes on message');
  await expect(cardOf('provisioning')).toContainText(/\d+:\d\d/);
  await keepBothThemes(page, 'c18-statuses');
});

test('C19 a wedged runtime shows its error on card and panel within a second; recovery clears it', async ({
  page,
  stage,
}) => {
  const agent = await stage.agent({ name: 'Worker', workspace: { canvas: { x: 300, y: 200 } } });
  await stage.enter(page);
  const card = node(page, agent.id);
  await expect(card).toHaveAttribute('data-status', 'online');
  await card.click();
  const error = 'The model session is stuck';
  await agent.heartbeat({ runtime_state: 'wedged', sample_error: error, error_rate: 0.2 });
  await expect(card).toHaveAttribute('data-status', 'degraded', { timeout: 1_000 });
  await expect(card).toContainText(error, { timeout: 1_000 });
  await expect(page.getByTestId('trouble')).toContainText(error, { timeout: 1_000 });
  await expect(page.getByTestId('trouble').getByRole('button', { name: 'Restart' })).toBeVisible();
  await keepBothThemes(page, 'c19-degraded');
  await agent.heartbeat({ sample_error: '' });
  await expect(card).toHaveAttribute('data-status', 'online');
  await expect(page.getByTestId('trouble')).toBeHidden();
  await expect(card).not.toContainText(error);
});

test('C20 markup in an error, a task and a skill is text, and nothing of it runs', async ({ page, stage }) => {
  const markup = '<img src=x onerror="window.isOwned=1">';
  const skills = [{ id: 'x', name: '<b onclick=1>Bold</b>' }];
  const agent = await stage.agent({
    name: 'Worker',
    card: { name: 'fake', protocolVersion: '0.3.0', capabilities: {}, skills },
    workspace: { canvas: { x: 300, y: 200 } },
  });
  await stage.enter(page);
  await agent.heartbeat({ current_task: `Task ${markup}`, active_tasks: 1 });
  await expect(node(page, agent.id)).toContainText('Task <img');
  await agent.heartbeat({ runtime_state: 'wedged', sample_error: markup });
  await node(page, agent.id).click();
  await expect(page.getByTestId('trouble')).toContainText(markup);
  await expect(node(page, agent.id)).toContainText('<img src=x');
  await expect(node(page, agent.id)).toContainText('<b onclick=1>Bold</b>');
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.evaluate(() => 'isOwned' in window)).toBe(false);
});

/** Stands between the page and the platform's socket; frames of the test go to the page as if they were the platform's. */
async function holdSocket(page: Page): Promise<{ send(frame: Record<string, unknown>): Promise<void> }> {
  const opened = Promise.withResolvers<WebSocketRoute>();
  await page.routeWebSocket(/\/ws/, (socket) => {
    socket.connectToServer();
    opened.resolve(socket);
  });
  return {
    async send(frame) {
      (await opened.promise).send(JSON.stringify({ timestamp: new Date().toISOString(), payload: {}, ...frame }));
    },
  };
}

const LATE_ID = '00000000-0000-4000-8000-00000000c022';

test('C22 ONLINE that comes before PROVISIONING makes one card, online', async ({ page, stage }) => {
  await stage.seat('Scout', { x: 300, y: 200 });
  const socket = await holdSocket(page);
  await stage.enter(page);
  const began = new Date(Date.now() - 1_000).toISOString();
  await socket.send({ event: 'WORKSPACE_ONLINE', workspace_id: LATE_ID, payload: { url: 'http://127.0.0.1:1' } });
  await socket.send({
    event: 'WORKSPACE_PROVISIONING',
    workspace_id: LATE_ID,
    timestamp: began,
    payload: { name: 'Late', tier: 2, runtime: 'echo', x: 600, y: 200 },
  });
  await expect(node(page, LATE_ID)).toHaveAttribute('data-status', 'online');
  await expect(page.getByRole('button', { name: /^Late workspace/ })).toHaveCount(1);
});

test('C23 a list that was asked for before a removal does not bring the card back', async ({ page, stage }) => {
  const id = await stage.seat('Short-lived', { x: 300, y: 200 });
  await stage.seat('Stays', { x: 600, y: 200 });
  const socket = await holdSocket(page);
  await stage.enter(page);
  await expect(node(page, id)).toBeVisible();
  const old = await stage.platform.admin.listWorkspaces();
  // A list right after the page's first one would be skipped.
  await page.clock.install();
  await page.clock.fastForward(2_000);
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await page.route('**/workspaces', async (route) => {
    asked.resolve();
    await release.promise;
    await route.fulfill({ json: old });
  });
  await socket.send({ event: 'RESYNC_REQUIRED', workspace_id: '' });
  await asked.promise;
  await stage.platform.admin.deleteWorkspace({ params: { id } });
  await expect(node(page, id)).toBeHidden();
  const answered = page.waitForResponse('**/workspaces');
  release.resolve();
  await answered;
  await expect(page.getByTestId('toolbar')).toContainText('1 workspace');
  await expect(node(page, id)).toBeHidden();
});

async function countLists(page: Page, stage: Stage) {
  const socket = await holdSocket(page);
  await stage.enter(page);
  let count = 0;
  page.on('request', (request) => {
    if (request.method() === 'GET' && new URL(request.url()).pathname === '/workspaces') count += 1;
  });
  return { socket, count: () => count };
}

test('C64 RESYNC_REQUIRED fetches the list exactly once, and once for two within 1.5 s', async ({ page, stage }) => {
  const first = await stage.seat('Scout', { x: 300, y: 200 });
  const lists = await countLists(page, stage);
  await expect(node(page, first)).toBeVisible();
  // The first list of the page is younger than 1.5 s; a fetch right after it would be skipped.
  await page.clock.install();
  await page.clock.fastForward(2_000);
  await lists.socket.send({ event: 'RESYNC_REQUIRED', workspace_id: '' });
  await expect.poll(lists.count).toBe(1);
  await page.clock.fastForward(2_000);
  const listed = page.waitForResponse('**/workspaces');
  await lists.socket.send({ event: 'RESYNC_REQUIRED', workspace_id: '' });
  await listed;
  await page.clock.fastForward(1_000);
  await lists.socket.send({ event: 'RESYNC_REQUIRED', workspace_id: '' });
  // A frame that shows: when it is on screen, the second request for a list would have been sent.
  await lists.socket.send({
    event: 'WORKSPACE_PROVISIONING',
    workspace_id: LATE_ID,
    payload: { name: 'Marker', tier: 2, runtime: 'echo', x: 600, y: 200 },
  });
  await page.clock.runFor(100);
  await expect(node(page, LATE_ID)).toBeVisible();
  expect(lists.count()).toBe(2);
});
