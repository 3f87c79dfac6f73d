// Credentials on disk (chapter 40 §4): written whole or not at all, readable by the owner only, cached in memory.

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from './logger.ts';

const AUTH_TOKEN = '.auth_token';
const INBOUND_SECRET = '.platform_inbound_secret';
type Name = typeof AUTH_TOKEN | typeof INBOUND_SECRET;

/** A reader never sees a partial or world-readable file: it is renamed into place when it is complete. */
export function writeAtomically(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const file = openSync(partial, 'wx', 0o600);
    try {
      writeSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

export interface Credentials {
  authToken(): string | null;
  inboundSecret(): string | null;
  /** Empty values are ignored; an equal one is not written again. */
  saveAuthToken(token: string): void;
  saveInboundSecret(secret: string): void;
  /** Reads the files again: somebody else may have rotated them. */
  refresh(): void;
  /** `{authorization}`, or nothing while there is no token. */
  authHeaders(): Record<string, string>;
}

export function createCredentials(
  directory: string,
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Credentials {
  const cache = new Map<Name, string | null>();
  /** What the disk refused to take. */
  const held = new Map<Name, string>();
  let warned = false;

  function warnOnce(error: unknown): void {
    if (!warned) log.warn({ err: error }, 'credentials cannot be stored on disk; they are kept in memory only');
    warned = true;
  }

  function readFile(name: Name): string | null {
    try {
      return readFileSync(join(directory, name), 'utf8').trim() || null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') warnOnce(error);
      return null;
    }
  }

  function load(name: Name): string | null {
    if (!cache.has(name)) cache.set(name, held.get(name) ?? readFile(name));
    return cache.get(name) ?? null;
  }

  function save(name: Name, value: string): void {
    if (value === '') return;
    cache.set(name, value);
    if (readFile(name) === value) return;
    try {
      writeAtomically(join(directory, name), value);
      held.delete(name);
    } catch (error) {
      held.set(name, value);
      warnOnce(error);
    }
  }

  const authToken = () => load(AUTH_TOKEN) ?? (env.MOLECULE_WORKSPACE_TOKEN || null);
  return {
    authToken,
    inboundSecret: () => load(INBOUND_SECRET) ?? (env.MOLECULE_INBOUND_SECRET || null),
    saveAuthToken: (token) => save(AUTH_TOKEN, token),
    saveInboundSecret: (secret) => save(INBOUND_SECRET, secret),
    refresh: () => cache.clear(),
    authHeaders(): Record<string, string> {
      const token = authToken();
      return token === null ? {} : { authorization: `Bearer ${token}` };
    },
  };
}
