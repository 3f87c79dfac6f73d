// PostgreSQL by DATABASE_URL, and honest words when it cannot be used.

import pg from 'pg';
import {
  type Connector,
  createPool,
  type DatabaseOptions,
  IDLE_TRANSACTION_MS,
  parsers,
  QUERY_TIMEOUT_MS,
} from './connector.ts';
import { DatabaseStartError } from './start-error.ts';

const POOL_SIZE = 20;
/** A start that cannot succeed says so within a second. */
const FIRST_CONNECT_TIMEOUT_MS = 900;
const OLDEST_VERSION = 15;

const MEND_OR_UNSET = 'mend DATABASE_URL, or unset it to use the embedded database';

/** Host and port only: the connection string may hold a password. @throws DatabaseStartError when it is none. */
function describeServer(url: string): { server: string; database: string } {
  try {
    const { protocol, hostname, port, pathname } = new URL(url);
    if (protocol !== 'postgres:' && protocol !== 'postgresql:') throw new Error('another protocol');
    return {
      server: hostname ? `${hostname}:${port || 5432}` : 'the local socket',
      database: decodeURIComponent(pathname.slice(1)),
    };
  } catch {
    throw new DatabaseStartError(
      'unreachable',
      'DATABASE_URL is not the address of a PostgreSQL database',
      'write it as postgres://user:password@host:5432/database, or unset it to use the embedded database',
    );
  }
}

function explainRefusal(error: unknown, url: string): DatabaseStartError {
  const { server, database } = describeServer(url);
  const { code = '', message } = error as Error & { code?: string };
  if (code.startsWith('28'))
    return new DatabaseStartError(
      'unreachable',
      `PostgreSQL at ${server} refuses the user or the password of DATABASE_URL`,
      MEND_OR_UNSET,
    );
  if (code === '3D000')
    return new DatabaseStartError(
      'unreachable',
      `PostgreSQL at ${server} has no database called ${database}`,
      `create it (createdb ${database}), or ${MEND_OR_UNSET}`,
    );
  return new DatabaseStartError(
    'unreachable',
    `PostgreSQL at ${server} cannot be used (${code || (message.includes('timeout') ? 'no reply in time' : message)})`,
    `start it, ${MEND_OR_UNSET}`,
  );
}

/** One connection, before anything else, so that a wrong address is told apart from a slow pool. */
async function probe(settings: pg.ClientConfig, url: string): Promise<void> {
  const client = new pg.Client({
    ...settings,
    connectionTimeoutMillis: FIRST_CONNECT_TIMEOUT_MS,
    query_timeout: FIRST_CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version_num: string; server_version: string }>(
      "select current_setting('server_version_num') server_version_num, current_setting('server_version') server_version",
    );
    if (Number(rows[0]?.server_version_num) < OLDEST_VERSION * 10_000)
      throw new DatabaseStartError(
        'too_old',
        `PostgreSQL ${rows[0]?.server_version} is too old: Molecule needs ${OLDEST_VERSION} or newer`,
        'upgrade it, or unset DATABASE_URL to use the embedded database',
      );
  } catch (error) {
    throw error instanceof DatabaseStartError ? error : explainRefusal(error, url);
  } finally {
    await client.end().catch(() => {});
  }
}

/** @throws DatabaseStartError */
export async function openPostgres(options: DatabaseOptions & { url: string }): Promise<Connector> {
  describeServer(options.url);
  const settings: pg.ClientConfig = { connectionString: options.url, application_name: 'molecule' };
  await probe(settings, options.url);
  const pool = createPool(
    {
      ...settings,
      max: options.poolSize ?? POOL_SIZE,
      idle_in_transaction_session_timeout: options.idleTransactionMs ?? IDLE_TRANSACTION_MS,
    },
    options.log,
  );
  return {
    kind: 'postgres',
    pool,
    client: () => new pg.Client({ ...settings, query_timeout: QUERY_TIMEOUT_MS, types: parsers } as pg.ClientConfig),
    maintain: async () => ({}),
    trim() {},
    close: () => pool.end(),
  };
}
