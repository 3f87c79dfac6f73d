import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createClient, readA2aStream } from '@molecule/contract';
import { chosenStore, startPeer, startPlatform, textRequest, waitFor } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { V10_CARD } from '../../../test/a2a-agents.ts';
import { type EventReader, readEvents } from '../../../test/event-reader.ts';
import { createKeptStore, type KeptStore } from '../../../test/kept-store.ts';
import { findFreePort, type PlatformProcess, startPlatformProcess } from '../../../test/platform-process.ts';
import { createTalkingAgent, type Talk } from '../../../test/talking-agent.ts';

const ENV = { MOLECULE_PROVISIONER: 'none', MOLECULE_ENV: 'development', RATE_LIMIT: '1000000' };
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function startProcess(
  store: KeptStore,
  { dataDir = store.dataDir, port = null }: { dataDir?: string; port?: number | null } = {},
): Promise<PlatformProcess> {
  const env = { PORT: String(port ?? (await findFreePort())), MOLECULE_DATA_DIR: dataDir, ...store.env, ...ENV };
  const platform = await startPlatformProcess(env);
  cleanups.push(() => platform.end('SIGKILL'));
  return platform;
}

async function startSeat(platform: PlatformProcess, version: '0.3' | '1.0') {
  const talking = createTalkingAgent(version);
  const peer = await startPeer(talking.respond);
  cleanups.push(peer.stop);
  const { id, connection } = await platform.admin.createWorkspace({
    body: { name: `talker ${version}`, external: true },
  });
  const token = connection?.auth_token ?? '';
  const card = version === '1.0' ? V10_CARD : { name: 'talker', protocolVersion: '0.3.0' };
  await createClient({ baseUrl: platform.url, token }).register({
    body: { id, agent_card: card, delivery_mode: 'push', url: `http://localhost:${peer.port}` },
  });
  return { id, token, peer, talking };
}

type Seat = Awaited<ReturnType<typeof startSeat>>;

/** As the seat itself: its token is good at every replica. */
const read = (platform: PlatformProcess, { id, token }: Seat, body: Record<string, unknown>, lastEventId?: number) =>
  readEvents({
    url: `${platform.url}/workspaces/${id}/a2a`,
    token,
    body,
    ...(lastEventId === undefined ? {} : { headers: { 'last-event-id': String(lastEventId) } }),
  });

const resubscribe = (id: string) => ({ jsonrpc: '2.0', id: 1, method: 'tasks/resubscribe', params: { id } });

async function begin(platform: PlatformProcess, seat: Seat): Promise<{ events: EventReader; talk: Talk }> {
  const messageId = randomUUID();
  const body = textRequest('go', { method: 'message/stream', message: { messageId } });
  const events = await read(platform, seat, body);
  return { events, talk: await seat.talking.waitForTalk(messageId) };
}

/** The calls that the activity log of the seat knows. */
async function rowsOf(platform: PlatformProcess, { id }: Seat) {
  const rows = await platform.admin.listActivity({ params: { id }, query: { type: 'a2a_receive' } });
  return rows.map(({ status, error_detail, request_body, response_body }) => {
    const { message } = (request_body as { params: { message: Artifact & { messageId: string } } }).params;
    const { result } = response_body as { result: { artifacts?: Artifact[] } | null };
    const heard = result?.artifacts?.map(wordsOf).join('');
    return { messageId: message.messageId, status, error_detail, said: wordsOf(message), heard };
  });
}

async function take(events: EventReader, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken += 1) expect(await events.next()).not.toBeNull();
}

interface Artifact {
  parts: { text: string }[];
}
interface Update {
  kind: string;
  artifacts?: Artifact[];
  artifact?: Artifact;
  append?: boolean;
  status?: { state: string };
}
const wordsOf = ({ parts }: Artifact) => parts.map(({ text }) => text).join('');

/** What a client makes of what it hears: a task as a whole replaces what was said before. */
function createEar() {
  let text = '';
  let state = '';
  return {
    take(result: unknown) {
      const { kind, artifacts, artifact, append, status } = result as Update;
      if (kind === 'task') text = artifacts?.map(wordsOf).join('') ?? '';
      if (kind === 'artifact-update' && artifact) text = (append ? text : '') + wordsOf(artifact);
      if (status) state = status.state;
    },
    text: () => text,
    state: () => state,
  };
}

