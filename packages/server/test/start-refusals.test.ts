// Starts that cannot succeed: the real process says within a second what is wrong and what mends it, and leaves nothing half-made.

import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildError, buildMessage, buildWelcome } from '@molecule/server/platform/db/embedded/wire';
import { openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import { chosenStore, createDataDir, mountSmallDisk, startPostgres } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findFreePort, startPlatformProcess } from './platform-process.ts';
import { type Ended, MAIN, runToEnd } from './start-process.ts';

const BOOTSTRAP = join(import.meta.dirname, '../../../scripts/bootstrap.mjs');
const KEY = 'k'.repeat(32);

let folder: string;
let dataDir: string;
const cleanups: (() => unknown)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'molecule-start-'));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A start in a new data directory, unless the environment names one. */
async function start(env: Record<string, string>): Promise<Ended> {
  dataDir = env.MOLECULE_DATA_DIR ?? mkdtempSync(join(folder, 'data-'));
  const PORT = String(await findFreePort());
  return await runToEnd([MAIN], { MOLECULE_DATA_DIR: dataDir, PORT, MOLECULE_PROVISIONER: 'none', ...env });
}

/** Processor time of a refusal that is due before anything is loaded, and of one that has to open the database first. */
const BARE_CPU_MS = 600;
const DATABASE_CPU_MS = 2_500;
const isBusyMachine = () => (loadavg()[0] ?? 0) > availableParallelism() / 2;

/** Two lines, exit code 1, nothing on standard output, within a second of a machine that has nothing else to do. */
function expectRefusal(
  { code, said, stdout, cpuMs, wallMs }: Ended,
  cause: string | RegExp,
  remedy: string | RegExp,
  mostCpuMs = BARE_CPU_MS,
): void {
  expect(said).toEqual([
    typeof cause === 'string' ? `molecule: ${cause}` : expect.stringMatching(cause),
    typeof remedy === 'string' ? `          ${remedy}` : expect.stringMatching(remedy),
  ]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(cpuMs).toBeLessThan(mostCpuMs);
  if (!isBusyMachine()) expect(wallMs).toBeLessThan(1_000);
}

/** Neither database nor token nor key: the lock, which is empty, is all that may be there. */
function expectUntouched(dir = dataDir): void {
  expect(existsSync(dir) ? readdirSync(dir).filter((name) => name !== 'lock.sqlite') : []).toEqual([]);
}

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A PostgreSQL of another version, as far as a client sees that asks for nothing else: startup, then one row of two texts. */
function speakAsVersion(...version: [number: string, name: string]) {
  const int16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
  const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 0xffff)]);
  const column = (name: string) =>
    Buffer.concat([Buffer.from(`${name}\0`), Buffer.alloc(6), int32(25), Buffer.alloc(8)]);
  const cell = (text: string) => Buffer.concat([int32(text.length), Buffer.from(text)]);
  const row = Buffer.concat([
    buildMessage('T', int16(2), column('server_version_num'), column('server_version')),
    buildMessage('D', int16(2), ...version.map(cell)),
    buildMessage('C', Buffer.from('SELECT 1\0')),
    buildMessage('Z', Buffer.from('I')),
  ]);
  return (socket: Socket) =>
    void socket.once('data', () => {
      socket.write(buildWelcome(1, version[1]));
      socket.once('data', () => socket.write(row));
    });
}

/** Most starts never get as far as a store, so one pass over them is enough. */
const isSecondPass = chosenStore() === 'postgres';

