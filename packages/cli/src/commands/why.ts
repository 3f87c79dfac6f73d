// `molecule why <workspace|delegation>`: what it waits for, down to what blocks it, and what comes next.

import type { Client, WhyReply } from '@molecule/contract';
import type { Command } from 'commander';
import type { Target } from '../environment.ts';
import { CommandError } from '../failure.ts';
import { formatTable, plain, print, printJson } from '../output.ts';
import { moleculeCommand } from '../shell.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

type Hop = WhyReply['chain'][number];
type Action = WhyReply['actions'][number];

async function explainDelegation(client: Client, id: string): Promise<WhyReply | null> {
  const { delegations } = await client.listAllDelegations({ query: { delegation_id: id } });
  const [found] = delegations;
  return found
    ? await client.explainDelegation({ params: { id: found.caller_id, delegationId: found.delegation_id } })
    : null;
}

/** A name or an id of a workspace, else the id of a delegation. @throws CommandError (usage) when it is neither. */
async function explain(client: Client, wanted: string): Promise<WhyReply> {
  try {
    const { id } = await findNamedWorkspace(client, wanted);
    return await client.explainWorkspace({ params: { id } });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const explained = await explainDelegation(client, wanted);
    if (explained) return explained;
    throw error;
  }
}

/** The time of day, with the day when it is another one. */
function clockTime(at: string, now: string): string {
  const time = new Date(at);
  const day = time.toDateString() === new Date(now).toDateString() ? '' : `${time.toISOString().slice(0, 10)} `;
  return `${day}${time.toTimeString().slice(0, 8)}`;
}

function describeMarks({ marks }: Pick<Hop, 'marks'>, now: string): string {
  const said = [
    marks.accepted_at ? `accepted ${clockTime(marks.accepted_at, now)}` : '',
    marks.injected_at ? `picked up ${clockTime(marks.injected_at, now)}` : 'not picked up',
    marks.answered_at ? `answered ${clockTime(marks.answered_at, now)}` : 'not answered',
  ];
  return said.filter(Boolean).join(', ');
}

const quoted = (text: string): string[] => (text.trim() === '' ? [] : [`“${plain(text).replace(/\s+/g, ' ').trim()}”`]);

function describeHop(hop: Hop, number: number, now: string): string {
  const lines = [
    `${number}. ${plain(hop.name)} ${plain(hop.says)}${hop.since ? `, since ${clockTime(hop.since, now)}` : ''}`,
    ...quoted(hop.text),
    ...(hop.waits_for ? [describeMarks(hop, now)] : []),
    ...(hop.figures.error ? [plain(hop.figures.error)] : []),
  ];
  return lines.map((line, index) => (index === 0 ? line : `   ${line}`)).join('\n');
}

const COMMANDS: Partial<Record<Action['action'], (name: string) => string[]>> = {
  restart: (name) => ['restart', name],
  retry: (name) => ['restart', name],
  wake: (name) => ['restart', name],
  resume: (name) => ['resume', name],
  show_errors: (name) => ['logs', name],
  open: (name) => ['workspace', 'get', name],
};

/** The command that does it, where there is one; names of workspaces may be shared, ids are not. */
function describeAction({ action, label, consequence, workspace_id: id }: Action, target: Target): string {
  const command = COMMANDS[action]?.(id);
  const how = command ? `\n    ${moleculeCommand(target, command)}` : '';
  return `  ${plain(label)}. ${consequence}${how}`;
}

function describe(reply: WhyReply, target: Target): string {
  const { chain, behind, checked, next, gives_up: end, actions, as_of: now } = reply;
  const blocks = [plain(reply.summary), chain.map((hop, index) => describeHop(hop, index + 1, now)).join('\n')];
  if (behind.total > 0) {
    const rows = behind.items.map((item) => [
      `  ${item.name}`,
      quoted(item.text).join(''),
      `since ${clockTime(item.since, now)}`,
    ]);
    const more = behind.total > rows.length ? `\n  and ${behind.total - rows.length} more` : '';
    blocks.push(`${formatTable([`Waiting behind it: ${behind.total}`, '', ''], rows)}${more}`);
  }
  if (checked.length > 0) blocks.push(`Not the cause: ${checked.map(({ says }) => plain(says)).join(' · ')}`);
  const coming = [next, end].flatMap((one) => (one ? [`${one.says} (${clockTime(one.at, now)}).`] : []));
  if (coming.length > 0) blocks.push(`By itself: ${coming.join(' ')}`);
  const doable = actions.filter(({ action }) => action !== 'wait');
  if (doable.length > 0)
    blocks.push(['What you can do:', ...doable.map((one) => describeAction(one, target))].join('\n'));
  return blocks.join('\n\n');
}

async function showWhy({ client, target, json }: CommandContext, [wanted = '']: string[]): Promise<void> {
  const reply = await explain(client, wanted);
  if (json) printJson({ ok: true, ...reply });
  else print(describe(reply, target));
}

export function createWhyCommand(): Command {
  const command = defineCommand({
    name: 'why',
    description: 'explain what a workspace or a delegation waits for, and what comes next',
    json: 'print one JSON document: {ok, stuck, summary, chain, behind, checked, next, gives_up, actions, …}',
    act: showWhy,
  }).argument('<workspace|delegation>', 'name or id of a workspace, or the id of a delegation');
  return addHelp(command, {
    examples: [
      ['molecule why "Chief of Staff"', 'the chain down to what blocks it'],
      ['molecule why 7c0e6a52-3a1f-4f8e-9d0a-0c9a4f4f1b11', 'one delegation'],
      [`molecule why lead --json | jq -r .summary`, ''],
    ],
    exitCodes: [
      [0, 'explained, whether it is stuck or not'],
      [1, 'the platform refuses the token'],
      [2, 'wrong usage, or no such workspace or delegation'],
      [3, 'no platform answers'],
    ],
  });
}
