// The turn of a start or restart: held while its work lasts, however long a remote backend takes, and free afterwards.

import { openTestDatabase } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, expect, it, vi } from 'vitest';
import { startProcessSeats } from '../../test/process-seats.ts';
import { MIGRATIONS_DIR } from '../app.ts';
import { type Database, migrate } from '../platform/db/index.ts';
import { createLog } from '../platform/log.ts';
import { createRestartGate, GATE_PREFIX, NOTE_PREFIX } from './restart-gate.ts';

const ID = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c11';
let db: Database;

afterEach(async () => {
  await db.close();
});

async function expiryOf(id: string): Promise<number | null> {
  const row = await db.kysely
    .selectFrom('leases')
    .select('expires_at')
    .where('name', '=', `${GATE_PREFIX}${id}`)
    .executeTakeFirst();
  return row ? new Date(row.expires_at).getTime() : null;
}

it('is renewed while the work lasts, so that no other replica takes it, and given up at its end', async () => {
  db = await openTestDatabase();
  await migrate(db, MIGRATIONS_DIR);
  const gateOf = () =>
    createRestartGate({
      db,
      log: createLog('silent'),
      withSlot: (work) => work(),
      repeat: async () => {},
      leaseMs: 4_000,
    });
  const [first, second] = [gateOf(), gateOf()];
  const began = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  first.enter(ID, async () => {
    began.resolve();
    await end.promise;
  });
  await began.promise;
  const before = (await expiryOf(ID)) ?? 0;
  // Longer than one lease: without a renewal it would be free by now.
  await vi.waitUntil(async () => ((await expiryOf(ID)) ?? 0) > before + 4_000, { timeout: 15_000, interval: 20 });
  const intruder = vi.fn(async () => {});
  second.enter(ID, intruder);
  await second.close();
  expect(intruder).not.toHaveBeenCalled();
  end.resolve();
  await first.close();
  expect(await expiryOf(ID)).toBeNull();
});

it('a restart that was asked for while a replica had the turn, and died with it, is made up for', async () => {
  const seats = await startProcessSeats();
  db = seats.db;
  try {
    const id = await seats.create();
    await seats.until(id, 'online');
    // Also over the turn of the start that has just brought the seat up.
    const hold = (name: string, seconds: number) =>
      sql`insert into leases (name, holder, token, expires_at)
        values (${name}, 'dead', gen_random_uuid(), now() + make_interval(secs => ${seconds}::int))
        on conflict (name) do update
        set holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at`.execute(db.kysely);
    await hold(`${GATE_PREFIX}${id}`, 60);
    await hold(`${NOTE_PREFIX}${id}`, 600);
    await seats.run('health-sweep');
    expect(seats.starts(id)).toHaveLength(1);
    await sql`update leases set expires_at = now() where name = ${`${GATE_PREFIX}${id}`}`.execute(db.kysely);
    await seats.run('health-sweep');
    await seats.untilStarts(id, 2);
    await seats.until(id, 'online');
  } finally {
    await seats.stop();
  }
});
