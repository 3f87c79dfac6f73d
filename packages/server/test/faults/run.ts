// One run of the fault suite: seats are created, restarted, paused and deleted on a real platform, with real agents and
// PostgreSQL, while all of them are killed; then it waits until nothing moves any more, and audits what is left.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, startPostgres, waitFor } from '@molecule/testkit';
import pg from 'pg';
import { listMarkedProcesses } from '../../src/provisioning/backends/process-record.ts';
import { findFreePort, type PlatformProcess, startPlatformProcess } from '../platform-process.ts';
import { audit, listUnsettled } from './audit.ts';
import { strike, wakeAgents } from './faults.ts';
import { createActions } from './seats.ts';

export interface FaultRun {
  seed: number;
  faults: number;
  seats: number;
  /** Told of every step. */
  say(line: string): void;
}

export interface FaultReport {
  seed: number;
  faults: number;
  acknowledged: number;
  /** From the last fault until nothing was on its way. */
  settledMs: number;
  problems: string[];
}

/** Longest pause between two faults, in milliseconds. */
const MOST_PAUSE_MS = 600;
const SETTLE_LIMIT_MS = 240_000;

const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => AbortSignal.timeout(milliseconds).addEventListener('abort', () => resolve()));

export async function runFaults({ seed, faults, seats: wanted, say }: FaultRun): Promise<FaultReport> {
  const random = createRandom(seed);
  const postgres = await startPostgres({ own: true, durable: true });
  const databaseUrl = await postgres.createDatabase();
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // A crash of the server ends idle connections; the pool opens others.
  pool.on('error', () => {});
  const dataDir = mkdtempSync(join(tmpdir(), 'molecule-faults-'));
  const agentsRoot = join(dataDir, 'workspaces');
  const env = {
    PORT: String(await findFreePort()),
    MOLECULE_DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    RATE_LIMIT: '1000000',
  };
  let platform: PlatformProcess = await startPlatformProcess(env);

  async function restartPlatform(signal: NodeJS.Signals): Promise<void> {
    await platform.end(signal);
    platform = await startPlatformProcess(env);
  }

  const actions = createActions({ admin: () => platform.admin, random, wanted });
  const targets = {
    killPlatform: () => restartPlatform('SIGKILL'),
    stopPlatform: () => restartPlatform('SIGTERM'),
    crashDatabase: async () => postgres.restart?.(),
    agentsRoot,
    random,
  };
  const pending = new Set<Promise<unknown>>();
  function begin(): void {
    const action = actions.act().then((what) => say(`  ${what}`));
    pending.add(action);
    void action.finally(() => pending.delete(action));
  }

  try {
    for (let count = 1; count <= faults; count += 1) {
      for (let more = 1 + random.below(3); more > 0; more -= 1) begin();
      await pause(random.below(MOST_PAUSE_MS));
      say(`${count}: ${await strike(targets)}`);
    }
    await Promise.all(pending);
    wakeAgents(agentsRoot);
    const struckAt = performance.now();
    await waitFor('nothing is on its way', async () => (await listUnsettled(pool)).length === 0, SETTLE_LIMIT_MS);
    const settledMs = Math.round(performance.now() - struckAt);
    // What a removed or paused seat left behind is ended by the sweeps.
    await waitFor('a whole round of the sweeps', async () => hasSwept(platform, struckAt), SETTLE_LIMIT_MS);
    const problems = await audit({ pool, admin: platform.admin, agentsRoot, seats: actions.seats });
    return { seed, faults, acknowledged: actions.acknowledged(), settledMs, problems };
  } finally {
    await platform.end('SIGTERM');
    for (const { pid } of listMarkedProcesses(agentsRoot)) process.kill(pid, 'SIGKILL');
    await pool.end();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** True once the sweep over workloads nobody asked for ran after that moment. */
async function hasSwept(platform: PlatformProcess, since: number): Promise<boolean> {
  const { subsystems } = await platform.admin.liveness({});
  const seconds = subsystems['orphan-sweeper']?.seconds_ago;
  return typeof seconds === 'number' && seconds * 1_000 < performance.now() - since;
}
