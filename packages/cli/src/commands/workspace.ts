// `molecule workspace list|get|create|delete`: single seats. Whole teams are `molecule org import`, their work is `molecule status`.

import { ApiError, type WorkspaceView } from '@molecule/contract';
import { Command, InvalidArgumentError } from 'commander';
import { CommandError, EXIT } from '../failure.ts';
import { formatTable, plain, print, printJson, remark } from '../output.ts';
import { quote } from '../shell.ts';
import { findNamedWorkspace, reasonOf, toTree } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

type NewWorkspace = Parameters<CommandContext['client']['createWorkspace']>[0]['body'];

const textOf = (flags: Record<string, unknown>, name: string): string | undefined =>
  typeof flags[name] === 'string' ? flags[name] : undefined;

async function listWorkspaces({ client, json }: CommandContext): Promise<void> {
  const workspaces = await client.listWorkspaces();
  if (json) return printJson({ ok: true, workspaces });
  if (workspaces.length === 0) return print('No workspaces yet. Create a team: molecule org import sample-team');
  print(
    formatTable(
      ['NAME', 'ROLE', 'RUNTIME', 'TIER', 'STATUS', 'ID'],
      toTree(workspaces).map(({ workspace, depth }) => [
        `${'  '.repeat(depth)}${workspace.name}`,
        workspace.role ?? '',
        workspace.runtime,
        `T${workspace.tier}`,
        workspace.status,
        workspace.id,
      ]),
    ),
  );
}

/** What a person asks about a seat, in the order they ask it. */
function describe(workspace: WorkspaceView, parent: WorkspaceView | undefined): [string, string][] {
  const { id, name, role, status, runtime, tier, url, delivery_mode: mode, last_heartbeat_at: beat } = workspace;
  const budget = workspace.budget_limit;
  return [
    ['name', name],
    ['id', id],
    ['role', role ?? ''],
    ['status', [status, reasonOf(workspace)].filter(Boolean).join(': ')],
    ['under', parent?.name ?? ''],
    ['runtime', `${runtime}, tier ${tier}`],
    ['address', [url ?? '', mode ?? ''].filter(Boolean).join(', ')],
    ['doing', workspace.current_task],
    ['tasks', `${workspace.active_tasks} of ${workspace.max_concurrent_tasks}, ${workspace.queue_depth} waiting`],
    ['spent', `${workspace.monthly_spend} cents${budget === null ? '' : ` of ${budget}`}`],
    ['last beat', beat ?? 'never'],
    ['created', workspace.created_at],
  ];
}

async function getWorkspace({ client, json }: CommandContext, [wanted = '']: string[]): Promise<void> {
  const workspace = await findNamedWorkspace(client, wanted);
  if (json) return printJson({ ok: true, workspace });
  const parent =
    workspace.parent_id === null
      ? undefined
      : (await client.listWorkspaces()).find(({ id }) => id === workspace.parent_id);
  const facts = describe(workspace, parent).filter(([, value]) => value !== '');
  print(facts.map(([label, value]) => `${label.padEnd(10)} ${plain(value).replace(/\s+/g, ' ')}`).join('\n'));
}

async function createWorkspace({ client, json, flags }: CommandContext, [name = '']: string[]): Promise<void> {
  const under = textOf(flags, 'under');
  const parent = under === undefined ? undefined : await findNamedWorkspace(client, under);
  const wishes = {
    role: textOf(flags, 'role'),
    template: textOf(flags, 'template'),
    runtime: textOf(flags, 'runtime'),
    model: textOf(flags, 'model'),
    tier: typeof flags.tier === 'number' ? flags.tier : undefined,
    parent_id: parent?.id,
    external: flags.external === true ? true : undefined,
  };
  const said = Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined));
  const created = await client.createWorkspace({ body: { name, ...said } as NewWorkspace });
  if (json) return printJson({ ok: true, ...created });
  const done = plain(`${name} is created: ${created.id}`);
  if (!created.connection) {
    print(done);
    return remark('Watch it start: molecule status');
  }
  // The program alone on stdout, so that it can be kept in a file.
  remark(`${done}\nThis program connects its agent. It holds the token, which is shown only now.`);
  print(created.connection.python_snippet.trimEnd());
}

