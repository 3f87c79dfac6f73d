// What tests of conversations share: opening a chat, saying something, and reading what a person reads.

import { type ReceivedCall, replyBusy } from '@molecule/testkit';
import type { Locator, Page } from '@playwright/test';
import { expect, node, type Stage } from './stage.ts';

/** A card of an agent that answers whole. */
export const PLAIN = { name: 'fake', protocolVersion: '0.3.0', capabilities: { streaming: false } };

export async function openChat(page: Page, id: string): Promise<void> {
  await node(page, id).click({ position: { x: 60, y: 14 } });
  await expect(page.getByTestId('composer')).toBeEditable();
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
}

export const bubbles = (page: Page, role: 'user' | 'agent' | 'error' | 'event'): Locator =>
  page.locator(`[data-testid=bubble][data-role=${role}]`);

export interface SentMessage {
  messageId: string;
  parts: { kind?: string; text?: string; file?: { uri: string; name: string } }[];
}

export function messageOf(call: ReceivedCall): SentMessage {
  return (call.body as { params: { message: SentMessage } }).params.message;
}

/** Who, what, when. */
export const transcriptOf = (page: Page) =>
  page
    .getByTestId('bubble')
    .evaluateAll((all) =>
      all.map((bubble) => [
        bubble.getAttribute('data-role'),
        bubble.querySelector('.b, .md')?.textContent,
        bubble.querySelector('time')?.dateTime,
      ]),
    );

/** A lead and its report, which is busy, and how the one hands the other a task. */
export async function leadAndWorker(stage: Stage, card?: Record<string, unknown>) {
  const own = card ? { card } : {};
  const lead = await stage.agent({ name: 'Lead', ...own, workspace: { canvas: { x: 100, y: 100 } } });
  const worker = await stage.agent({
    name: 'Worker',
    parentId: lead.id,
    ...own,
    respond: replyBusy,
    workspace: { canvas: { x: 116, y: 230 } },
  });
  const delegate = (task: string) =>
    stage.platform
      .client(lead.token, lead.id)
      .delegate({ params: { id: lead.id }, body: { target_id: worker.id, task } });
  return { lead, worker, delegate };
}
