// The platform process: configuration → database → platform → listen → signals, and nothing else.
// A start that cannot succeed ends within a second with one line saying why and the command that mends it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPlatform, type Platform } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { announceOwner, type Database, DatabaseStartError, openDatabase } from './platform/db/index.ts';
import { createLog, type Logger } from './platform/log.ts';

const SHUTDOWN_LIMIT_MS = 30_000;

/** Ends the process with the cause and the way out. Nothing was written, or it was rolled back. */
function refuse(cause: string, hint: string): never {
  process.stderr.write(`molecule: ${cause}\n          ${hint}\n`);
  process.exit(1);
}

function explain(error: unknown, config: Config | null): never {
  if (error instanceof ConfigError) refuse(error.message, error.hint);
  if (error instanceof DatabaseStartError) refuse(error.message, error.hint);
  const code = (error as { code?: string } | null)?.code;
  if (code === 'EADDRINUSE')
    refuse(
      `port ${config?.port} on ${config?.host} is taken by another program`,
      `PORT=${(config?.port ?? 8080) + 1} npm start`,
    );
  if (code === 'EADDRNOTAVAIL') refuse(`${config?.host} is not an address of this machine`, 'HOST=127.0.0.1 npm start');
  if (code === 'EACCES') refuse(`not allowed to listen on port ${config?.port}`, 'PORT=8080 npm start');
  throw error;
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

async function start(config: Config, log: Logger): Promise<{ platform: Platform; db: Database; url: string }> {
  const db = await openDatabase({ url: config.databaseUrl, dataDir: config.dataDir, log });
  try {
    const platform = await createPlatform({ config, db, log, version: readVersion() });
    const { url } = await platform.listen();
    if (config.databaseUrl === null) announceOwner(config.dataDir, url);
    return { platform, db, url };
  } catch (error) {
    await db.close();
    throw error;
  }
}

function stopOnSignals(platform: Platform, db: Database, log: Logger): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    const limit = setTimeout(() => process.exit(1), SHUTDOWN_LIMIT_MS);
    limit.unref();
    try {
      await platform.close();
      await db.close();
      process.exit(0);
    } catch (error) {
      log.error({ err: error }, 'the platform did not stop cleanly');
      process.exit(1);
    }
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

async function announce(platform: Platform, config: Config, url: string): Promise<void> {
  const lines = ['', `  Molecule is running at ${url}`, ''];
  if (config.devHatch)
    lines.push(
      '  WARNING: development mode without ADMIN_TOKEN: every caller on this machine is an administrator.',
      '',
    );
  else
    lines.push(
      '  Sign in with this link (once, within 10 minutes):',
      `  ${(await platform.auth.createSignInLink(url)).url}`,
      '',
    );
  process.stdout.write(`${lines.join('\n')}\n`);
}

let config: Config | null = null;
try {
  config = readConfig();
  const log = createLog(config.logLevel);
  for (const warning of config.warnings) log.warn(warning);
  log.info(
    {
      concurrency: config.provisionConcurrency,
      backend: config.provisioner,
      store: config.databaseUrl ? 'postgres' : 'embedded',
    },
    'starting',
  );
  const { platform, db, url } = await start(config, log);
  stopOnSignals(platform, db, log);
  await announce(platform, config, url);
} catch (error) {
  explain(error, config);
}
