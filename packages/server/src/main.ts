// The platform process: configuration → data directory → port → database → platform → listen → signals, and nothing else.
// A start that cannot succeed ends within a second with one line saying why and one with what mends it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Platform } from './app.ts';
import { type Config, readConfig } from './config.ts';
import { type DataLock, lockDataDir } from './platform/db/data-lock.ts';
import type { Database } from './platform/db/index.ts';
import { createLog, type Logger } from './platform/log.ts';
import { explainRefusal } from './refusal.ts';
import { applyTenantConfig } from './tenant-config.ts';

const SHUTDOWN_LIMIT_MS = 30_000;
/** A terminal and its parent may both pass the first Ctrl-C on; a later one is meant. */
const SECOND_SIGNAL_MS = 1_000;

export interface RunOptions {
  /** The environment of this process unless given. */
  env?: Readonly<Record<string, string | undefined>>;
  /** One JSON line on standard output instead of the text for people. */
  json?: boolean;
}

interface Running {
  platform: Platform;
  url: string;
}

/** What has to be undone at the end, newest first. */
type Cleanup = () => Promise<void> | void;

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

/** Before the database is created, so that a taken port leaves nothing behind. */
async function assertPortFree({ host, port }: Config): Promise<void> {
  if (port === 0) return;
  const probe = createServer().listen({ host, port });
  await once(probe, 'listening');
  probe.close();
  await once(probe, 'close');
}

/** The two halves of the work behind a start: a refusal does not wait for them, and neither waits for the other. */
async function loadAndOpen(config: Config, lock: DataLock, log: Logger, cleanups: Cleanup[]) {
  const open = async (): Promise<Database> => {
    const { openDatabase } = await import('./platform/db/index.ts');
    const db = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir, lock, log });
    cleanups.unshift(() => db.close());
    return db;
  };
  const [db, { createPlatform }] = await Promise.all([open(), import('./app.ts')]);
  return { db, createPlatform };
}

async function start(config: Config, log: Logger, cleanups: Cleanup[]): Promise<Running> {
  const lock = lockDataDir(config.dataDir);
  cleanups.unshift(() => lock.release());
  await assertPortFree(config);
  const { db, createPlatform } = await loadAndOpen(config, lock, log, cleanups);
  const platform = await createPlatform({ config, db, log, version: readVersion() });
  cleanups.unshift(() => platform.close());
  const { url } = await platform.listen();
  lock.announce(url);
  return { platform, url };
}

async function describe({ platform, url }: Running, config: Config) {
  return {
    ok: true,
    url,
    sign_in_url: config.devHatch ? null : (await platform.auth.createSignInLink(url)).url,
    ready_ms: Math.round(performance.now()),
    pid: process.pid,
    data_dir: config.dataDir,
    store: config.databaseUrl === null ? 'embedded' : 'postgres',
    backend: config.provisioner,
  };
}

type Description = Awaited<ReturnType<typeof describe>>;

function greet({ url, sign_in_url, ready_ms }: Description): string {
  const access = sign_in_url
    ? `  Sign in with this link (once, within 10 minutes):\n  ${sign_in_url}`
    : '  WARNING: development mode without ADMIN_TOKEN: every caller on this machine is an administrator.';
  return `\n  Molecule is running at ${url} (ready in ${ready_ms} ms)\n\n${access}\n\n  Ctrl-C stops it and every agent.\n`;
}

function warn(config: Config, log: Logger): void {
  for (const warning of config.warnings) log.warn(warning);
  if (config.devHatch) log.warn('development mode without ADMIN_TOKEN: whoever reaches this port is an administrator');
  log.info(
    {
      concurrency: config.provisionConcurrency,
      backend: config.provisioner,
      store: config.databaseUrl ? 'postgres' : 'embedded',
    },
    'starting',
  );
}

/** Runs until a signal ends it, or ends the process with a refusal. */
export async function runPlatform({ env, json = false }: RunOptions = {}): Promise<void> {
  const cleanups: Cleanup[] = [];
  let config: Config | null = null;
  let log: Logger | null = null;
  let stoppedAt: number | null = null;

  async function stop(exitCode: number): Promise<never> {
    setTimeout(() => {
      log?.error(`the platform did not stop within ${SHUTDOWN_LIMIT_MS / 1000} seconds`);
      process.exit(1);
    }, SHUTDOWN_LIMIT_MS).unref();
    try {
      for (let cleanup = cleanups.shift(); cleanup; cleanup = cleanups.shift()) await cleanup();
      process.exit(exitCode);
    } catch (error) {
      log?.error({ err: error }, 'the platform did not stop cleanly; the next start repairs what is left');
      process.exit(1);
    }
  }

  function onSignal(signal: NodeJS.Signals): void {
    if (stoppedAt !== null) {
      if (performance.now() - stoppedAt > SECOND_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppedAt = performance.now();
    log?.info({ signal }, 'stopping');
    void stop(0);
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // A terminal that was closed takes no more words; stopping goes on.
  process.stdout.on('error', () => {});
  try {
    config = readConfig(env);
    log = createLog(config.logLevel);
    config = await applyTenantConfig(config, env, log);
    warn(config, log);
    const description = await describe(await start(config, log, cleanups), config);
    process.stdout.write(json ? `${JSON.stringify(description)}\n` : greet(description));
  } catch (error) {
    // What a signal interrupted fails in its own way; that is no refusal.
    if (stoppedAt !== null) return;
    log?.debug({ err: error }, 'the start failed');
    const { code, cause, remedy } = explainRefusal(error, config);
    if (json)
      process.stdout.write(`${JSON.stringify({ ok: false, code, error: cause, hint: remedy, exit_code: 1 })}\n`);
    else process.stderr.write(`molecule: ${cause}\n          ${remedy}\n`);
    await stop(1);
  }
}

if (import.meta.main) await runPlatform();
