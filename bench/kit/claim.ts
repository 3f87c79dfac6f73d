// What a bench reports: one claim with its aim, its figure and the baseline of the same run. Judges; measures and prints nothing.

import type { Stage } from './stage.ts';
import type { StoreName } from './stores.ts';

/** What is aimed at, on the measured value or on its ratio to the baseline. */
export interface Aim {
  on: 'value' | 'ratio';
  atLeast?: number;
  atMost?: number;
}

export interface Claim {
  /** Stable, dotted: `a2a.postgres.16`. */
  name: string;
  what: string;
  /** Null: told for comparison, aimed at nothing. */
  aim: Aim | null;
  value: number;
  unit: string;
  baseline: { name: string; value: number; unit: string };
  /** The value by the baseline, the median of the rounds' own ratios where rounds can be paired. */
  ratio: number;
  met: boolean | null;
  /** Medians of everything measured beside it. */
  medians: Record<string, number>;
  /** What a figure cannot say, such as which findings were counted. */
  notes?: string[];
}

export interface Settings {
  quick: boolean;
  /** Measured rounds; at least five unless quick. */
  rounds: number;
  /** What a bench that `measuresStoresApart` measures; the others always measure both. */
  stores: readonly StoreName[];
  /** Folder for CPU profiles of the platform; null = none are taken. */
  profileDir: string | null;
  /** Progress for a person who waits. */
  say(line: string): void;
}

export interface Bench {
  name: string;
  what: string;
  /** Its claims on one store need nothing of the other, so it can be run on one alone. */
  measuresStoresApart?: true;
  /** Starts everything on the stage, which ends it. @throws when it could not measure. */
  run(stage: Stage, settings: Settings): Promise<Claim[]>;
}

function isMet(aim: Aim | null, value: number, ratio: number): boolean | null {
  if (aim === null) return null;
  const judged = aim.on === 'ratio' ? ratio : value;
  return judged >= (aim.atLeast ?? Number.NEGATIVE_INFINITY) && judged <= (aim.atMost ?? Number.POSITIVE_INFINITY);
}

/** @param claim without `met`; `ratio` only where the rounds give a better one than value by baseline. */
export function makeClaim(claim: Omit<Claim, 'met' | 'ratio'> & { ratio?: number }): Claim {
  const ratio = claim.ratio ?? (claim.baseline.value === 0 ? 0 : claim.value / claim.baseline.value);
  return { ...claim, ratio, met: isMet(claim.aim, claim.value, ratio) };
}
