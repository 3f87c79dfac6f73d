// A process of a chaos run that is killed without warning and started again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { childEnvironment } from '@molecule/testkit';

export interface Party {
  start(): void;
  /** SIGKILL; resolves when it is gone. One that is not running stays so. */
  kill(): Promise<void>;
  /** Its exit code; null while it runs, and after a kill. */
  exitCode(): number | null;
}

/** @param logPath takes everything it prints, of all its lives. */
export function createParty(options: {
  script: string;
  args?: string[];
  env?: Record<string, string>;
  logPath: string;
}): Party {
  let child: ChildProcess | null = null;
  return {
    start() {
      const log = openSync(options.logPath, 'a');
      child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', options.script, ...(options.args ?? [])],
        { env: childEnvironment(options.env), stdio: ['ignore', log, log] },
      );
      closeSync(log);
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    exitCode: () => child?.exitCode ?? null,
  };
}
