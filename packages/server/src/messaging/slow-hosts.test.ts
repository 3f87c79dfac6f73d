import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import {
  holdCalls,
  replyWith,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';

let test: TestPlatform;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

beforeAll(async () => {
  test = await startPlatform({ replicas: 1 });
  // Of all that is timed only the calls of these tests, and what they lead to, see the time jump.
  await test.platform.supervisor.stop();
});
beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: true, toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(async () => {
  vi.useRealTimers();
  for (const clean of cleanups.splice(0).reverse()) await clean();
});
afterAll(async () => {
  await test?.stop();
});

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1_000);

/** A host that answers no connection: it listens, never accepts, and its backlog is full. */
async function startBlackHole(): Promise<number> {
  const listening = `const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      process.kill(process.pid, 'SIGSTOP');
    });`;
  const child: ChildProcess = spawn(process.execPath, ['-e', listening], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  // The kernel takes one more than the backlog for it, and ignores every other from then on.
  const taken: Socket[] = [1, 2].map(() => connect(Number(port), '127.0.0.1').on('error', () => {}));
  cleanups.push(() => taken.forEach((socket) => void socket.destroy()));
  await Promise.all(taken.map((socket) => once(socket, 'connect')));
  return Number(port);
}

const SYN_SENT = '02';
/** Somebody asks that port for a connection and has no answer yet. */
const isKnockedAt = (port: number) =>
  readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some(
      ([, , remote, state]) =>
        remote?.endsWith(`:${port.toString(16).toUpperCase().padStart(4, '0')}`) && state === SYN_SENT,
    );

it('20.29 headers may take minutes while the target shows signs of life; a host that takes no connection fails after ten seconds', async () => {
  const hold = holdCalls(replyWith('thought about it'));
  const agent = await startFakeAgent(test, { respond: hold.respond });
  cleanups.push(agent.stop);
  const call = sendA2a(test, agent.id, textRequest('hard question'));
  await agent.waitForCalls(1);
  for (let waited = 0; waited < 180; waited += 45) {
    await seconds(45);
    await agent.heartbeat({ active_tasks: 1, current_task: 'thinking' });
  }
  hold.release();
  expect([(await call).status, (await call).body]).toMatchObject([
    200,
    { result: { parts: [{ text: 'thought about it' }] } },
  ]);

  // The same without a sign of life.
  agent.respond(() => {});
  const silent = sendA2a(test, agent.id, textRequest('another'));
  await agent.waitForCalls(2);
  await seconds(61);
  expect((await silent).status).toBe(202);

  const port = await startBlackHole();
  await test.db.kysely
    .updateTable('workspaces')
    .set({ url: `http://127.0.0.1:${port}` })
    .where('id', '=', agent.id)
    .execute();
  test.platform.workspaces.forget(agent.id);
  let outcome: unknown = 'pending';
  const lost = sendA2a(test, agent.id, textRequest('anybody there?')).then((reply) => {
    outcome = [reply.status, reply.body?.code];
  });
  await waitFor('the host is called', () => isKnockedAt(port));
  const calledAt = performance.now();
  await seconds(8);
  expect([outcome, isKnockedAt(port)]).toEqual(['pending', true]);
  await seconds(2);
  await lost;
  expect(outcome).toEqual([502, 'agent_unreachable']);
  expect(performance.now() - calledAt).toBeLessThan(11_000);
  expect(agent.calls).toHaveLength(2);
});
