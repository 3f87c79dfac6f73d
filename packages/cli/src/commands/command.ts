// What every command shares that talks to a platform: the flags that find it, `--json`, and one way to fail.

import type { Client } from '@molecule/contract';
import { Command } from 'commander';
import { connect, findTarget, type Target, type TargetFlags } from '../environment.ts';
import { describeFailure } from '../failure.ts';
import { type OutputOptions, printFailure } from '../output.ts';

export interface CommandContext {
  client: Client;
  target: Target;
  json: boolean;
  flags: Record<string, unknown>;
}

interface Definition {
  name: string;
  description: string;
  /** Of `--json`. */
  json: string;
  /** True: with `--json`, stdout is a stream of JSON lines. */
  lines?: boolean;
  act(context: CommandContext, args: string[]): Promise<void>;
}

/** `molecule status | head -1` closes the pipe early; that is no failure. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}

/** `act` sets `process.exitCode` for results that are no errors, and throws for everything else. */
export function defineCommand({ name, description, json, lines = false, act }: Definition): Command {
  return new Command(name)
    .description(description)
    .option('--json', json)
    .option('--url <url>', 'address of the platform')
    .option('--token <token>', 'admin or organisation token')
    .option('--data-dir <folder>', 'data directory of the platform')
    .action(async (...input: unknown[]) => {
      const command = input.at(-1) as Command;
      const flags = command.opts<TargetFlags & OutputOptions>();
      let target: Target | null = null;
      process.stdout.on('error', endWithReader);
      try {
        target = findTarget(flags);
        const context = { client: connect(target), target, json: flags.json === true, flags: { ...flags } };
        await act(context, command.processedArgs.map(String));
      } catch (error) {
        printFailure(describeFailure(error, target), { json: flags.json === true, lines });
      }
    });
}
