import { request as httpRequest } from 'node:http';
import type { EventFrame } from '@molecule/contract';
import { chosenStore, createManualClock, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';

const clock = createManualClock();
let test: TestPlatform;
const sockets: WebSocket[] = [];
const aborts: AbortController[] = [];

beforeAll(async () => {
  test = await startPlatform({ clock });
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const abort of aborts.splice(0)) abort.abort();
});
afterAll(async () => {
  await test?.stop();
});

/** Looks until it is so; patient, for a machine that does other things as well. */
const until = (look: () => unknown, options: { interval?: number; timeout?: number } = {}) =>
  vi.waitFor(look, { timeout: 10_000, ...options });

interface Watcher {
  socket: WebSocket;
  frames: EventFrame[];
  /** Names of the recorded events seen, in order. */
  names(): string[];
}

/** Opens the socket; rejects with the status when the upgrade is refused. */
async function watch(
  headers: Record<string, string>,
  options: { since?: number; on?: TestPlatform } = {},
): Promise<Watcher> {
  const base = (options.on ?? test).url.replace('http', 'ws');
  const query = options.since === undefined ? '' : `?since_seq=${options.since}`;
  const socket = new WebSocket(`${base}/ws${query}`, { headers });
  sockets.push(socket);
  const frames: EventFrame[] = [];
  socket.on('message', (data) => frames.push(JSON.parse(String(data)) as EventFrame));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_request, response) => {
      response.resume();
      reject(new Error(`refused with ${response.statusCode}`));
    });
    socket.once('error', reject);
  });
  return { socket, frames, names: () => frames.map((frame) => frame.event) };
}

/** Lets what else is ready go on, `turns` times. */
async function stepAside(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
}

const admin = () => ({ authorization: `Bearer ${test.adminToken}` });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function createSeat(name: string, parentId: string | null = null): Promise<{ id: string; token: string }> {
  const { id } = await test.admin.createWorkspace({ body: { name, runtime: 'echo', parent_id: parentId } });
  const { auth_token: token } = await test.admin.createToken({ params: { id } });
  // Without a backend the seat fails at once; what was told of that must not mix with what the test records.
  await until(async () => expect((await test.admin.getWorkspace({ params: { id } })).status).toBe('failed'));
  await test.platform.events.catchUp();
  return { id, token };
}

const record = (id: string, name = 'x') =>
  test.db.tx((trx) =>
    test.platform.events.append(trx, { event: 'WORKSPACE_PAUSED', workspace_id: id, payload: { name } }),
  );
const say = (id: string, message: string) =>
  test.platform.events.broadcast({
    event: 'AGENT_MESSAGE',
    workspace_id: id,
    payload: { message, workspace_id: id, name: 'x' },
  });
const lastSeq = async () => (await test.admin.listEvents({ query: { limit: 1 } }))[0]?.seq ?? 0;
const about = (watcher: Watcher, id: string) => watcher.frames.filter((frame) => frame.workspace_id === id);

