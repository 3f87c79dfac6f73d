// Credentials on disk (chapter 40 §4): written whole or not at all, readable by the owner only, cached in memory.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from './logger.ts';

const AUTH_TOKEN = '.auth_token';
const INBOUND_SECRET = '.platform_inbound_secret';

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

function readIfThere(path: string): string | null {
  if (!existsSync(path)) return null;
  return readFileSync(path, 'utf8').trim() || null;
}

export interface Credentials {
  authToken(): string | null;
  inboundSecret(): string | null;
  /** Empty values are ignored; an equal one is not written again. */
  saveAuthToken(token: string): void;
  saveInboundSecret(secret: string): void;
  /** Reads the files again: somebody else may have rotated them. */
  refresh(): void;
  authHeaders(): Record<string, string>;
}

export function createCredentials(
  configDir: string,
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Credentials {
  const paths = { [AUTH_TOKEN]: join(configDir, AUTH_TOKEN), [INBOUND_SECRET]: join(configDir, INBOUND_SECRET) };
  const values = new Map<string, string | null>();
  let warned = false;

  function load(name: typeof AUTH_TOKEN | typeof INBOUND_SECRET): string | null {
    if (!values.has(name)) values.set(name, readIfThere(paths[name]));
    return values.get(name) ?? null;
  }

  function save(name: typeof AUTH_TOKEN | typeof INBOUND_SECRET, value: string): void {
    if (value === '' || load(name) === value) return;
    values.set(name, value);
    try {
      writeAtomically(paths[name], value);
    } catch (error) {
      if (!warned)
        log.warn({ err: error }, 'the config directory cannot be written to; credentials are kept in memory only');
      warned = true;
    }
  }

  const credentials: Credentials = {
    authToken: () => load(AUTH_TOKEN) ?? env.MOLECULE_WORKSPACE_TOKEN ?? null,
    inboundSecret: () => load(INBOUND_SECRET) ?? env.MOLECULE_INBOUND_SECRET ?? null,
    saveAuthToken: (token) => save(AUTH_TOKEN, token),
    saveInboundSecret: (secret) => save(INBOUND_SECRET, secret),
    refresh: () => values.clear(),
    authHeaders() {
      const token = credentials.authToken();
      return token ? { authorization: `Bearer ${token}` } : {};
    },
  };
  return credentials;
}
