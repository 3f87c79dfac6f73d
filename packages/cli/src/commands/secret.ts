// `molecule secret list|set|delete`: of one workspace, or of all. Values go in by standard input and never come out.

import { ApiError } from '@molecule/contract';
import { Command } from 'commander';
import { CommandError, EXIT } from '../failure.ts';
import { readSecretValue } from '../input.ts';
import { formatTable, plain, print, printJson } from '../output.ts';
import { quote } from '../shell.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

interface Scope {
  /** Null: the secret is for every workspace. */
  workspaceId: string | null;
  /** As a person names it. */
  owner: string;
}

async function findScope({ client, flags }: CommandContext): Promise<Scope> {
  if (typeof flags.workspace !== 'string') return { workspaceId: null, owner: 'all workspaces' };
  const { id, name } = await findNamedWorkspace(client, flags.workspace);
  return { workspaceId: id, owner: name };
}

async function listSecrets(context: CommandContext): Promise<void> {
  const { client, json } = context;
  const { workspaceId: id } = await findScope(context);
  const secrets = id === null ? await client.listGlobalSecrets() : await client.listSecrets({ params: { id } });
  if (json) return printJson({ ok: true, secrets });
  if (secrets.length === 0) return print('No secrets. Save one: molecule secret set OPENAI_API_KEY');
  print(
    formatTable(
      ['KEY', 'FOR', 'CHANGED'],
      secrets.map(({ key, scope, updated_at }) => [
        key,
        scope === 'global' ? 'all workspaces' : 'it alone',
        updated_at,
      ]),
    ),
  );
}

async function setSecret(context: CommandContext, [key = '']: string[]): Promise<void> {
  const { client, json } = context;
  const { workspaceId: id, owner } = await findScope(context);
  const value = await readSecretValue(
    key,
    `molecule secret set ${quote(key)} < file, or run it in a terminal and type`,
  );
  const body = { key, value };
  if (id === null) await client.saveGlobalSecret({ body });
  else await client.saveSecret({ params: { id }, body });
  if (json) return printJson({ ok: true, status: 'saved', key, workspace_id: id });
  print(plain(`${key} is saved for ${owner}; what uses it restarts`));
}

async function deleteSecret(context: CommandContext, [key = '']: string[]): Promise<void> {
  const { client, json } = context;
  const { workspaceId: id, owner } = await findScope(context);
  const call =
    id === null ? client.deleteGlobalSecret({ params: { key } }) : client.deleteSecret({ params: { id, key } });
  await call.catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.code !== 'not_found') throw error;
    throw new CommandError(`${owner}: there is no secret ${key}`, 'molecule secret list', EXIT.usage, error.code);
  });
  if (json) return printJson({ ok: true, status: 'deleted', key, workspace_id: id });
  print(plain(`${key} is deleted for ${owner}; what used it restarts`));
}

const OF = ['-w, --workspace <workspace>', 'of this workspace alone: name, id, or the beginning of either'] as const;
const REFUSALS: [number, string][] = [
  [1, 'refused by the platform: the token, or a key it sets itself'],
  [2, 'wrong usage, no such workspace or secret, or no value'],
  [3, 'no platform answers'],
];

function createListCommand(): Command {
  const command = defineCommand({
    name: 'list',
    description: 'list the names of the secrets, never their values',
    json: 'print one JSON document: {ok, secrets}',
    act: listSecrets,
  }).option(...OF);
  return addHelp(command, {
    examples: [
      ['molecule secret list', 'of all workspaces'],
      ['molecule secret list -w "Backend Engineer"', 'what this one gets'],
    ],
    exitCodes: [[0, 'listed'], ...REFUSALS],
  });
}

function createSetCommand(): Command {
  const command = defineCommand({
    name: 'set',
    description: 'save a secret; its value is typed, or read from standard input',
    json: 'print one JSON document: {ok, status, key, workspace_id}',
    act: setSecret,
  })
    .argument('<key>', 'name of the environment variable')
    .option(...OF);
  return addHelp(command, {
    examples: [
      ['molecule secret set OPENAI_API_KEY', 'asks for the value without showing it'],
      ['molecule secret set OPENAI_API_KEY < key.txt', 'reads it from a file'],
      ['pass show github | molecule secret set GITHUB_TOKEN -w backend', 'for one workspace'],
    ],
    exitCodes: [[0, 'saved; what uses it restarts'], ...REFUSALS],
  });
}

function createDeleteCommand(): Command {
  const command = defineCommand({
    name: 'delete',
    description: 'delete a secret',
    json: 'print one JSON document: {ok, status, key, workspace_id}',
    act: deleteSecret,
  })
    .argument('<key>', 'as `molecule secret list` names it')
    .option(...OF);
  return addHelp(command, {
    examples: [
      ['molecule secret delete GITHUB_TOKEN -w backend', 'that workspace gets the one for all, if there is one'],
    ],
    exitCodes: [[0, 'deleted; what used it restarts'], ...REFUSALS],
  });
}

export function createSecretCommand(): Command {
  return new Command('secret')
    .description('secrets of agents: list, set, delete')
    .addCommand(createListCommand())
    .addCommand(createSetCommand())
    .addCommand(createDeleteCommand());
}
