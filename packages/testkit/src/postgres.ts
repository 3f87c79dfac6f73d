// A PostgreSQL server of its own for tests: Debian's binaries in a temporary folder, a free port, gone afterwards. It does not
// wait for the disk unless asked to.
// `MOLECULE_TEST_POSTGRES_URL` names a server to use instead; only the databases made here are touched.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

const BIN = '/usr/lib/postgresql/15/bin';

export interface TestPostgres {
  adminUrl: string;
  /** @returns the URL of a new, empty database. */
  createDatabase(template?: string): Promise<string>;
  dropDatabase(url: string): Promise<void>;
  /**
   * The name of a database to make others from, prepared once per server and name. It stays: every test file asks for it.
   * @param prepare fills an empty database, and closes its connections.
   */
  ensureTemplate(name: string, prepare: (url: string) => Promise<void>): Promise<string>;
  stop(): Promise<void>;
  /** Ends it as a crash does, and starts it again at the same address; only a server of our own can. */
  restart?(): Promise<void>;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** PostgreSQL refuses to run as root, so root runs it as the system's own user. */
function runAsPostgres(command: string[], cwd: string): void {
  const asRoot = process.getuid?.() === 0;
  const [file = '', ...args] = asRoot
    ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', ...command]
    : command;
  execFileSync(file, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

const nameOf = (url: string) => new URL(url).pathname.slice(1);

function connectTo(adminUrl: string, stop: () => Promise<void>): TestPostgres {
  async function runAsAdmin(statement: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const admin = new pg.Client(adminUrl);
    await admin.connect();
    try {
      return await admin.query(statement, values);
    } finally {
      await admin.end();
    }
  }

  async function createDatabase(template?: string): Promise<string> {
    const name = `test_${randomUUID().replaceAll('-', '')}`;
    await runAsAdmin(`create database ${name}${template ? ` template ${template}` : ''}`);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    return url.href;
  }

  async function dropDatabase(url: string): Promise<void> {
    await runAsAdmin(`drop database if exists "${nameOf(url)}" with (force)`);
  }

  const exists = async (name: string) =>
    (await runAsAdmin('select 1 from pg_database where datname = $1', [name])).rowCount === 1;

  return {
    adminUrl,
    createDatabase,
    dropDatabase,
    async ensureTemplate(name, prepare) {
      if (await exists(name)) return name;
      const url = await createDatabase();
      await prepare(url);
      // Test files that run at the same time may both have made one, and the rename decides.
      await runAsAdmin(`alter database ${nameOf(url)} rename to ${name}`).catch(async (error: unknown) => {
        if (!(await exists(name))) throw error;
        await dropDatabase(url);
      });
      return name;
    },
    stop,
  };
}

/**
 * @param options.durable commits wait for the disk, as in production; for benches.
 * @param options.own never the server the environment names: for tests that crash it.
 */
export async function startPostgres(options: { durable?: boolean; own?: boolean } = {}): Promise<TestPostgres> {
  const given = process.env.MOLECULE_TEST_POSTGRES_URL;
  if (given && !options.own) return connectTo(given, async () => {});
  const folder = mkdtempSync(join(tmpdir(), 'molecule-postgres-'));
  if (process.getuid?.() === 0) {
    const uid = Number(execFileSync('id', ['-u', 'postgres']).toString());
    const gid = Number(execFileSync('id', ['-g', 'postgres']).toString());
    chownSync(folder, uid, gid);
  }
  const data = join(folder, 'data');
  const port = await findFreePort();
  runAsPostgres(
    [join(BIN, 'initdb'), '-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8', '--locale=C'],
    folder,
  );
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder} -c fsync=${options.durable ? 'on' : 'off'} -c max_connections=300`;
  const start = () =>
    runAsPostgres([join(BIN, 'pg_ctl'), '-D', data, '-w', '-l', join(folder, 'log'), 'start', '-o', settings], folder);
  const end = () => runAsPostgres([join(BIN, 'pg_ctl'), '-D', data, '-m', 'immediate', 'stop'], folder);
  start();
  return {
    ...connectTo(`postgres://postgres@127.0.0.1:${port}/postgres`, async () => {
      end();
      rmSync(folder, { recursive: true, force: true });
    }),
    async restart() {
      end();
      start();
    },
  };
}
