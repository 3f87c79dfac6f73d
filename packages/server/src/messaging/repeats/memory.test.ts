import { randomUUID } from 'node:crypto';
import {
  type FakeAgent,
  openTestDatabase,
  replyWith,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestDatabase,
  type TestPlatform,
  textRequest,
  waitFor,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createHeardIds } from './heard-ids.ts';

describe('the ids heard of', () => {
  it('are known for certain; of a million new ones few look known', () => {
    const heard = createHeardIds();
    const ids = Array.from({ length: 1_000_000 }, (_, n) => `${randomUUID()} ${n}`);
    const looksKnown = ids.filter((id) => heard.note(id, 0)).length;
    expect(looksKnown).toBeLessThan(5_000);
    expect(ids.every((id) => heard.note(id, 0))).toBe(true);
  });

  it('are forgotten with the time they were last noted, and beyond their room are not taken for known', () => {
    const heard = createHeardIds({ idsPerFilter: 2, mostFilters: 2 });
    for (const [time, id] of ['a', 'b', 'c'].entries()) heard.note(id, time);
    heard.note('a', 10);
    expect(heard.size()).toBe(4);
    heard.forgetBefore(5);
    expect([heard.size(), heard.hasOverflowed()]).toEqual([2, false]);
    expect(['a', 'b'].map((id) => heard.note(id, 11))).toEqual([true, false]);
    heard.note('d', 12);
    heard.note('e', 12);
    expect(heard.hasOverflowed()).toBe(true);
    heard.reset();
    expect([heard.note('d', 12), heard.hasOverflowed()]).toEqual([false, false]);
  });
});

describe('a platform that starts on a store others have written', () => {
  let db: TestDatabase;
  let before: TestPlatform;
  let test: TestPlatform | null = null;
  let agent: FakeAgent;
  let turns = 0;
  beforeAll(async () => {
    db = await openTestDatabase();
    before = await startPlatform({ db });
    agent = await startFakeAgent(before, { respond: (call, response) => replyWith(`turn ${++turns}`)(call, response) });
  });
  beforeEach(() => {
    turns = 0;
  });
  afterEach(async () => {
    await test?.stop();
    test = null;
  });
  afterAll(async () => {
    await agent?.stop();
    await before?.stop();
    await db?.close();
  });

  const said = (text: string) => ({ result: { parts: [{ text }] } });

  it('knows what was answered before its time, whether or not it has read all of it, and asks no more for what is new', async () => {
    const requests = [textRequest('one'), textRequest('two')];
    for (const [n, request] of requests.entries())
      expect((await sendA2a(before, agent.id, request)).body).toMatchObject(said(`turn ${n + 1}`));
    await waitForActivity(before, agent.id, (row) => JSON.stringify(row.request_body).includes('"two"'));
    await before.platform.close();

    const next = await startPlatform({ db });
    test = next;
    await next.platform.supervisor.stop();
    expect((await sendA2a(next, agent.id, requests[0] as Record<string, unknown>)).body).toMatchObject(said('turn 1'));
    await waitFor('it takes itself to be alone', () => !next.platform.events.hasPeers());
    const memory = next.platform.messaging.loops.find(({ name }) => name === 'a2a-repeat-memory');
    expect(await memory?.run(new AbortController().signal)).toEqual({ read: 2 });
    expect(await memory?.run(new AbortController().signal)).toEqual({});
    expect((await sendA2a(next, agent.id, requests[1] as Record<string, unknown>)).body).toMatchObject(said('turn 2'));

    // A look-up would fail now, and be counted.
    await db.pool.query('alter table a2a_queue rename to queue_away');
    try {
      expect((await sendA2a(next, agent.id, textRequest('three'))).body).toMatchObject(said('turn 3'));
    } finally {
      await db.pool.query('alter table queue_away rename to a2a_queue');
    }
    const metrics = await fetch(`${next.url}/metrics`, { headers: { authorization: `Bearer ${next.adminToken}` } });
    expect(await metrics.text()).not.toContain('check="repeat"');
  }, 20_000);
});
