// The main job on real parts: the CLI starts the platform on its embedded database, real agent processes fill the sample team,
// a person asks the lead in the browser, the lead delegates and answers, and a reload and a restart keep everything.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, type Locator, type Page, test } from '@playwright/test';
import { keepBothThemes, keepScreenshot } from './stage.ts';

const CLI = join(import.meta.dirname, '../packages/cli/src/bin.ts');
const MODEL_KEY = /_API_KEY$|_BASE_URL$/;
const TEAM = ['Chief of Staff', 'Engineering Lead', 'Growth Lead', 'Backend Engineer', 'QA Engineer', 'Market Analyst'];

interface Running {
  process: ChildProcess;
  signInUrl: string;
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** `molecule start`, without any model key; resolves with what it prints when it is ready. */
async function startCli(dataDir: string, port: number): Promise<Running> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !MODEL_KEY.test(name)));
  const child = spawn(process.execPath, [CLI, 'start', '--json', '--port', String(port), '--data-dir', dataDir], {
    env: { ...env, LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`molecule start ended with ${code} before it was ready`);
  });
  ended.catch(() => undefined);
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [string];
  const { sign_in_url: signInUrl } = JSON.parse(line) as { sign_in_url?: string };
  if (!signInUrl) throw new Error(line);
  return { process: child, signInUrl };
}

async function interrupt({ process: child }: Running): Promise<number | null> {
  if (child.exitCode === null) {
    child.kill('SIGINT');
    await once(child, 'exit');
  }
  return child.exitCode;
}

const card = (page: Page, name: string): Locator =>
  page.locator('[data-testid^=node-]').filter({ has: page.getByRole('button', { name: `${name} workspace` }) });

async function expectTeamOnline(page: Page): Promise<void> {
  for (const name of TEAM)
    await expect(page.getByRole('button', { name: `${name} workspace — Online` })).toBeVisible({ timeout: 60_000 });
}

const bubbles = (page: Page, role: 'user' | 'agent') => page.locator(`[data-testid=bubble][data-role=${role}]`);

const transcript = (page: Page) =>
  page
    .getByTestId('bubble')
    .evaluateAll((all) => all.map((bubble) => [bubble.getAttribute('data-role'), bubble.textContent]));

test('sign-in link → sample team → question → delegated answer → reload → Ctrl-C → the team is back with its history', async ({
  page,
}) => {
  test.setTimeout(240_000);
  const dataDir = await mkdtemp(join(tmpdir(), 'molecule-main-flow-'));
  const port = await findFreePort();
  let running = await startCli(dataDir, port);
  try {
    await page.goto(running.signInUrl);
    await expect(page.getByTestId('empty-state')).toBeVisible();
    expect(page.url()).not.toContain('code=');
    await page.getByRole('button', { name: 'Start a sample team' }).click();
    await expect(page.getByRole('button', { name: /^Chief of Staff workspace/ })).toBeVisible();
    await keepScreenshot(page, 'main-starting');
    await expectTeamOnline(page);

    await expect(page.getByTestId('panel')).toContainText('Chief of Staff');
    const composer = page.getByTestId('composer');
    await composer.fill('Can we launch usage billing on Thursday? Tell me what is left and who has it.');
    await composer.press('Enter');
    await expect(bubbles(page, 'user')).toHaveCount(1);
    await expect(page.getByTestId('delegation')).toHaveCount(2, { timeout: 30_000 });
    await expect(bubbles(page, 'agent').and(page.locator(':not([data-streaming])'))).toContainText(
      '2 of 2 reports answered',
      { timeout: 60_000 },
    );
    await expect(page.getByTestId('delegation').and(page.locator('[data-state=completed]'))).toHaveCount(2);
    await expect(bubbles(page, 'agent').locator('.md h2, .md h3, .md strong').first()).toBeVisible();
    const [chief] = await card(page, 'Chief of Staff').evaluateAll((all) => all.map((one) => one.dataset.testid));
    const id = chief?.replace('node-', '') ?? '';
    await expect(page.locator(`[data-testid^="call-${id}-"]`)).toHaveCount(2);
    await keepBothThemes(page, 'main-answered');

    await page.getByTestId('tab-activity').click();
    await expect(page.getByTestId('activity-row').filter({ hasText: 'Delegation' })).toHaveCount(2);
    await keepScreenshot(page, 'main-activity');
    await page.getByTestId('tab-chat').click();
    const said = await transcript(page);
    await page.reload();
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    expect(await transcript(page)).toEqual(said);

    expect(await interrupt(running)).toBe(0);
    await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'reconnecting');
    running = await startCli(dataDir, port);
    await expect(page.getByTestId('ws-pill')).toHaveAttribute('data-state', 'live', { timeout: 40_000 });
    await expectTeamOnline(page);
    await page.reload();
    await expect(bubbles(page, 'agent')).toHaveCount(1);
    expect(await transcript(page)).toEqual(said);
    await composer.fill('And what did you just say?');
    await composer.press('Enter');
    await expect(bubbles(page, 'agent')).toHaveCount(2, { timeout: 60_000 });
  } finally {
    await interrupt(running);
    await rm(dataDir, { recursive: true, force: true });
  }
});
