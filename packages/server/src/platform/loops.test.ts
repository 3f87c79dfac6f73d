// The supervisor with loops of the test's own and a clock it turns; which loops the platform has is listed elsewhere.

import { openTestDatabase, type TestDatabase } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { MIGRATIONS_DIR } from '../app.ts';
import { acquireLease, migrate } from './db/index.ts';
import { createLog } from './log.ts';
import { createSupervisor, type Loop, type Supervisor } from './loops.ts';
import { createPresence } from './presence.ts';

const MINUTE = 60_000;

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
  await migrate(db, MIGRATIONS_DIR);
});
afterAll(() => db.close());

function makeLoop(run: Loop['run'], changes: Partial<Loop> = {}): Loop {
  return { name: 'a', why: 'because', everyMs: MINUTE, timeoutMs: 1_000, runs: 'every-replica', run, ...changes };
}

describe('a loop that goes wrong', () => {
  let supervisor: Supervisor;
  function supervise(loop: Loop): Supervisor {
    const presence = createPresence(db, 'one');
    supervisor = createSupervisor([loop], { db, clock: { now: Date.now }, log: createLog('silent'), presence });
    supervisor.start();
    return supervisor;
  }
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await supervisor.stop();
  });

  it('10.77 is run again after 1, 2, 4, 8, 16 and then 30 seconds at most, and says what it threw', async () => {
    const runs: number[] = [];
    supervise(
      makeLoop(async () => {
        runs.push(Date.now());
        throw new Error('no luck');
      }),
    );
    await vi.advanceTimersByTimeAsync(130_000);
    const gaps = runs.slice(1).map((at, index) => Math.round((at - (runs[index] ?? 0)) / 1_000));
    expect(gaps.slice(0, 7)).toEqual([1, 2, 4, 8, 16, 30, 30]);
    expect(supervisor.report()).toMatchObject([{ lastError: 'no luck', lastSuccessAt: null }]);
  });

  it('10.77 is cut off when it hangs, and shows as stale until a pass succeeds', async () => {
    let hangs = true;
    supervise(
      makeLoop(() => (hangs ? new Promise<never>(() => {}) : Promise.resolve({ done: 1 })), { everyMs: 5_000 }),
    );
    await vi.advanceTimersByTimeAsync(5_000);
    expect(supervisor.report()).toMatchObject([{ stale: false, lastError: 'no end within 1000 ms' }]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(supervisor.report()).toMatchObject([{ stale: true }]);
    hangs = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(supervisor.report()).toMatchObject([{ stale: false, lastError: null, counts: { done: 1 } }]);
  });
});

describe.runIf(process.env.MOLECULE_TEST_STORE === 'postgres')('what a killed replica held', () => {
  it('is free once its presence has ended, long before its own time, and worth nothing to it any more', async () => {
    const [killed, other] = [createPresence(db, 'killed'), createPresence(db, 'other')];
    await Promise.all([killed.assert(), other.assert()]);
    const held = await acquireLease(db, 'loop:slow', killed.holder, 10 * MINUTE);
    expect(await acquireLease(db, 'loop:slow', other.holder, MINUTE)).toBeNull();
    await sql`update leases set expires_at = now() - interval '1 second' where name = ${killed.holder}`.execute(
      db.kysely,
    );
    const taken = await acquireLease(db, 'loop:slow', other.holder, MINUTE);
    expect(taken).not.toBeNull();
    expect(await held?.renew()).toBe(false);
    expect(await taken?.renew()).toBe(true);
    await Promise.all([killed.end(), other.end(), taken?.release()]);
  });

  it('runs on one of two replicas at a time, and on the other once the first has stopped', async () => {
    const runs: string[] = [];
    const open = (name: string) => {
      const loop = makeLoop(async () => ({ runs: runs.push(name) }), { runs: 'one-replica', everyMs: 20 });
      const supervisor = createSupervisor([loop], {
        db,
        clock: { now: Date.now },
        log: createLog('silent'),
        presence: createPresence(db, name),
      });
      supervisor.start();
      return supervisor;
    };
    const [first, second] = [open('first'), open('second')];
    await vi.waitFor(() => expect(runs.length).toBeGreaterThan(5));
    const [holder] = runs;
    expect(new Set(runs)).toEqual(new Set([holder]));
    await (holder === 'first' ? first : second).stop();
    await vi.waitFor(() => expect(runs.at(-1)).not.toBe(holder));
    await Promise.all([first.stop(), second.stop()]);
  });
});
