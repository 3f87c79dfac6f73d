// Where the CLI finds the platform: flags, then environment, then the data directory of this folder. Only reader of process.env here.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Client, createClient } from '@molecule/contract';

export interface Target {
  url: string;
  token: string | null;
  dataDir: string;
}

function readOwnerUrl(dataDir: string): string | null {
  const path = join(dataDir, 'owner.json');
  if (!existsSync(path)) return null;
  const owner = JSON.parse(readFileSync(path, 'utf8')) as { url?: string };
  return owner.url ?? null;
}

function readTokenFile(dataDir: string): string | null {
  const path = join(dataDir, 'admin-token');
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
}

/** `--url`/`MOLECULE_URL`, else the platform that owns the data directory, else the default address. */
export function findTarget(flags: { url?: string; token?: string; dataDir?: string }): Target {
  const dataDir = resolve(flags.dataDir ?? process.env.MOLECULE_DATA_DIR ?? '.molecule');
  return {
    url: (
      flags.url ??
      process.env.MOLECULE_URL ??
      readOwnerUrl(dataDir) ??
      `http://127.0.0.1:${process.env.PORT ?? 8080}`
    ).replace(/\/+$/, ''),
    token: flags.token ?? process.env.ADMIN_TOKEN ?? readTokenFile(dataDir),
    dataDir,
  };
}

export function connect(target: Target): Client {
  return createClient({ baseUrl: target.url, ...(target.token ? { token: target.token } : {}) });
}
