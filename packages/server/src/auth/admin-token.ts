// The break-glass token: from the environment, or generated at the first start and kept in a file only the owner can read.

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Logger } from '../platform/log.ts';
import { createSecret } from './credentials.ts';

/** Null only under the dev hatch, where nobody needs one. */
export function resolveAdminToken(config: Config, log: Logger): string | null {
  if (config.adminToken) return config.adminToken;
  if (config.devHatch) return null;
  const path = join(config.dataDir, 'admin-token');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const token = createSecret();
  const file = openSync(path, 'wx', 0o600);
  writeSync(file, token);
  closeSync(file);
  log.info({ path }, 'generated an admin token');
  return token;
}
