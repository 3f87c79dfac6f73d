import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type FakeAgent,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type EventReader, readEvents } from '../../../test/event-reader.ts';
import { createTalkingAgent, type Talk } from '../../../test/talking-agent.ts';
import { type Connection, createReader } from './reader.ts';

const PIECE = 'x'.repeat(64 * 1024);
const PIECES = 130;
const MEBIBYTE = 1024 * 1024;

let test: TestPlatform;
let agent: FakeAgent;
const talking = createTalkingAgent();
beforeAll(async () => {
  test = await startPlatform();
  agent = await startFakeAgent(test, { respond: talking.respond });
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(async () => {
  await agent?.stop();
  await test?.stop();
});

const read = (body: Record<string, unknown>, lastEventId?: number) =>
  readEvents({
    url: `${test.url}/workspaces/${agent.id}/a2a`,
    token: test.adminToken,
    body,
    ...(lastEventId === undefined ? {} : { headers: { 'last-event-id': String(lastEventId) } }),
  });

async function begin(): Promise<{ events: EventReader; talk: Talk; messageId: string }> {
  const body = textRequest('go', { method: 'message/stream' });
  const { messageId } = (body.params as { message: { messageId: string } }).message;
  const events = await read(body);
  await events.next();
  return { events, talk: await talking.waitForTalk(messageId), messageId };
}

const resubscribe = ({ taskId }: Talk) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tasks/resubscribe',
  params: { id: taskId },
});

it('20.123 a reader that takes nothing holds up its own agent and nobody else; when it is gone, the turn goes on', async () => {
  const slow = await begin();
  // More than all buffers between the agent and the reader hold.
  const most = 32 * MEBIBYTE;
  let said = 0;
  const saying = (async () => {
    for (; said < most; said += PIECE.length) {
      slow.talk.say(PIECE);
      await slow.talk.drained();
    }
  })();
  let seen = -1;
  let calm = 0;
  await waitFor('the agent is held up', () => {
    calm = said === seen ? calm + 1 : 0;
    seen = said;
    return calm >= 30;
  });
  const quick = await begin();
  quick.talk.say('at once');
  expect([(await quick.events.next())?.id, (await quick.events.next())?.id]).toEqual([2, 3]);
  quick.talk.finish();
  await quick.events.all();

  expect(said).toBe(seen);
  expect(said).toBeLessThan(most);
  slow.events.cut();
  await saying;
  slow.talk.finish();
  const row = await waitForActivity(test, agent.id, ({ request_body: body }) =>
    JSON.stringify(body).includes(slow.messageId),
  );
  expect(row.status).toBe('ok');
}, 30_000);

it('20.123 a reader that took nothing and is gone finds all of it in the log', async () => {
  const { events, talk } = await begin();
  for (let sent = 0; sent < PIECES; sent += 1) talk.say(PIECE);
  events.cut();
  talk.finish();
  const rest = await (await read(resubscribe(talk), 1)).all();
  expect(rest.map(({ id }) => id)).toEqual(Array.from({ length: PIECES + 2 }, (_, index) => index + 2));
  expect(rest.at(-1)?.data?.result).toMatchObject({ status: { state: 'completed' } });
  expect(talk.deliveries).toBe(1);
}, 30_000);

it('20.123 many who resume a long log and read nothing keep neither it in memory nor others from it', async () => {
  const { events, talk } = await begin();
  const live = events.all();
  for (let sent = 0; sent < PIECES; sent += 1) talk.say(PIECE);
  talk.finish();
  await live;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  const lazy = await Promise.all(Array.from({ length: 40 }, () => read(resubscribe(talk), 0)));
  await Promise.all(lazy.map((reader) => reader.next()));
  const eager = await read(resubscribe(talk), 0);
  expect((await eager.all()).map(({ id }) => id)).toHaveLength(PIECES + 3);
  const grown = (held() - before) / MEBIBYTE;
  // All of it for all of them would be 320 MiB.
  expect(grown).toBeLessThan(120);
  for (const reader of lazy) reader.cut();
}, 60_000);

it('20.123 a connection that takes nothing for half a minute is cut off, so that nobody waits for it any longer', async () => {
  vi.useFakeTimers();
  let gone = false;
  let resume = () => {};
  const written: string[] = [];
  const connection: Connection = {
    write(text) {
      written.push(text);
      return false;
    },
    onDrain(drained) {
      resume = drained;
    },
    isGone: () => gone,
    drop() {
      gone = true;
      resume();
    },
  };
  const reader = createReader(connection);
  // One that is merely slow is waited for.
  const slow = reader.write('one');
  await vi.advanceTimersByTimeAsync(29_000);
  resume();
  await slow;
  expect(gone).toBe(false);
  const stalled = reader.write('two');
  await vi.advanceTimersByTimeAsync(31_000);
  await stalled;
  expect(gone).toBe(true);
  await reader.write('three');
  expect(written).toEqual(['one', 'two']);
});
