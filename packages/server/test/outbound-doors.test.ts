// The corpus of hostile addresses at every door it can come in by, in every mode; and a name server that changes its mind.
// The table itself is tested with the guard.

import { createServer, type Server } from 'node:net';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  type NameServer,
  type Seat,
  startFakeAgent,
  startNameServer,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOOPBACK, NEVER, NOT_URLS, PRIVATE, PUBLIC } from './address-corpus.ts';

type Mode = 'strict' | 'saas' | 'dev';
const MODES: readonly Mode[] = ['strict', 'saas', 'dev'];
const CARD = { name: 'agent' };
const PUBLIC_ADDRESS = '93.184.216.34';

let platforms: Record<Mode, TestPlatform>;
let seat: Seat;
let caller: Seat;
let names: NameServer;
/** What the name server says, by name and count. */
const answers = new Map<string, (count: number) => readonly string[]>();

beforeAll(async () => {
  names = await startNameServer((name, count) => answers.get(name)?.(count) ?? []);
  const resolve = names.resolve;
  const strict = await startPlatform({ resolve });
  const shared = { db: strict.db, dataDir: strict.dataDir, resolve };
  platforms = {
    strict,
    saas: await startPlatform({ ...shared, env: { MOLECULE_DEPLOY_MODE: 'saas' } }),
    dev: await startPlatform({ ...shared, env: { MOLECULE_ENV: 'development' } }),
  };
  seat = await createSeat(strict);
  caller = await createSeat(strict);
  // Else the first call for a file would only heal it.
  await strict.db.kysely
    .updateTable('workspaces')
    .set({ platform_inbound_secret: 'held' })
    .where('id', '=', seat.id)
    .execute();
});
afterAll(async () => {
  for (const mode of MODES.toReversed()) await platforms?.[mode]?.stop();
  await names?.stop();
});

async function store(url: string): Promise<void> {
  await platforms.strict.db.kysely
    .updateTable('workspaces')
    .set({ url, url_source: 'agent', delivery_mode: 'push', status: 'online' })
    .where('id', '=', seat.id)
    .execute();
  for (const mode of MODES) platforms[mode].platform.workspaces.forget(seat.id);
}

const statusOf = (call: Promise<unknown>) =>
  call.then(
    () => 200,
    (error: { status: number }) => error.status,
  );
/** Creating an external seat there, and registering one there. */
const announce = async (on: TestPlatform, url: string) => [
  await statusOf(on.admin.createWorkspace({ body: { name: 'x', external: true, url } })),
  await statusOf(
    on.client(caller.token).register({ body: { id: caller.id, agent_card: CARD, url, delivery_mode: 'push' } }),
  ),
];
const send = (on: TestPlatform, id = seat.id) =>
  on.admin.raw('POST', `/workspaces/${id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'message/send', params: { message: { parts: [{ kind: 'text', text: 'hi' }] } } }),
  });
const download = (on: TestPlatform) =>
  on.admin.raw('GET', `/workspaces/${seat.id}/chat/download?path=/workspace/a.txt`);
async function codeOf(answer: Promise<Response>): Promise<[number, string]> {
  const response = await answer;
  return [response.status, ((await response.json()) as { code: string }).code];
}

/** Dispatch, chat files and discovery of an address that is stored already. */
async function expectUnusable(on: TestPlatform, where: unknown): Promise<void> {
  expect([where, await codeOf(send(on))]).toEqual([where, [502, 'agent_url_refused']]);
  expect([where, await codeOf(download(on))]).toEqual([where, [502, 'agent_url_refused']]);
  const refused = await failureOf(on.client(caller.token).discover({ params: { id: seat.id } }));
  expect([where, refused.status, refused.code]).toEqual([where, 503, 'agent_url_unsafe']);
}
const discover = async (on: TestPlatform) => (await on.client(caller.token).discover({ params: { id: seat.id } })).url;

describe('create, register, dispatch, chat files and discovery', () => {
  it.each(MODES)('%s: let no address through that is never called, however it is written', async (mode) => {
    for (const [host] of NEVER) {
      const url = `http://${host}:8000/a2a`;
      expect([url, await announce(platforms[mode], url)]).toEqual([url, [400, 400]]);
      await store(url);
      await expectUnusable(platforms[mode], url);
    }
  });

  it.each(MODES)('%s: take nothing for an address that is none', async (mode) => {
    for (const url of NOT_URLS.filter(Boolean)) {
      expect([url, await announce(platforms[mode], url)]).toEqual([url, [400, 400]]);
      await store(url);
      await expectUnusable(platforms[mode], url);
    }
  });

  it('private ones are of SaaS and dev, loopback is of dev once it is stored, public ones of all', async () => {
    for (const host of PRIVATE) {
      const url = `http://${host}:8000`;
      await store(url);
      expect([url, await announce(platforms.strict, url)]).toEqual([url, [400, 400]]);
      await store(url);
      await expectUnusable(platforms.strict, url);
      for (const mode of ['saas', 'dev'] as const) {
        expect([url, await announce(platforms[mode], url)]).toEqual([url, [200, 200]]);
        expect(await discover(platforms[mode])).toBe(url);
      }
    }
    for (const host of LOOPBACK) {
      const url = `http://${host}:8000`;
      for (const mode of MODES) expect([url, await announce(platforms[mode], url)]).toEqual([url, [400, 400]]);
      await store(url);
      for (const mode of ['strict', 'saas'] as const) await expectUnusable(platforms[mode], url);
    }
    for (const host of PUBLIC)
      for (const mode of MODES)
        expect([host, await announce(platforms[mode], `https://${host}`)]).toEqual([host, [200, 200]]);
  });
});

