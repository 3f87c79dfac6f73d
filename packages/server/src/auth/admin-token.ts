// The break-glass token: from the environment, or generated at the first start and kept in a file only the owner can read.

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Logger } from '../platform/log.ts';
import { createSecret } from './credentials.ts';

/** Null only under the dev hatch, where nobody needs one. */
export function resolveAdminToken(config: Config, log: Logger): string | null {
  if (config.adminToken) return config.adminToken;
  if (config.devHatch) return null;
  const path = join(config.dataDir, 'admin-token');
  if (!existsSync(path)) {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    generate(path);
    log.info({ path }, 'generated an admin token');
  }
  // A copy or a restored backup may have opened it to others.
  chmodSync(path, 0o600);
  const token = readFileSync(path, 'utf8').trim();
  if (token === '') throw new Error(`${path} is empty; remove it and start again`);
  return token;
}

/** The file appears whole or not at all. */
function generate(path: string): void {
  const partial = `${path}.${process.pid}`;
  writeFileSync(partial, createSecret(), { mode: 0o600, flush: true });
  renameSync(partial, path);
}
