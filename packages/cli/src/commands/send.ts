// `molecule send <workspace> "text"`: one message as the person; the answer as it comes, and honest words when it does not.

import { randomUUID } from 'node:crypto';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandError, EXIT, usageError } from '../failure.ts';
import { deliver, type Message, type Outcome } from '../send/delivery.ts';
import { createJsonTeller, createPeopleTeller, type Teller } from '../send/teller.ts';
import { findInboxAnswer, findQueuedAnswer, isOnline, lookOnEvents } from '../send/waiting.ts';
import { logsCommand } from '../shell.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

const MOST_SECONDS = 86_400;

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new InvalidArgumentError(`Whole seconds from 1 to ${MOST_SECONDS}.`);
}

/** Delivers, once more when the agent was away, and waits for what was stored. */
async function converse({ client, target }: CommandContext, message: Message, until: number, teller: Teller) {
  const { id } = message.workspace;
  const left = () => Math.max(until - Date.now(), 1);
  const attempt = () => deliver(message, { client, target, timeoutMs: left(), onText: teller.text });
  const wait = (look: () => Promise<Outcome | null>) =>
    lookOnEvents({ target, workspaceId: id, limitMs: left() }, look);

  async function deliverPatiently(): Promise<Outcome> {
    const outcome = await attempt();
    if (outcome.is !== 'away') return outcome;
    teller.away(outcome);
    const limitMs = Math.min(outcome.retryAfterSeconds * 1000, left());
    await lookOnEvents({ target, workspaceId: id, limitMs }, () => isOnline(client, id));
    return await attempt();
  }

  const outcome = await deliverPatiently();
  switch (outcome.is) {
    case 'queued':
      teller.queued(outcome);
      return (await wait(() => findQueuedAnswer(client, message, outcome.queueId))) ?? outcome;
    case 'inbox':
      teller.inbox(outcome);
      return (await wait(() => findInboxAnswer(client, message, outcome.activityId))) ?? outcome;
    default:
      return outcome;
  }
}

function explainUnanswered(
  outcome: Exclude<Outcome, { is: 'answered' }>,
  { workspace: { name } }: Message,
  url: string,
): CommandError {
  const hint = `the answer will appear in its chat: ${url}; --timeout <seconds> waits longer`;
  const unanswered = (message: string) => new CommandError(message, hint, EXIT.unanswered, 'unanswered');
  switch (outcome.is) {
    case 'queued':
      return unanswered(`no answer in time; the message stays in the queue of ${name}`);
    case 'inbox':
      return unanswered(`no answer in time; the message stays in the inbox of ${name}`);
    case 'open':
      return unanswered(`${outcome.why}; ${name} may still be working on the message`);
    case 'away':
      return new CommandError(
        `${name} is still ${outcome.why}, so the message was not delivered`,
        `${logsCommand({ name })}, then send it again`,
        EXIT.failed,
        `agent_${outcome.why}`,
      );
  }
}

async function send(context: CommandContext, [wanted = '', text = '']: string[]): Promise<void> {
  const { client, target, json, flags } = context;
  if (text.trim() === '') throw usageError('the message is empty', 'molecule send <workspace> "your message"');
  const until = Date.now() + Number(flags.timeout) * 1000;
  const workspace = await findNamedWorkspace(client, wanted);
  const message: Message = { workspace, messageId: randomUUID(), text };
  const teller = json ? createJsonTeller(message) : createPeopleTeller(message);
  try {
    const outcome = await converse(context, message, until, teller);
    if (outcome.is !== 'answered') throw explainUnanswered(outcome, message, target.url);
    teller.answered(outcome);
  } catch (error) {
    teller.broken();
    throw error;
  }
}

export function createSendCommand(): Command {
  const command = defineCommand({
    name: 'send',
    description: 'send a message to a workspace and print the answer as it comes',
    json: 'print JSON lines: {type: text | queued | inbox | away}, at last {type: answer, ok, text, files} or {ok: false, error, code}',
    lines: true,
    act: send,
  })
    .argument('<workspace>', 'name, id, or the beginning of either')
    .argument('<message>', 'what to say')
    .option('-t, --timeout <seconds>', 'how long to wait for the answer, queued or not', parseSeconds, 600);
  return addHelp(command, {
    examples: [
      ['molecule send "Chief of Staff" "Plan our launch"', ''],
      ['molecule send chief "Plan our launch" --timeout 60', 'the beginning of a name is enough'],
      ['molecule send chief "Plan our launch" --json | tail -1 | jq -r .text', ''],
    ],
    exitCodes: [
      [0, 'answered'],
      [1, 'refused or failed: over budget, not running, or the agent failed on it'],
      [2, 'wrong usage, or no such workspace'],
      [3, 'no platform answers'],
      [4, 'accepted, but not answered yet: it waits in the queue or the inbox, or is worked on'],
    ],
  });
}
