// The platform under test: the process that `npm start` starts, with settings of its own and nothing of this environment.
// Owns launching, the wait for its first answer, and its end.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Client, createClient } from '@molecule/contract';
import type { Settings } from './claim.ts';
import { endProcess, type Stage, until } from './stage.ts';
import type { Store } from './stores.ts';

const CLI = join(import.meta.dirname, '../../packages/cli/src/bin.ts');
/** The flags of scripts/bootstrap.mjs. */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=16'];
const START_LIMIT_MS = 60_000;
/** The platform gives itself 30 s to stop. */
const STOP_LIMIT_MS = 35_000;
const MOST_LOG = 4_000;

export interface PlatformProcess {
  url: string;
  pid: number;
  adminToken: string;
  admin: Client;
  client(token: string): Client;
  /** Milliseconds from the launch to the first 200 of `/health`. */
  startedInMs: number;
  /** `performance.now()` of the launch. */
  launchedAt: number;
  stop(): Promise<void>;
}

export interface LaunchOptions {
  store: Store;
  settings: Settings;
  env?: Record<string, string>;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Status of a GET on a fresh connection; null when nobody answers. */
function askStatus(url: string): Promise<number | null> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? null);
    });
    request.on('error', () => resolve(null));
  });
}

/** A platform that had to be forced leaves its agents behind; their records name them. */
function endLeftAgents(dataDir: string): void {
  const folder = join(dataDir, 'workspaces');
  for (const id of readdirSync(folder)) {
    try {
      const { pid } = JSON.parse(readFileSync(join(folder, id, 'process.json'), 'utf8')) as { pid: number };
      process.kill(-pid, 'SIGKILL');
    } catch {
      // No record, or it ended by itself.
    }
  }
}

function keepLog(child: ChildProcess): () => string {
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-MOST_LOG);
    });
  return () => log;
}

function profileFlags(settings: Settings, store: Store): string[] {
  if (settings.profileDir === null) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${join(settings.profileDir, store.name)}`];
}

/**
 * Launches the platform and waits until it serves.
 * @throws with the end of its log when it ends or does not answer within a minute.
 */
export async function launchPlatform(stage: Stage, options: LaunchOptions): Promise<PlatformProcess> {
  const { store, settings } = options;
  const port = await findFreePort();
  const adminToken = randomBytes(32).toString('hex');
  const url = `http://127.0.0.1:${port}`;
  const launchedAt = performance.now();
  const child = spawn(process.execPath, [...NODE_FLAGS, ...profileFlags(settings, store), CLI, 'start'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      // As scripts/bootstrap.mjs sets them, for this process as well. Without compiled code of the last run the TypeScript parser of
      // Node is loaded, 11 MB.
      MALLOC_TRIM_THRESHOLD_: '131072',
      ...(process.env.NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE } : {}),
      PORT: String(port),
      ADMIN_TOKEN: adminToken,
      MOLECULE_DATA_DIR: store.dataDir,
      // The limiter works; it is only never reached.
      RATE_LIMIT: '1000000000',
      LOG_LEVEL: 'warn',
      ...(store.url === null ? {} : { DATABASE_URL: store.url }),
      ...options.env,
    },
  });
  const readLog = keepLog(child);
  let stopping: Promise<void> | null = null;
  const stop = () => {
    stopping ??= endProcess(child, STOP_LIMIT_MS).then((how) => {
      if (how === 'forced') endLeftAgents(store.dataDir);
    });
    return stopping;
  };
  stage.atEnd(stop);
  await until(START_LIMIT_MS, `the start of the platform (${store.name})`, async () => {
    if (child.exitCode !== null) throw new Error(`the platform (${store.name}) ended: ${readLog()}`);
    return (await askStatus(`${url}/health`)) === 200 ? true : null;
  });
  return {
    url,
    pid: child.pid as number,
    adminToken,
    admin: createClient({ baseUrl: url, token: adminToken }),
    client: (token) => createClient({ baseUrl: url, token }),
    startedInMs: performance.now() - launchedAt,
    launchedAt,
    stop,
  };
}
