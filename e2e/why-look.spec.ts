// What the answer to "why is it stuck" looks like (interface direction, "Why is it stuck"): stubbed replies, so that every part of
// it is there, the states that a running platform rarely shows, and the phone.

import type { WhyReply } from '@molecule/contract';
import type { Page } from '@playwright/test';
import { expectAccessible } from './a11y.ts';
import { cardButton, expect, frameOf, keepBothThemes, node, type Stage, setTheme, test } from './stage.ts';

const NONE = { queue_id: null, delegation_id: null, message_id: null, activity_id: null };
const MARKS = { accepted_at: null, injected_at: null, answered_at: null };
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
const pickedUp = (seconds: number) => ({ ...MARKS, accepted_at: ago(seconds), injected_at: ago(seconds - 2) });

interface Team {
  chief: string;
  lead: string;
  worker: string;
  other: string;
}

async function seatTeam(stage: Stage): Promise<Team> {
  const chief = await stage.seat('Chief of Staff', { x: 100, y: 100 });
  const lead = await stage.seat('Engineering Lead', { x: 116, y: 230, parent: chief });
  const worker = await stage.seat('Frontend Engineer', { x: 132, y: 360, parent: lead });
  const other = await stage.seat('Design laptop', { x: 560, y: 100 });
  return { chief, lead, worker, other };
}

function stuckReply({ chief, lead, worker, other }: Team): WhyReply {
  const id = '00000000-0000-4000-8000-00000000000a';
  return {
    stuck: true,
    summary: 'Frontend Engineer gets no answer from its model. Two agents above it are waiting.',
    as_of: ago(0),
    subject: {
      ...NONE,
      kind: 'workspace',
      workspace_id: chief,
      name: 'Chief of Staff',
      text: '',
      status: 'online',
      since: ago(848),
      marks: MARKS,
    },
    chain: [
      {
        ...NONE,
        delegation_id: 'd1',
        workspace_id: chief,
        name: 'Chief of Staff',
        status: 'online',
        waits_for: lead,
        kind: 'delegation',
        text: 'Collect launch readiness for usage billing',
        since: ago(848),
        marks: pickedUp(848),
        cause: 'waits',
        says: 'waits for Engineering Lead',
        figures: {},
      },
      {
        ...NONE,
        delegation_id: 'd2',
        workspace_id: lead,
        name: 'Engineering Lead',
        status: 'online',
        waits_for: worker,
        kind: 'delegation',
        text: 'Is the plan picker ready for review?',
        since: ago(692),
        marks: pickedUp(692),
        cause: 'waits',
        says: 'waits for Frontend Engineer',
        figures: {},
      },
      {
        ...NONE,
        workspace_id: worker,
        name: 'Frontend Engineer',
        status: 'degraded',
        waits_for: null,
        kind: 'turn',
        text: '',
        since: ago(690),
        marks: MARKS,
        cause: 'model_errors',
        says: 'cannot finish a model call',
        figures: { error: '529 overloaded_error: the model is overloaded', error_rate: 0.7 },
      },
    ],
    behind: {
      total: 3,
      items: [
        {
          ...NONE,
          queue_id: id,
          kind: 'message',
          workspace_id: other,
          name: 'Design laptop',
          text: 'Which fields does the meter need?',
          marks: { ...MARKS, accepted_at: ago(240) },
          since: ago(240),
        },
      ],
    },
    checked: [
      { check: 'silent', says: 'Heartbeat 6 s ago', figures: {} },
      { check: 'budget', says: 'Budget $9.80 of $40.00', figures: {} },
      { check: 'guard', says: 'Address allowed', figures: {} },
      { check: 'dead_backend', says: 'Backend answers', figures: {} },
    ],
    next: { what: 'next_attempt', at: ago(-48), says: 'tries again' },
    gives_up: { what: 'delegation_deadline', at: ago(-20_880), says: 'ends as failed, and both callers are told' },
    actions: [
      {
        action: 'show_errors',
        workspace_id: worker,
        delegation_id: null,
        label: 'Look at the calls of Frontend Engineer',
        consequence: 'Its activity, errors only.',
      },
      {
        action: 'cancel',
        workspace_id: lead,
        delegation_id: 'd2',
        label: 'Cancel what it was given',
        consequence: 'Engineering Lead is told that it failed.',
      },
      {
        action: 'wait',
        workspace_id: worker,
        delegation_id: null,
        label: 'Do nothing',
        consequence: 'Retries in 48 s. Gives up at 16:31 and tells both callers.',
      },
    ],
  };
}

const stub = (page: Page, reply: () => WhyReply) =>
  page.route(/\/why(\?|$)/, (route) => route.fulfill({ json: reply() }));

