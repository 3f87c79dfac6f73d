import { createClient } from '@molecule/contract';
import {
  createManualClock,
  messageIdOf,
  type Responder,
  replyWith,
  startPeer,
  startPlatform,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { createKeptStore } from '../../test/kept-store.ts';
import { findFreePort, startPlatformProcess } from '../../test/platform-process.ts';

const ENV = { MOLECULE_PROVISIONER: 'none', MOLECULE_ENV: 'development', RATE_LIMIT: '1000000' };
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

it('a run whose platform is killed goes on after the next start with the same message, and is told of once', async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  const port = String(await findFreePort());
  const first = await startPlatformProcess({ PORT: port, MOLECULE_DATA_DIR: store.dataDir, ...store.env, ...ENV });
  cleanups.push(() => first.end('SIGKILL'));

  // Answers only those that come after the crash.
  const silent: Responder = () => {};
  const peer = await startPeer(silent);
  cleanups.push(peer.stop);
  const { id, connection } = await first.admin.createWorkspace({ body: { name: 'seat', external: true } });
  const url = `http://localhost:${peer.port}`;
  const own = createClient({ baseUrl: first.url, token: connection?.auth_token ?? '' });
  await own.register({ body: { id, agent_card: { name: 'worker' }, delivery_mode: 'push', url } });
  const body = { name: 'nightly', cron_expr: '0 3 * * *', prompt: 'tidy up' };
  const { id: scheduleId, next_run_at: next } = await own.createSchedule({ params: { id }, body });
  await own.runSchedule({ params: { id, scheduleId } });
  const [cutOff] = await peer.waitForCalls(1);
  await first.end('SIGKILL');

  peer.respond(replyWith('tidy'));
  const db = await store.open();
  cleanups.push(db.close);
  const clock = createManualClock();
  const second = await startPlatform({ db, dataDir: store.dataDir, clock, env: ENV });
  cleanups.push(second.stop);
  // Time passes: what the dead process held is free.
  await sql`update a2a_queue set lease_until = now() - interval '1 second' where status = 'dispatched'`.execute(
    db.kysely,
  );
  clock.advance(61_000);
  const recovery = second.platform.messaging.loops.find(({ name }) => name === 'a2a-lease-recovery');
  expect(await recovery?.run(new AbortController().signal)).toMatchObject({ free: 1 });

  const runs = () => second.admin.listScheduleRuns({ params: { id, scheduleId } });
  await waitFor('the run has ended', async () => (await runs()).length > 0);
  expect(peer.calls.map(messageIdOf)).toEqual([messageIdOf(cutOff as never), messageIdOf(cutOff as never)]);
  expect(await runs()).toMatchObject([{ status: 'ok', answered_at: expect.any(String) }]);
  const [row] = await second.admin.listSchedules({ params: { id } });
  expect(row).toMatchObject({ run_count: 1, last_status: 'ok', last_run_at: expect.any(String), next_run_at: next });
}, 60_000);
