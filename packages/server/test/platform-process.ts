// The real platform as a process of its own, with the real runtime, for tests that kill it: `src/main.ts` on a free port.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Client, createClient } from '@molecule/contract';
import { childEnvironment } from '@molecule/testkit';

const ADMIN_TOKEN = 'process-admin-token-0123456789abcdef01234567';
const MAIN = join(import.meta.dirname, '../src/main.ts');

export interface PlatformProcess {
  admin: Client;
  adminToken: string;
  pid: number;
  url: string;
  /** Everything it printed so far. */
  output(): string;
  /** Sends the signal and waits for the end. @returns exit code or signal. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/** Linux gives callers and `listen(0)` ports from 32768 on: one below stays free while its platform is down. */
const [FIRST_PORT, LAST_PORT] = [18_000, 32_000];

export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Resolves when it serves. @throws with what it printed when it ended instead. */
export async function startPlatformProcess(
  env: { PORT: string; MOLECULE_DATA_DIR: string } & Record<string, string>,
): Promise<PlatformProcess> {
  const child: ChildProcess = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env: childEnvironment({ MOLECULE_PROVISIONER: 'process', ADMIN_TOKEN, LOG_LEVEL: 'info', ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const read = (chunk: Buffer) => {
    printed += chunk;
    if (printed.includes('Molecule is running at')) resolve();
  };
  child.stdout?.on('data', read);
  child.stderr?.on('data', read);
  child.once('exit', (code, signal) => reject(new Error(`the platform ended with ${code ?? signal}:\n${printed}`)));
  await ready;
  const url = `http://127.0.0.1:${env.PORT}`;
  return {
    url,
    adminToken: ADMIN_TOKEN,
    pid: child.pid as number,
    admin: createClient({ baseUrl: url, token: ADMIN_TOKEN }),
    output: () => printed,
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
      }
      return child.exitCode ?? child.signalCode;
    },
  };
}

/** The pid of a seat's agent by the backend's own record; null while none is on record. */
export function recordedPid(dataDir: string, workspaceId: string): number | null {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'workspaces', workspaceId, 'process.json'), 'utf8')).pid;
  } catch {
    return null;
  }
}
