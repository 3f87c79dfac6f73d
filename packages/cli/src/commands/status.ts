// `molecule status`: is the platform up, and how are its workspaces?

import { formatTable, printJson } from '../output.ts';
import { defineCommand } from './command.ts';

export const statusCommand = defineCommand(
  'status',
  'show the platform and its workspaces',
  async ({ client, target, flags }) => {
    const [health, info, workspaces] = await Promise.all([
      client.health(),
      client.platformInfo(),
      client.listWorkspaces(),
    ]);
    if (flags.json) return printJson({ url: target.url, health, info, workspaces });
    process.stdout.write(
      `Molecule ${health.version} at ${target.url}: ${health.status}, ${info.store} database, ${info.backend} backend\n`,
    );
    if (workspaces.length === 0)
      return void process.stdout.write('No workspaces yet. Import a team: molecule org import sample-team\n');
    const rows = workspaces.map((workspace) => [
      workspace.name,
      workspace.status,
      workspace.runtime,
      `${workspace.active_tasks}/${workspace.max_concurrent_tasks}`,
      workspace.last_sample_error ?? '',
      workspace.id,
    ]);
    process.stdout.write(`${formatTable(['NAME', 'STATUS', 'RUNTIME', 'TASKS', 'ERROR', 'ID'], rows)}\n`);
  },
);
