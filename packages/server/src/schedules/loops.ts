// The background work of schedules: one pass over what is due (chapter 20 §8). A run goes on by itself, so no pass waits for one.

import type { Transaction } from 'kysely';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import { findNextRun } from './cron.ts';
import type { Firing } from './firing.ts';
import type { DueRow, SeatLoad } from './store.ts';
import * as store from './store.ts';

const BATCH = 50;
/** The rest is the next pass'. */
const MOST_BATCHES = 20;
const AT_ONCE = 10;

export interface ScheduleLoopDeps {
  db: Database;
  firing: Firing;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
}

/** `AT_ONCE` at a time: one that hangs holds up one place, not those behind it. */
async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const places = Array.from({ length: AT_ONCE }, async () => {
    for (const item of waiting) await work(item);
  });
  await Promise.all(places);
}

export function createScheduleLoops({ db, firing, clock, metrics, log }: ScheduleLoopDeps): Loop[] {
  const limited = <T>(work: (trx: Transaction<Tables>) => Promise<T>) => store.withinLimit(db, work);

  /** Enabled schedules without a next run would never be due. */
  async function repair(): Promise<number> {
    return await limited(async (trx) => {
      let repaired = 0;
      for (const row of await store.listWithoutNextRun(trx, BATCH)) {
        const next = findNextRun(row.cron_expr, row.timezone, new Date(clock.now()));
        if (next) await store.setNextRun(trx, row.id, next);
        if (next) repaired += 1;
      }
      return repaired;
    });
  }

  async function readLoads(rows: readonly DueRow[]): Promise<(id: string) => SeatLoad | null> {
    try {
      const ids = [...new Set(rows.map((row) => row.workspace_id))];
      const loads = new Map((await limited((trx) => store.readLoads(trx, ids))).map((load) => [load.id, load]));
      return (id) => loads.get(id) ?? null;
    } catch (error) {
      log.error({ err: error }, 'whether agents have room could not be read; their schedules run');
      metrics.failOpen.inc({ check: 'capacity' });
      return () => null;
    }
  }

  return [
    {
      name: 'scheduler',
      why: 'No schedule would run.',
      everyMs: 10_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      async run(signal) {
        const counts = {
          fired: 0,
          advanced: 0,
          waiting: 0,
          skipped: 0,
          unreadable: 0,
          taken: 0,
          failed: 0,
          repaired: 0,
        };
        const seen: string[] = [];
        for (let batch = 0; batch < MOST_BATCHES && !signal.aborted; batch += 1) {
          const due = await limited((trx) => store.listDue(trx, new Date(clock.now()), seen, BATCH));
          seen.push(...due.map((row) => row.id));
          const loadOf = await readLoads(due);
          await forEach(due, async (row) => {
            try {
              counts[await firing.takeTurn(row, loadOf(row.workspace_id))] += 1;
            } catch (error) {
              counts.failed += 1;
              log.error(
                { err: error, schedule_id: row.id },
                'a schedule could not get its turn; the next pass repeats it',
              );
            }
          });
          if (due.length < BATCH) break;
        }
        counts.repaired = await repair();
        return counts;
      },
    },
  ];
}
