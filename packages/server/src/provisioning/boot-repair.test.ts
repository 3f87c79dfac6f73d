// A platform that comes back to many seats whose workloads are gone: it serves first, and repairs a bounded batch at a time.

import { openTestDatabase, startPlatform, type TestDatabase, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startProcessSeats } from '../../test/process-seats.ts';

const SEATS = 500;
const BATCH = 50;

let db: TestDatabase;
let before: TestPlatform;
beforeAll(async () => {
  db = await openTestDatabase();
  before = await startPlatform({ db });
  await before.stop();
  await sql`
    insert into workspaces (name, runtime, status, last_heartbeat_at)
    select 'seat ' || n, 'echo', 'online', now() from generate_series(1, ${SEATS}::int) n
  `.execute(db.kysely);
});
afterAll(() => db.close());

it('10.92 /health answers while 500 workspaces wait for their repair, and every pass handles a bounded batch', async () => {
  // What it would start lives for a moment only, and never registers.
  const test = await startProcessSeats({ db, agentCommand: ['sleep', '0.2'] });
  try {
    const repaired: number[] = [];
    for (let pass = 0; pass < 3; pass += 1) {
      const counts = await test.run('health-sweep');
      repaired.push(counts.checked ?? 0);
      const health = await fetch(`${test.url}/health`);
      expect(health.status).toBe(200);
    }
    expect(Math.max(...repaired)).toBe(BATCH);
    const rows = await test.admin.listWorkspaces();
    expect(rows).toHaveLength(SEATS);
    expect(rows.filter(({ status }) => status === 'online').length).toBeGreaterThan(SEATS / 2);
  } finally {
    await test.stop();
  }
});
