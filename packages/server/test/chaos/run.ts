// One chaos run: callers send messages and delegations to agents through two replicas while everybody is killed, cut off and
// stalled; then everything is mended, the platform brings to an end what it took on, and the notes of both sides are compared.

import { setTimeout as pause } from 'node:timers/promises';
import { createRandom, waitFor } from '@molecule/testkit';
import type { Pool } from 'pg';
import { audit, type Findings, listUnfinished } from './audit.ts';
import { planRun } from './plan.ts';
import { setStage } from './stage.ts';
import { createStrikes } from './strikes.ts';

export interface ChaosRun {
  seed: number;
  messages: number;
  delegations: number;
  /** Strikes at most; the run also ends them when everything is acknowledged and done. */
  strikes: number;
  /** Keep the folder with everybody's output. */
  keep: boolean;
  /** Told of every step. */
  say(line: string): void;
}

export interface ChaosReport {
  seed: number;
  messages: number;
  delegations: number;
  strikes: number;
  /** From the last strike until nothing was on its way. */
  settledMs: number;
  /** Null unless kept. */
  folder: string | null;
  findings: Findings;
}

const TARGETS = 4;
const CALLERS = 4;
const [LEAST_PAUSE_MS, MORE_PAUSE_MS] = [200, 1_200];
/** Leases of what a killed replica held run out, and are looked at no earlier than a minute after a start. */
const SETTLE_LIMIT_MS = 300_000;

/** A database that was struck tells nothing: there may be work left in it. */
const isIdle = (pool: Pool) =>
  listUnfinished(pool).then(
    (unfinished) => unfinished.length === 0,
    () => false,
  );

export async function runChaos(run: ChaosRun): Promise<ChaosReport> {
  const { seed, messages, delegations, say } = run;
  const random = createRandom(seed);
  const stage = await setStage({ targets: TARGETS, callers: CALLERS });
  let keep = run.keep;
  try {
    const plans = planRun({
      random,
      callerIds: stage.callerIds,
      targetIds: stage.targets.map(({ id }) => id),
      messages,
      delegations,
    });
    await waitFor(
      'the agents are online',
      async () => {
        const { rows } = await stage.pool.query("select 1 from workspaces where status = 'online'");
        return rows.length >= TARGETS;
      },
      30_000,
    );
    const callers = stage.startCallers(plans);
    const areDone = () => callers.every(({ party }) => party.exitCode() === 0);
    const strikes = createStrikes(stage, callers, random);
    let struck = 0;
    while (struck < run.strikes && !(areDone() && (await isIdle(stage.pool)))) {
      await pause(LEAST_PAUSE_MS + random.below(MORE_PAUSE_MS));
      struck += 1;
      say(`${struck}: ${await strikes.strike()}`);
    }
    await strikes.healed();
    const healedAt = performance.now();
    say('everything is whole again');
    await waitFor('every caller got its acknowledgements', areDone, SETTLE_LIMIT_MS);
    say('everything is acknowledged');
    await waitFor('nothing is on its way', async () => (await listUnfinished(stage.pool)).length === 0, SETTLE_LIMIT_MS)
      // What is left is what the audit is about.
      .catch(() => say('something is still on its way'));
    const settledMs = Math.round(performance.now() - healedAt);
    const findings = await audit(stage, plans, callers);
    keep ||= Object.values(findings).some((list) => list.length > 0);
    return { seed, messages, delegations, strikes: struck, settledMs, folder: keep ? stage.folder : null, findings };
  } catch (error) {
    keep = true;
    throw new Error(`the run broke off; its folder is ${stage.folder}`, { cause: error });
  } finally {
    await stage.stop({ keep });
  }
}
