// One start or restart at a time per workspace; what is asked for meanwhile becomes exactly one more cycle (chapter 10 §7.9).
// Shared by replicas as a leased row: a replica that finds the gate held leaves a note, and the holder runs the cycle for it.

import { randomUUID } from 'node:crypto';
import { acquireLease, type Database, type Lease } from '../platform/db/index.ts';
import { type Deadline, startDeadline } from '../platform/deadline.ts';
import type { Logger } from '../platform/log.ts';
import * as store from './store.ts';

export const GATE_PREFIX = 'workload:';
export const NOTE_PREFIX = `${GATE_PREFIX}again:`;
/** Renewed while a cycle runs, however long its backend takes; short for whoever follows a crashed platform. */
const LEASE_MS = 45_000;
/** Two renewals may fail before the turn is lost. */
const RENEWALS_PER_LEASE = 3;
const NOTE_MS = 600_000;

export interface RestartGateDeps {
  db: Database;
  log: Logger;
  /** Runs a cycle as soon as the cap lets it; requests made while it waits are part of it. */
  withSlot(work: () => Promise<void>, id: string): Promise<void>;
  /** What runs once more when something was asked for during a cycle. */
  repeat(id: string): Promise<void>;
  /** How long a turn outlives a platform that died in it. */
  leaseMs?: number;
}

export interface RestartGate {
  /** Runs `work`, or notes that one more cycle is needed. Never throws, always reopens. */
  enter(id: string, work: () => Promise<void>): void;
  isBusy(id: string): boolean;
  /** No cycle begins from now on; resolves when those that run have ended. */
  close(): Promise<void>;
}

export function createRestartGate({ db, log, withSlot, repeat, leaseMs = LEASE_MS }: RestartGateDeps): RestartGate {
  const holder = randomUUID();
  const cycles = new Map<string, { again: boolean; done: Promise<void> }>();
  let closed = false;

  const leaseOf = (id: string) => acquireLease(db, `${GATE_PREFIX}${id}`, holder, leaseMs);
  const noteOf = (id: string) => `${NOTE_PREFIX}${id}`;

  /** Null when another replica runs a cycle: it will find the note, because it looks for one after giving up its lease. */
  async function takeTurn(id: string): Promise<Lease | null> {
    const lease = await leaseOf(id);
    if (lease) return lease;
    await acquireLease(db, noteOf(id), holder, NOTE_MS);
    return await leaseOf(id);
  }

  /** @returns what ends the renewing. */
  function keepTurn(id: string, lease: Lease): () => void {
    let ended = false;
    let next: Deadline;
    async function renew(): Promise<void> {
      try {
        if (!(await lease.renew())) log.warn({ workspace_id: id }, 'the turn of a start or restart was lost');
        else if (!ended) next = startDeadline(renewal);
      } catch (error) {
        log.error({ err: error, workspace_id: id }, 'the turn of a start or restart could not be renewed');
        if (!ended) next = startDeadline(renewal);
      }
    }
    const renewal = { silenceMs: leaseMs / RENEWALS_PER_LEASE, ceilingMs: null, onExpire: () => void renew() };
    next = startDeadline(renewal);
    return () => {
      ended = true;
      next.cancel();
    };
  }

  /** @returns false when another replica has the turn. */
  async function runCycle(id: string, state: { again: boolean }, work: () => Promise<void>): Promise<boolean> {
    const lease = await takeTurn(id);
    if (!lease) return false;
    state.again = false;
    const stopRenewing = keepTurn(id, lease);
    try {
      if (!closed) await work();
    } catch (error) {
      log.error({ err: error, workspace_id: id }, 'a start or restart failed');
    } finally {
      stopRenewing();
      await lease.release();
    }
    return true;
  }

  async function runCycles(id: string, state: { again: boolean }, first: () => Promise<void>): Promise<void> {
    let work = first;
    let again = true;
    while (again && !closed) {
      await withSlot(async () => {
        again = await runCycle(id, state, work);
      }, id);
      if (again) again = (await store.takeNote(db.kysely, noteOf(id))) || state.again;
      work = () => repeat(id);
    }
  }

  function enter(id: string, work: () => Promise<void>): void {
    if (closed) return;
    const current = cycles.get(id);
    if (current) {
      current.again = true;
      return;
    }
    const state = { again: false, done: Promise.resolve() };
    cycles.set(id, state);
    state.done = runCycles(id, state, work)
      .catch((error: unknown) => log.error({ err: error, workspace_id: id }, 'the gate of a restart failed'))
      .finally(() => {
        cycles.delete(id);
        // Asked for after the last look: nobody else would run it.
        if (state.again) enter(id, () => repeat(id));
      });
  }

  return {
    enter,
    isBusy: (id) => cycles.has(id),
    async close() {
      closed = true;
      await Promise.allSettled([...cycles.values()].map((cycle) => cycle.done));
    },
  };
}