describe.skipIf(isSecondPass)('a setting nobody can start with', () => {
  it.each<[string, Record<string, string>, RegExp | string, RegExp | string]>([
    [
      'HOST off loopback without ADMIN_TOKEN',
      { HOST: '0.0.0.0' },
      'HOST=0.0.0.0 is reachable from other machines, so ADMIN_TOKEN must be set',
      'ADMIN_TOKEN=$(openssl rand -hex 32) npm start',
    ],
    [
      'the dev hatch off loopback',
      { HOST: '0.0.0.0', MOLECULE_ENV: 'development' },
      /^molecule: The development mode without ADMIN_TOKEN may not listen on 0\.0\.0\.0$/,
      'ADMIN_TOKEN=$(openssl rand -hex 32) npm start',
    ],
    [
      'a secrets key that is none',
      { SECRETS_ENCRYPTION_KEY: 'short' },
      'SECRETS_ENCRYPTION_KEY must be 32 bytes, raw or base64',
      'SECRETS_ENCRYPTION_KEY=$(openssl rand -base64 32) npm start',
    ],
    [
      'CORS open to everybody',
      { CORS_ORIGINS: 'https://canvas.example,*' },
      /^molecule: CORS_ORIGINS may not be \*/,
      'CORS_ORIGINS=https://canvas.example npm start',
    ],
    [
      'an unknown backend',
      { MOLECULE_PROVISIONER: 'bogus' },
      /^molecule: MOLECULE_PROVISIONER=bogus is not a backend of this version \(process, docker, control-plane, kubernetes, none\)$/,
      'MOLECULE_PROVISIONER=process npm start',
    ],
    ['a port that is none', { PORT: '80800' }, 'PORT=80800 is not a port number', 'PORT=8080 npm start'],
    [
      'an address of another machine',
      { HOST: '192.0.2.1', ADMIN_TOKEN: 'x'.repeat(32) },
      '192.0.2.1 is not an address of this machine',
      'HOST=127.0.0.1 npm start',
    ],
  ])('%s', async (_name, env, cause, remedy) => {
    expectRefusal(await start(env), cause, remedy);
    expectUntouched();
  });

  it('production without a token, or without a key', async () => {
    const production = { MOLECULE_ENV: 'production' };
    expectRefusal(
      await start({ ...production, SECRETS_ENCRYPTION_KEY: KEY }),
      'Production needs ADMIN_TOKEN',
      'ADMIN_TOKEN=$(openssl rand -hex 32) npm start',
    );
    expectUntouched();
    expectRefusal(
      await start({ ...production, ADMIN_TOKEN: 'x'.repeat(32) }),
      'Production needs SECRETS_ENCRYPTION_KEY (32 bytes, raw or base64)',
      'SECRETS_ENCRYPTION_KEY=$(openssl rand -base64 32) npm start',
    );
    expectUntouched();
  });
});

describe.skipIf(isSecondPass)('a port', () => {
  it('that another program has is named, with a command that takes the next one', async () => {
    const port = await listen(createServer());
    expectRefusal(
      await start({ PORT: String(port) }),
      `port ${port} on 127.0.0.1 is taken by another program`,
      `PORT=${port + 1} npm start`,
    );
    expectUntouched();
  });
});

// On a machine that is busy with other things.
describe.skipIf(isSecondPass)('a data directory', { timeout: 60_000 }, () => {
  it('that another Molecule holds: the second says where the first is running, and the first goes on', async () => {
    const env = { PORT: String(await findFreePort()), MOLECULE_DATA_DIR: await createDataDir(folder) };
    const first = await startPlatformProcess({ ...env, MOLECULE_PROVISIONER: 'none' });
    cleanups.push(() => first.end('SIGKILL'));
    const second = await start(env);
    expectRefusal(
      second,
      /^molecule: already running at http:\/\/127\.0\.0\.1:\d+ \(process \d+ holds /,
      /^ {10}open http:\/\/127\.0\.0\.1:\d+, or start a second one apart: MOLECULE_DATA_DIR=\.molecule-2 PORT=8081 npm start$/,
    );
    expect(second.said[0]).toContain(first.url);
    expect(await first.admin.health()).toMatchObject({ status: 'ok' });
  });

  it('that cannot be made', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const dir = join(file, 'data');
    expectRefusal(
      await start({ MOLECULE_DATA_DIR: dir }),
      `${dir} cannot be written to (ENOTDIR)`,
      'choose another folder: MOLECULE_DATA_DIR=/path npm start',
    );
  });

  it('on a disk that may only be read', async (context) => {
    const disk = mountSmallDisk(1, { readOnly: true });
    if (!disk) return context.skip('only root may mount a disk');
    cleanups.push(disk.remove);
    const dir = join(disk.path, 'data');
    expectRefusal(
      await start({ MOLECULE_DATA_DIR: dir }),
      `${dir} cannot be written to (EROFS)`,
      'choose another folder: MOLECULE_DATA_DIR=/path npm start',
    );
  });

  it('on a full disk, and on one too small to begin', async (context) => {
    const disk = mountSmallDisk(30);
    if (!disk) return context.skip('only root may mount a disk');
    cleanups.push(disk.remove);
    const dir = join(disk.path, 'data');
    mkdirSync(dir);
    const remedy = 'free some space, or choose another folder: MOLECULE_DATA_DIR=/path npm start';
    expectRefusal(
      await start({ MOLECULE_DATA_DIR: dir }),
      `the disk under ${dir} is full: 31 MB free, 201 MB needed`,
      remedy,
      DATABASE_CPU_MS,
    );
    expectUntouched();
    disk.fillUpTo(0);
    expectRefusal(await start({ MOLECULE_DATA_DIR: dir }), /^molecule: the disk under .* is full/, `${remedy}`);
    disk.empty();
    expectUntouched();
  });

  it('that holds nonsense instead of a database', async () => {
    const dir = mkdtempSync(join(folder, 'broken-'));
    mkdirSync(join(dir, 'db'));
    writeFileSync(join(dir, 'db/PG_VERSION'), '18\n');
    expectRefusal(
      await start({ MOLECULE_DATA_DIR: dir }),
      /^molecule: the database in .*\/db cannot be opened: /,
      'restore a backup of the data directory, or move it aside to start empty',
      DATABASE_CPU_MS,
    );
    expect(readdirSync(join(dir, 'db'))).toContain('PG_VERSION');
  });

  it('written by a newer Molecule: refused and left as it is', async () => {
    const dir = await createDataDir(folder);
    const use = async (statement: string) => {
      const db = await openDatabase({ url: null, dataDir: dir, log: createLog('silent') });
      const { rows } = await db.pool.query(statement);
      await db.close();
      return rows;
    };
    await use("insert into schema_migrations (filename) values ('9900_future.sql')");
    expectRefusal(
      await start({ MOLECULE_DATA_DIR: dir }),
      'the database was written by a newer Molecule (9900_future.sql)',
      'update this checkout: git pull && npm start',
      DATABASE_CPU_MS,
    );
    expect(readdirSync(dir).filter((name) => ['admin-token', 'secrets-key'].includes(name))).toEqual([]);
    expect(await use('select filename from schema_migrations order by filename desc limit 1')).toEqual([
      { filename: '9900_future.sql' },
    ]);
  });
});

