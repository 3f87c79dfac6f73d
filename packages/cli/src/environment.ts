// Where the CLI finds the platform and its token: flags, then environment, then the data directory. Only reader of process.env here.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Client, createClient } from '@molecule/contract';
import { CommandError, usageError } from './failure.ts';

export interface TargetFlags {
  url?: string;
  token?: string;
  dataDir?: string;
}

export interface Target {
  url: string;
  /** `given` by flag or environment, by the `owner` file of the data directory, or the `default` address. */
  urlSource: 'given' | 'owner' | 'default';
  token: string | null;
  /** Where the token comes from, as a person would name it; `none` without one. */
  tokenSource: string;
  dataDir: string;
  isDefaultDataDir: boolean;
  /** What the owner file says; `starting` has no address yet, and a killed platform leaves `serving` behind. */
  state: 'absent' | 'starting' | 'serving';
}

const DEFAULT_DATA_DIR = '.molecule';

/** Unset and blank are the same. */
function variable(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new CommandError(
      `${path} cannot be read (${code})`,
      'run as the user who started the platform, or set MOLECULE_URL and MOLECULE_TOKEN',
    );
  }
}

function readOwner(dataDir: string): { state: Target['state']; url: string | null } {
  const text = readText(join(dataDir, 'owner.json'));
  if (text === null) return { state: 'absent', url: null };
  try {
    const { url } = JSON.parse(text) as { url?: unknown };
    return typeof url === 'string' ? { state: 'serving', url } : { state: 'starting', url: null };
  } catch {
    // Half a file says no more than none.
    return { state: 'absent', url: null };
  }
}

function parseUrl(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw usageError(`${text} is not an address`, 'molecule status --url http://127.0.0.1:8080');
  return text.replace(/\/+$/, '');
}

const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;
const isLoopback = (url: string) => LOOPBACK.test(new URL(url).hostname);

/** The file's token belongs to the platform of this data directory: it never travels to an address on another machine. */
function findToken(flags: TargetFlags, dataDir: string, mayUseFile: boolean): Pick<Target, 'token' | 'tokenSource'> {
  if (flags.token) return { token: flags.token, tokenSource: '--token' };
  for (const name of ['MOLECULE_TOKEN', 'ADMIN_TOKEN']) {
    const token = variable(name);
    if (token) return { token, tokenSource: name };
  }
  const path = join(dataDir, 'admin-token');
  const token = mayUseFile ? readText(path)?.trim() : null;
  return token ? { token, tokenSource: path } : { token: null, tokenSource: 'none' };
}

/** @throws CommandError for an address that is none, or a file of the data directory that this user may not read. */
export function findTarget(flags: TargetFlags): Target {
  const wantedDir = flags.dataDir ?? variable('MOLECULE_DATA_DIR');
  const dataDir = resolve(wantedDir ?? DEFAULT_DATA_DIR);
  const given = flags.url ?? variable('MOLECULE_URL');
  const owner = given === undefined ? readOwner(dataDir) : { state: 'absent' as const, url: null };
  const url = parseUrl(given ?? owner.url ?? `http://127.0.0.1:${variable('PORT') ?? 8080}`);
  return {
    url,
    urlSource: given !== undefined ? 'given' : owner.url !== null ? 'owner' : 'default',
    ...findToken(flags, dataDir, given === undefined || isLoopback(url)),
    dataDir,
    isDefaultDataDir: dataDir === resolve(DEFAULT_DATA_DIR),
    state: owner.state,
  };
}

export interface SeatFlags {
  platformUrl?: string;
  token?: string;
  stateDir?: string;
}

/** What a program needs to hold a seat (chapter 20 §12.1): the snippets' variables, else what other commands find. */
export function findSeat(flags: SeatFlags, workspaceId: string) {
  const given = flags.platformUrl ?? variable('PLATFORM_URL');
  const { url } = findTarget(given === undefined ? {} : { url: given });
  const home = variable('HOME') ?? homedir();
  return {
    url,
    /** Null: the one in the state folder. */
    token: flags.token ?? variable('MOLECULE_WORKSPACE_TOKEN') ?? null,
    stateDir: resolve(flags.stateDir ?? join(home, '.molecule', 'connect', workspaceId)),
    uploadsDir: resolve(variable('MOLECULE_UPLOADS_DIR') ?? join(home, '.molecule', 'uploads', workspaceId)),
  };
}

const OWN_SECRETS = new Set(['MOLECULE_WORKSPACE_TOKEN', 'MOLECULE_TOKEN', 'ADMIN_TOKEN']);

/** For the person's own programs: everything but the keys to the platform. */
export function handlerEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN_SECRETS.has(name)));
}

/** True when the data directory of this machine is the platform's. */
export function isOnThisMachine(target: Target): boolean {
  return target.urlSource !== 'given' || isLoopback(target.url);
}

export function connect({ url, token }: Target): Client {
  return createClient({ baseUrl: url, ...(token === null ? {} : { token }) });
}

/** The environment of a platform to start, with what the flags say instead. */
export function startEnvironment(flags: { port?: string; host?: string; dataDir?: string }): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...(flags.port === undefined ? {} : { PORT: flags.port }),
    ...(flags.host === undefined ? {} : { HOST: flags.host }),
    ...(flags.dataDir === undefined ? {} : { MOLECULE_DATA_DIR: flags.dataDir }),
  };
}
