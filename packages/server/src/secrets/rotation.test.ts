import { randomBytes } from 'node:crypto';
import { createSeat, openTestDatabase, type Seat, startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS_DIR } from '../app.ts';
import { ConfigError, readConfig } from '../config.ts';
import { type Database, migrate } from '../platform/db/index.ts';
import { createCipher } from './cipher.ts';
import * as store from './store.ts';

const [OLDEST, OLD, NEW] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64')) as [
  string,
  string,
  string,
];
const keyOf = (text: string) => Buffer.from(text, 'base64');

let db: Database;
let running: TestPlatform | null = null;
beforeEach(async () => {
  db = await openTestDatabase();
  await migrate(db, MIGRATIONS_DIR);
});
afterEach(async () => {
  await running?.stop();
  running = null;
  await db.close();
});

/** The platform of one key; the one before it is stopped. */
async function startWith(key: string, previous = ''): Promise<TestPlatform> {
  await running?.stop();
  running = await startPlatform({
    db,
    env: { SECRETS_ENCRYPTION_KEY: key, SECRETS_ENCRYPTION_KEY_PREVIOUS: previous },
  });
  return running;
}
const valuesOf = (test: TestPlatform, seat: Seat) =>
  test.client(seat.token).getSecretValues({ params: { id: seat.id } });

/** Whether everything lies under this key. */
const isUnder = (key: string) => async () =>
  (await store.listUnderOtherKeys(db.kysely, createCipher(keyOf(key)).keyId, store.FIRST_POSITION, 1)).length === 0;

describe('a new key', () => {
  it('reads what the earlier ones wrote at once, and takes it over so that they can be taken away', async () => {
    let test = await startWith(OLDEST);
    const seat = await createSeat(test);
    const { id } = seat;
    await test.admin.saveSecret({ params: { id }, body: { key: 'FIRST', value: 'one' } });
    await test.admin.saveGlobalSecret({ body: { key: 'SHARED', value: 'ünïcode' } });
    await sql`insert into workspace_secrets (workspace_id, key, encrypted_value) values (${id}, 'PLAIN', 'in the clear')`.execute(
      db.kysely,
    );
    const savedAt = (await test.admin.listSecrets({ params: { id } })).map((row) => row.updated_at);

    test = await startWith(NEW, ` ${OLD} , ${OLDEST}`);
    const expected = { FIRST: 'one', SHARED: 'ünïcode', PLAIN: 'in the clear' };
    expect(await valuesOf(test, seat)).toEqual(expected);
    await waitFor('everything lies under the new key', isUnder(NEW));
    const rows = await sql<{ text: string; encryption_version: number }>`
      select encode(encrypted_value, 'escape') as text, encryption_version from workspace_secrets
    `.execute(db.kysely);
    expect(rows.rows.map((row) => [row.encryption_version, row.text.includes('clear')])).toEqual([
      [1, false],
      [1, false],
    ]);

    test = await startWith(NEW);
    expect(await valuesOf(test, seat)).toEqual(expected);
    expect((await test.admin.listSecrets({ params: { id } })).map((row) => row.updated_at)).toEqual(savedAt);
  });

  it('leaves alone what no key opens: it fails closed as before, and holds nothing else up', async () => {
    let test = await startWith(OLD);
    const seat = await createSeat(test);
    await test.admin.saveSecret({ params: { id: seat.id }, body: { key: 'GOOD', value: 'kept' } });
    const lost = createCipher(randomBytes(32)).encrypt('lost');
    // More than one pass takes, and before the good one in its order.
    await sql`
      insert into global_secrets (key, encrypted_value, encryption_version, key_id)
      select 'LOST_' || n, ${lost.encrypted_value}::bytea, 1, ${lost.key_id}::bytea from generate_series(1, 600) n
    `.execute(db.kysely);
    await sql`insert into global_secrets (key, encrypted_value, encryption_version) values ('FUTURE', 'x', 99)`.execute(
      db.kysely,
    );

    test = await startWith(NEW, OLD);
    const isGoodUnder = async (key: string) =>
      (
        await sql`select 1 from workspace_secrets where key = 'GOOD' and key_id = ${createCipher(keyOf(key)).keyId}`.execute(
          db.kysely,
        )
      ).rows.length === 1;
    await waitFor('the good one lies under the new key', async () => {
      test.platform.supervisor.wake('secrets-rotation');
      return await isGoodUnder(NEW);
    });
    const untouched = await sql<{ count: number }>`
      select count(*)::int as count from global_secrets where encrypted_value = ${lost.encrypted_value} and key_id = ${lost.key_id}
    `.execute(db.kysely);
    expect(untouched.rows[0]?.count).toBe(600);
    const refused = await valuesOf(test, seat).catch(
      (error: { status: number; body: { failed_keys: string[] } }) => error,
    );
    expect(refused).toMatchObject({ status: 500 });
    expect((refused as { body: { failed_keys: string[] } }).body.failed_keys).toHaveLength(601);
    const liveness = (await test.admin.liveness()).subsystems['secrets-rotation'];
    expect(liveness?.counts).toMatchObject({ unreadable: expect.any(Number), rewritten: expect.any(Number) });
  });

  it('never undoes a value that was saved while its row was being rewritten', async () => {
    const [before, after] = [createCipher(keyOf(OLD)), createCipher(keyOf(NEW))];
    await store.upsertGlobal(db.kysely, { key: 'RACED', ...before.encrypt('read by the pass') });
    const [row] = await store.listUnderOtherKeys(db.kysely, after.keyId, store.FIRST_POSITION, 10);
    await store.upsertGlobal(db.kysely, { key: 'RACED', ...before.encrypt('saved meanwhile') });
    if (!row) throw new Error('the row was not found');
    expect(await store.replaceValue(db.kysely, row, after.encrypt('read by the pass'))).toBe(false);
    const [stored] = await store.listGlobal(db.kysely);
    expect(before.decrypt(stored?.encrypted_value ?? Buffer.alloc(0), 1)).toBe('saved meanwhile');
  });
});

it('an earlier key that is none ends the start, and a platform without the right one reads nothing', async () => {
  for (const previous of ['short', `${OLD},short`])
    expect(() => readConfig({ PATH: '/bin', SECRETS_ENCRYPTION_KEY_PREVIOUS: previous })).toThrow(ConfigError);
  let test = await startWith(OLD);
  const seat = await createSeat(test);
  await test.admin.saveSecret({ params: { id: seat.id }, body: { key: 'GOOD', value: 'kept' } });
  test = await startWith(NEW, OLDEST);
  await expect(valuesOf(test, seat)).rejects.toMatchObject({ status: 500, body: { failed_keys: ['workspace:GOOD'] } });
  test = await startWith(OLD);
  expect(await valuesOf(test, seat)).toEqual({ GOOD: 'kept' });
});
