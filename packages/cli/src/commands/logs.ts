// `molecule logs <workspace>`: what its process wrote.

import { printJson } from '../output.ts';
import { findNamedWorkspace } from '../workspace.ts';
import { defineCommand } from './command.ts';

export const logsCommand = defineCommand(
  'logs',
  'print the newest log lines of a workspace',
  async ({ client, flags }, [wanted = '']) => {
    const workspace = await findNamedWorkspace(client, wanted);
    const log = await client.getWorkspaceLogs({ params: { id: workspace.id }, query: { lines: Number(flags.lines) } });
    if (flags.json) return printJson(log);
    process.stdout.write(
      log.lines.length > 0 ? `${log.lines.join('\n')}\n` : `${workspace.name} has written nothing yet\n`,
    );
  },
)
  .argument('<workspace>', 'name or id')
  .option('--lines <count>', 'how many lines', '200');
