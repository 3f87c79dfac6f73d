// The background work of delegation: what nobody carries out, what ended unnoticed, and what will not end (chapter 20 §4.6).

import type { Config } from '../config.ts';
import type { Messaging } from '../messaging/index.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Execution } from './execution.ts';
import type { Ledger } from './ledger.ts';
import * as store from './store.ts';

const SWEEP_BATCH = 100;
const REPAIR_BATCH = 500;

export interface DelegationLoopDeps {
  db: Database;
  config: Config;
  ledger: Ledger;
  execution: Execution;
  messaging: Messaging;
  log: Logger;
}

export function createDelegationLoops({ db, config, ledger, execution, messaging, log }: DelegationLoopDeps): Loop[] {
  /** Ends what `list` finds, batch by batch. A completion that came first wins, and is counted. */
  async function sweep<T>(
    signal: AbortSignal,
    list: () => Promise<T[]>,
    end: (row: T) => Promise<boolean>,
  ): Promise<{ ended: number; raced: number }> {
    const counts = { ended: 0, raced: 0 };
    for (let batch: T[] = await list(); batch.length > 0 && !signal.aborted; batch = await list()) {
      for (const row of batch) {
        if (await end(row)) counts.ended += 1;
        else counts.raced += 1;
      }
      if (batch.length < SWEEP_BATCH) break;
    }
    return counts;
  }

  /** Delegations whose queued message ended while nobody was there to say so. */
  async function finishHandedOver(signal: AbortSignal): Promise<number> {
    let finished = 0;
    let page: string[] = [];
    do {
      page = await store.listHandedOver(db.kysely, page.at(-1) ?? '', REPAIR_BATCH);
      for (const { delegationId, text, error } of page.length > 0 ? await messaging.findFinished(page) : []) {
        const ended =
          error === null
            ? await ledger.complete(delegationId, text, { via: 'queue_drain' })
            : await ledger.fail(delegationId, error);
        if (ended) finished += 1;
      }
    } while (page.length === REPAIR_BATCH && !signal.aborted);
    return finished;
  }

  /** One that cannot be told must not keep the others from it. */
  async function repeatTellings(): Promise<number> {
    let told = 0;
    for (const row of await store.listUntold(db.kysely, SWEEP_BATCH)) {
      try {
        await ledger.repeatTelling(row);
        told += 1;
      } catch (error) {
        log.error(
          { err: error, delegation_id: row.delegation_id },
          'a caller could again not be told of its delegation',
        );
      }
    }
    return told;
  }

  return [
    {
      name: 'delegation-runner',
      why: 'Delegations accepted before a crash would never be sent.',
      everyMs: 5_000,
      timeoutMs: 20_000,
      runs: 'every-replica',
      run: async () => ({ resumed: await execution.resume(), renewed: await execution.renew() }),
    },
    {
      name: 'delegation-repair',
      why: 'A result whose last step a crash cut off would never reach its caller.',
      everyMs: 15_000,
      timeoutMs: 30_000,
      runs: 'every-replica',
      run: async (signal) => ({ finished: await finishHandedOver(signal), told: await repeatTellings() }),
    },
    {
      name: 'delegation-sweeper',
      why: 'A caller would wait for ever for a delegation whose callee is gone.',
      everyMs: config.delegationSweepSeconds * 1000,
      timeoutMs: 60_000,
      runs: 'one-replica',
      async run(signal) {
        const overdue = await sweep(
          signal,
          () => store.listOverdue(db.kysely, SWEEP_BATCH),
          (id) => ledger.fail(id, 'deadline exceeded by sweeper'),
        );
        const silent = await sweep(
          signal,
          () => store.listSilent(db.kysely, config.delegationStuckSeconds, SWEEP_BATCH),
          ({ delegation_id: id, silent_seconds: seconds }) => ledger.stall(id, `no heartbeat for ${seconds} seconds`),
        );
        return { failed: overdue.ended, stuck: silent.ended, raced: overdue.raced + silent.raced };
      },
    },
  ];
}
