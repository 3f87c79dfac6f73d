// `molecule logs <workspace>`: what its process wrote, once or as it is written.

import { setTimeout as pause } from 'node:timers/promises';
import { ApiError, type WorkspaceView } from '@molecule/contract';
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT } from '../failure.ts';
import { plain, print, printJson, printJsonLine, remark } from '../output.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

const MOST_LINES = 5_000;
/** The platform tells of no new line, so it is asked. */
const LOOK_EVERY_MS = 500;
/** Enough of the tail to see where the last look ended, even for a talkative agent. */
const FOLLOWED_LINES = 1_000;

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MOST_LINES) return count;
  throw new InvalidArgumentError(`A count from 1 to ${MOST_LINES}.`);
}

/** The lines at the end of `tail` that `before` did not have yet: as few as fit. */
export function newLines(before: readonly string[], tail: readonly string[]): string[] {
  for (let fresh = 0; fresh < tail.length; fresh += 1) {
    const known = tail.length - fresh;
    const from = before.length - known;
    if (from >= 0 && tail.slice(0, known).every((line, index) => line === before[from + index]))
      return tail.slice(known);
  }
  return [...tail];
}

/** Until the process ends by Ctrl-C. Outlasts a restart of the agent, and of the platform. */
async function follow({ client, json }: CommandContext, { id, name }: WorkspaceView, lines: number): Promise<void> {
  const show = (fresh: string[]) => {
    for (const line of fresh) json ? printJsonLine({ line }) : print(plain(line));
  };
  const read = async () =>
    (await client.getWorkspaceLogs({ params: { id }, query: { lines: Math.max(lines, FOLLOWED_LINES) } })).lines;
  process.once('SIGINT', () => process.exit(EXIT.ok));
  let known = await read();
  let isAway = false;
  show(known.slice(-lines));
  if (known.length === 0) remark(`${plain(name)} has written nothing yet; Ctrl-C ends`);
  for (;;) {
    await pause(LOOK_EVERY_MS);
    try {
      const tail = await read();
      show(newLines(known, tail));
      known = tail;
      isAway = false;
    } catch (error) {
      const mayReturn = error instanceof ApiError && (error.status === 0 || error.status >= 500);
      if (!mayReturn) throw error;
      if (!isAway) remark('the platform does not answer; waiting for it (Ctrl-C ends)');
      isAway = true;
    }
  }
}

async function showLogs(context: CommandContext, [wanted = '']: string[]): Promise<void> {
  const { client, json, flags } = context;
  const workspace = await findNamedWorkspace(client, wanted);
  const lines = Number(flags.lines);
  if (flags.follow) return await follow(context, workspace, lines);
  const log = await client.getWorkspaceLogs({ params: { id: workspace.id }, query: { lines } });
  if (json) return printJson({ ok: true, workspace: { id: workspace.id, name: workspace.name }, ...log });
  if (log.lines.length === 0) return remark(`${plain(workspace.name)} has written nothing yet`);
  print(log.lines.map(plain).join('\n'));
}

export function createLogsCommand(): Command {
  const command = defineCommand({
    name: 'logs',
    description: 'print what the process of a workspace wrote',
    json: 'print one JSON document {ok, workspace, lines, truncated}; with --follow JSON lines {line}',
    act: showLogs,
  })
    .argument('<workspace>', 'name, id, or the beginning of either')
    .option('-f, --follow', 'go on with what is written next, until Ctrl-C')
    .option('-n, --lines <count>', 'how many of the newest lines', parseCount, 200);
  return addHelp(command, {
    examples: [
      ['molecule logs "Backend Engineer"', 'the newest 200 lines'],
      ['molecule logs backend -f', 'and what follows'],
      ['molecule logs qa -n 20 --json | jq -r .lines[]', ''],
    ],
    exitCodes: [
      [0, 'printed; following was ended by Ctrl-C'],
      [1, 'refused: the token, or the backend keeps no log'],
      [2, 'wrong usage, or no such workspace'],
      [3, 'no platform answers'],
    ],
  });
}
