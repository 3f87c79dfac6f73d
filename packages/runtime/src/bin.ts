#!/usr/bin/env node
// The `molecule-runtime` process: boot, signals, exit codes (chapter 40 §2). 2 = no identity, 1 = cannot start, 3 = deleted.

import { boot, PreflightError, type RunningAgent } from './boot.ts';
import { ConfigError } from './config.ts';
import { MissingIdentityError, type RuntimeEnvironment, readEnvironment } from './environment.ts';
import { createLogger } from './logger.ts';

function fail(code: number, lines: string[]): never {
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exit(code);
}

function readOrFail(): RuntimeEnvironment {
  try {
    return readEnvironment();
  } catch (error) {
    if (error instanceof MissingIdentityError) fail(2, [error.hint]);
    throw error;
  }
}

const environment = readOrFail();
const log = createLogger(environment.logLevel, { ws: environment.workspaceId.slice(0, 8) });
let agent: RunningAgent | null = null;

async function stop(code: number): Promise<void> {
  const running = agent;
  agent = null;
  if (running) await running.stop();
  process.exit(code);
}

try {
  agent = await boot({ environment, log, onDeleted: () => void stop(3) });
} catch (error) {
  // One line a finding: the platform shows these words on the card.
  if (error instanceof PreflightError)
    fail(
      1,
      error.issues.map((issue) => `FAIL ${issue.title}: ${issue.detail} — ${issue.fix}`),
    );
  if (error instanceof ConfigError) fail(1, [`FAIL Configuration: ${error.message} — mend the file, then restart`]);
  if ((error as { code?: string }).code === 'EADDRINUSE')
    fail(1, [`FAIL Port in use: ${environment.port ?? 'a2a.port'} is taken (EADDRINUSE) — restart to get another`]);
  log.fatal({ err: error }, 'the agent could not start');
  process.exit(1);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0));
