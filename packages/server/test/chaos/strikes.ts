// What goes wrong in a chaos run: replicas, agents and callers are killed, links are cut or stall, the database crashes. What was
// struck is whole again before the next strike, or a moment after it.

import { setTimeout as pause } from 'node:timers/promises';
import type { Link, Random } from '@molecule/testkit';
import type { Party } from './party.ts';
import type { Caller, Stage } from './stage.ts';

/** Longest time that something stays down, in milliseconds. */
const MOST_DOWN_MS = 1_500;
/** Longer than a caller waits for an answer, so that it repeats into the silence. */
const MOST_STALL_MS = 7_000;

export interface Strikes {
  /** @returns what was struck. */
  strike(): Promise<string>;
  /** Resolves when everything is whole. */
  healed(): Promise<void>;
}

export function createStrikes(stage: Stage, callers: readonly Caller[], random: Random): Strikes {
  const healing = new Set<Promise<void>>();
  const struck = new Set<object>();

  /** Mends it after a while; what is being mended is not struck again. */
  function mendLater(what: object, afterMs: number, mend: () => Promise<void> | void): void {
    struck.add(what);
    const mending = pause(afterMs)
      .then(mend)
      .finally(() => {
        struck.delete(what);
        healing.delete(mending);
      });
    healing.add(mending);
  }

  async function killParty(party: Party, name: string): Promise<string> {
    if (struck.has(party) || party.exitCode() !== null) return `${name} is not there to be killed`;
    await party.kill();
    mendLater(party, random.below(MOST_DOWN_MS), () => party.start());
    return `killed ${name}`;
  }

  function disturb(link: Link, name: string): string {
    if (struck.has(link)) return `the link to ${name} is disturbed already`;
    const isCut = random.below(2) === 0;
    if (isCut) link.cut();
    else link.stall();
    mendLater(link, random.below(isCut ? MOST_DOWN_MS : MOST_STALL_MS), () => link.heal());
    return `${isCut ? 'cut' : 'stalled'} the link to ${name}`;
  }

  const place = (count: number) => random.below(count);
  const FAULTS: { weight: number; strike(): Promise<string> | string }[] = [
    {
      weight: 3,
      strike() {
        const index = place(stage.replicas.length);
        const replica = stage.replicas[index];
        if (!replica || struck.has(replica)) return 'the replica is down already';
        mendLater(replica, 0, () => replica.kill());
        return `killed replica ${index}`;
      },
    },
    {
      weight: 4,
      strike() {
        const index = place(stage.targets.length);
        return killParty(stage.targets[index]?.party as Party, `target ${index}`);
      },
    },
    {
      weight: 3,
      strike() {
        const index = place(callers.length);
        return killParty(callers[index]?.party as Party, `caller ${index}`);
      },
    },
    {
      weight: 3,
      strike() {
        const index = place(stage.targets.length);
        return disturb(stage.targets[index]?.link as Link, `target ${index}`);
      },
    },
    {
      weight: 2,
      strike() {
        const index = place(stage.replicas.length);
        return disturb(stage.replicas[index]?.link as Link, `replica ${index}`);
      },
    },
    {
      weight: 1,
      async strike() {
        await stage.postgres.restart?.();
        return 'crashed the database';
      },
    },
  ];
  const total = FAULTS.reduce((sum, { weight }) => sum + weight, 0);

  return {
    async strike() {
      let left = random.below(total);
      for (const fault of FAULTS) {
        left -= fault.weight;
        if (left < 0) return await fault.strike();
      }
      throw new Error('weights do not add up');
    },
    async healed() {
      while (healing.size > 0) await Promise.all(healing);
    },
  };
}
