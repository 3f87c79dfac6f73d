// `molecule start`: runs the platform in this process, in the foreground.

import { Command } from 'commander';

export function createStartCommand(): Command {
  return new Command('start')
    .description('start the platform and the canvas; Ctrl-C stops both and every agent')
    .option('--port <port>', 'port to listen on (default 8080)')
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--data-dir <folder>', 'where everything is kept (default ./.molecule)')
    .option('--json', 'print one JSON line when the platform is ready')
    .action(async (flags: { port?: string; host?: string; dataDir?: string; json?: boolean }) => {
      if (flags.port) process.env.PORT = flags.port;
      if (flags.host) process.env.HOST = flags.host;
      if (flags.dataDir) process.env.MOLECULE_DATA_DIR = flags.dataDir;
      if (flags.json) process.env.MOLECULE_START_JSON = '1';
      await import('@molecule/server/main');
    });
}
