// The outbound guard at every door: create, register, dispatch, discovery, chat files. The table itself is tested with the guard.

import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../src/platform/log.ts';
import { createOutbound } from '../src/platform/outbound/index.ts';

const CARD = { name: 'agent' };
const answers = new Map<string, string[]>();
const resolve = async (host: string) => answers.get(host) ?? [];
let strict: TestPlatform;
let saas: TestPlatform;
let dev: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  strict = await startPlatform({ resolve });
  const shared = { db: strict.db, dataDir: strict.dataDir, resolve };
  saas = await startPlatform({ ...shared, env: { MOLECULE_DEPLOY_MODE: ' SaaS ' } });
  dev = await startPlatform({ ...shared, env: { MOLECULE_ENV: 'development' } });
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await dev?.stop();
  await saas?.stop();
  await strict?.stop();
});

/** Statuses of creating an external seat there, and of registering one there. */
async function announce(on: TestPlatform, url: string): Promise<[number, number]> {
  const statusOf = (call: Promise<unknown>) =>
    call.then(
      () => 200,
      (error: { status: number; code: string; body: { field?: string } }) => {
        expect([error.code, error.body.field]).toEqual(['unsafe_url', 'url']);
        return error.status;
      },
    );
  const seat = await createSeat(on);
  return [
    await statusOf(on.admin.createWorkspace({ body: { name: 'x', external: true, url } })),
    await statusOf(
      on.client(seat.token).register({ body: { id: seat.id, agent_card: CARD, url, delivery_mode: 'push' } }),
    ),
  ];
}
const REFUSED = [400, 400];
const TAKEN = [200, 200];

