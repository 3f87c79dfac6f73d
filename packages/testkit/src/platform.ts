// A whole platform in the test's process: real HTTP on a free port, a real database of its own, and clients that speak the contract.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@molecule/contract';
import { createPlatform, type Platform } from '@molecule/server';
import { type Config, readConfig } from '@molecule/server/config';
import type { Clock } from '@molecule/server/platform/clock';
import type { Database } from '@molecule/server/platform/db/index';
import { createLog, type Logger } from '@molecule/server/platform/log';
import { type Balancer, startBalancer } from './balancer.ts';
import { openTestDatabase, type TestDatabase, type TestStore } from './database.ts';

export interface StartOptions {
  /** Environment of the platform; nothing of the test's own environment leaks in. */
  env?: Record<string, string>;
  /** `MOLECULE_TEST_STORE`, else PGlite in memory. */
  store?: TestStore;
  clock?: Clock;
  /** Share a database, for tests of several replicas or of a restart. */
  db?: Database;
  dataDir?: string;
  /** The test looks into the one process that must have done the work: never two of them. */
  replicas?: 1;
  /** What runs as an agent process instead of the runtime. */
  agentCommand?: readonly string[];
  /** Answers for the name servers. */
  resolve?: (host: string) => Promise<string[]>;
  /** Told of purged workspaces. */
  onPurged?: readonly ((namespace: string) => Promise<void>)[];
  /** Where the APIs of social channels are played. */
  channelHosts?: Parameters<typeof createPlatform>[0]['channelHosts'];
  /** Collects the log lines instead of dropping them. */
  onLog?: (line: Record<string, unknown>) => void;
}

export interface TestPlatform {
  url: string;
  adminToken: string;
  /** Client with the admin token. */
  admin: Client;
  client(token: string, workspaceId?: string): Client;
  platform: Platform;
  db: Database;
  config: Config;
  dataDir: string;
  /** Resolves when no delivery of queued messages is under way or about to begin, on any replica. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

const ADMIN_TOKEN = 'test-admin-token-0123456789abcdef0123456789';

function collectLog(onLog: StartOptions['onLog']): Logger {
  if (!onLog) return createLog(process.env.MOLECULE_TEST_LOG ?? 'silent');
  return createLog('trace', { write: (line: string) => onLog(JSON.parse(line) as Record<string, unknown>) });
}

interface Replica {
  url: string;
  idle(): Promise<void>;
  stop(): Promise<void>;
}

/** `npm test` runs suites once more on two replicas; only what looks into one process must know. */
export const hasReplicas = () => process.env.MOLECULE_TEST_REPLICAS === '2';

/**
 * With `MOLECULE_TEST_REPLICAS=2` a platform on a PostgreSQL of its own is two, and the test talks to whichever comes next. Not
 * where it starts child processes: those have one parent.
 */
async function startReplica(db: TestDatabase, input: Parameters<typeof createPlatform>[0]): Promise<Replica | null> {
  if (!hasReplicas() || !db.openAnother || input.config.provisioner === 'process') return null;
  const own = await db.openAnother();
  const platform = await createPlatform({ ...input, db: own });
  const { url } = await platform.listen();
  return {
    url,
    idle: () => platform.messaging.idle(),
    async stop() {
      await platform.close();
      await own.close();
    },
  };
}

/**
 * Starts a platform without workloads (`MOLECULE_PROVISIONER=none`) unless `env` asks for a backend.
 * Callers must `stop()` it; a shared database stays open.
 */
export async function startPlatform(options: StartOptions = {}): Promise<TestPlatform> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'molecule-test-')));
  const config = readConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_TOKEN,
    MOLECULE_DATA_DIR: dataDir,
    MOLECULE_PROVISIONER: 'none',
    RATE_LIMIT: '1000000',
    LOG_LEVEL: 'silent',
    ...options.env,
  });
  const log = collectLog(options.onLog);
  const db: TestDatabase = options.db ?? (await openTestDatabase({ store: options.store, log }));
  const input = {
    config,
    db,
    log,
    version: '0.0.0-test',
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.agentCommand ? { agentCommand: options.agentCommand } : {}),
    ...(options.resolve ? { resolve: options.resolve } : {}),
    ...(options.channelHosts ? { channelHosts: options.channelHosts } : {}),
    ...(options.onPurged ? { onPurged: options.onPurged } : {}),
  };
  const platform = await createPlatform(input);
  const listening = await platform.listen();
  const replica = options.db || options.replicas === 1 ? null : await startReplica(db, input);
  const balancer: Balancer | null = replica ? await startBalancer([listening.url, replica.url]) : null;
  const url = balancer?.url ?? listening.url;
  const adminToken = config.adminToken ?? platform.auth.adminToken ?? '';
  return {
    url,
    adminToken,
    admin: createClient({ baseUrl: url, ...(adminToken ? { token: adminToken } : {}) }),
    client: (token, workspaceId) => createClient({ baseUrl: url, token, ...(workspaceId ? { workspaceId } : {}) }),
    platform,
    db,
    config,
    dataDir,
    async idle() {
      await platform.messaging.idle();
      if (!replica) return;
      await replica.idle();
      // What the one delivered may have begun something at the other.
      await platform.messaging.idle();
    },
    async stop() {
      await balancer?.stop();
      await replica?.stop();
      await platform.close();
      if (!options.db) await db.close();
      if (!options.dataDir) await rm(dataDir, { recursive: true, force: true });
    },
  };
}
