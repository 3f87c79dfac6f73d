// Seats whose agent is the real runtime in the test's process, registered with a platform without a backend: what the two do
// together, with a clock of the agent's that a test can turn on.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningAgent, startAgent } from '@molecule/runtime';
import type { Adapter } from '@molecule/runtime/adapters/adapter';
import { systemTimers } from '@molecule/runtime/link/timers';
import { createLogger } from '@molecule/runtime/logger';
import { createSeat, type Seat, type TestPlatform, waitFor } from '@molecule/testkit';

const BEAT_MS = 100;

export interface RuntimeSeat extends Seat {
  name: string;
  agent: RunningAgent;
  /** Where `/workspace` lies on disk. */
  workspaceRoot: string;
  /** Lines of the agent's own log. */
  log: { msg: string; [key: string]: unknown }[];
  /** The agent's clock is so much further from now on; nobody who sleeps notices. */
  turnClock(milliseconds: number): void;
  /** A file of its configuration folder; empty when there is none. */
  readFile(name: string): Promise<string>;
  stop(): Promise<void>;
}

export interface RuntimeSeatOptions {
  name: string;
  workspace?: Parameters<typeof createSeat>[1];
  /** Extra lines of config.yaml. */
  config?: string;
  /** Instead of `echo`. */
  adapter?: Adapter;
}

/** Listens on a port the system chose, so that the platform can be told of it before the agent starts. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when the seat is online. Callers `stop()` it. */
export async function startRuntimeSeat(test: TestPlatform, options: RuntimeSeatOptions): Promise<RuntimeSeat> {
  const { name } = options;
  const seat = await createSeat(test, { name, external: false, runtime: 'echo', ...options.workspace });
  const { id } = seat;
  const statusOf = async () => (await test.admin.getWorkspace({ params: { id } })).status;
  // Without a backend it fails first, and with that its address is cleared.
  await waitFor('the seat has no backend', async () => (await statusOf()) !== 'provisioning');
  const port = await findFreePort();
  const address = { url: `http://127.0.0.1:${port}`, url_source: 'provisioner' };
  await test.db.kysely.updateTable('workspaces').set(address).where('id', '=', id).execute();
  test.platform.workspaces.forget(id);
  const home = await mkdtemp(join(tmpdir(), 'molecule-agent-'));
  await writeFile(join(home, 'config.yaml'), `name: ${JSON.stringify(name)}\nruntime: echo\n${options.config ?? ''}`);
  await writeFile(join(home, '.auth_token'), seat.token, { mode: 0o600 });
  const log: RuntimeSeat['log'] = [];
  let ahead = 0;
  const agent = await startAgent({
    workspaceId: id,
    configDir: home,
    workspaceRoot: join(home, 'workspace'),
    platformUrl: test.url,
    port,
    heartbeatMs: BEAT_MS,
    log: createLogger({ level: 'debug', destination: { write: (line) => void log.push(JSON.parse(line)) } }),
    timers: { ...systemTimers, now: () => Date.now() + ahead },
    env: { SHUTDOWN_GRACE_S: '0' },
    ...(options.adapter ? { adapter: options.adapter } : {}),
  });
  await waitFor('the agent is online', async () => (await statusOf()) === 'online');
  return {
    ...seat,
    name,
    agent,
    workspaceRoot: join(home, 'workspace'),
    log,
    turnClock(milliseconds) {
      ahead += milliseconds;
    },
    readFile: (file) => readFile(join(home, file), 'utf8').catch(() => ''),
    async stop() {
      await agent.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