async function listen(events: EventReader) {
  const ear = createEar();
  const frames = (await events.all()).filter(({ data }) => data !== null);
  for (const { data } of frames) ear.take(data?.result);
  return { text: ear.text(), state: ear.state(), ids: frames.map(({ id }) => id) };
}

it.each(['0.3', '1.0'] as const)(
  '20.122 a platform that is killed in the middle of a stream: its log goes on at the next one, read from the agent once, and ends as the task does (agent of v%s)',
  async (version) => {
    const store = await createKeptStore((clean) => cleanups.push(clean));
    const first = await startProcess(store);
    // On PostgreSQL another replica runs all the while; the embedded store has one owner at a time.
    const replica =
      chosenStore() === 'postgres' ? await startProcess(store, { dataDir: join(store.dataDir, 'second') }) : null;
    const seat = await startSeat(first, version);
    const { events, talk } = await begin(first, seat);
    talk.say('before the crash, ');
    await take(events, 3);
    await first.end('SIGKILL');
    await expect(events.next()).rejects.toThrow();
    talk.say('while nobody listens, ');

    const second = replica ?? (await startProcess(store));
    const resumed = await read(second, seat, resubscribe(talk.taskId), 3);
    // The task as it stands comes first, so nothing said meanwhile is missing.
    const snapshot = await resumed.next();
    expect(snapshot).toMatchObject({ id: 4, data: { result: { kind: 'task' } } });
    expect(JSON.stringify(snapshot?.data)).toContain('before the crash, while nobody listens, ');
    expect(talk.listeners()).toBe(1);
    talk.say('and after it.');
    expect(await resumed.next()).toMatchObject({ id: 5 });
    talk.finish();
    await resumed.all();

    const whole = await read(second, seat, resubscribe(talk.taskId), 0);
    expect(await listen(whole)).toEqual({
      text: 'before the crash, while nobody listens, and after it.',
      state: 'completed',
      ids: [1, 2, 3, 4, 5, 6],
    });
    expect(whole.raw()).toBe(events.raw() + resumed.raw());
    expect(await rowsOf(second, seat)).toEqual([
      {
        messageId: talk.messageId,
        status: 'ok',
        error_detail: null,
        said: 'go',
        heard: 'before the crash, while nobody listens, and after it.',
      },
    ]);
    // The same message once more is answered from that row.
    const repeat = textRequest('go', { method: 'message/stream', message: { messageId: talk.messageId } });
    const answer = await (await read(second, seat, repeat)).all();
    expect(JSON.stringify(answer)).toContain('and after it.');
    const asked = seat.peer.calls.map(({ body }) => (body as { method: string }).method);
    expect(asked).toEqual(
      version === '0.3' ? ['message/stream', 'tasks/resubscribe'] : ['SendStreamingMessage', 'SubscribeToTask'],
    );
  },
  180_000,
);

it('20.122 a client that comes back by itself reads through a restart', async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  const port = await findFreePort();
  const first = await startProcess(store, { port });
  const seat = await startSeat(first, '0.3');
  const messageId = randomUUID();
  const body = JSON.stringify(textRequest('go', { method: 'message/stream', message: { messageId } }));
  const post = (headers: Record<string, string> = {}) =>
    first.admin.raw('POST', `/workspaces/${seat.id}/a2a`, {
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      timeoutMs: 60_000,
      body,
    });
  const heard = createEar();
  const reading = readA2aStream(await post(), {
    onFrame: ({ result }) => heard.take(result),
    resume: (lastEventId) => post({ 'last-event-id': lastEventId }),
  });
  const talk = await seat.talking.waitForTalk(messageId);
  talk.say('before, ');
  await waitFor('it is heard', () => heard.text() !== '');
  await first.end('SIGKILL');
  talk.say('between, ');
  await startProcess(store, { port });
  await waitFor('it is heard again', () => heard.text().includes('between'), 90_000);
  talk.say('after.');
  talk.finish();
  expect(await reading).toBe('complete');
  expect([heard.text(), heard.state()]).toEqual(['before, between, after.', 'completed']);
  expect(talk.deliveries).toBe(1);
}, 180_000);

