// The background work of the queue: what expired, what no event announced, and what a dead process held.

import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Loop } from '../platform/loops.ts';
import type { Queue } from './queue.ts';
import * as store from './store.ts';

const SWEEP_BATCH = 100;
/** Beats get the chance to renew what is still being worked on. */
const RECOVER_AFTER_BOOT_MS = 60_000;

export function createQueueLoops({ db, queue, clock }: { db: Database; queue: Queue; clock: Clock }): Loop[] {
  const bootedAt = clock.now();
  return [
    {
      name: 'a2a-queue-sweeper',
      why: 'Expired messages would wait for ever, and due ones that no event announced would wait for the next beat.',
      everyMs: 10_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      async run() {
        const expired = await queue.drop(await store.listExpired(db.kysely, SWEEP_BATCH), 'expired');
        const overlooked = await store.listOverlooked(db.kysely, SWEEP_BATCH);
        for (const id of overlooked) queue.drain(id);
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
        if (clock.now() - bootedAt < RECOVER_AFTER_BOOT_MS) return { recovered: 0 };
        let recovered = 0;
        for (const item of await store.listAbandoned(db.kysely, SWEEP_BATCH))
          if (await queue.recover(item)) recovered += 1;
        return { recovered };
      },
    },
  ];
}
