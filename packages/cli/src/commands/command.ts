// What every command shares: the flags that find the platform, `--json`, and one way to fail.

import type { Client } from '@molecule/contract';
import { Command } from 'commander';
import { connect, findTarget, type Target } from '../environment.ts';
import { type OutputOptions, printFailure } from '../output.ts';

export interface CommonFlags extends OutputOptions {
  url?: string;
  token?: string;
  dataDir?: string;
}

export interface CommandContext {
  client: Client;
  target: Target;
  flags: CommonFlags & Record<string, unknown>;
}

/** A command that talks to a running platform. */
export function defineCommand(
  name: string,
  description: string,
  act: (context: CommandContext, args: string[]) => Promise<void>,
): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print JSON')
    .option('--url <url>', 'address of the platform')
    .option('--token <token>', 'admin or organisation token')
    .option('--data-dir <folder>', 'data directory of the platform (default ./.molecule)')
    .action(async (...input: unknown[]) => {
      const command = input.at(-1) as Command;
      const flags = command.opts<CommonFlags & Record<string, unknown>>();
      const target = findTarget(flags);
      try {
        await act({ client: connect(target), target, flags }, command.processedArgs.flat().map(String));
      } catch (error) {
        printFailure(error, target.url, flags);
      }
    });
}
