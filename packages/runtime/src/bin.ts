#!/usr/bin/env node
// The `molecule-runtime` process: boot, signals, exit codes (chapter 40 §2). 2 = no identity, 1 = cannot start, 3 = deleted.

import type { PreflightIssue } from './adapters/adapter.ts';
import { boot, PreflightError, type RunningAgent } from './boot.ts';
import { ConfigError } from './config.ts';
import { MissingIdentityError, type RuntimeEnvironment, readEnvironment } from './environment.ts';
import { createLogger, createRedactor } from './logger.ts';

function fail(code: number, lines: string[]): never {
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exit(code);
}

/** The platform shows the lines from FAIL on, with what is indented below, on the card of the workspace. */
const describe = ({ title, detail, fix }: Pick<PreflightIssue, 'title' | 'detail' | 'fix'>): string[] => [
  `FAIL ${title}`,
  `     ${detail}`,
  `     fix: ${fix}`,
];

function readOrFail(): RuntimeEnvironment {
  try {
    return readEnvironment();
  } catch (error) {
    if (error instanceof MissingIdentityError) fail(2, [error.hint]);
    throw error;
  }
}

const environment = readOrFail();
const log = createLogger({
  level: environment.logLevel,
  bindings: { ws: environment.workspaceId.slice(0, 8) },
  redact: createRedactor(environment.all),
});
let agent: RunningAgent | null = null;

async function stop(code: number): Promise<void> {
  const running = agent;
  agent = null;
  if (running) await running.stop();
  process.exit(code);
}

try {
  agent = await boot({ environment, log, exit: (code) => process.exit(code), onDeleted: () => void stop(3) });
} catch (error) {
  if (error instanceof PreflightError) fail(1, error.issues.flatMap(describe));
  if (error instanceof ConfigError)
    fail(1, describe({ title: 'Configuration', detail: error.message, fix: 'mend config.yaml, then restart' }));
  if ((error as { code?: string }).code === 'EADDRINUSE')
    fail(
      1,
      describe({
        title: 'Port in use',
        detail: `${environment.port ?? 'a2a.port'} is taken (EADDRINUSE)`,
        fix: 'restart to get another port',
      }),
    );
  log.fatal({ err: error }, 'the agent could not start');
  process.exit(1);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0));
