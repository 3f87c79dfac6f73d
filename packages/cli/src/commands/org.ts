// `molecule org import <template>`: creates a team from a template; what exists already is left alone.

import { Command } from 'commander';
import { formatTable, printJson } from '../output.ts';
import { defineCommand } from './command.ts';

const IMPORT_TIMEOUT_MS = 120_000;

const importCommand = defineCommand(
  'import',
  'import an organisation template',
  async ({ client, flags }, [dir = '']) => {
    const result = await client.importOrg({ body: { dir }, timeoutMs: IMPORT_TIMEOUT_MS });
    if (flags.json) return printJson(result);
    const skipped = result.workspaces.filter((workspace) => workspace.skipped).length;
    process.stdout.write(`${result.org}: ${result.count - skipped} created, ${skipped} already existed\n`);
    process.stdout.write(
      `${formatTable(
        ['NAME', 'TIER', 'ID', ''],
        result.workspaces.map((workspace) => [
          workspace.name,
          `T${workspace.tier}`,
          workspace.id,
          workspace.skipped ? 'existed' : 'created',
        ]),
      )}\n`,
    );
    if (result.error) throw new Error(`the import stopped: ${result.error}; run it again to create the rest`);
  },
).argument('<template>', 'folder of the template, as `molecule org list` names it');

const listCommand = defineCommand('list', 'list the templates that can be imported', async ({ client, flags }) => {
  const templates = await client.listOrgTemplates();
  if (flags.json) return printJson(templates);
  process.stdout.write(
    `${formatTable(
      ['TEMPLATE', 'NAME', 'WORKSPACES', 'DESCRIPTION'],
      templates.map((template) => [template.dir, template.name, String(template.workspaces), template.description]),
    )}\n`,
  );
});

export function createOrgCommand(): Command {
  return new Command('org').description('organisation templates').addCommand(importCommand).addCommand(listCommand);
}