describe('the socket', () => {
  it('20.64 a wrong bearer is refused before the upgrade, a valid one sees reachable workspaces only, and a client that stops reading holds nobody up', async () => {
    const lead = await createSeat('lead');
    const report = await createSeat('report', lead.id);
    const sibling = await createSeat('sibling', lead.id);
    const nested = await createSeat('nested', sibling.id);
    await expect(watch(bearer('wrong'))).rejects.toThrow('refused with 401');
    await expect(watch({ ...bearer('wrong'), 'x-workspace-id': report.id })).rejects.toThrow('refused with 401');
    await expect(watch({ ...bearer(lead.token), 'x-workspace-id': report.id })).rejects.toThrow('refused with 401');

    const mine = await watch(bearer(report.token));
    for (const seat of [nested, lead, sibling, report]) await record(seat.id);
    await until(() => expect(about(mine, report.id)).toHaveLength(1));
    expect(mine.frames.map((frame) => frame.workspace_id)).toEqual([lead.id, sibling.id, report.id]);

    const reader = await watch(admin());
    const stuck = await watch(admin());
    stuck.socket.pause();
    const text = 'x'.repeat(64 * 1024);
    const total = 600;
    for (let sent = 0; sent < total; sent += 10) {
      for (let index = sent; index < sent + 10; index += 1) say(lead.id, `${index} ${text}`);
      await until(() => expect(reader.frames.length).toBe(sent + 10), { interval: 1 });
    }
    const numbers = reader.frames.map((frame) =>
      Number((frame.payload as { message: string }).message.split(' ', 1)[0]),
    );
    expect(numbers).toEqual([...Array(total).keys()]);
    stuck.socket.resume();
    await until(() => expect(stuck.names().at(-1)).toBe('RESYNC_REQUIRED'));
    expect(stuck.frames.length).toBeLessThan(total);
  });

  it('20.95 no credential 401, a session sees all events, a workspace token without header its own and reachable ones', async () => {
    await expect(watch({})).rejects.toThrow('refused with 401');
    const first = await createSeat('first');
    const child = await createSeat('child', first.id);
    const other = await createSeat('other');
    const hidden = await createSeat('hidden', other.id);
    const signedIn = await fetch(`${test.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: test.adminToken }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const canvas = await watch({ cookie, origin: test.url });
    const agent = await watch(bearer(child.token));
    for (const seat of [hidden, first, child]) await record(seat.id);
    await until(() => expect(agent.frames).toHaveLength(2));
    await until(() => expect(canvas.frames).toHaveLength(3));
    expect(canvas.frames.map((frame) => frame.workspace_id)).toEqual([hidden.id, first.id, child.id]);
    expect(agent.frames.map((frame) => frame.workspace_id)).toEqual([first.id, child.id]);
    await expect(watch({ cookie, origin: 'https://evil.example' })).rejects.toThrow('refused with 403');
  });

  it('an administrator that names a workspace sees what that workspace sees', async () => {
    const named = await createSeat('named');
    const elsewhere = await createSeat('elsewhere', (await createSeat('root')).id);
    const view = await watch({ ...admin(), 'x-workspace-id': named.id.toUpperCase() });
    await record(elsewhere.id);
    await record(named.id);
    await until(() => expect(view.frames).toHaveLength(1));
    expect(view.frames[0]?.workspace_id).toBe(named.id);
  });

  it('20.65 a reconnect with since_seq gets the missed events in order and then live ones; too old gets RESYNC_REQUIRED', async () => {
    const seat = await createSeat('replayed');
    const since = await lastSeq();
    for (let index = 0; index < 5; index += 1) await record(seat.id, `missed ${index}`);
    const back = await watch(admin(), { since });
    await record(seat.id, 'live');
    await until(() => expect(back.frames).toHaveLength(6));
    expect(back.frames.map((frame) => (frame.payload as { name: string }).name)).toEqual([
      'missed 0',
      'missed 1',
      'missed 2',
      'missed 3',
      'missed 4',
      'live',
    ]);
    const seqs = back.frames.map((frame) => frame.seq ?? 0);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));

    await sql`insert into structure_events (event_type, workspace_id, payload)
      select 'WORKSPACE_PAUSED', ${seat.id}::uuid, '{"name":"old"}' from generate_series(1, 1001)`.execute(
      test.db.kysely,
    );
    const late = await watch(admin(), { since });
    await until(() => expect(late.names()).toEqual(['RESYNC_REQUIRED']));
    await record(seat.id, 'after');
    await until(() => expect(late.names()).toEqual(['RESYNC_REQUIRED', 'WORKSPACE_PAUSED']));

    // Pruned rows, and a number of another database: what is missing cannot be known.
    await sql`delete from structure_events where seq < ${since}`.execute(test.db.kysely);
    for (const unknown of [1, (await lastSeq()) + 1_000]) {
      const lost = await watch(admin(), { since: unknown });
      await until(() => expect(lost.names()).toEqual(['RESYNC_REQUIRED']));
    }
  });

  it('replays while others write, without a gap, a repeat or a swap', async () => {
    const seat = await createSeat('busy');
    const since = await lastSeq();
    const writers = Array.from({ length: 60 }, (_, index) => record(seat.id, `row ${index}`));
    const views = await Promise.all(Array.from({ length: 4 }, () => watch(admin(), { since })));
    await Promise.all(writers);
    const stored = (await test.admin.listEvents({ query: { since_seq: since, limit: 1000 } })).map(({ seq }) => seq);
    expect(stored).toHaveLength(60);
    for (const view of views) await until(() => expect(view.frames.map((frame) => frame.seq)).toEqual(stored));
  });

  it('is pinged every 30 s, dropped after 60 s of silence, and closed once its credential is revoked', async () => {
    const loop = test.platform.events.loops.find(({ name }) => name === 'event-connections');
    const tick = () => loop?.run(new AbortController().signal);
    const lively = await watch(admin());
    const silent = await watch(admin());
    silent.socket.pause();
    let pings = 0;
    lively.socket.on('ping', () => {
      pings += 1;
    });
    clock.advance(30_000);
    await tick();
    await until(() => expect(pings).toBe(1));
    await tick();
    clock.advance(29_000);
    await tick();
    expect(pings).toBe(1);
    clock.advance(1_500);
    expect(await tick()).toMatchObject({ sockets_dropped: 1 });
    await until(() => expect(pings).toBe(2));

    const seat = await createSeat('revoked');
    const agent = await watch(bearer(seat.token));
    const ended = new Promise((resolve) => agent.socket.once('close', resolve));
    const [token] = (await test.admin.listTokens({ params: { id: seat.id } })).tokens;
    await test.admin.revokeToken({ params: { id: seat.id, tokenId: token?.id ?? '' } });
    await tick();
    await ended;
    expect(lively.socket.readyState).toBe(WebSocket.OPEN);
  });

  it('counts the open sockets, ignores what clients send, and answers a plain request with 426', async () => {
    const view = await watch(admin());
    view.socket.send('{"event":"WORKSPACE_REMOVED"}');
    const gauge = async () =>
      Number(
        /^molecule_websocket_connections_active (\d+)$/m.exec(await (await fetch(`${test.url}/metrics`)).text())?.[1] ??
          Number.NaN,
      );
    await until(async () => expect(await gauge()).toBe(1));
    view.socket.close();
    await until(async () => expect(await gauge()).toBe(0));
    expect((await fetch(`${test.url}/ws`, { headers: admin() })).status).toBe(426);
  });

  it('a refused upgrade is an ordinary HTTP reply with the error body', async () => {
    const url = new URL(test.url);
    const reply = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const request = httpRequest({
        host: url.hostname,
        port: url.port,
        path: '/ws',
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        },
      });
      request.on('response', async (response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve({ status: response.statusCode ?? 0, body });
      });
      request.on('upgrade', () => reject(new Error('upgraded')));
      request.on('error', reject);
      request.end();
    });
    expect(reply.status).toBe(401);
    expect(JSON.parse(reply.body)).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('server-sent events', () => {
  /** Reads a stream's text as it comes. */
  async function stream(id: string, headers: Record<string, string> = {}) {
    const abort = new AbortController();
    aborts.push(abort);
    const response = await fetch(`${test.url}/workspaces/${id}/events/stream`, {
      headers: { ...admin(), ...headers },
      signal: abort.signal,
    });
    const read = { response, text: '' };
    void (async () => {
      try {
        for await (const chunk of response.body ?? []) read.text += Buffer.from(chunk).toString();
      } catch {
        // The test ended the stream.
      }
    })();
    return read;
  }
  const dataOf = (text: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)) as { type: string; timestamp: number; data: Record<string, unknown> });

  it('20.66 unknown workspace → 404 JSON; known → `: ping` first, then this workspace only, with millisecond timestamps', async () => {
    const unknown = await stream('00000000-0000-4000-8000-000000000001');
    expect([unknown.response.status, unknown.response.headers.get('content-type')]).toEqual([
      404,
      'application/json; charset=utf-8',
    ]);
    const seat = await createSeat('streamed');
    const other = await createSeat('not streamed');
    const read = await stream(seat.id);
    expect(Object.fromEntries(read.response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    await until(() => expect(read.text).toBe(': ping\n\n'));
    const before = Date.now();
    await record(other.id);
    await record(seat.id);
    say(seat.id, 'hello');
    await until(() => expect(dataOf(read.text)).toHaveLength(2));
    const [, spoken] = dataOf(read.text);
    expect(
      dataOf(read.text)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['AGENT_MESSAGE', 'WORKSPACE_PAUSED']);
    for (const { timestamp } of dataOf(read.text)) expect(Math.abs(timestamp - before)).toBeLessThan(10_000);
    expect(spoken).toBeDefined();
  });

  it('a stream resumes after Last-Event-ID, is kept open with comments, and ends with its credential', async () => {
    const seat = await createSeat('resumed');
    await record(seat.id, 'one');
    const after = await lastSeq();
    await record(seat.id, 'two');
    await record(seat.id, 'three');
    const read = await stream(seat.id, { 'last-event-id': String(after), ...bearer(seat.token) });
    await until(() => expect(dataOf(read.text).map(({ data }) => data.name)).toEqual(['two', 'three']));
    expect(read.text).toContain(`id: ${await lastSeq()}\n`);
    const loop = test.platform.events.loops.find(({ name }) => name === 'event-connections');
    await loop?.run(new AbortController().signal);
    await until(() => expect(read.text.match(/^: ping$/gm)).toHaveLength(2));
    const [token] = (await test.admin.listTokens({ params: { id: seat.id } })).tokens;
    await test.admin.revokeToken({ params: { id: seat.id, tokenId: token?.id ?? '' } });
    expect(await loop?.run(new AbortController().signal)).toMatchObject({ streams: expect.any(Number) });
    const length = read.text.length;
    await record(seat.id, 'unseen');
    const witness = await stream(seat.id, { 'last-event-id': String(after) });
    await until(() => expect(dataOf(witness.text)).toHaveLength(3));
    expect(read.text.length).toBe(length);
  });
});

describe('the log', () => {
  it('lists the newest hundred, or ascending after since_seq, of all or of one workspace', async () => {
    const seat = await createSeat('listed');
    const since = await lastSeq();
    for (const name of ['a', 'b', 'c']) await record(seat.id, name);
    const names = (rows: { payload: unknown }[]) => rows.map((row) => (row.payload as { name: string }).name);
    expect(names(await test.admin.listEvents({ query: { limit: 2 } }))).toEqual(['c', 'b']);
    expect(names(await test.admin.listEvents({ query: { since_seq: since, limit: 2 } }))).toEqual(['a', 'b']);
    expect(names(await test.admin.listWorkspaceEvents({ params: { id: seat.id } })).slice(0, 3)).toEqual([
      'c',
      'b',
      'a',
    ]);
    expect(
      names(await test.admin.listWorkspaceEvents({ params: { id: seat.id }, query: { since_seq: since } })),
    ).toEqual(['a', 'b', 'c']);
  });

  it('numbers rise in commit order: a slow transaction never lets a later number pass it', async () => {
    const seat = await createSeat('ordered');
    const since = await lastSeq();
    const seen: number[] = [];
    const end = test.platform.events.onWorkspace(seat.id, (frame) => frame.seq && seen.push(frame.seq));
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        test.db.tx(async (trx) => {
          await stepAside(index % 3);
          await test.platform.events.append(trx, {
            event: 'WORKSPACE_PAUSED',
            workspace_id: seat.id,
            payload: { name: String(index) },
          });
          await stepAside(index % 2);
        }),
      ),
    );
    const stored = (await test.admin.listEvents({ query: { since_seq: since } })).map(({ seq }) => seq);
    await until(() => expect(seen).toEqual(stored));
    expect(stored).toHaveLength(12);
    end();
  });

  it('a rolled back change is never told, and one broken listener does not keep an event from the others', async () => {
    const seat = await createSeat('rolled back');
    const seen: string[] = [];
    const endBroken = test.platform.events.subscribe(() => {
      throw new Error('a broken listener');
    });
    const end = test.platform.events.onWorkspace(seat.id, (frame) =>
      seen.push((frame.payload as { name: string }).name),
    );
    await expect(
      test.db.tx(async (trx) => {
        await test.platform.events.append(trx, {
          event: 'WORKSPACE_PAUSED',
          workspace_id: seat.id,
          payload: { name: 'undone' },
        });
        throw new Error('the change fails');
      }),
    ).rejects.toThrow('the change fails');
    await record(seat.id, 'done');
    await until(() => expect(seen).toEqual(['done']));
    end();
    endBroken();
  });
});

describe('two replicas', () => {
  let second: TestPlatform;
  beforeAll(async () => {
    second = await startPlatform({ db: test.db });
  });
  afterAll(async () => {
    await second?.stop();
  });

  /** A seat whose own events both replicas have told. */
  async function createKnown(name: string): Promise<{ id: string; token: string }> {
    const seat = await createSeat(name);
    await second.platform.events.catchUp();
    return seat;
  }

  it('a recorded event reaches the sockets of both, in order', async () => {
    const seat = await createKnown('both');
    const here = await watch(admin());
    const there = await watch(admin(), { on: second });
    for (let index = 0; index < 20; index += 1) await record(seat.id, String(index));
    for (const view of [here, there])
      await until(() =>
        expect(view.frames.map((frame) => (frame.payload as { name: string }).name)).toEqual(
          Array.from({ length: 20 }, (_, index) => String(index)),
        ),
      );
  });

  it('a notification that got lost is made up for by the next look at the log', async () => {
    const seat = await createKnown('lost');
    const here = await watch(admin());
    const there = await watch(admin(), { on: second });
    await sql`insert into structure_events (event_type, workspace_id, payload)
      values ('WORKSPACE_PAUSED', ${seat.id}, '{"name":"unannounced"}')`.execute(test.db.kysely);
    for (const { platform } of [test, second])
      await platform.events.loops.find(({ name }) => name === 'event-subscriber')?.run(new AbortController().signal);
    for (const view of [here, there])
      await until(() => expect(about(view, seat.id)).toMatchObject([{ payload: { name: 'unannounced' } }]));
  });

  describe.runIf(chosenStore() === 'postgres')('on a server', () => {
    it('a broadcast reaches both once; one too large to cross that nothing mirrors crosses without its long fields', async () => {
      const seat = await createKnown('told');
      const here = await watch(admin());
      const there = await watch(admin(), { on: second });
      say(seat.id, 'short');
      say(seat.id, 'x'.repeat(20_000));
      await until(() => expect(there.frames).toHaveLength(2));
      expect(here.frames).toHaveLength(2);
      expect(there.frames[0]?.payload).toEqual({ message: 'short', workspace_id: seat.id, name: 'x' });
      expect(there.frames[1]?.payload).toEqual({ workspace_id: seat.id, name: 'x', truncated: true });
      expect(here.frames[1]?.payload).toMatchObject({ message: 'x'.repeat(20_000) });
    });

    it('20.105 an activity of 200 KB and a long message reach the sockets of both whole, in order; recorded events come without their notification', async () => {
      const seat = await createKnown('large');
      const here = await watch(admin());
      const there = await watch(admin(), { on: second });
      const client = test.client(seat.token);
      const response_body = { text: 'x'.repeat(200 * 1024) };
      await client.reportActivity({ params: { id: seat.id }, body: { activity_type: 'agent_log', response_body } });
      await client.notify({ params: { id: seat.id }, body: { message: 'm'.repeat(20_000) } });
      say(seat.id, 'after');
      for (const view of [here, there]) await until(() => expect(about(view, seat.id)).toHaveLength(4));
      expect(about(there, seat.id).map(({ payload }) => payload)).toEqual(
        about(here, seat.id).map(({ payload }) => payload),
      );
      expect(about(there, seat.id)).toMatchObject([
        { event: 'ACTIVITY_LOGGED', payload: { response_body } },
        { event: 'AGENT_MESSAGE', payload: { message: 'm'.repeat(20_000) } },
        { event: 'ACTIVITY_LOGGED', payload: { response_body: { result: 'm'.repeat(20_000) } } },
        { event: 'AGENT_MESSAGE', payload: { message: 'after' } },
      ]);
      await sql`insert into structure_events (event_type, workspace_id, payload)
        values ('WORKSPACE_PAUSED', ${seat.id}, '{"name":"unannounced"}')`.execute(test.db.kysely);
      for (const { platform } of [test, second])
        await platform.events.loops.find(({ name }) => name === 'event-subscriber')?.run(new AbortController().signal);
      for (const view of [here, there]) await until(() => expect(view.names().at(-1)).toBe('WORKSPACE_PAUSED'));
    });
  });
});
