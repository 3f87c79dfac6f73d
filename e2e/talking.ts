// What tests of conversations share: opening a chat, saying something, and reading what a person reads.

import type { ReceivedCall } from '@molecule/testkit';
import type { Locator, Page } from '@playwright/test';
import { expect, node } from './stage.ts';

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
