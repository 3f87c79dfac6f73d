// `molecule org list|import`: teams from templates; what exists already is left alone.

import { ApiError, type EnvRequirement } from '@molecule/contract';
import { Command } from 'commander';
import type { Target } from '../environment.ts';
import { CommandError, EXIT } from '../failure.ts';
import { formatTable, plain, print, printJson, remark } from '../output.ts';
import { moleculeCommand, quote } from '../shell.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

const IMPORT_TIMEOUT_MS = 120_000;
type ImportResult = Awaited<ReturnType<CommandContext['client']['importOrg']>>;

const nameOf = (entry: EnvRequirement) => (typeof entry === 'string' ? entry : entry.any_of.join(' or '));
const oneOf = (entry: EnvRequirement) => (typeof entry === 'string' ? entry : (entry.any_of[0] ?? ''));

/** One command per missing secret; of a group its first member. */
function explainMissing(error: ApiError, target: Target): CommandError {
  const missing = (error.body.missing_env ?? []) as EnvRequirement[];
  const commands = missing.map((entry) => moleculeCommand(target, ['secret', 'set', oneOf(entry)]));
  return new CommandError(
    `nothing was imported: secrets are missing: ${missing.map(nameOf).join(', ')}`,
    `save ${missing.length === 1 ? 'it' : 'each'} in the canvas under Settings, or:\n          ${commands.join('\n          ')}`,
    EXIT.failed,
    error.code,
  );
}

function explainImport(error: unknown, dir: string, target: Target): unknown {
  if (!(error instanceof ApiError)) return error;
  if (error.code === 'missing_env') return explainMissing(error, target);
  if (error.code === 'timeout')
    return new CommandError(
      'the import takes longer than two minutes and goes on by itself',
      'molecule status shows what exists; importing again creates only what is missing',
      EXIT.failed,
      error.code,
    );
  if (error.code === 'not_found')
    return new CommandError(`there is no template ${JSON.stringify(dir)}`, 'molecule org list', EXIT.usage, error.code);
  return error;
}

type Entry = ImportResult['workspaces'][number];

/** What the template asks for and this version cannot build. */
function listSkipped(entry: Entry): string[] {
  const names = [
    ...(entry.channels_skipped ?? []).map(({ type }) => `channel ${type}`),
    ...(entry.plugins_skipped ?? []).map((name) => `plugin ${name}`),
    ...(entry.schedules_skipped ?? []).map((name) => `schedule ${name}`),
  ];
  return entry.memories_skipped ? [...names, `${entry.memories_skipped} memories`] : names;
}

function describe(result: ImportResult): void {
  const { workspaces } = result;
  const existed = workspaces.filter(({ skipped }) => skipped).length;
  print(`${plain(result.org)}: ${workspaces.length - existed} created, ${existed} already existed`);
  print(
    formatTable(
      ['NAME', 'TIER', 'RESULT', 'ID'],
      workspaces.map(({ name, tier, id, skipped }) => [name, `T${tier}`, skipped ? 'existed' : 'created', id]),
    ),
  );
  for (const entry of workspaces) {
    const skipped = listSkipped(entry);
    if (skipped.length > 0) remark(plain(`left out of ${entry.name}, not part of this version: ${skipped.join(', ')}`));
  }
}

async function importTeam({ client, target, json }: CommandContext, [dir = '']: string[]): Promise<void> {
  const result = await client.importOrg({ body: { dir }, timeoutMs: IMPORT_TIMEOUT_MS }).catch((error: unknown) => {
    throw explainImport(error, dir, target);
  });
  const failed = result.error !== undefined;
  if (failed) process.exitCode = EXIT.failed;
  if (json) return printJson({ ok: !failed, ...result });
  describe(result);
  if (failed)
    throw new CommandError(
      `the import stopped: ${result.error}`,
      `molecule org import ${quote(dir)} creates what is missing`,
    );
  print('\nWatch them start: molecule status');
}

function createImportCommand(): Command {
  const command = defineCommand({
    name: 'import',
    description: 'create the workspaces of a template that do not exist yet',
    json: 'print one JSON document: {ok, org, count, workspaces, error?}',
    act: importTeam,
  }).argument('<template>', 'a template as `molecule org list` names it');
  return addHelp(command, {
    examples: [
      ['molecule org import sample-team', 'the team that ships with Molecule'],
      ['molecule org import sample-team --json', 'ids for a script'],
    ],
    exitCodes: [
      [0, 'every workspace of the template exists'],
      [1, 'refused (secrets are missing, the template cannot be read), or stopped half-way'],
      [2, 'wrong usage, or no such template'],
      [3, 'no platform answers'],
    ],
  });
}

async function listTemplates({ client, json }: CommandContext): Promise<void> {
  const templates = await client.listOrgTemplates();
  if (json) return printJson({ ok: true, templates });
  if (templates.length === 0) return print('No templates. They lie in templates/orgs, or in orgs under CONFIGS_DIR.');
  print(
    formatTable(
      ['TEMPLATE', 'NAME', 'WORKSPACES', 'NEEDS', 'DESCRIPTION'],
      templates.map(({ dir, name, workspaces, required_env: needs, description }) => [
        dir,
        name,
        String(workspaces),
        needs.map(nameOf).join(', '),
        description,
      ]),
    ),
  );
}

function createListCommand(): Command {
  const command = defineCommand({
    name: 'list',
    description: 'list the templates that can be imported',
    json: 'print one JSON document: {ok, templates}',
    act: listTemplates,
  });
  return addHelp(command, {
    examples: [['molecule org list', 'names, sizes and the secrets they need']],
    exitCodes: [
      [0, 'listed'],
      [1, 'the platform refuses the token'],
      [2, 'wrong usage'],
      [3, 'no platform answers'],
    ],
  });
}

export function createOrgCommand(): Command {
  return new Command('org')
    .description('teams from templates: list, import')
    .addCommand(createListCommand())
    .addCommand(createImportCommand());
}
