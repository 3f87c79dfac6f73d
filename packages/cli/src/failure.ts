// How a command fails: one line with the cause, one with what mends it, and an exit code that scripts can rely on.

import { ApiError, ERRORS } from '@molecule/contract';
import type { Target } from './environment.ts';
import { startCommand } from './shell.ts';

/** Documented in every `--help`; scripts depend on them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, unanswered: 4 } as const;

export interface Failure {
  message: string;
  /** What mends it, best as a command. */
  hint: string;
  exitCode: number;
  /** Stable: a code of the platform's, or `usage`, `network`, `timeout`, `not_molecule`, `failed`. */
  code: string;
}

export class CommandError extends Error implements Failure {
  readonly hint: string;
  readonly exitCode: number;
  readonly code: string;
  constructor(message: string, hint: string, exitCode: number = EXIT.failed, code = 'failed') {
    super(message);
    this.name = 'CommandError';
    this.hint = hint;
    this.exitCode = exitCode;
    this.code = code;
  }
}

export const usageError = (message: string, hint: string) => new CommandError(message, hint, EXIT.usage, 'usage');

function explainUnreachable(target: Target, code: 'network' | 'timeout'): Failure {
  const { url, urlSource, state } = target;
  const message =
    code === 'timeout'
      ? `the platform at ${url} does not answer in time`
      : state === 'starting'
        ? `the platform that owns ${target.dataDir} is just starting, or stopping`
        : `no platform answers at ${url}`;
  const hint =
    urlSource === 'given'
      ? 'check the address in --url or MOLECULE_URL; molecule doctor looks closer'
      : code === 'timeout' || state === 'starting'
        ? 'try again in a moment; molecule doctor looks closer'
        : `start it: ${startCommand(target)}`;
  return { message, hint, exitCode: EXIT.unreachable, code };
}

function explainRefusedToken({ tokenSource, url }: Target): Failure {
  const message =
    tokenSource === 'none'
      ? `the platform at ${url} wants a token, and none was found`
      : `the platform at ${url} does not accept the token from ${tokenSource}`;
  const hint =
    'name the folder of its data with --data-dir, or: MOLECULE_TOKEN=$(cat /path/.molecule/admin-token) molecule status';
  return { message, hint, exitCode: EXIT.failed, code: 'unauthenticated' };
}

function explainCode(error: ApiError): Failure {
  const row = ERRORS[error.code as keyof typeof ERRORS];
  const again = error.retryAfterSeconds === null ? 'in a moment' : `in ${error.retryAfterSeconds} seconds`;
  const hint = row.retryable ? `try again ${again} (${error.code})` : `${row.meaning} (${error.code})`;
  return { message: error.message, hint, exitCode: EXIT.failed, code: error.code };
}

const notMolecule = (url: string, detail: string): Failure => ({
  message: `what answers at ${url} is not Molecule (${detail})`,
  hint: 'check the address in --url or MOLECULE_URL; molecule doctor looks closer',
  exitCode: EXIT.unreachable,
  code: 'not_molecule',
});

/** @param target null when the command failed before it looked for a platform. */
export function describeFailure(error: unknown, target: Target | null): Failure {
  if (error instanceof CommandError) return error;
  if (target && error instanceof ApiError) {
    if (error.code === 'network' || error.code === 'timeout') return explainUnreachable(target, error.code);
    if (error.code === 'unknown') return notMolecule(target.url, `HTTP ${error.status}`);
    return error.status === 401 ? explainRefusedToken(target) : explainCode(error);
  }
  if (target && error instanceof SyntaxError) return notMolecule(target.url, 'it does not speak JSON');
  const message = error instanceof Error ? error.message : String(error);
  return {
    message,
    hint: 'molecule doctor checks this machine and the platform',
    exitCode: EXIT.failed,
    code: 'failed',
  };
}
