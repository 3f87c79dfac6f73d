import { type EventFrame, type EventStream, openEventStream, type StreamState } from '@molecule/contract';
import { createSeat, openTestDatabase, startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { findFreePort } from '../../test/platform-process.ts';
import type { Database } from '../platform/db/index.ts';

let db: Database;
let port: number;
let test: TestPlatform;
const streams: EventStream[] = [];

const start = () => startPlatform({ db, env: { PORT: String(port) } });
beforeAll(async () => {
  db = await openTestDatabase();
  port = await findFreePort();
  test = await start();
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
});
afterAll(async () => {
  await test?.stop();
  await db?.close();
});

function open(options: { token?: string; sinceSeq?: number; mayRetry?: () => Promise<boolean> } = {}) {
  const frames: EventFrame[] = [];
  const states: StreamState[] = [];
  const stream = openEventStream({
    baseUrl: test.url,
    token: test.adminToken,
    onFrame: (frame) => frames.push(frame),
    onState: (state) => states.push(state),
    random: () => 0,
    ...options,
  });
  streams.push(stream);
  return { stream, frames, states };
}

const record = (id: string, name: string) =>
  test.db.tx((trx) =>
    test.platform.events.append(trx, { event: 'WORKSPACE_PAUSED', workspace_id: id, payload: { name } }),
  );
const namesOf = (frames: EventFrame[]) =>
  frames.flatMap((frame) => (frame.event === 'WORKSPACE_PAUSED' ? [frame.payload.name] : []));

it('a client goes on where it was when the platform comes back, without a gap or a repeat', async () => {
  const seat = await createSeat(test);
  const { stream, frames, states } = open();
  await waitFor('it is live', () => stream.state === 'live');
  await record(seat.id, 'before');
  await waitFor('the first event', () => namesOf(frames).length === 1);
  const seen = stream.lastSeq ?? 0;
  await test.stop();
  await waitFor('it notices', () => stream.state === 'reconnecting');
  test = await start();
  await record(seat.id, 'while away');
  stream.reconnectNow();
  await waitFor('it is live again', () => stream.state === 'live');
  await record(seat.id, 'after');
  await waitFor('all events', () => namesOf(frames).length >= 3);
  expect(namesOf(frames)).toEqual(['before', 'while away', 'after']);
  expect(stream.lastSeq).toBeGreaterThan(seen);
  expect(states).toEqual(['live', 'reconnecting', 'live']);
});

it('a client that is refused asks whether it may go on knocking', async () => {
  let asked = 0;
  const { stream, states } = open({
    token: 'wrong',
    mayRetry: async () => {
      asked += 1;
      return false;
    },
  });
  await waitFor('it ends', () => stream.state === 'closed');
  expect([asked, states]).toEqual([1, ['closed']]);
});

it('a client of a workspace sees what its workspace sees', async () => {
  const seat = await createSeat(test);
  const hidden = await createSeat(test, { parent_id: (await createSeat(test)).id });
  const { stream, frames } = open({ token: seat.token });
  await waitFor('it is live', () => stream.state === 'live');
  await record(hidden.id, 'hidden');
  await record(seat.id, 'own');
  await waitFor('its own event', () => namesOf(frames).length > 0);
  expect(namesOf(frames)).toEqual(['own']);
});
