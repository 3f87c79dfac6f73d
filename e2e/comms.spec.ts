// What agents say to each other, seen from one seat (spec chapter 50 §7.2, C36, C37, C73).

import { replyWith } from '@molecule/testkit';
import { expect, keepBothThemes, node, test } from './stage.ts';
import { leadAndWorker } from './talking.ts';

test('C36 C73 a delegation is one box with its real task: queued, then answered in place, also with its inbox copy and after a reload', async ({
  page,
  stage,
}) => {
  const { lead, worker, delegate } = await leadAndWorker(stage);
  await stage.enter(page);
  await node(page, lead.id).click({ position: { x: 60, y: 14 } });
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await delegate('Confirm the ledger backfill and name any blocker.');
  const box = page.getByTestId('talk');
  await expect(box).toContainText('Confirm the ledger backfill and name any blocker.');
  await expect(box).toContainText('Worker');
  await expect(box).toContainText('Queued at target');
  await expect(box).toHaveAttribute('data-direction', 'out');
  worker.respond(replyWith('62 %, finishes about 14:00.'));
  await worker.heartbeat({ active_tasks: 0 });
  await expect(box).toContainText('62 %, finishes about 14:00.');
  await expect(box).not.toContainText('Queued at target');
  // The ledger row, the result row, the inbox copy and the events are all there now.
  await expect
    .poll(async () => (await stage.platform.admin.listActivity({ params: { id: lead.id } })).map((row) => row.method))
    .toEqual(expect.arrayContaining(['delegate', 'delegate_result']));
  await expect(box).toHaveCount(1);
  await keepBothThemes(page, 'c36-comms');
  await page.getByRole('tab', { name: 'My chat' }).click();
  await page.reload();
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await expect(box).toHaveCount(1);
  await expect(box).toContainText('Confirm the ledger backfill and name any blocker.');
  await expect(box).toContainText('62 %, finishes about 14:00.');
});

test('C36 what is said while the panel reads for the first time is not missed', async ({ page, stage }) => {
  const { lead, worker, delegate } = await leadAndWorker(stage);
  await stage.enter(page);
  await node(page, lead.id).click({ position: { x: 60, y: 14 } });
  const read = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  // The first answer was made before the delegation and arrives after it.
  await page.route(
    /\/activity\?.*source=agent/,
    async (route) => {
      const response = await route.fetch();
      read.resolve();
      await answered.promise;
      await route.fulfill({ response });
    },
    { times: 1 },
  );
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  await read.promise;
  await delegate('Confirm the ledger backfill.');
  await expect
    .poll(async () =>
      (await stage.platform.admin.listDelegations({ params: { id: lead.id } })).map((one) => one.status),
    )
    .toContain('queued');
  // Events arrive in order: once this one is seen, so were those of the delegation.
  await worker.heartbeat({ active_tasks: 1, current_task: 'reading the ledger' });
  await expect(node(page, worker.id)).toContainText('reading the ledger');
  answered.resolve();
  await expect(page.getByTestId('talk')).toContainText('Confirm the ledger backfill.');
});

test('C37 a peer that fails shows its words cleaned, one hint and Restart peer; a deleted peer has no actions', async ({
  page,
  stage,
}) => {
  const { lead, worker, delegate } = await leadAndWorker(stage);
  worker.respond((_call, response) => {
    response
      .writeHead(400, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message: '[A2A_ERROR] control request timeout' } }));
  });
  await stage.enter(page);
  await delegate('Is the plan picker ready?');
  await node(page, lead.id).click({ position: { x: 60, y: 14 } });
  await page.getByRole('tab', { name: 'Agent comms' }).click();
  const box = page.getByTestId('talk');
  await expect(box).toContainText('Its session is wedged');
  await expect(box).toContainText('control request timeout');
  await expect(box).not.toContainText('[A2A_ERROR]');
  await expect(box.getByRole('button', { name: 'Restart peer' })).toBeVisible();
  await keepBothThemes(page, 'c37-peer-error');
  await stage.platform.admin.deleteWorkspace({ params: { id: worker.id } });
  await expect(box.getByRole('button')).toHaveCount(0);
  await expect(box).toContainText('Is the plan picker ready?');
});
