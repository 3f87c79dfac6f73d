// The background work of the queue: what expired, what no event announced, what a dead process held, what ended long ago.

import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Loop } from '../platform/loops.ts';
import type { Queue } from './queue.ts';
import type { QueueOutcomes } from './queue-outcomes.ts';
import * as store from './store.ts';

const SWEEP_BATCH = 100;
const RETENTION_BATCH = 1_000;
/** Beats get the chance to renew what is still being worked on. */
const RECOVER_AFTER_BOOT_MS = 60_000;

export interface QueueLoopDeps {
  db: Database;
  queue: Queue;
  outcomes: QueueOutcomes;
  clock: Clock;
  retentionDays: number;
}

export function createQueueLoops({ db, queue, outcomes, clock, retentionDays }: QueueLoopDeps): Loop[] {
  const bootedAt = clock.now();
  return [
    {
      name: 'a2a-queue-sweeper',
      why: 'Expired messages would wait for ever, and due ones that no event announced would wait for the next beat.',
      everyMs: 10_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      async run() {
        const items = await store.listExpired(db.kysely, SWEEP_BATCH);
        const expired = await outcomes.drop(items, 'expired', { keepEarlierError: false });
        const overlooked = await store.listOverlooked(db.kysely, SWEEP_BATCH);
        // What waited behind an expired message may go.
        for (const id of [...items.map((item) => item.workspace_id), ...overlooked]) queue.drain(id, 'due');
        return { expired, overlooked: overlooked.length };
      },
    },
    {
      name: 'a2a-lease-renewal',
      why: 'A turn that takes longer than a lease would be run twice.',
      everyMs: 20_000,
      timeoutMs: 10_000,
      runs: 'every-replica',
      run: async () => ({ renewed: await queue.renewLeases() }),
    },
    {
      name: 'a2a-lease-recovery',
      why: 'Messages of a process that died would stay dispatched for ever.',
      everyMs: 30_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      async run() {
        const counts = { free: 0, given_up: 0, held: 0 };
        if (clock.now() - bootedAt < RECOVER_AFTER_BOOT_MS) return counts;
        for (const item of await store.listAbandoned(db.kysely, SWEEP_BATCH)) {
          const result = await outcomes.recover(item);
          counts[result] += 1;
          if (result === 'free') queue.drain(item.workspace_id, 'due');
        }
        return counts;
      },
    },
    {
      name: 'a2a-queue-retention',
      why: 'Messages that ended would be kept for ever.',
      everyMs: 3_600_000,
      timeoutMs: 60_000,
      runs: 'one-replica',
      async run(signal) {
        let deleted = 0;
        for (let batch = RETENTION_BATCH; batch === RETENTION_BATCH && !signal.aborted; deleted += batch)
          batch = await store.deleteFinished(db.kysely, retentionDays, RETENTION_BATCH);
        return { deleted };
      },
    },
  ];
}