describe('DATABASE_URL', { timeout: 60_000 }, () => {
  const UNSET = 'mend DATABASE_URL, or unset it to use the embedded database';

  it('where nobody listens', async () => {
    const port = await findFreePort();
    expectRefusal(
      await start({ DATABASE_URL: `postgres://me:hidden@127.0.0.1:${port}/molecule` }),
      `PostgreSQL at 127.0.0.1:${port} cannot be used (ECONNREFUSED)`,
      `start it, ${UNSET}`,
      DATABASE_CPU_MS,
    );
    expectUntouched();
  });

  it('where somebody listens who says nothing', async () => {
    const port = await listen(createServer((socket) => void cleanups.push(() => socket.destroy())));
    const refused = await start({ DATABASE_URL: `postgres://me@127.0.0.1:${port}/molecule` });
    // The time the server is given to answer comes on top.
    expectRefusal(
      { ...refused, wallMs: refused.wallMs - 900 },
      `PostgreSQL at 127.0.0.1:${port} cannot be used (no reply in time)`,
      `start it, ${UNSET}`,
      DATABASE_CPU_MS,
    );
    expectUntouched();
  });

  it('that is no address of a database', async () => {
    expectRefusal(
      await start({ DATABASE_URL: 'mysql://127.0.0.1/molecule' }),
      'DATABASE_URL is not the address of a PostgreSQL database',
      /^ {10}write it as postgres:\/\/user:password@host:5432\/database/,
      DATABASE_CPU_MS,
    );
    expectUntouched();
  });

  it('of a server that refuses the password', async () => {
    const refusal = buildError('28P01', 'password authentication failed for user "me"', 'FATAL');
    const port = await listen(createServer((socket) => void socket.once('data', () => socket.end(refusal))));
    const refused = await start({ DATABASE_URL: `postgres://me:hidden@127.0.0.1:${port}/molecule` });
    expectRefusal(
      refused,
      `PostgreSQL at 127.0.0.1:${port} refuses the user or the password of DATABASE_URL`,
      UNSET,
      DATABASE_CPU_MS,
    );
    expectUntouched();
  });

  it('of a server that is too old', async () => {
    const port = await listen(createServer(speakAsVersion('140010', '14.10')));
    expectRefusal(
      await start({ DATABASE_URL: `postgres://me@127.0.0.1:${port}/molecule` }),
      'PostgreSQL 14.10 is too old: Molecule needs 15 or newer',
      'upgrade it, or unset DATABASE_URL to use the embedded database',
      DATABASE_CPU_MS,
    );
    expectUntouched();
  });

  it.skipIf(!isSecondPass)('of a database that does not exist', async () => {
    const postgres = await startPostgres();
    cleanups.push(postgres.stop);
    const url = new URL(postgres.adminUrl);
    url.pathname = '/not_there';
    expectRefusal(
      await start({ DATABASE_URL: url.href }),
      `PostgreSQL at ${url.host} has no database called not_there`,
      `create it (createdb not_there), or ${UNSET}`,
      DATABASE_CPU_MS,
    );
    expectUntouched();
  });
});

describe.skipIf(isSecondPass)('npm start', () => {
  it('under a Node.js that is too old says so, and which is needed', async () => {
    const old = join(folder, 'old-node.mjs');
    writeFileSync(
      old,
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '16.20.2' } });",
    );
    expectRefusal(
      await runToEnd([`--import=${old}`, BOOTSTRAP, 'start'], {}),
      'Node.js 16.20.2 is too old to install packages',
      'install Node.js 18 or newer from your system, then run the command again',
    );
  });
});
