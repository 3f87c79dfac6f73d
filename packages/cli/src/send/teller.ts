// What `molecule send` tells on the way: to people the text of the answer on stdout and the rest beside it, to programs JSON lines.

import { plain, printJsonLine, remark } from '../output.ts';
import type { Message, Outcome } from './delivery.ts';

type Told<Is extends Outcome['is']> = Extract<Outcome, { is: Is }>;

export interface Teller {
  text(text: string): void;
  queued(outcome: Told<'queued'>): void;
  inbox(outcome: Told<'inbox'>): void;
  away(outcome: Told<'away'>): void;
  answered(outcome: Told<'answered'>): void;
  /** Nothing more comes, and why stands in an error that follows. */
  broken(): void;
}

export function createJsonTeller({ workspace: { id, name }, messageId }: Message): Teller {
  const ids = { message_id: messageId, workspace: { id, name } };
  return {
    text: (text) => printJsonLine({ type: 'text', text }),
    queued: ({ queueId, place }) => printJsonLine({ type: 'queued', ...ids, queue_id: queueId, place }),
    inbox: ({ activityId }) => printJsonLine({ type: 'inbox', ...ids, activity_id: activityId }),
    away: ({ why, retryAfterSeconds }) =>
      printJsonLine({ type: 'away', ...ids, why, retry_after_seconds: retryAfterSeconds }),
    answered: ({ text, files }) => printJsonLine({ type: 'answer', ok: true, ...ids, text, files }),
    broken() {},
  };
}

export function createPeopleTeller({ workspace }: Message): Teller {
  const name = plain(workspace.name);
  let hasBegun = false;
  const write = (text: string) => {
    hasBegun ||= text !== '';
    process.stdout.write(plain(text));
  };
  const endLine = () => {
    if (hasBegun) process.stdout.write('\n');
  };
  return {
    text: write,
    queued({ place }) {
      remark(`${name} is busy. Your message is stored as number ${place} in its queue; waiting for the answer.`);
      remark('Ctrl-C ends the waiting only: the message stays queued, and the answer appears in the canvas.');
    },
    inbox() {
      remark(`${name} fetches its messages itself. Yours lies in its inbox; waiting for the answer.`);
    },
    away({ why, retryAfterSeconds: seconds }) {
      remark(`${name} is ${why}; trying once more as soon as it is back, in ${seconds} seconds at the latest.`);
    },
    answered({ text, files }) {
      if (!hasBegun) write(text);
      endLine();
      if (!hasBegun && files.length === 0) remark(`${name} answered without words.`);
      for (const file of files) remark(plain(`attached: ${file.name} (${file.uri})`));
    },
    broken: endLine,
  };
}
