// `molecule start`: runs the platform in this process, in the foreground. What a start does and why it refuses is the server's.

import { Command, InvalidArgumentError } from 'commander';
import { startEnvironment } from '../environment.ts';
import { addHelp } from './help.ts';

function parsePort(text: string): string {
  if (/^\d+$/.test(text) && Number(text) <= 65_535) return text;
  throw new InvalidArgumentError('A port is a number from 0 (any free one) to 65535.');
}

export function createStartCommand(): Command {
  const command = new Command('start')
    .description('start the platform and the canvas; Ctrl-C stops both and every agent')
    .option('--port <port>', 'port to listen on, 0 for any free one (default: PORT, else 8080)', parsePort)
    .option('--host <address>', 'address to listen on (default: HOST, else 127.0.0.1)')
    .option('--data-dir <folder>', 'where everything is kept (default: MOLECULE_DATA_DIR, else ./.molecule)')
    .option('--json', 'print one JSON line when the platform is ready, or when it cannot start')
    .action(async (flags: { port?: string; host?: string; dataDir?: string; json?: boolean }) => {
      const { runPlatform } = await import('@molecule/server/main');
      await runPlatform({ env: startEnvironment(flags), json: flags.json === true });
    });
  return addHelp(command, {
    examples: [
      ['molecule start', 'listens on 127.0.0.1:8080 and prints a sign-in link'],
      ['molecule start --port 0 --data-dir /tmp/try', 'any free port, in a folder of its own'],
      ['molecule start --json | head -1', 'the address and the link, for a script'],
    ],
    exitCodes: [
      [0, 'stopped by Ctrl-C or a signal'],
      [1, 'could not start; the reason and what mends it are printed'],
      [2, 'wrong usage'],
    ],
  });
}
