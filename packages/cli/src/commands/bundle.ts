// `molecule bundle export|import`: a team as one document, from here to another platform or beside itself.

import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { BundleInput, ImportedBundle } from '@molecule/contract';
import { Command } from 'commander';
import { CommandError, EXIT, usageError } from '../failure.ts';
import { formatTable, plain, print, printJson, remark } from '../output.ts';
import { findNamedWorkspace } from '../workspaces.ts';
import { type CommandContext, defineCommand } from './command.ts';
import { addHelp } from './help.ts';

const TIMEOUT_MS = 120_000;

async function exportBundle({ client, json }: CommandContext, [wanted = '']: string[]): Promise<void> {
  const { id } = await findNamedWorkspace(client, wanted);
  const bundle = await client.exportBundle({ params: { id }, timeoutMs: TIMEOUT_MS });
  printJson(json ? { ok: true, bundle } : bundle);
}

async function readDocument(file: string): Promise<BundleInput> {
  try {
    return JSON.parse(file === '-' ? await text(process.stdin) : await readFile(file, 'utf8')) as BundleInput;
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code !== undefined;
    throw usageError(
      absent ? `${file} cannot be read` : `${file} holds no JSON`,
      'molecule bundle export <workspace> > team.bundle.json',
    );
  }
}

/** Parents before their children, as they hang together. */
function flatten(result: ImportedBundle, depth = 0): { result: ImportedBundle; depth: number }[] {
  return [{ result, depth }, ...(result.children ?? []).flatMap((child) => flatten(child, depth + 1))];
}

async function importBundle({ client, json }: CommandContext, [file = '']: string[]): Promise<void> {
  const root = await client.importBundle({ body: await readDocument(file), timeoutMs: TIMEOUT_MS });
  const all = flatten(root);
  const failed = all.filter(({ result }) => result.status === 'failed');
  if (failed.length > 0) process.exitCode = EXIT.failed;
  if (json) return printJson({ ok: failed.length === 0, ...root });
  print(
    formatTable(
      ['NAME', 'STATUS', 'ID'],
      all.map(({ result, depth }) => [`${'  '.repeat(depth)}${result.name}`, result.status, result.workspace_id ?? '']),
    ),
  );
  if (failed.length === 0) return remark('Watch them start: molecule status');
  throw new CommandError(
    plain(failed.map(({ result }) => `${result.name}: ${result.error ?? 'failed'}`).join('; ')),
    'what did not fail was created; molecule status shows it',
  );
}

function createExportCommand(): Command {
  const command = defineCommand({
    name: 'export',
    description: 'print a workspace and all below it as one document, without secrets',
    json: 'print one JSON document: {ok, bundle}',
    act: exportBundle,
  }).argument('<workspace>', 'name, id, or the beginning of either');
  return addHelp(command, {
    examples: [['molecule bundle export "Growth Lead" > growth.bundle.json', 'a file to keep or pass on']],
    exitCodes: [
      [0, 'printed'],
      [1, 'refused: larger than a bundle may be, or its files cannot be reached'],
      [2, 'wrong usage, or no such workspace'],
      [3, 'no platform answers'],
    ],
  });
}

function createImportCommand(): Command {
  const command = defineCommand({
    name: 'import',
    description: 'create the workspaces of a bundle, always new ones, and start them',
    json: 'print one JSON document: {ok, workspace_id, name, status, error?, children?}',
    act: importBundle,
  }).argument('<file>', 'a bundle, or - for standard input');
  return addHelp(command, {
    examples: [['molecule bundle import growth.bundle.json', 'the same team again, with ids of its own']],
    exitCodes: [
      [0, 'created; molecule status shows how they start'],
      [1, 'refused, or some of them failed'],
      [2, 'wrong usage, or no such file'],
      [3, 'no platform answers'],
    ],
  });
}

export function createBundleCommand(): Command {
  return new Command('bundle')
    .description('teams as one document: export, import')
    .addCommand(createExportCommand())
    .addCommand(createImportCommand());
}
