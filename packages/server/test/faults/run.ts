// One run of the fault suite: seats are created, restarted, paused and deleted on a real platform with PostgreSQL, while both are
// killed and the backend fails; then it waits until nothing moves any more, and audits what is left.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, startPostgres, waitFor } from '@molecule/testkit';
import pg from 'pg';
import { findFreePort, type PlatformProcess, startPlatformProcess } from '../platform-process.ts';
import { audit, listUnsettled } from './audit.ts';
import { pause } from './backend-calls.ts';
import { createControlPlaneStage } from './control-plane-stage.ts';
import { platformFaults, strike } from './faults.ts';
import { createProcessStage } from './process-stage.ts';
import { createActions } from './seats.ts';
import type { Stage, StageOptions } from './stage.ts';

const STAGES = { process: createProcessStage, 'control-plane': createControlPlaneStage };
export type FaultBackend = keyof typeof STAGES;
export const FAULT_BACKENDS = Object.keys(STAGES) as FaultBackend[];

export interface FaultRun {
  backend: FaultBackend;
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
  /** From the last fault until nothing was on its way, and all agreed. */
  settledMs: number;
  problems: string[];
}

/** Longest pause between two faults, in milliseconds. */
const MOST_PAUSE_MS = 600;
const SETTLE_LIMIT_MS = 240_000;
const LOOK_AGAIN_MS = 1_000;

export async function runFaults({ backend, seed, faults, seats: wanted, say }: FaultRun): Promise<FaultReport> {
  const random = createRandom(seed);
  const postgres = await startPostgres({ own: true, durable: true });
  const databaseUrl = await postgres.createDatabase();
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  // A crash of the server ends idle connections; the pool opens others.
  pool.on('error', () => {});
  const dataDir = mkdtempSync(join(tmpdir(), 'molecule-faults-'));
  const port = await findFreePort();
  const options: StageOptions = { dataDir, platformUrl: `http://127.0.0.1:${port}`, random };
  const stage: Stage = await STAGES[backend](options);
  const env = {
    ...stage.env,
    PORT: String(port),
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
  const all = [
    ...stage.faults,
    ...platformFaults({
      killPlatform: () => restartPlatform('SIGKILL'),
      stopPlatform: () => restartPlatform('SIGTERM'),
      crashDatabase: async () => postgres.restart?.(),
    }),
  ];
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
      say(`${count}: ${await strike(all, random)}`);
    }
    await Promise.all(pending);
    stage.heal();
    // What only a pass every few minutes looks at is looked at now: each passes soon after a start.
    if (stage.patienceMs > 0) await restartPlatform('SIGTERM');
    const struckAt = performance.now();
    await waitFor('nothing is on its way', async () => (await listUnsettled(pool)).length === 0, SETTLE_LIMIT_MS);
    // What a removed or paused seat left behind is ended by the sweeps.
    await waitFor(
      'a whole round of the sweeps',
      async () => hasSwept(platform, stage.sweep, struckAt),
      SETTLE_LIMIT_MS,
    );
    const look = () => audit({ pool, admin: platform.admin, stage, seats: actions.seats });
    let problems = await look();
    while (problems.length > 0 && performance.now() - struckAt < stage.patienceMs) {
      await pause(LOOK_AGAIN_MS);
      problems = await look();
    }
    const settledMs = Math.round(performance.now() - struckAt);
    return { seed, faults, acknowledged: actions.acknowledged(), settledMs, problems };
  } finally {
    await platform.end('SIGTERM');
    await stage.stop();
    await pool.end();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** True once the sweep over workloads nobody asked for ran after that moment. */
async function hasSwept(platform: PlatformProcess, sweep: string, since: number): Promise<boolean> {
  const { subsystems } = await platform.admin.liveness({});
  const seconds = subsystems[sweep]?.seconds_ago;
  return typeof seconds === 'number' && seconds * 1_000 < performance.now() - since;
}
