// The real `molecule` as a process of its own, for tests: run to its end, or watched while it runs. Nothing of the test's own
// environment reaches it, and it runs in a folder without a data directory.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment, type TestPlatform } from '@molecule/testkit';

export const BIN = join(import.meta.dirname, '../src/bin.ts');
/** Patient enough for a busy machine. */
const LIMIT_MS = 40_000;
/** Of this test file, made when it is first asked for. */
let root: string | null = null;
const running = new Set<ChildProcess>();

function ensureRoot(): string {
  root ??= mkdtempSync(join(tmpdir(), 'molecule-cli-'));
  return root;
}

/** Every test file calls it after its tests: test files share processes, so this module outlives them. */
export function endCommands(): void {
  for (const child of running) child.kill('SIGKILL');
  if (root !== null) rmSync(root, { recursive: true, force: true });
  root = null;
}

/** A new, empty folder; gone after the tests of this file. */
export const makeFolder = (): string => mkdtempSync(join(ensureRoot(), 'folder-'));

export interface Ended {
  /** Exit code, or the signal that ended it. */
  code: number | NodeJS.Signals | null;
  out: string;
  err: string;
  /** Of stdout: one document. */
  json(): Record<string, unknown>;
  /** Of stdout: one document per line. */
  lines(): Record<string, unknown>[];
}

export interface Running {
  pid: number;
  /** Resolves with the whole output so far as soon as it contains `text`. @throws when the process ends, or takes too long. */
  until(text: string): Promise<string>;
  signal(name: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

type Environment = Record<string, string>;

/** @param input of its standard input, which is empty otherwise. */
export function begin(args: string[], env: Environment = {}, input = ''): Running {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', BIN, ...args], {
    cwd: ensureRoot(),
    env: childEnvironment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // What reads nothing may have ended before.
  child.stdin.on('error', () => {}).end(input);
  running.add(child);
  let out = '';
  let err = '';
  const looks = new Set<() => void>();
  const look = () => {
    for (const one of looks) one();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
    look();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
    look();
  });
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    running.delete(child);
    const lines = () => out.split('\n').filter(Boolean);
    return {
      code: code ?? signal,
      out,
      err,
      json: () => JSON.parse(out),
      lines: () => lines().map((line) => JSON.parse(line)),
    };
  });
  return {
    pid: child.pid ?? 0,
    until: (text) =>
      new Promise((resolve, reject) => {
        const fail = (why: string) => () =>
          settle(() => reject(new Error(`${why}; waited for ${text}\n${out}\n${err}`)));
        const timer = setTimeout(fail('it took too long'), LIMIT_MS);
        const check = () => (out + err).includes(text) && settle(() => resolve(out + err));
        function settle(how: () => void): void {
          clearTimeout(timer);
          looks.delete(check);
          how();
        }
        looks.add(check);
        check();
        void ended.then(fail('it ended'));
      }),
    signal: (name) => child.kill(name),
    ended,
  };
}

export const run = (args: string[], env?: Environment, input?: string): Promise<Ended> => begin(args, env, input).ended;

/** Where that platform is and how to get in. */
export const accessTo = ({ url, adminToken }: TestPlatform): Environment => ({
  MOLECULE_URL: url,
  MOLECULE_TOKEN: adminToken,
});
