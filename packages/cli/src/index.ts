// The `molecule` command: one file per command, all with --help and --json.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { doctorCommand } from './commands/doctor.ts';
import { logsCommand } from './commands/logs.ts';
import { createOrgCommand } from './commands/org.ts';
import { sendCommand } from './commands/send.ts';
import { createStartCommand } from './commands/start.ts';
import { statusCommand } from './commands/status.ts';

export function createProgram(): Command {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  };
  return new Command('molecule')
    .description('the control plane for organisations of AI agents')
    .version(manifest.version)
    .showHelpAfterError('(molecule --help lists the commands)')
    .addCommand(createStartCommand())
    .addCommand(statusCommand)
    .addCommand(doctorCommand)
    .addCommand(createOrgCommand())
    .addCommand(sendCommand)
    .addCommand(logsCommand);
}
