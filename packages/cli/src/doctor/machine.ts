// What a platform on this machine needs: Node.js, a data directory, disk space, a free port. Looks only, changes nothing.

import { once } from 'node:events';
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { Target } from '../environment.ts';
import { quote } from '../shell.ts';
import { type Finding, note, ok, problem } from './finding.ts';

const NEEDED_NODE = 24;
/** An embedded database and a handful of agents grow by about this much in a busy month. */
const ROOMY_BYTES = 1_000_000_000;
/** With less the embedded database refuses writes. */
const SCARCE_BYTES = 300_000_000;

export function checkNode(version = process.versions.node): Finding {
  const major = Number(version.split('.')[0]);
  if (major >= NEEDED_NODE) return ok('node', `Node.js ${version}`);
  return problem('node', `Node.js ${version}; ${NEEDED_NODE} is needed`, 'npm start, which brings its own Node.js');
}

/** The folder itself, or the nearest one above it that exists. */
function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

function checkToken(dataDir: string): Finding[] {
  const path = join(dataDir, 'admin-token');
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) === 0) return [];
  return [problem('admin token', `${path} can be read by other users`, `chmod 600 ${quote(path)}`)];
}

export function checkDataDir({ dataDir }: Target): Finding[] {
  const folder = nearestFolder(dataDir);
  if (!statSync(folder).isDirectory())
    return [problem('data directory', `${folder} is a file`, 'set MOLECULE_DATA_DIR to a folder')];
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch {
    return [
      problem(
        'data directory',
        `${folder} is not writable for this user`,
        `chown -R "$(id -un)" ${quote(folder)}, or set MOLECULE_DATA_DIR to another folder`,
      ),
    ];
  }
  if (folder !== dataDir) return [note('data directory', `${dataDir} does not exist yet`, 'npm start creates it')];
  return [ok('data directory', dataDir), ...checkToken(dataDir)];
}

export function checkDisk({ dataDir }: Target): Finding {
  const { bavail, bsize } = statfsSync(nearestFolder(dataDir));
  const free = bavail * bsize;
  const detail = `${(free / 1e9).toFixed(1)} GB free`;
  const fix = `free at least 1 GB on the disk of ${dataDir}`;
  if (free < SCARCE_BYTES) return problem('disk', detail, fix);
  return free < ROOMY_BYTES ? note('disk', detail, fix) : ok('disk', detail);
}

/** Only asked when no platform answers: whether one could be started there. */
export async function checkPort({ url }: Target): Promise<Finding> {
  const { hostname, port: given } = new URL(url);
  const port = Number(given || 80);
  const server = createServer();
  try {
    await once(server.listen({ host: hostname.replace(/^\[|\]$/g, ''), port }), 'listening');
    return ok('port', `${port} is free`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EADDRINUSE'
      ? problem('port', `${port} is taken by another program`, `PORT=${port === 65_535 ? 8080 : port + 1} npm start`)
      : problem('port', `${port} on ${hostname} cannot be used (${code})`, 'PORT=8080 HOST=127.0.0.1 npm start');
  } finally {
    server.close();
  }
}
