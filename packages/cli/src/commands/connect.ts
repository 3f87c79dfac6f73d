// `molecule connect <workspace-id>`: the agent on this machine answers for a workspace of the platform (chapter 20 §12.2).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { uuid } from '@molecule/contract';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ConnectOptions } from '../connect/run.ts';
import { findSeat, type SeatFlags } from '../environment.ts';
import { describeFailure, usageError } from '../failure.ts';
import { printFailure } from '../output.ts';
import { addHelp } from './help.ts';

const MOST_SECONDS = 86_400;

interface Flags extends SeatFlags {
  mode?: 'poll' | 'push';
  handler: string;
  timeout: number;
  publicUrl?: string;
  port: number;
  json?: boolean;
  verbose?: boolean;
}

function parseWhole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most}.`);
  };
}

function readVersion(): string {
  const manifest = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function readOptions(given: string, flags: Flags): ConnectOptions {
  const id = uuid.safeParse(given);
  if (!id.success)
    throw usageError(`${given} is not the id of a workspace`, 'molecule workspace list --json shows them');
  if (flags.mode === 'push' && !flags.publicUrl)
    throw usageError(
      'push mode needs an address the platform can reach',
      'add --public-url <url>, or leave --mode out',
    );
  return {
    workspaceId: id.data,
    ...findSeat(flags, id.data),
    mode: flags.mode ?? null,
    handler: flags.handler,
    timeoutMs: flags.timeout * 1000,
    publicUrl: flags.publicUrl ?? null,
    port: flags.port,
    json: flags.json === true,
    verbose: flags.verbose === true,
    version: readVersion(),
  };
}

async function connect(given: string, flags: Flags): Promise<void> {
  try {
    const options = readOptions(given, flags);
    const { runConnect } = await import('../connect/run.ts');
    await runConnect(options);
  } catch (error) {
    printFailure(describeFailure(error, null), { json: flags.json === true, lines: true });
  }
}

export function createConnectCommand(): Command {
  const command = new Command('connect')
    .description('let the agent on this machine answer for an external workspace')
    .argument('<workspace-id>', 'of an external workspace')
    .requiredOption('--handler <command|url>', 'gets each message: a command on its standard input, an address as JSON')
    .option('--platform-url <url>', 'address of the platform (PLATFORM_URL)')
    .option('--token <token>', 'of the workspace (MOLECULE_WORKSPACE_TOKEN); kept in the state folder')
    .addOption(new Option('--mode <mode>', 'how messages come; the platform chooses poll').choices(['poll', 'push']))
    .option('--state-dir <folder>', 'token, cursor and sessions; ~/.molecule/connect/<workspace-id> unless given')
    .option('--timeout <seconds>', 'how long the handler may take for one message', parseWhole(1, MOST_SECONDS), 1_800)
    .option('--public-url <url>', 'push mode: where the platform reaches this machine')
    .option('--port <port>', 'push mode: where to listen', parseWhole(0, 65_535), 0)
    .option('--verbose', 'say on stderr what happens in between')
    .option('--json', 'print JSON lines: {type: connected | message | answer}, at last {ok: false, error, code}')
    .action(connect);
  return addHelp(command, {
    examples: [
      ['molecule connect <id> --token <token> --handler "claude -p"', 'what the command prints is the answer'],
      [
        'molecule connect <id> --handler ./answer.sh',
        'started again: goes on with the first message without an answer',
      ],
      ['molecule connect <id> --handler http://127.0.0.1:9000/', 'each message as a POST of JSON'],
    ],
    exitCodes: [
      [0, 'ended by Ctrl-C or a signal'],
      [1, 'the token is not accepted, the workspace was deleted, or another connect runs'],
      [2, 'wrong usage'],
    ],
  });
}
