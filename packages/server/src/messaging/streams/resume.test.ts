import { randomUUID } from 'node:crypto';
import {
  type FakeAgent,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
} from '@molecule/testkit';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { V10_CARD } from '../../../test/a2a-agents.ts';
import { type EventRequest, readEvents } from '../../../test/event-reader.ts';
import { createTalkingAgent, type Talk, type TalkingAgent } from '../../../test/talking-agent.ts';

interface Seat {
  agent: FakeAgent;
  talking: TalkingAgent;
}

let test: TestPlatform;
let v03: Seat;
let v10: Seat;
/** A sibling, so that it may call. */
let other: FakeAgent;
beforeAll(async () => {
  test = await startPlatform();
  const seat = async (version: '0.3' | '1.0', card?: Record<string, unknown>): Promise<Seat> => {
    const talking = createTalkingAgent(version);
    return { agent: await startFakeAgent(test, { respond: talking.respond, ...(card ? { card } : {}) }), talking };
  };
  v03 = await seat('0.3');
  v10 = await seat('1.0', V10_CARD);
  other = await startFakeAgent(test);
});
afterAll(async () => {
  await Promise.all([v03?.agent.stop(), v10?.agent.stop(), other?.stop()]);
  await test?.stop();
});

type Body = Record<string, unknown>;
const ask = ({ agent }: Seat, body: Body, more: Partial<EventRequest> = {}) =>
  readEvents({ url: `${test.url}/workspaces/${agent.id}/a2a`, token: test.adminToken, body, ...more });

const messageIdOf = (body: Body) => (body.params as { message: { messageId: string } }).message.messageId;
const newMessage = () => textRequest('go', { method: 'message/stream' });
const newV10Message = (): Body => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'SendStreamingMessage',
  params: { message: { messageId: randomUUID(), role: 'ROLE_USER', parts: [{ text: 'go' }] } },
});
const resubscribe = (id: string, params: Body = {}, rpcId: unknown = 1): Body => ({
  jsonrpc: '2.0',
  id: rpcId,
  method: 'tasks/resubscribe',
  params: { id, ...params },
});
const after = (id: number) => ({ headers: { 'last-event-id': String(id) } });

/** Begins a stream, and hears its first event. */
async function begin(seat: Seat, body = newMessage(), more: Partial<EventRequest> = {}) {
  const events = await ask(seat, body, more);
  const first = await events.next();
  return { body, events, first, talk: seat.talking.talks.get(messageIdOf(body)) as Talk };
}

/** Begins a stream and reads it to its end. */
async function play(seat: Seat, words: string[], body = newMessage(), more: Partial<EventRequest> = {}) {
  const { events, talk } = await begin(seat, body, more);
  for (const word of words) talk.say(word);
  talk.finish();
  await events.all();
  return { body, talk, log: events.raw(), count: words.length + 3 };
}

/** What a client that saw `seen` events had read. */
const headOf = (log: string, seen: number) =>
  log
    .split('\n\n')
    .slice(0, seen)
    .map((event) => `${event}\n\n`)
    .join('');

async function readRest(seat: Seat, body: Body, more: Partial<EventRequest>) {
  const events = await ask(seat, body, more);
  expect(events.response.headers.get('content-type')).toBe('text/event-stream');
  await events.all();
  return events.raw();
}

