// The `molecule` command: one file per command, all with --help and --json.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { createBundleCommand } from './commands/bundle.ts';
import { createConnectCommand } from './commands/connect.ts';
import { createDoctorCommand } from './commands/doctor.ts';
import { createLifecycleCommands } from './commands/lifecycle.ts';
import { createLogsCommand } from './commands/logs.ts';
import { createOrgCommand } from './commands/org.ts';
import { createSecretCommand } from './commands/secret.ts';
import { createSendCommand } from './commands/send.ts';
import { createStartCommand } from './commands/start.ts';
import { createStatusCommand } from './commands/status.ts';
import { createTokenCommand } from './commands/token.ts';
import { createWhyCommand } from './commands/why.ts';
import { createWorkspaceCommand } from './commands/workspace.ts';
import { EXIT, usageError } from './failure.ts';
import { printFailure } from './output.ts';

const ENVIRONMENT = `
Which platform: --url, else MOLECULE_URL, else the one that owns the data directory, else 127.0.0.1:8080.
Which token:    --token, else MOLECULE_TOKEN, else ADMIN_TOKEN, else admin-token in the data directory.
Data directory: --data-dir, else MOLECULE_DATA_DIR, else ./.molecule.

Exit codes:
  0  done
  1  failed: refused by the platform or the agent
  2  wrong usage: an unknown command, option or workspace
  3  no platform answers
  4  accepted, but not answered yet (molecule send)

Every command explains itself: molecule <command> --help`;

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

function createProgram(): Command {
  const program = new Command('molecule')
    .description('the control plane for organisations of AI agents')
    .version(readVersion())
    .addCommand(createStartCommand())
    .addCommand(createStatusCommand())
    .addCommand(createDoctorCommand())
    .addCommand(createOrgCommand())
    .addCommand(createBundleCommand())
    .addCommand(createSendCommand())
    .addCommand(createLogsCommand())
    .addCommand(createWhyCommand())
    .addCommand(createConnectCommand())
    .addCommand(createWorkspaceCommand())
    .addCommand(createSecretCommand())
    .addCommand(createTokenCommand());
  for (const command of createLifecycleCommands()) program.addCommand(command);
  return program.addHelpText('after', ENVIRONMENT);
}

const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

/** Errors are thrown instead of printed, and `onRefuse` hears which command was used wrongly. */
function prepare(command: Command, onRefuse: (path: string) => void): void {
  command.exitOverride().configureOutput({ outputError: () => onRefuse(pathOf(command)) });
  for (const child of command.commands) prepare(child, onRefuse);
}

/** `error: unknown command 'statsu'\n(Did you mean status?)` as cause and remedy. */
function explainUsage({ message }: CommanderError, path: string) {
  const [cause = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const help = `${path} --help`;
  return usageError(cause, suggestion ? `${suggestion.replace(/^\(|\)$/g, '')} See ${help}` : help);
}

/**
 * Runs one command and sets `process.exitCode`.
 * @param argv as in `process.argv`.
 */
export async function run(argv: string[]): Promise<void> {
  let path = 'molecule';
  const program = createProgram();
  prepare(program, (refused) => {
    path = refused;
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    process.exitCode = EXIT.usage;
    // Called without a command, the whole help has been printed already.
    if (error.code !== 'commander.help') printFailure(explainUsage(error, path), { json: argv.includes('--json') });
  }
}
