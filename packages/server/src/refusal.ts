// Why a start failed, as two lines for a person: the cause, and the command or setting that mends it.

import { type Config, ConfigError } from './config.ts';
import { DatabaseStartError } from './platform/db/start-error.ts';

export interface Refusal {
  /** Stable: `invalid_setting`, a code of the database's, `port_taken`, `no_such_address`, `port_forbidden`, `unwritable`, `failed`. */
  code: string;
  cause: string;
  remedy: string;
}

function explainListen(code: string, { host, port }: Config): Refusal | null {
  switch (code) {
    case 'EADDRINUSE':
      return {
        code: 'port_taken',
        cause: `port ${port} on ${host} is taken by another program`,
        remedy: `PORT=${port === 65_535 ? 8080 : port + 1} npm start`,
      };
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return {
        code: 'no_such_address',
        cause: `${host} is not an address of this machine`,
        remedy: 'HOST=127.0.0.1 npm start',
      };
    case 'EACCES':
      return {
        code: 'port_forbidden',
        cause: `this user may not listen on port ${port}`,
        remedy: 'PORT=8080 npm start',
      };
    default:
      return null;
  }
}

function explainFile(code: string, path: string): Refusal | null {
  switch (code) {
    case 'ENOSPC':
      return {
        code: 'disk_full',
        cause: `the disk under ${path} is full`,
        remedy: 'free some space, or choose another folder: MOLECULE_DATA_DIR=/path npm start',
      };
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return {
        code: 'unwritable',
        cause: `${path} cannot be used (${code})`,
        remedy: 'give it to this user, or set MOLECULE_DATA_DIR',
      };
    default:
      return null;
  }
}

/** @param config null when the configuration itself was refused. */
export function explainRefusal(error: unknown, config: Config | null): Refusal {
  if (error instanceof ConfigError) return { code: 'invalid_setting', cause: error.message, remedy: error.hint };
  if (error instanceof DatabaseStartError) return { code: error.code, cause: error.message, remedy: error.hint };
  const { code = '', syscall, path } = (error ?? {}) as { code?: string; syscall?: string; path?: string };
  const listening = syscall === 'listen' || syscall === 'getaddrinfo';
  const known = listening ? config && explainListen(code, config) : path ? explainFile(code, path) : null;
  return (
    known ?? {
      code: 'failed',
      cause: `the platform could not start: ${error instanceof Error ? error.message : String(error)}`,
      remedy: 'LOG_LEVEL=debug npm start shows where; molecule doctor checks this machine',
    }
  );
}
