// The parties of a chaos run and the network between them: two replicas on a PostgreSQL of their own, agents that take messages,
// callers that send them. Everything between two of them goes over a link that can be cut.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@molecule/contract';
import { type Link, startLink, startPostgres, type TestPostgres } from '@molecule/testkit';
import pg from 'pg';
import { findFreePort, type PlatformProcess, startPlatformProcess } from '../platform-process.ts';
import type { CallerSettings } from './caller-process.ts';
import { createParty, type Party } from './party.ts';
import type { CallerPlan } from './plan.ts';

const RUNTIME = join(import.meta.dirname, '../../../runtime/src/bin.ts');
const ADAPTER = join(import.meta.dirname, 'noting-adapter.ts');
const CALLER = join(import.meta.dirname, 'caller-process.ts');
const ROOT_NAME = 'chaos';
const MOST_STARTS = 10;
const START_AGAIN_MS = 500;

export interface Replica {
  /** Ends it without warning, and starts it again at the same address. */
  kill(): Promise<void>;
  /** What callers and agents reach it by. */
  link: Link;
}

export interface Target {
  id: string;
  party: Party;
  /** What the platform reaches it by. */
  link: Link;
  journalPath: string;
  configDir: string;
}

export interface Caller {
  id: string;
  party: Party;
  acksPath: string;
}

export interface Stage {
  postgres: TestPostgres;
  pool: pg.Pool;
  replicas: Replica[];
  targets: Target[];
  /** Once the plan names them. */
  startCallers(plans: readonly CallerPlan[]): Caller[];
  callerIds: string[];
  /** Where everybody's output lies, for whoever looks into a failed run. */
  folder: string;
  stop(options: { keep: boolean }): Promise<void>;
}

interface Seat {
  id: string;
  token: string;
}

async function createSeat(admin: Client, body: Record<string, unknown>): Promise<Seat> {
  const { id, connection } = await admin.createWorkspace({
    body: { name: `seat ${crypto.randomUUID().slice(0, 8)}`, external: true, ...body },
  });
  return { id, token: connection?.auth_token ?? '' };
}

async function startReplica(
  folder: string,
  databaseUrl: string,
  name: string,
): Promise<Replica & { end(): Promise<void>; admin: Client }> {
  const port = await findFreePort();
  const dataDir = join(folder, name);
  mkdirSync(dataDir);
  const env = {
    PORT: String(port),
    MOLECULE_DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    MOLECULE_PROVISIONER: 'none',
    RATE_LIMIT: '1000000',
    LOG_LEVEL: 'info',
    SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  };
  let life = 0;
  let restarting: Promise<void> = Promise.resolve();
  let running: PlatformProcess = await startPlatformProcess(env);
  const keepOutput = () => writeFileSync(join(folder, `${name}-${life++}.log`), running.output());
  const link = await startLink(port);
  return {
    link,
    admin: running.admin,
    kill() {
      restarting = restarting.then(async () => {
        await running.end('SIGKILL');
        keepOutput();
        running = await startUntilServing(env);
      });
      return restarting;
    },
    async end() {
      await restarting.catch(() => undefined);
      await running.end('SIGTERM');
      keepOutput();
      await link.stop();
    },
  };
}

/** A platform that finds no database gives up, and whoever looks after it starts it again. */
async function startUntilServing(env: Parameters<typeof startPlatformProcess>[0]): Promise<PlatformProcess> {
  for (let tries = 1; ; tries += 1)
    try {
      return await startPlatformProcess(env);
    } catch (error) {
      if (tries === MOST_STARTS) throw error;
      await pause(START_AGAIN_MS);
    }
}

/** Its link is open, its process not yet started. */
async function placeTarget(folder: string, seat: Seat, platformUrl: string, width: number): Promise<Target> {
  const home = join(folder, `target-${seat.id}`);
  const configDir = join(home, 'configs');
  mkdirSync(configDir, { recursive: true });
  writeFileSync(join(configDir, 'config.yaml'), `name: target\nruntime: echo\nmax_concurrent_tasks: ${width}\n`);
  const port = await findFreePort();
  const link = await startLink(port);
  const journalPath = join(home, 'turns.jsonl');
  const party = createParty({
    script: RUNTIME,
    logPath: join(home, 'log'),
    env: {
      WORKSPACE_ID: seat.id,
      WORKSPACE_CONFIG_PATH: configDir,
      CONFIGS_DIR: configDir,
      MOLECULE_WORKSPACE_ROOT: join(home, 'workspace'),
      DELEGATION_RESULTS_FILE: join(home, 'results.jsonl'),
      HOME: home,
      PLATFORM_URL: platformUrl,
      MOLECULE_WORKSPACE_TOKEN: seat.token,
      PORT: String(port),
      AGENT_URL: link.url,
      ADAPTER_MODULE: ADAPTER,
      CHAOS_JOURNAL: journalPath,
    },
  });
  return { id: seat.id, party, link, journalPath, configDir };
}

export async function setStage({ targets, callers }: { targets: number; callers: number }): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'molecule-chaos-'));
  const postgres = await startPostgres({ own: true, durable: true });
  const databaseUrl = await postgres.createDatabase();
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // A crash of the server ends idle connections; the pool opens others.
  pool.on('error', () => {});
  const replicas = [
    await startReplica(folder, databaseUrl, 'replica-0'),
    await startReplica(folder, databaseUrl, 'replica-1'),
  ];
  const admin = (replicas[0] as (typeof replicas)[0]).admin;
  const linkOf = (index: number) => (replicas[index % replicas.length] as Replica).link;
  const root = await createSeat(admin, { name: ROOT_NAME });
  const placed: Target[] = [];
  for (let index = 0; index < targets; index += 1) {
    // One of them takes several turns at once.
    const width = index === 0 ? 3 : 1;
    const seat = await createSeat(admin, { parent_id: root.id, delivery_mode: 'push', max_concurrent_tasks: width });
    const target = await placeTarget(folder, seat, linkOf(index).url, width);
    // As a backend of the platform would have written it: nobody else may name an address of this machine.
    const where = [target.link.url, seat.id];
    await pool.query("update workspaces set url = $1, url_source = 'provisioner' where id = $2", where);
    target.party.start();
    placed.push(target);
  }
  const seats: Seat[] = [];
  for (let index = 0; index < callers; index += 1) seats.push(await createSeat(admin, { parent_id: root.id }));
  const parties: Party[] = placed.map(({ party }) => party);

  function startCaller(plan: CallerPlan, index: number): Caller {
    const seat = seats.find(({ id }) => id === plan.callerId) as Seat;
    const acksPath = join(folder, `acks-${index}.jsonl`);
    const settings: CallerSettings = {
      plan,
      token: seat.token,
      platforms: [linkOf(index).url, linkOf(index + 1).url],
      acksPath,
    };
    const settingsPath = join(folder, `caller-${index}.json`);
    writeFileSync(settingsPath, JSON.stringify(settings));
    const party = createParty({ script: CALLER, args: [settingsPath], logPath: join(folder, `caller-${index}.log`) });
    party.start();
    parties.push(party);
    return { id: seat.id, party, acksPath };
  }

  return {
    postgres,
    pool,
    replicas,
    targets: placed,
    callerIds: seats.map(({ id }) => id),
    folder,
    startCallers: (plans) => plans.map(startCaller),
    async stop({ keep }) {
      for (const party of parties) await party.kill();
      for (const { end } of replicas) await end();
      for (const { link } of placed) await link.stop();
      await pool.end();
      await postgres.stop();
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
  };
}
