import { tmpdir } from 'node:os';
import { type Client, createClient } from '@molecule/contract';
import {
  createManualClock,
  messageIdOf,
  type Peer,
  type Responder,
  replyBusy,
  replyWith,
  startPeer,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { createKeptStore, type KeptStore } from '../../test/kept-store.ts';
import { findFreePort, type PlatformProcess, startPlatformProcess } from '../../test/platform-process.ts';
import { type Config, readConfig } from '../config.ts';
import type { Database } from '../platform/db/index.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** An agent that takes one message at a time, knows a message again, and works until it is let go. */
function createWorker() {
  const turns = new Map<string, { deliveries: number; ended: Promise<void> }>();
  let running = 0;
  let gate = Promise.withResolvers<void>();
  const respond: Responder = async (call, response) => {
    const id = messageIdOf(call);
    const known = turns.get(id);
    if (!known && running > 0) return replyBusy(call, response);
    if (known) known.deliveries += 1;
    else {
      running += 1;
      const ended = gate.promise.then(() => {
        running -= 1;
      });
      turns.set(id, { deliveries: 1, ended });
    }
    await turns.get(id)?.ended;
    return replyWith(`done ${id}`)(call, response);
  };
  return {
    respond,
    turns,
    isRunning: () => running > 0,
    letGo: () => gate.resolve(),
    hold: () => {
      gate = Promise.withResolvers<void>();
    },
  };
}

interface Seat {
  id: string;
  token: string;
  peer: Peer;
  worker: ReturnType<typeof createWorker>;
}

async function startSeat(admin: Client, url: string, mode: 'push' | 'poll' = 'push'): Promise<Seat> {
  const worker = createWorker();
  const peer = await startPeer(worker.respond);
  cleanups.push(peer.stop);
  const { id, connection } = await admin.createWorkspace({ body: { name: `seat ${peer.port}`, external: true } });
  const token = connection?.auth_token ?? '';
  const address = mode === 'push' ? { url: `http://localhost:${peer.port}` } : {};
  const card = { name: 'worker', protocolVersion: '0.3.0' };
  await createClient({ baseUrl: url, token }).register({
    body: { id, agent_card: card, delivery_mode: mode, ...address },
  });
  return { id, token, peer, worker };
}

const createStore = () => createKeptStore((clean) => cleanups.push(clean));

const ENV = { MOLECULE_PROVISIONER: 'none', MOLECULE_ENV: 'development', RATE_LIMIT: '1000000' };

async function startProcess(store: KeptStore): Promise<PlatformProcess> {
  const env = { PORT: String(await findFreePort()), MOLECULE_DATA_DIR: store.dataDir, ...store.env, ...ENV };
  const platform = await startPlatformProcess(env);
  cleanups.push(() => platform.end('SIGKILL'));
  return platform;
}

async function post(
  platform: PlatformProcess,
  seat: Seat,
  request: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const response = await platform.admin.raw('POST', `/workspaces/${seat.id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    timeoutMs: 60_000,
  });
  return (await response.json()) as Record<string, unknown>;
}

const idOf = (request: Record<string, unknown>) =>
  (request.params as { message: { messageId: string } }).message.messageId;

/** Time passes: what the dead process held is free, as after a minute. */
async function lapseLeases({ kysely }: Database): Promise<void> {
  await sql`update a2a_queue set lease_until = now() - interval '1 second' where status = 'dispatched'`.execute(kysely);
  await sql`update delegations set lease_until = now() - interval '1 second' where lease_token is not null`.execute(
    kysely,
  );
}

async function runLoops({ platform }: TestPlatform, names: string[]): Promise<void> {
  for (const loop of [...platform.messaging.loops, ...platform.delegation.loops])
    if (names.includes(loop.name)) await loop.run(new AbortController().signal);
}

it('a platform that is killed with messages and delegations on their way delivers each once after the next start, and forgets none it acknowledged', async () => {
  const store = await createStore();
  const first = await startProcess(store);
  const [lead, busy, handed, delegated, reader] = (await Promise.all([
    ...Array.from({ length: 4 }, () => startSeat(first.admin, first.url)),
    startSeat(first.admin, first.url, 'poll'),
  ])) as [Seat, Seat, Seat, Seat, Seat];
  const asLead = createClient({ baseUrl: first.url, token: lead.token, timeoutMs: 60_000 });
  const delegate = async (target: Seat, task: string) => {
    const accepted = await asLead.delegate({ params: { id: lead.id }, body: { target_id: target.id, task } });
    return accepted.delegation_id;
  };

  // A seat that works on a call its caller still waits for, with acknowledged messages and delegations behind it.
  const held = textRequest('held');
  const heldCall = post(first, busy, held).catch(() => null);
  await busy.peer.waitForCalls(1);
  const waiting = Array.from({ length: 6 }, (_, index) => textRequest(`waiting ${index}`));
  for (const request of waiting) expect(await post(first, busy, request)).toMatchObject({ queued: true });
  const queuedDelegations = await Promise.all(['one', 'two', 'three'].map((task) => delegate(busy, task)));
  await waitFor('the queue holds the delegations', async () => {
    const rows = await asLead.listDelegations({ params: { id: lead.id } });
    return rows.filter(({ method, status }) => method === 'delegate_result' && status === 'queued').length === 3;
  });

  // A seat that works on a message from the queue, and one on a delegation.
  const blocker = textRequest('blocker');
  const blocked = post(first, handed, blocker);
  await handed.peer.waitForCalls(1);
  const fromQueue = textRequest('from the queue');
  await post(first, handed, fromQueue);
  handed.worker.letGo();
  await blocked;
  handed.worker.hold();
  await createClient({ baseUrl: first.url, token: handed.token }).heartbeat({
    body: { workspace_id: handed.id, active_tasks: 0 } as never,
  });
  await waitFor('the message is in a turn', () => handed.worker.turns.has(idOf(fromQueue)));
  const inTurn = await delegate(delegated, 'in a turn');
  await delegated.peer.waitForCalls(1);

  // An inbox, and a burst in which the platform dies.
  const inbox = textRequest('for the inbox');
  const { activity_id: inboxRow } = await post(first, reader, inbox);
  const acknowledged: string[] = [];
  const burst = Array.from({ length: 30 }, (_, index) =>
    delegate(busy, `burst ${index}`).then(
      (id) => void acknowledged.push(id),
      () => {},
    ),
  );
  await waitFor('some of the burst are acknowledged', () => acknowledged.length >= 5);
  await first.end('SIGKILL');
  await Promise.all(burst);
  await heldCall;

  // The agents end their turns while nobody listens.
  for (const { worker } of [busy, handed, delegated]) worker.letGo();
  await waitFor('the turns have ended', () => ![busy, handed, delegated].some(({ worker }) => worker.isRunning()));

  const db = await store.open();
  cleanups.push(db.close);
  const clock = createManualClock();
  const second = await startPlatform({ db, dataDir: store.dataDir, clock, env: ENV });
  cleanups.push(second.stop);
  await lapseLeases(db);
  clock.advance(61_000);
  await runLoops(second, ['a2a-lease-recovery', 'delegation-runner']);
  const beat = ({ id, token }: Seat) =>
    second.client(token).heartbeat({ body: { workspace_id: id, active_tasks: 0 } as never });
  await waitFor(
    'everything is delivered',
    async () => {
      for (const seat of [busy, handed, delegated]) await beat(seat);
      const open = await sql<{ count: number }>`
        select (select count(*) from a2a_queue where status in ('queued', 'dispatched'))
          + (select count(*) from delegations where status in ('queued', 'dispatched', 'in_progress')) as count`.execute(
        db.kysely,
      );
      return Number(open.rows[0]?.count) === 0;
    },
    30_000,
  );

  // Nothing acknowledged is missing, and nothing was run twice.
  const deliveries = (seat: Seat, id: string) => seat.worker.turns.get(id)?.deliveries ?? 0;
  for (const request of waiting) expect(deliveries(busy, idOf(request))).toBe(1);
  for (const id of queuedDelegations) expect(deliveries(busy, id)).toBe(1);
  expect(deliveries(busy, idOf(held))).toBe(1);
  // In a turn when it died: handed over again, and known to the agent.
  expect(deliveries(handed, idOf(fromQueue))).toBe(2);
  expect(deliveries(delegated, inTurn)).toBe(2);
  for (const id of acknowledged) expect([1, 2]).toContain(deliveries(busy, id));

  const ids = [...queuedDelegations, inTurn, ...acknowledged];
  const ledger = await db.kysely.selectFrom('delegations').selectAll().execute();
  for (const id of ids)
    expect(ledger.find((row) => row.delegation_id === id)).toMatchObject({
      status: 'completed',
      result_preview: `done ${id}`,
    });
  const results = await second.admin.listActivity({
    params: { id: lead.id },
    query: { type: 'a2a_receive', limit: 500 },
  });
  const told = results.flatMap(({ method, response_body: body }) =>
    method === 'delegate_result' ? [(body as { delegation_id: string }).delegation_id] : [],
  );
  expect(new Set(told).size).toBe(told.length);
  for (const id of ids) expect(told).toContain(id);
  const rows = await second.admin.listActivity({
    params: { id: handed.id },
    query: { type: 'a2a_receive', limit: 500 },
  });
  const replies = rows.filter(({ request_body: body }) => JSON.stringify(body).includes(idOf(fromQueue)));
  expect(replies).toMatchObject([
    { status: 'ok', response_body: { result: { parts: [{ text: `done ${idOf(fromQueue)}` }] } } },
  ]);
  const read = await second
    .client(reader.token)
    .listActivity({ params: { id: reader.id }, query: { type: 'a2a_receive' } });
  expect(read).toMatchObject([{ id: inboxRow, request_body: inbox, accepted_at: expect.any(String) }]);
}, 120_000);

it('a platform that is stopped keeps held calls for the next start and says so to their callers', async () => {
  const store = await createStore();
  const first = await startProcess(store);
  const seat = await startSeat(first.admin, first.url);
  const request = textRequest('cut off');
  const call = post(first, seat, request);
  await seat.peer.waitForCalls(1);
  const ended = first.end('SIGTERM');
  expect(await call).toMatchObject({ queued: true, queue_id: expect.any(String) });
  expect(await ended).toBe(0);
  seat.worker.letGo();

  const db = await store.open();
  cleanups.push(db.close);
  const second = await startPlatform({ db, dataDir: store.dataDir, env: ENV });
  cleanups.push(second.stop);
  await second.client(seat.token).heartbeat({ body: { workspace_id: seat.id, active_tasks: 0 } as never });
  await waitFor('the message is delivered', () => seat.worker.turns.get(idOf(request))?.deliveries === 2);
  const reply = await waitFor('its reply is stored', async () =>
    (await second.admin.listActivity({ params: { id: seat.id } })).find(({ status }) => status === 'ok'),
  );
  expect(reply).toMatchObject({ response_body: { result: { parts: [{ text: `done ${idOf(request)}` }] } } });
}, 120_000);

it('20.28 an idle timeout that is no positive whole number is the default, and the log names it', async () => {
  const seconds = (value: string): Config =>
    readConfig({ A2A_IDLE_TIMEOUT_SECONDS: value, MOLECULE_DATA_DIR: '/nowhere' });
  for (const value of ['foo', '-30', '0', '5m', '1.5']) {
    const config = seconds(value);
    expect(config.a2aIdleTimeoutSeconds).toBe(300);
    expect(config.warnings).toEqual([`A2A_IDLE_TIMEOUT_SECONDS=${value} is not a positive whole number; using 300`]);
  }
  expect([seconds('').a2aIdleTimeoutSeconds, seconds('').warnings]).toEqual([300, []]);
  expect(seconds('30').a2aIdleTimeoutSeconds).toBe(30);
  // Said before anything else: this start fails for want of a store.
  const start = startPlatformProcess({
    PORT: String(await findFreePort()),
    MOLECULE_DATA_DIR: tmpdir(),
    DATABASE_URL: 'postgres://127.0.0.1:1/nowhere',
    A2A_IDLE_TIMEOUT_SECONDS: '5m',
  });
  await expect(start).rejects.toThrow('A2A_IDLE_TIMEOUT_SECONDS=5m is not a positive whole number; using 300');
});