it('20.121 a client that lost its connection after any event reads on from there, in its version, by task or by message: together the log of one that never lost it', async () => {
  const words = ['one ', 'two\n\n', 'thr€e ', '', 'five', ' six', '\u2028seven'];
  const cases = await Promise.all(
    [v03, v10].flatMap((seat) =>
      [newMessage, newV10Message].map(async (make) => {
        const played = await play(seat, words, make());
        const isV10 = make === newV10Message;
        const method = isV10 ? 'SubscribeToTask' : 'tasks/resubscribe';
        const byTask = (params: Body) => ({ ...resubscribe(played.talk.taskId, params), method });
        const byMessage = (params: Body) => ({
          ...played.body,
          params: { ...(played.body.params as Body), ...params },
        });
        return { seat, ...played, ways: [byTask, byMessage] };
      }),
    ),
  );
  for (const { log, count } of cases) {
    expect(log.match(/^id: \d+$/gm)).toEqual(Array.from({ length: count }, (_, index) => `id: ${index + 1}`));
    expect(log).toContain('six');
  }
  const pick = fc.record({
    which: fc.constantFrom(...cases),
    way: fc.nat(1),
    asHeader: fc.boolean(),
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(pick, async ({ which, way, asHeader, cut }) => {
      const seen = Math.round(cut * which.count);
      const body = which.ways[way]?.(asHeader ? {} : { metadata: { after_seq: seen } }) ?? {};
      const rest = await readRest(which.seat, body, asHeader ? after(seen) : {});
      expect(headOf(which.log, seen) + rest).toBe(which.log);
    }),
    { numRuns: 60 },
  );
  for (const { talk } of cases) expect(talk.deliveries).toBe(1);
});

it('20.121 a stream that goes on is followed to its end, and the agent hears nothing of the break', async () => {
  const { body, events, first, talk } = await begin(v03);
  talk.say('before ');
  const seen = [first, await events.next(), await events.next()];
  events.cut();
  talk.say('between ');
  const resumed = await ask(v03, resubscribe(talk.taskId), after(3));
  expect(await resumed.next()).toMatchObject({
    id: 4,
    data: { result: { artifact: { parts: [{ text: 'between ' }] } } },
  });
  talk.say('after');
  expect(await resumed.next()).toMatchObject({ id: 5, data: { result: { artifact: { parts: [{ text: 'after' }] } } } });
  expect(talk.listeners()).toBe(1);
  talk.finish();
  expect((await resumed.all()).map(({ id }) => id)).toEqual([6]);
  expect(seen.map((event) => event?.id)).toEqual([1, 2, 3]);
  expect(await readRest(v03, body, after(0))).toBe(events.raw() + resumed.raw());
  expect([talk.deliveries, v03.agent.calls.at(-1)?.raw]).toEqual([1, expect.stringContaining('message/stream')]);
});

it('20.121 another JSON-RPC id is answered under that id, with the same results', async () => {
  const { talk, log } = await play(v03, ['hello']);
  const rest = await readRest(v03, resubscribe(talk.taskId, {}, 'again'), after(0));
  expect(rest).toBe(log.replaceAll('"id":1,"result"', '"id":"again","result"'));
});

it('20.124 a later stream of the same task goes on in its sequence, and each is resumed by its own events', async () => {
  const { events, talk } = await begin(v03);
  talk.say('first ');
  const second = await ask(v03, resubscribe(talk.taskId));
  const snapshot = await second.next();
  talk.say('second');
  talk.finish();
  await events.all();
  await second.all();
  expect(snapshot?.id).toBe(1_000_001);
  expect(snapshot?.data?.result).toMatchObject({ kind: 'task', artifacts: [{ parts: [{ text: 'first ' }] }] });
  const fromFirst = await readRest(v03, resubscribe(talk.taskId), after(2));
  expect(headOf(events.raw(), 2) + fromFirst).toBe(events.raw());
  const fromSecond = await readRest(v03, resubscribe(talk.taskId), after(1_000_001));
  expect(headOf(second.raw(), 1) + fromSecond).toBe(second.raw());
});

it('20.124 what is somebody else’s, unknown or forgotten is one and the same answer; so is the message not run again', async () => {
  const asOther = { token: other.token };
  const mine = await play(v03, ['mine'], newMessage(), asOther);
  const callsBefore = v03.agent.calls.length;
  const refuse = async (body: Body, token: string) => {
    const reply = await sendA2a(test, v03.agent.id, body, {
      token,
      headers: { accept: 'text/event-stream', ...after(1).headers },
    });
    expect(reply.status).toBe(200);
    return reply.body;
  };
  const unknown = await refuse(resubscribe(randomUUID()), test.adminToken);
  expect(unknown).toEqual({
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32001, message: 'Task not found', data: { reason: 'stream_unknown' } },
  });
  expect(await refuse(resubscribe(mine.talk.taskId), test.adminToken)).toEqual(unknown);
  expect(await refuse(mine.body, test.adminToken)).toEqual(unknown);
  expect(await refuse(newMessage(), test.adminToken)).toEqual(unknown);
  const theirs = await play(v03, ['theirs']);
  expect(await refuse(resubscribe(theirs.talk.taskId), other.token)).toEqual(unknown);
  expect(await readRest(v03, resubscribe(mine.talk.taskId), { ...after(1), ...asOther })).toBe(
    mine.log.slice(headOf(mine.log, 1).length),
  );

  const { kysely } = test.db;
  await sql`update a2a_streams set ended_at = now() - interval '61 minutes' where task_id = ${theirs.talk.taskId}`.execute(
    kysely,
  );
  const retention = test.platform.messaging.loops.find(({ name }) => name === 'a2a-stream-retention');
  expect((await retention?.run(new AbortController().signal))?.deleted).toBeGreaterThanOrEqual(1);
  expect(await refuse(resubscribe(theirs.talk.taskId), test.adminToken)).toEqual(unknown);
  const orphans =
    await sql`select 1 from a2a_stream_frames f where not exists (select 1 from a2a_streams s where s.id = f.stream_id)`.execute(
      kysely,
    );
  expect(orphans.rows).toEqual([]);
  expect(v03.agent.calls.length - callsBefore).toBe(1);
});

it('20.124 an event that never was is refused, and so is a stream too large for its log', async () => {
  const { talk } = await play(v03, ['short']);
  for (const id of ['99', 'x', '-1', '1.5'])
    expect(
      (
        await sendA2a(test, v03.agent.id, resubscribe(talk.taskId), {
          headers: { accept: 'text/event-stream', 'last-event-id': id },
        })
      ).body,
    ).toMatchObject({ error: { code: -32602, data: { reason: 'event_unknown', field: 'Last-Event-ID' } } });

  const large = await begin(v03);
  const reading = large.events.all();
  for (let sent = 0; sent < 12; sent += 1) large.talk.say('x'.repeat(1024 * 1024));
  large.talk.finish();
  const events = await reading;
  expect(events.at(-1)).toMatchObject({ id: null, data: { result: { status: { state: 'completed' } } } });
  expect(events.filter(({ id }) => id === null).length).toBeGreaterThanOrEqual(3);
  const resumed = await sendA2a(test, v03.agent.id, resubscribe(large.talk.taskId), {
    headers: { accept: 'text/event-stream', 'last-event-id': '2' },
  });
  expect(resumed.body).toMatchObject({ error: { code: -32004, data: { reason: 'stream_log_too_large' } } });
  const kept =
    await sql`select 1 from a2a_stream_frames f join a2a_streams s on s.id = f.stream_id where s.task_id = ${large.talk.taskId}`.execute(
      test.db.kysely,
    );
  expect(kept.rows).toEqual([]);
});

it('20.121 a stream its agent broke off ends for whoever resumes it as it did for the first reader', async () => {
  const { events, talk, body } = await begin(v03);
  talk.say('half');
  await events.next();
  await events.next();
  talk.breakOff();
  const rest = await events.all();
  expect(rest.at(-1)?.data?.error).toEqual({ code: -32000, message: 'stream interrupted' });
  const resumed = await ask(v03, body, after(3));
  expect((await resumed.all()).map(({ lines }) => lines)).toEqual([rest.at(-1)?.lines]);
});
