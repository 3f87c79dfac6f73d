import { createManualClock, createSeat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const FIVE_MINUTES = 300_000;
const clock = createManualClock();
let test: TestPlatform;

beforeAll(async () => {
  test = await startPlatform({ clock });
});
afterAll(async () => {
  await test?.stop();
});

const setSecret = async (id: string, secret: string | null) => {
  await test.db.kysely
    .updateTable('workspaces')
    .set({ platform_inbound_secret: secret })
    .where('id', '=', id)
    .execute();
};
const readSecret = async (id: string) =>
  (
    await test.db.kysely
      .selectFrom('workspaces')
      .select('platform_inbound_secret')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).platform_inbound_secret;
/** While it stands, the database refuses every new inbound secret; what is there stays. */
const refuseMints = () =>
  sql`alter table workspaces add constraint no_secret check (platform_inbound_secret is null) not valid`.execute(
    test.db.kysely,
  );
const allowMints = () => sql`alter table workspaces drop constraint no_secret`.execute(test.db.kysely);

interface SeatCalls {
  id: string;
  register(): Promise<string | undefined>;
  beat(): Promise<string | undefined>;
}
async function openSeat(): Promise<SeatCalls> {
  const { id, token } = await createSeat(test);
  const client = test.client(token);
  return {
    id,
    register: async () =>
      (await client.register({ body: { id, agent_card: {}, delivery_mode: 'poll' } })).platform_inbound_secret,
    beat: async () => (await client.heartbeat({ body: { workspace_id: id } as never })).platform_inbound_secret,
  };
}

describe('the inbound secret', () => {
  it('10.10 a null one is healed in the reply; where the mint fails the reply is 200 without the field', async () => {
    const seat = await openSeat();
    const healed = await seat.register();
    expect(healed).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await readSecret(seat.id)).toBe(healed);
    expect(await seat.beat()).toBe(healed);

    const other = await openSeat();
    await refuseMints();
    expect(await other.register()).toBeUndefined();
    expect(await other.beat()).toBeUndefined();
    await allowMints();
    expect((await test.admin.getWorkspace({ params: { id: other.id } })).status).toBe('online');
    expect(await other.beat()).toBe(await readSecret(other.id));
  });

  it('10.11 a changed one is delivered within five minutes with one read at most; absence is never remembered', async () => {
    const seat = await openSeat();
    const first = await seat.register();
    await setSecret(seat.id, 'changed');
    clock.advance(FIVE_MINUTES - 1_000);
    // Still the remembered one: so many beats, not one read.
    for (let beats = 0; beats < 3; beats += 1) expect(await seat.beat()).toBe(first);
    clock.advance(1_000);
    expect(await seat.beat()).toBe('changed');

    await setSecret(seat.id, null);
    clock.advance(FIVE_MINUTES);
    await refuseMints();
    expect(await seat.beat()).toBeUndefined();
    await allowMints();
    const minted = await seat.beat();
    expect(minted).toBeTruthy();
    expect(minted).toBe(await readSecret(seat.id));
  });

  it('is never shown by a list, a single view, an event or a peer', async () => {
    const seat = await openSeat();
    const secret = (await seat.register()) ?? '';
    const shown = JSON.stringify([
      await test.admin.listWorkspaces(),
      await test.admin.getWorkspace({ params: { id: seat.id } }),
      await test.admin.listWorkspaceEvents({ params: { id: seat.id } }),
      await test.admin.listPeers({ params: { id: (await createSeat(test)).id } }),
    ]);
    expect(shown).toContain(seat.id);
    expect(shown).not.toContain(secret);
  });
});
