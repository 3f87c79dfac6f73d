// The real start as a process of its own, with an environment of the test's choice: run to its end, or until it serves.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { childEnvironment } from '@molecule/testkit';

export const MAIN = join(import.meta.dirname, '../src/main.ts');
const LIMIT_MS = 60_000;

export interface Ended {
  code: number | null;
  /** Lines on standard error that are not the log's. */
  said: string[];
  stdout: string;
  wallMs: number;
  /** Processor time of all its threads: unlike the wall's, it is the same on a busy machine. */
  cpuMs: number;
}

/** Runs a command, keeps its exit code, and writes what `times` says of it to descriptor 3. */
const TIMED = '"$@"; code=$?; times >&3; exit $code';

/** `times` prints minutes and seconds: of the shell, then, on the second line, of what it ran. */
function parseTimes(text: string): number {
  const children = text.trim().split('\n')[1] ?? '';
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000,
    0,
  );
}

/** Runs a program with exactly this environment to its end. A log line is JSON, everything else is meant for people. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const startedAt = performance.now();
  const child = spawn('sh', ['-c', TIMED, 'sh', process.execPath, '--disable-warning=ExperimentalWarning', ...args], {
    env: childEnvironment({ LOG_LEVEL: 'warn', ...env }),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
  });
  const read = (descriptor: 1 | 2 | 3) => text(child.stdio[descriptor] as Readable);
  const [stdout, stderr, times] = await Promise.all([read(1), read(2), read(3)]);
  if (child.exitCode === null) await once(child, 'exit');
  return {
    code: child.exitCode,
    said: stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{')),
    stdout,
    wallMs: performance.now() - startedAt,
    cpuMs: parseTimes(times),
  };
}

export interface Serving {
  url: string;
  /** What it greeted people with. */
  greeting: string;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals | null>;
}

/** Resolves when it serves. @throws with what it said when it ended instead. */
export async function startServing(env: Readonly<Record<string, string>>, cwd: string): Promise<Serving> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env: childEnvironment({ LOG_LEVEL: 'warn', ...env }),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then(() => child.exitCode ?? child.signalCode);
  let [greeting, log] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk;
  });
  const greeted = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      greeting += chunk;
      if (greeting.includes('Ctrl-C stops it')) resolve();
    });
  });
  await Promise.race([greeted, ended.then((end) => Promise.reject(new Error(`the start ended with ${end}:\n${log}`)))]);
  const url = /running at (\S+)/.exec(greeting)?.[1] ?? '';
  return { url, greeting, signal: (signal) => void child.kill(signal), ended };
}
