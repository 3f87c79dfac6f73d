// `molecule status`: is the platform up, and what is each of its workspaces doing?

import type { Command } from 'commander';
import { formatTable, plain, print, printJson } from '../output.ts';
import { reasonOf, type TreeRow, toTree } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

function toRow({ workspace, depth }: TreeRow): string[] {
  const { name, status, runtime, active_tasks: active, max_concurrent_tasks: most, queue_depth: queued } = workspace;
  return [
    `${'  '.repeat(depth)}${name}`,
    status,
    runtime,
    `${active}/${most}${queued > 0 ? ` +${queued} queued` : ''}`,
    workspace.current_task,
    reasonOf(workspace),
    workspace.id.slice(0, 8),
  ];
}

async function showStatus({ client, target, json }: CommandContext): Promise<void> {
  const health = await client.health();
  const [info, workspaces] = await Promise.all([client.platformInfo(), client.listWorkspaces()]);
  if (json) return printJson({ ok: true, url: target.url, health, info, workspaces });
  print(
    `Molecule ${plain(health.version)} at ${target.url}: ${health.status}, ${info.store} database, ${plain(info.backend)} backend`,
  );
  if (health.stale) print(`late loops: ${health.stale.join(', ')} (molecule doctor says more)`);
  if (workspaces.length === 0) return print('No workspaces yet. Create a team: molecule org import sample-team');
  print(
    `\n${formatTable(['NAME', 'STATUS', 'RUNTIME', 'TASKS', 'DOING', 'REASON', 'ID'], toTree(workspaces).map(toRow))}`,
  );
}

export function createStatusCommand(): Command {
  const command = defineCommand({
    name: 'status',
    description: 'show the platform and what its workspaces do',
    json: 'print one JSON document: {ok, url, health, info, workspaces}',
    act: showStatus,
  });
  return addHelp(command, {
    examples: [
      ['molecule status', 'the platform of this folder'],
      ['molecule status --url https://molecule.example', 'another one, with MOLECULE_TOKEN set'],
      [`molecule status --json | jq '.workspaces[] | select(.status != "online")'`, ''],
    ],
    exitCodes: [
      [0, 'the platform answers, whatever its workspaces do'],
      [1, 'the platform refuses the token'],
      [2, 'wrong usage'],
      [3, 'no platform answers'],
    ],
  });
}
