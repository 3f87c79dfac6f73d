// `molecule token list|create|revoke`: of one workspace for its agent, or of the organisation for programs that administer it.

import { Command } from 'commander';
import { usageError } from '../failure.ts';
import { formatTable, plain, print, printJson, remark } from '../output.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

const MOST_TOKENS = 200;

interface Token {
  id: string;
  prefix: string;
  name?: string | undefined;
  created_at: string;
  last_used_at?: string | null | undefined;
}

/** Null: tokens of the organisation. */
async function findWorkspaceId({ client, flags }: CommandContext): Promise<string | null> {
  return typeof flags.workspace === 'string' ? (await findNamedWorkspace(client, flags.workspace)).id : null;
}

async function readTokens({ client }: CommandContext, id: string | null): Promise<Token[]> {
  return id === null
    ? (await client.listOrgTokens()).tokens
    : (await client.listTokens({ params: { id }, query: { limit: MOST_TOKENS } })).tokens;
}

async function listTokens(context: CommandContext): Promise<void> {
  const tokens = await readTokens(context, await findWorkspaceId(context));
  if (context.json) return printJson({ ok: true, tokens });
  if (tokens.length === 0) return print('No tokens. Make one: molecule token create');
  print(
    formatTable(
      ['BEGINS', 'NAME', 'CREATED', 'LAST USED', 'ID'],
      tokens.map(({ prefix, name, created_at, last_used_at, id }) => [
        prefix,
        name ?? '',
        created_at,
        last_used_at ?? 'never',
        id,
      ]),
    ),
  );
}

async function createToken(context: CommandContext): Promise<void> {
  const { client, flags, json } = context;
  const id = await findWorkspaceId(context);
  const name = typeof flags.name === 'string' ? flags.name : undefined;
  if (id !== null && name !== undefined)
    throw usageError('tokens of a workspace have no name', 'molecule token create -w <workspace>');
  const { auth_token } =
    id === null
      ? await client.createOrgToken({ body: name === undefined ? {} : { name } })
      : await client.createToken({ params: { id } });
  if (json) return printJson({ ok: true, token: auth_token, workspace_id: id });
  print(auth_token);
  remark(
    id === null
      ? 'It may do everything an administrator may, and is shown only now.'
      : 'It is good for this workspace, and is shown only now.',
  );
}

async function revokeToken(context: CommandContext, [wanted = '']: string[]): Promise<void> {
  const { client, json } = context;
  const id = await findWorkspaceId(context);
  const found = (await readTokens(context, id)).filter((token) => token.id === wanted || token.prefix === wanted);
  const [token] = found;
  if (!token) throw usageError(`there is no live token ${JSON.stringify(wanted)}`, 'molecule token list');
  if (found.length > 1)
    throw usageError(`${found.length} tokens begin with ${wanted}`, 'name the one by its id: molecule token list');
  if (id === null) await client.revokeOrgToken({ params: { tokenId: token.id } });
  else await client.revokeToken({ params: { id, tokenId: token.id } });
  if (json) return printJson({ ok: true, status: 'revoked', id: token.id, workspace_id: id });
  print(plain(`${token.prefix}… is revoked; it is refused from now on`));
}

const OF = ['-w, --workspace <workspace>', 'of this workspace: name, id, or the beginning of either'] as const;
const REFUSALS: [number, string][] = [
  [1, 'refused by the platform: the token, or too many of them'],
  [2, 'wrong usage, or no such workspace or token'],
  [3, 'no platform answers'],
];

function createListCommand(): Command {
  const command = defineCommand({
    name: 'list',
    description: 'list live tokens by their first letters',
    json: 'print one JSON document: {ok, tokens}',
    act: listTokens,
  }).option(...OF);
  return addHelp(command, {
    examples: [
      ['molecule token list', 'of the organisation'],
      ['molecule token list -w laptop', 'of one workspace'],
    ],
    exitCodes: [[0, 'listed'], ...REFUSALS],
  });
}

function createCreateCommand(): Command {
  const command = defineCommand({
    name: 'create',
    description: 'make a token and print it, once',
    json: 'print one JSON document: {ok, token, workspace_id}',
    act: createToken,
  })
    .option(...OF)
    .option('--name <name>', 'what it is for, shown in lists');
  return addHelp(command, {
    examples: [
      ['molecule token create --name ci', 'for a program that administers the organisation'],
      ['MOLECULE_WORKSPACE_TOKEN=$(molecule token create -w laptop)', 'for the agent of one workspace'],
    ],
    exitCodes: [[0, 'made'], ...REFUSALS],
  });
}

function createRevokeCommand(): Command {
  const command = defineCommand({
    name: 'revoke',
    description: 'end a token',
    json: 'print one JSON document: {ok, status, id, workspace_id}',
    act: revokeToken,
  })
    .argument('<token>', 'its id, or the letters `molecule token list` shows')
    .option(...OF);
  return addHelp(command, {
    examples: [['molecule token revoke Ab3dEf9h -w laptop', '']],
    exitCodes: [[0, 'revoked'], ...REFUSALS],
  });
}

export function createTokenCommand(): Command {
  return new Command('token')
    .description('credentials of programs and agents: list, create, revoke')
    .addCommand(createListCommand())
    .addCommand(createCreateCommand())
    .addCommand(createRevokeCommand());
}
