// Whether a replica lives, as the others see it: a lease it keeps renewing. Leases taken in its name end with it, so that the work
// of a killed replica is free within half a minute, however long its own leases would last.

import { acquireLease, type Database, dropExpiredLeases, type Lease, REPLICA_PREFIX } from './db/index.ts';

export const PRESENCE_MS = 30_000;
/** Renewed with this much left: a renewal may fail, or be late, once. */
const RENEW_BELOW_MS = 20_000;

export interface Presence {
  /** The holder to take leases as. */
  readonly holder: string;
  /** Grows whenever the presence lapsed: leases of an earlier epoch may be somebody else's by now. */
  epoch(): number;
  /** Afterwards the others know that this replica lives. Costs a statement every ten seconds at most. */
  assert(): Promise<void>;
  end(): Promise<void>;
}

export function createPresence(db: Database, instanceId: string): Presence {
  const holder = `${REPLICA_PREFIX}${instanceId}`;
  let lease: Lease | null = null;
  let epoch = 0;
  let asserting: Promise<void> | null = null;

  async function renew(): Promise<void> {
    if (lease && (await lease.renew())) return;
    epoch += 1;
    lease = await acquireLease(db, holder, holder, PRESENCE_MS);
    await dropExpiredLeases(db);
  }

  return {
    holder,
    epoch: () => epoch,
    async assert() {
      // The embedded store has one owner, whose life its lock tells of.
      if (db.kind === 'embedded' || (lease && lease.remainingMs() > RENEW_BELOW_MS)) return;
      asserting ??= renew().finally(() => {
        asserting = null;
      });
      await asserting;
    },
    async end() {
      await lease?.release();
      lease = null;
    },
  };
}
