import { tmpdir } from 'node:os';
import { createClient } from '@molecule/contract';
import {
  type A2aReply,
  type FakeAgent,
  holdCalls,
  openTestDatabase,
  type Responder,
  replyBusy,
  replyWith,
  type SendOptions,
  sendA2a,
  startFakeAgent,
  startPeer,
  startPlatform,
  startPostgres,
  type TestDatabase,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findFreePort, startPlatformProcess } from '../../../test/platform-process.ts';
import { type Database, openDatabase } from '../../platform/db/index.ts';
import { createLog } from '../../platform/log.ts';

const said = (text: string) => ({ result: { parts: [{ text }] } });

function counting(): Responder {
  let turns = 0;
  return (call, response) => replyWith(`turn ${++turns}`)(call, response);
}

/** Another replica was told that the end of so many calls is awaited. */
const untilAwaited = (db: Database, count: number) =>
  waitFor('a repeat waits on another replica', async () => {
    const { rows } = await sql<{
      count: number;
    }>`select count(*)::int as count from a2a_claims where is_awaited`.execute(db.kysely);
    return rows[0]?.count === count;
  });

describe('on two replicas', () => {
  let db: TestDatabase;
  let secondDb: Database;
  let first: TestPlatform;
  let second: TestPlatform;
  const agents: FakeAgent[] = [];

  beforeAll(async () => {
    db = await openTestDatabase({ store: 'postgres' });
    secondDb = (await db.openAnother?.()) as Database;
    first = await startPlatform({ db });
    second = await startPlatform({ db: secondDb });
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  });
  afterAll(async () => {
    await second?.stop();
    await first?.stop();
    await secondDb?.close();
    await db?.close();
  });

  async function startAgent(respond: Responder): Promise<FakeAgent> {
    const agent = await startFakeAgent(first, { respond });
    agents.push(agent);
    return agent;
  }

  /** The same request to either replica, ten times each. */
  const sendEverywhere = (agent: FakeAgent, request: Record<string, unknown>): Promise<A2aReply>[] =>
    Array.from({ length: 20 }, (_, id) => sendA2a(id % 2 === 0 ? first : second, agent.id, { ...request, id }));

  it('20.98 a held call repeated with its id, on either replica, is one turn and one answer; other bodies and callers are messages of their own', async () => {
    const hold = holdCalls(counting());
    const agent = await startAgent(hold.respond);
    const request = textRequest('once');
    const original = sendA2a(first, agent.id, request);
    await agent.waitForCalls(1);
    const repeats = sendEverywhere(agent, request);
    await untilAwaited(db, 1);
    hold.release();
    expect((await original).body).toMatchObject({ id: 1, ...said('turn 1') });
    for (const [id, reply] of (await Promise.all(repeats)).entries())
      expect([reply.status, reply.body]).toMatchObject([200, { id, ...said('turn 1') }]);
    for (const reply of await Promise.all(sendEverywhere(agent, request)))
      expect(reply.body).toMatchObject(said('turn 1'));
    expect(agent.calls).toHaveLength(1);

    const message = (request.params as { message: { messageId: string } }).message;
    const reworded = textRequest('in other words', { message: { messageId: message.messageId } });
    expect((await sendA2a(second, agent.id, reworded)).body).toMatchObject(said('turn 2'));
    const caller = await startAgent(replyWith('ok'));
    const asCaller: SendOptions = { token: caller.token };
    expect((await sendA2a(second, agent.id, request, asCaller)).body).toMatchObject(said('turn 3'));

    agent.respond(replyBusy);
    const waiting = textRequest('later');
    const place = async (to: TestPlatform, body: Record<string, unknown>, options?: SendOptions) => {
      const reply = await sendA2a(to, agent.id, body, options);
      expect(reply.status).toBe(202);
      return reply.body?.queue_id;
    };
    const queueId = await place(first, waiting);
    expect(await place(second, { ...waiting, id: 'again' })).toBe(queueId);
    const { messageId } = (waiting.params as { message: { messageId: string } }).message;
    const others = [
      await place(second, waiting, asCaller),
      await place(second, textRequest('other', { message: { messageId } })),
    ];
    expect(new Set([queueId, ...others]).size).toBe(3);

    const gone = await startAgent(counting());
    const setUrl = (url: string) =>
      db.kysely
        .updateTable('workspaces')
        .set({ url })
        .where('id', '=', gone.id)
        .execute()
        .then(() => {
          for (const { platform } of [first, second]) platform.workspaces.forget(gone.id);
        });
    await setUrl('http://127.0.0.1:1');
    const undelivered = textRequest('hello');
    expect((await sendA2a(first, gone.id, undelivered)).body).toMatchObject({ code: 'agent_unreachable' });
    await setUrl(gone.url);
    expect((await sendA2a(second, gone.id, undelivered)).body).toMatchObject(said('turn 1'));
    expect(gone.calls).toHaveLength(1);
  });

  it('a burst to both at once is one turn', async () => {
    const agent = await startAgent(counting());
    const replies = await Promise.all(sendEverywhere(agent, textRequest('all at once')));
    for (const [id, reply] of replies.entries()) expect(reply.body).toMatchObject({ id, ...said('turn 1') });
    expect(agent.calls).toHaveLength(1);
  });

  it('a repeat of a call that fails elsewhere runs as soon as that has ended; one whose replica stops is told to come again', async () => {
    const failing = holdCalls((_call, response) => void response.writeHead(500).end());
    const agent = await startAgent(failing.respond);
    const request = textRequest('once');
    const original = sendA2a(first, agent.id, request);
    await agent.waitForCalls(1);
    const repeat = sendA2a(second, agent.id, request);
    await untilAwaited(db, 1);
    agent.respond(counting());
    failing.release();
    expect((await original).status).toBe(500);
    expect((await repeat).body).toMatchObject(said('turn 1'));

    const hold = holdCalls(replyWith('in the end'));
    agent.respond(hold.respond);
    const next = textRequest('next');
    const held = sendA2a(first, agent.id, next);
    await agent.waitForCalls(3);
    const waiting = sendA2a(second, agent.id, next);
    await untilAwaited(db, 1);
    await second.platform.close();
    const stopped = await waiting;
    expect([stopped.status, stopped.body]).toMatchObject([503, { code: 'agent_busy' }]);
    hold.release();
    expect((await held).body).toMatchObject(said('in the end'));
  });
});