describe('a name server that changes its mind', () => {
  /** Listens where the second answer points, on the same port. */
  async function listenAt(host: string, port: number): Promise<{ server: Server; hits: () => number }> {
    let hits = 0;
    const server = createServer((socket) => {
      hits += 1;
      socket.destroy();
    });
    await new Promise<void>((done) => server.listen(port, host, done));
    return { server, hits: () => hits };
  }
  const agents: FakeAgent[] = [];
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
  });

  it('is asked once a call, and the connection goes to what was judged; metadata in its next answer ends the call before it', async () => {
    const agent = await startFakeAgent(platforms.strict);
    agents.push(agent);
    const inside = await listenAt('127.0.0.2', agent.port);
    try {
      // Each call is one question. Were the name looked up again for the connection, it would end at the other address.
      answers.set('flip.example', (count) => (count % 2 === 1 ? ['127.0.0.1'] : ['127.0.0.2']));
      await store(`http://flip.example:${agent.port}/`);
      expect((await send(platforms.dev)).status).toBe(200);
      expect(names.asked.filter((name) => name === 'flip.example')).toHaveLength(1);
      expect([agent.calls.length, inside.hits()]).toEqual([1, 0]);
      expect(agent.calls[0]?.headers.host).toBe(`flip.example:${agent.port}`);

      answers.set('metadata.example', (count) => (count === 1 ? ['127.0.0.1'] : ['169.254.169.254']));
      await store(`http://metadata.example:${agent.port}/`);
      expect((await send(platforms.dev)).status).toBe(200);
      expect(await codeOf(send(platforms.dev))).toEqual([502, 'agent_url_refused']);
      expect(names.asked.filter((name) => name === 'metadata.example')).toHaveLength(2);
      expect(agent.calls).toHaveLength(2);
    } finally {
      await new Promise((done) => inside.server.close(done));
    }
  });

  it('public when the seat registers and metadata ever after: registered, never called, discovered by nobody', async () => {
    for (const mode of MODES) {
      const name = `${mode}.rebinding.example`;
      // Create and register ask once each.
      answers.set(name, (count) => (count <= 2 ? [PUBLIC_ADDRESS] : ['169.254.169.254']));
      expect(await announce(platforms[mode], `http://${name}/`)).toEqual([200, 200]);
      await store(`http://${name}/`);
      await expectUnusable(platforms[mode], name);
    }
  });

  it('a public and a metadata address in one answer, or no answer at all, is refused at every door', async () => {
    answers.set('both.example', () => [PUBLIC_ADDRESS, '169.254.169.254']);
    for (const mode of MODES)
      for (const url of ['http://both.example/', 'http://no-such.example/']) {
        expect([url, await announce(platforms[mode], url)]).toEqual([url, [400, 400]]);
        await store(url);
        await expectUnusable(platforms[mode], url);
      }
  });
});