it('20.122 a task that ended while nobody listened, and one the agent forgot, end the log that way', async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  const first = await startProcess(store);
  const seat = await startSeat(first, '0.3');
  const [ended, forgotten, over] = [await begin(first, seat), await begin(first, seat), await begin(first, seat)];
  for (const { events, talk } of [ended, forgotten, over]) {
    talk.say('half');
    await take(events, 3);
  }
  over.talk.finish();
  await take(over.events, 1);
  await first.end('SIGKILL');
  ended.talk.say(' and half');
  ended.talk.finish();
  forgotten.talk.forget();

  const second = await startProcess(store);
  const rest = await read(second, seat, resubscribe(ended.talk.taskId), 3);
  expect(await listen(rest)).toEqual({ text: 'half and half', state: 'completed', ids: [4, 5] });
  const lost = await read(second, seat, resubscribe(forgotten.talk.taskId), 3);
  expect((await lost.all()).filter(({ data }) => data).map(({ data }) => data?.error)).toEqual([
    { code: -32000, message: 'stream interrupted' },
  ]);
  // Its last event was stored: there is nothing to ask the agent.
  const seen = await read(second, seat, resubscribe(over.talk.taskId), 3);
  expect(await listen(seen)).toMatchObject({ state: 'completed', ids: [4] });
  const rowOf = (talk: Talk, row: object) => ({ messageId: talk.messageId, said: 'go', ...row });
  const rows = await rowsOf(second, seat);
  expect(rows).toHaveLength(3);
  expect(rows).toEqual(
    expect.arrayContaining([
      rowOf(ended.talk, { status: 'ok', error_detail: null, heard: 'half and half' }),
      rowOf(forgotten.talk, { status: 'error', error_detail: 'stream interrupted', heard: 'half' }),
      rowOf(over.talk, { status: 'ok', error_detail: null, heard: 'half' }),
    ]),
  );
}, 180_000);

it('20.122 a platform that is stopped leaves its streams to the next one', async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  const first = await startProcess(store);
  const seat = await startSeat(first, '0.3');
  const { events, talk } = await begin(first, seat);
  talk.say('one ');
  await take(events, 3);
  const last = events.all();
  expect(await first.end('SIGTERM')).toBe(0);
  expect((await last).map(({ id, data }) => [id, data?.error?.message])).toEqual([[null, 'stream interrupted']]);
  const second = await startProcess(store);
  const resumed = await read(second, seat, resubscribe(talk.taskId), 3);
  expect(await resumed.next()).toMatchObject({ id: 4 });
  talk.say('two');
  talk.finish();
  expect(await listen(resumed)).toMatchObject({ state: 'completed', ids: [5, 6] });
  expect(await rowsOf(second, seat)).toEqual([
    { messageId: talk.messageId, status: 'ok', error_detail: null, said: 'go', heard: 'one two' },
  ]);
}, 180_000);

it('20.122 who lost its hold on a stream appends nothing more, and hands on what comes', async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  const db = await store.open();
  cleanups.push(db.close);
  const platform = await startPlatform({ db, dataDir: store.dataDir, env: ENV });
  cleanups.push(platform.stop);
  const process = { url: platform.url, admin: platform.admin } as PlatformProcess;
  const seat = await startSeat(process, '0.3');
  const { events, talk } = await begin(process, seat);
  talk.say('held ');
  await take(events, 3);
  await sql`update a2a_streams set lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour'`.execute(
    db.kysely,
  );
  talk.say('lost');
  expect(await events.next()).toMatchObject({
    id: null,
    data: { result: { artifact: { parts: [{ text: 'lost' }] } } },
  });
  talk.finish();
  expect((await events.all()).map(({ id }) => id)).toEqual([null]);
  const frames = await db.kysely.selectFrom('a2a_stream_frames').select('seq').orderBy('seq').execute();
  expect(frames.map(({ seq }) => seq)).toEqual([1, 2, 3]);
}, 180_000);