it('a call that began when its replica was alone is known to one that comes up later', async () => {
  const db = await openTestDatabase({ store: 'postgres' });
  const secondDb = (await db.openAnother?.()) as Database;
  const first = await startPlatform({ db });
  const hold = holdCalls(counting());
  const agent = await startFakeAgent(first, { respond: hold.respond });
  try {
    await waitFor('it takes itself to be alone', () => !first.platform.events.hasPeers());
    const request = textRequest('once');
    const original = sendA2a(first, agent.id, request);
    await agent.waitForCalls(1);
    const claims = () => sql`select 1 from a2a_claims`.execute(db.kysely);
    expect((await claims()).rows).toEqual([]);
    const second = await startPlatform({ db: secondDb });
    try {
      await waitFor('the call is claimed', async () => (await claims()).rows.length === 1);
      const repeat = sendA2a(second, agent.id, { ...request, id: 2 });
      await untilAwaited(db, 1);
      hold.release();
      expect((await repeat).body).toMatchObject({ id: 2, ...said('turn 1') });
      expect((await original).body).toMatchObject({ id: 1, ...said('turn 1') });
      expect(agent.calls).toHaveLength(1);
      await waitFor('no claim is left', async () => (await claims()).rows.length === 0);
    } finally {
      await second.stop();
    }
  } finally {
    await agent.stop();
    await first.stop();
    await secondDb.close();
    await db.close();
  }
}, 90_000);

it('20.112 a replica is killed in the middle of a call: the repeat that waits on another runs it once its presence has lapsed', async () => {
  const postgres = await startPostgres();
  const url = await postgres.createDatabase();
  const db = await openDatabase({ url, dataDir: tmpdir(), log: createLog('silent') });
  const env = { MOLECULE_ENV: 'development', MOLECULE_PROVISIONER: 'none', RATE_LIMIT: '1000000' };
  const survivor = await startPlatform({ db, env });
  const victim = await startPlatformProcess({
    ...env,
    PORT: String(await findFreePort()),
    MOLECULE_DATA_DIR: survivor.dataDir,
    DATABASE_URL: url,
  });
  const silent: Responder = () => {};
  const peer = await startPeer(silent);
  try {
    const { id, connection } = await victim.admin.createWorkspace({ body: { name: 'seat', external: true } });
    await createClient({ baseUrl: victim.url, token: connection?.auth_token ?? '' }).register({
      body: {
        id,
        agent_card: { name: 'worker', protocolVersion: '0.3.0' },
        delivery_mode: 'push',
        url: `http://localhost:${peer.port}`,
      },
    });
    const request = textRequest('once');
    const cutOff = victim.admin
      .raw('POST', `/workspaces/${id}/a2a`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(request),
      })
      .then(
        () => 'answered',
        () => 'cut off',
      );
    await peer.waitForCalls(1);
    const repeat = sendA2a(survivor, id, request);
    await untilAwaited(db, 1);
    await victim.end('SIGKILL');
    expect(await cutOff).toBe('cut off');
    expect(peer.calls).toHaveLength(1);
    peer.respond(replyWith('by the survivor'));
    // Half a minute passes.
    await sql`update leases set expires_at = now() where name in (select holder from a2a_claims)`.execute(db.kysely);
    expect((await repeat).body).toMatchObject(said('by the survivor'));
    expect(peer.calls).toHaveLength(2);
    expect((await sendA2a(survivor, id, request)).body).toMatchObject(said('by the survivor'));
    expect(peer.calls).toHaveLength(2);
    const retention = survivor.platform.messaging.loops.find(({ name }) => name === 'a2a-claims-retention');
    expect(await retention?.run(new AbortController().signal)).toEqual({ deleted: 0 });
  } finally {
    await peer.stop();
    await victim.end('SIGKILL');
    await survivor.stop();
    await db.close();
    await postgres.dropDatabase(url);
    await postgres.stop();
  }
}, 90_000);