function explainDelete(error: unknown, name: string): unknown {
  if (!(error instanceof ApiError)) return error;
  if (error.code !== 'confirmation_required') return error;
  const children = (error.body.children ?? []) as { name: string }[];
  return new CommandError(
    `${name} has workspaces under it, which would go too: ${children.map((child) => child.name).join(', ')}`,
    `molecule workspace delete ${quote(name)} --with-children`,
    EXIT.failed,
    error.code,
  );
}

async function deleteWorkspace({ client, json, flags }: CommandContext, [wanted = '']: string[]): Promise<void> {
  const { id, name } = await findNamedWorkspace(client, wanted);
  const query = {
    ...(flags.withChildren === true ? { confirm: 'true' } : {}),
    ...(flags.purge === true ? { purge: 'true' } : {}),
  };
  const result = await client.deleteWorkspace({ params: { id }, query }).catch((error: unknown) => {
    throw explainDelete(error, name);
  });
  if (json) return printJson({ ok: true, id, ...result });
  const others = result.cascade_deleted > 0 ? `, and ${result.cascade_deleted} under it` : '';
  print(plain(`${name} is ${result.status}${others}`));
}

function parseTier(text: string): number {
  if (/^[1-4]$/.test(text)) return Number(text);
  throw new InvalidArgumentError('1, 2, 3 or 4.');
}

const REFUSED: [number, string] = [1, 'refused by the platform'];
const WRONG: [number, string] = [2, 'wrong usage, or no such workspace'];
const UNREACHABLE: [number, string] = [3, 'no platform answers'];

function createListCommand(): Command {
  const command = defineCommand({
    name: 'list',
    description: 'list the workspaces, children under their parents',
    json: 'print one JSON document: {ok, workspaces}',
    act: listWorkspaces,
  });
  return addHelp(command, {
    examples: [['molecule workspace list', 'names, runtimes and ids']],
    exitCodes: [[0, 'listed'], REFUSED, WRONG, UNREACHABLE],
  });
}

function createGetCommand(): Command {
  const command = defineCommand({
    name: 'get',
    description: 'show one workspace',
    json: 'print one JSON document: {ok, workspace}',
    act: getWorkspace,
  }).argument('<workspace>', 'name, id, or the beginning of either');
  return addHelp(command, {
    examples: [
      ['molecule workspace get backend', ''],
      ['molecule workspace get backend --json | jq -r .workspace.id', 'its id for a script'],
    ],
    exitCodes: [[0, 'shown'], REFUSED, WRONG, UNREACHABLE],
  });
}

function createCreateCommand(): Command {
  const command = defineCommand({
    name: 'create',
    description: 'create a workspace and start its agent',
    json: 'print one JSON document: {ok, id, status, connection?}',
    act: createWorkspace,
  })
    .argument('<name>', 'its name')
    .option('--role <text>', 'what it is there for')
    .option('--under <workspace>', 'its parent: name, id, or the beginning of either')
    .option('--template <template>', 'where runtime, model and files come from')
    .option('--runtime <runtime>', 'what runs the agent')
    .option('--model <model>', 'provider:model')
    .option('--tier <tier>', 'what it may use of the machine, 1 to 4', parseTier)
    .option('--external', 'its agent runs elsewhere and connects by itself');
  return addHelp(command, {
    examples: [
      ['molecule workspace create Scribe --role "takes notes" --under chief', ''],
      ['molecule workspace create Laptop --external > connect.py', 'the program that connects it'],
    ],
    exitCodes: [[0, 'created; molecule status shows how it starts'], REFUSED, WRONG, UNREACHABLE],
  });
}

function createDeleteCommand(): Command {
  const command = defineCommand({
    name: 'delete',
    description: 'stop a workspace and remove it',
    json: 'print one JSON document: {ok, id, status, cascade_deleted}',
    act: deleteWorkspace,
  })
    .argument('<workspace>', 'name, id, or the beginning of either')
    .option('--with-children', 'also every workspace under it')
    .option('--purge', 'also its history: nothing of it is kept');
  return addHelp(command, {
    examples: [['molecule workspace delete "Growth Lead" --with-children', '']],
    exitCodes: [[0, 'removed'], [1, 'refused: it has children, or something could not be stopped'], WRONG, UNREACHABLE],
  });
}

export function createWorkspaceCommand(): Command {
  return new Command('workspace')
    .description('single workspaces: list, get, create, delete')
    .addCommand(createListCommand())
    .addCommand(createGetCommand())
    .addCommand(createCreateCommand())
    .addCommand(createDeleteCommand());
}
