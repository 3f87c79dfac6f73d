// The real start as a process of its own, for tests of starts that are refused.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export const MAIN = join(import.meta.dirname, '../src/main.ts');
const LIMIT_MS = 60_000;

export interface Ended {
  code: number | null;
  /** Lines on standard error that are not the log's. */
  said: string[];
  stdout: string;
  ms: number;
}

/** Runs a program with exactly this environment to its end. A log line is JSON, everything else is meant for people. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    env: { PATH: process.env.PATH ?? '', LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  await once(child, 'close');
  return {
    code: child.exitCode,
    said: stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{')),
    stdout,
    ms: performance.now() - startedAt,
  };
}