test('C78 the answer: sentence, axis, numbered chain to the cause, what waits behind, what was ruled out, what to do', async ({
  page,
  stage,
}) => {
  const team = await seatTeam(stage);
  await stub(page, () => stuckReply(team));
  await stage.enter(page);
  await cardButton(page, team.chief).focus();
  await node(page, team.chief).click({ button: 'right', position: { x: 60, y: 14 } });
  await page.getByRole('menuitem', { name: /^Why is it waiting\?/ }).click();
  const why = page.getByTestId('why');
  await expect(why.getByTestId('why-sentence')).toHaveText(/Frontend Engineer gets no answer from its model\./);
  await expect(why.getByTestId('why-hop')).toHaveCount(3);
  await expect(why.getByTestId('why-hop').first()).toContainText('waits for Engineering Lead');
  await expect(why.getByTestId('why-hop').first()).toContainText(/14 m \d\d s without an answer/);
  await expect(why.getByTestId('why-cause')).toContainText('529 overloaded_error');
  await expect(why.getByTestId('why-cause')).toContainText('70 % of its calls fail');
  await expect(why.getByTestId('why-behind')).toContainText('Which fields does the meter need?');
  await expect(why).toContainText('and 2 more');
  await expect(why.getByTestId('why-checked')).toContainText('Heartbeat 6 s ago');
  await expect(why.getByTestId('why-nothing')).toContainText(/5 h 4[78] m left/);

  // On the graph the same numbers, the way between them, and everything else dimmed.
  await expect(page.locator('.num-b.on-card')).toHaveText(['1', '2', '3']);
  await expect(page.locator('.edge.chain')).toHaveCount(2);
  await expect(page.locator('.edge-l.chain').first()).toHaveText(/waits 14 m \d\d s/);
  await expect(frameOf(page, team.other).locator('.node')).toHaveClass(/dim/);
  await expect(frameOf(page, team.worker).locator('.node')).not.toHaveClass(/dim/);
  await keepBothThemes(page, 'c78-why');
  await expectAccessible(page);

  await why.getByRole('button', { name: 'Copy the report' }).click();
  await expect
    .poll(() => page.evaluate(() => navigator.clipboard.readText()))
    .toContain('3. Frontend Engineer cannot finish a model call');

  // Cancel asks first; the errors lead to the activity of the cause.
  await why.getByRole('button', { name: 'Cancel what it was given' }).click();
  await expect(page.getByRole('dialog', { name: 'Cancel this delegation?' })).toBeVisible();
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await why.getByRole('button', { name: 'Show errors: Look at the calls of Frontend Engineer' }).click();
  await expect(page.getByTestId('panel')).toHaveAccessibleName('Frontend Engineer workspace');
  await expect(page.getByRole('button', { name: /^Errors/ })).toHaveAttribute('aria-pressed', 'true');
  await expect(page.locator('.num-b.on-card')).toHaveCount(0);
  await expect(frameOf(page, team.other).locator('.node')).not.toHaveClass(/dim/);

  // By key, and back by key.
  await cardButton(page, team.worker).focus();
  await page.keyboard.press('w');
  await expect(why).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(why).toBeHidden();
  await expect(page.getByTestId('panel')).toHaveAccessibleName('Frontend Engineer workspace');
});

test('C78 nothing is stuck, a failed refresh that keeps what was known, and no answer at all', async ({
  page,
  stage,
}) => {
  const team = await seatTeam(stage);
  const stuck = stuckReply(team);
  const idle: WhyReply = {
    ...stuck,
    stuck: false,
    summary: 'Nothing is stuck. Chief of Staff is idle.',
    chain: stuck.chain.slice(0, 1).map((hop) => ({
      ...hop,
      waits_for: null,
      kind: 'seat' as const,
      text: '',
      marks: MARKS,
      cause: 'nothing' as const,
      says: 'is idle',
    })),
    behind: { total: 0, items: [] },
    next: null,
    gives_up: null,
    actions: [],
  };
  let fails = true;
  await page.route(/\/why(\?|$)/, (route) =>
    fails
      ? route.fulfill({ status: 503, json: { error: 'the database is starting', code: 'platform_unavailable' } })
      : route.fulfill({ json: idle }),
  );
  await stage.enter(page);
  await node(page, team.chief).click({ position: { x: 60, y: 14 } });
  await page.keyboard.press('Escape');
  await node(page, team.chief).click({ position: { x: 60, y: 14 } });
  await page.keyboard.press('w');
  const why = page.getByTestId('why');
  await expect(why.getByRole('alert')).toContainText('This could not be found out. The database is starting.');
  await keepBothThemes(page, 'c78-why-error');
  fails = false;
  await why.getByRole('button', { name: 'Retry' }).click();
  await expect(why.getByTestId('why-sentence')).toHaveText('Nothing is stuck. Chief of Staff is idle.');
  await expect(why.getByTestId('why-action')).toHaveCount(0);
  await expect(why.locator('.num-b.root')).toHaveCount(0);
  await keepBothThemes(page, 'c78-why-idle');
  fails = true;
  // News of whoever is in the answer asks again.
  stage.platform.platform.events.broadcast({
    event: 'TASK_UPDATED',
    workspace_id: team.chief,
    payload: { current_task: 'Counting', active_tasks: 1 },
  });
  await expect(why.getByRole('alert')).toContainText(/Could not refresh\. Showing \d\d:\d\d\./);
  await expect(why.getByTestId('why-sentence')).toHaveText('Nothing is stuck. Chief of Staff is idle.');
});

test('C78 on a phone the answer is a sheet over the list', async ({ page, stage }) => {
  const team = await seatTeam(stage);
  await stub(page, () => stuckReply(team));
  await page.setViewportSize({ width: 390, height: 844 });
  await stage.enter(page);
  await page.getByTestId(`node-${team.chief}`).click();
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /^Why is it waiting\?/ }).click();
  await expect(page.getByTestId('why-hop')).toHaveCount(3);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await keepBothThemes(page, 'c78-why-phone');
  await setTheme(page, 'dark');
  await page.getByRole('button', { name: 'Back', exact: true }).click();
  await expect(page.getByTestId('panel')).toHaveAccessibleName('Chief of Staff workspace');
});