async function setAddress(id: string, url: string): Promise<void> {
  await strict.db.kysely.updateTable('workspaces').set({ url, url_source: 'agent' }).where('id', '=', id).execute();
  for (const platform of [strict, saas, dev]) platform.platform.workspaces.forget(id);
}
const BODY = JSON.stringify({ method: 'message/send', params: { message: { parts: [{ kind: 'text', text: 'hi' }] } } });
const send = async (id: string, on = strict) => {
  const response = await on.admin.raw('POST', `/workspaces/${id}/a2a`, {
    body: BODY,
    headers: { 'content-type': 'application/json' },
    timeoutMs: 20_000,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

async function startAgent(options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(strict, options);
  agents.push(agent);
  return agent;
}

describe('announcing an address', () => {
  it('10.39 metadata, file:, carrier NAT, documentation, multicast and fc00 → 400 everywhere; 2130706433 is 127.0.0.1', async () => {
    const hostile = [
      'http://169.254.169.254/latest/meta-data',
      'http://[::ffff:169.254.169.254]',
      'file:///etc/passwd',
      'http://100.64.0.1',
      'http://203.0.113.5',
      'http://224.0.0.1',
      'http://[fc00::1]',
      'http://[2001:db8::1]',
      'http://2130706433:8000',
    ];
    for (const on of [strict, saas, dev])
      for (const url of hostile) expect([url, await announce(on, url)]).toEqual([url, REFUSED]);
    // Judged as the loopback it is: in dev it may be called, though not registered by number.
    const agent = await startAgent();
    await setAddress(agent.id, agent.url.replace('127.0.0.1', '2130706433'));
    expect((await send(agent.id, dev)).status).toBe(200);
    expect((await send(agent.id, strict)).status).toBe(502);
    expect(agent.calls).toHaveLength(1);
  });

  it('10.40 private ranges → 400 strict, 200 SaaS; mode prod with an org id is strict with one warning; dev dispatches there', async () => {
    const lines: Record<string, unknown>[] = [];
    const prod = await startPlatform({
      db: strict.db,
      dataDir: strict.dataDir,
      resolve,
      env: { MOLECULE_DEPLOY_MODE: 'prod', MOLECULE_ORG_ID: 'acme', MOLECULE_PROVISIONER: 'none' },
      onLog: (line) => lines.push(line),
    });
    try {
      for (const url of ['http://10.1.2.3', 'http://172.31.0.9', 'http://[fd00::1]']) {
        expect([url, await announce(strict, url)]).toEqual([url, REFUSED]);
        expect([url, await announce(prod, url)]).toEqual([url, REFUSED]);
        expect([url, await announce(saas, url)]).toEqual([url, TAKEN]);
      }
      expect(prod.config.warnings.filter((warning) => warning.includes('MOLECULE_DEPLOY_MODE'))).toHaveLength(1);
    } finally {
      await prod.stop();
    }
    const guard = createOutbound({ mode: 'dev', log: createLog('silent'), resolve });
    const [seat, caller] = [await createSeat(strict), await createSeat(strict)];
    for (const host of ['10.1.2.3', '172.18.0.2', '192.168.0.9', '[fd00::1]']) {
      expect([host, (await guard.judge(`http://${host}`, 'dispatch')).ok]).toEqual([host, true]);
      await strict.db.kysely.updateTable('workspaces').set({ status: 'online' }).where('id', '=', seat.id).execute();
      await setAddress(seat.id, `http://${host}`);
      const discover = (on: TestPlatform) => on.client(caller.token).discover({ params: { id: seat.id } });
      expect((await discover(dev)).url).toBe(`http://${host}`);
      expect((await failureOf(discover(strict))).code).toBe('agent_url_unsafe');
    }
    await guard.close();
  });

  it('10.41 a name with one public and one metadata address → 400; one that does not resolve → 400', async () => {
    answers.set('mixed.example', ['93.184.216.34', '169.254.169.254']);
    answers.set('public.example', ['93.184.216.34', '2606:2800:220:1::1']);
    for (const on of [strict, saas, dev]) {
      expect(await announce(on, 'https://mixed.example')).toEqual(REFUSED);
      expect(await announce(on, 'https://unresolvable.example')).toEqual(REFUSED);
      expect(await announce(on, 'https://public.example')).toEqual(TAKEN);
    }
  });
});

describe('calling an address', () => {
  it('10.42 public at register, private at dispatch → 502 without a connection; a 307 is not followed', async () => {
    const inside = await startAgent();
    const { port } = new URL(inside.url);
    const url = `http://rebinding.example:${port}`;
    answers.set('rebinding.example', ['93.184.216.34']);
    const seat = await createSeat(strict);
    await strict.client(seat.token).register({ body: { id: seat.id, agent_card: CARD, url, delivery_mode: 'push' } });
    answers.set('rebinding.example', ['127.0.0.1']);
    expect(await send(seat.id)).toMatchObject({ status: 502, body: { code: 'agent_url_refused' } });
    const file = await strict.admin.raw('GET', `/workspaces/${seat.id}/chat/download?path=/workspace/a.txt`);
    expect(file.status).toBe(502);
    expect(inside.calls).toHaveLength(0);

    const target = await startAgent();
    for (const location of ['http://169.254.169.254/latest/meta-data', `${target.url}/`]) {
      const redirecting = await startAgent({
        respond: (_call, response) => void response.writeHead(307, { location }).end(),
      });
      const reply = await send(redirecting.id);
      expect([reply.status, reply.body.error]).toEqual([307, expect.any(String)]);
      expect(redirecting.calls).toHaveLength(1);
    }
    expect(target.calls).toHaveLength(0);
  });

  it('10.43 discover: stored metadata URL → 503, public → 200; a dispatch to an unsafe one connects to nothing; a black hole fails within 10 s', async () => {
    const [seat, caller] = [await createSeat(strict), await createSeat(strict)];
    await strict.db.kysely.updateTable('workspaces').set({ status: 'online' }).where('id', '=', seat.id).execute();
    const discover = () => strict.client(caller.token).discover({ params: { id: seat.id } });
    await setAddress(seat.id, 'http://169.254.169.254/latest');
    const unsafe = await failureOf(discover());
    expect([unsafe.status, unsafe.message]).toEqual([503, 'workspace URL failed safety check']);
    expect(await send(seat.id)).toMatchObject({ status: 502, body: { code: 'agent_url_refused' } });
    await setAddress(seat.id, 'https://93.184.216.34/a2a');
    expect((await discover()).url).toBe('https://93.184.216.34/a2a');

    const inside = await startAgent();
    await setAddress(seat.id, inside.url);
    const outcome = await strict.platform.messaging
      .proxy({
        targetId: seat.id,
        body: Buffer.from(BODY),
        caller: { workspaceId: null, origin: 'system:test' },
        enqueueOnBusy: true,
        logActivity: true,
      })
      .catch((error: { code: string }) => error.code);
    expect(outcome).toBe('agent_url_refused');
    expect(inside.calls).toHaveLength(0);

    const hole = await openBlackHole();
    try {
      const silent = await startAgent();
      await strict.db.kysely.updateTable('workspaces').set({ url: hole.url }).where('id', '=', silent.id).execute();
      strict.platform.workspaces.forget(silent.id);
      const startedAt = performance.now();
      expect(await send(silent.id)).toMatchObject({ status: 502, body: { code: 'agent_unreachable' } });
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    } finally {
      hole.close();
    }
  });
});

/** A listener that is stopped with its accept queue full: the kernel answers no further SYN. */
async function openBlackHole(): Promise<{ url: string; close(): void }> {
  const backlog = 1;
  const script = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: ${backlog} }, function () { console.log(this.address().port) })`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<number>((done) => child.stdout.once('data', (line) => done(Number(line))));
  child.kill('SIGSTOP');
  const waiting: Socket[] = [];
  for (let place = 0; place <= backlog; place += 1) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await new Promise((done) => socket.once('connect', done));
    waiting.push(socket);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      for (const socket of waiting) socket.destroy();
      child.kill('SIGKILL');
    },
  };
}
