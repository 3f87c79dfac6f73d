// A platform that is killed after it said that it has something and before the agent has it; and those who deliver it once more.

import { createServer, type Socket } from 'node:net';
import { createClient } from '@molecule/contract';
import { createManualClock, messageIdOf, replyWith, startPeer, startPlatform, waitFor } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { createKeptStore } from './kept-store.ts';
import { findFreePort, startPlatformProcess } from './platform-process.ts';
import {
  GITHUB_SECRET,
  githubComment,
  SLACK_SECRET,
  SLACK_TOKEN,
  sendGithub,
  sendSlack,
  slackMessage,
  startSlackApi,
} from './webhook-senders.ts';

const ENV = {
  MOLECULE_PROVISIONER: 'none',
  MOLECULE_ENV: 'development',
  RATE_LIMIT: '1000000',
  GITHUB_WEBHOOK_SECRET: GITHUB_SECRET,
};
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Takes connections and never reads: no call ever arrives. */
async function startDeafAgent(port: number) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket.pause());
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { sockets, stop };
}

it('20.104 a fire, a channel message and a webhook that were accepted before a crash arrive once after the restart, also when the latter two are delivered again', async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  const [port, agentPort] = [String(await findFreePort()), await findFreePort()];
  const first = await startPlatformProcess({ PORT: port, MOLECULE_DATA_DIR: store.dataDir, ...store.env, ...ENV });
  cleanups.push(() => first.end('SIGKILL'));
  const deaf = await startDeafAgent(agentPort);
  const { id, connection } = await first.admin.createWorkspace({ body: { name: 'seat', external: true } });
  const own = createClient({ baseUrl: first.url, token: connection?.auth_token ?? '' });
  const url = `http://localhost:${agentPort}`;
  await own.register({ body: { id, agent_card: { name: 'worker' }, delivery_mode: 'push', url } });
  const config = { bot_token: SLACK_TOKEN, channel_id: 'C1', signing_secret: SLACK_SECRET };
  await own.createChannel({ params: { id }, body: { channel_type: 'slack', config } });
  const schedule = { name: 'nightly', cron_expr: '0 3 * * *', prompt: 'tidy up' };
  const { id: scheduleId } = await own.createSchedule({ params: { id }, body: schedule });

  await own.runSchedule({ params: { id, scheduleId } });
  const said = slackMessage('hello');
  const delivery = { event: 'issue_comment', payload: githubComment('look'), id: 'd-1', workspaceId: id };
  const acknowledged = [await sendSlack(first.url, said), await sendGithub(first.url, delivery)];
  expect(acknowledged.map(({ body }) => body.status)).toEqual(['accepted', 'accepted']);
  await waitFor('all three are on their way', () => deaf.sockets.length === 3);
  await first.end('SIGKILL');
  await deaf.stop();

  const agent = await startPeer((call, response) => replyWith(`re ${messageIdOf(call)}`)(call, response), agentPort);
  cleanups.push(agent.stop);
  const slack = await startSlackApi();
  cleanups.push(slack.stop);
  const db = await store.open();
  cleanups.push(db.close);
  const clock = createManualClock();
  const options = { db, dataDir: store.dataDir, clock, env: ENV, channelHosts: slack.hosts };
  const second = await startPlatform(options);
  cleanups.push(second.stop);
  expect([await sendSlack(second.url, said), await sendGithub(second.url, delivery)]).toEqual(acknowledged);
  // Time passes: what the dead process held is free.
  await sql`update a2a_queue set lease_until = now() - interval '1 second' where status = 'dispatched'`.execute(
    db.kysely,
  );
  clock.advance(61_000);
  const recovery = second.platform.messaging.loops.find(({ name }) => name === 'a2a-lease-recovery');
  expect(await recovery?.run(new AbortController().signal)).toMatchObject({ free: 3 });

  const isRun = async () => (await second.admin.listScheduleRuns({ params: { id, scheduleId } })).length === 1;
  await waitFor(
    'the run has ended, and the chat knows of it and has its answer',
    async () => slack.calls.length === 2 && (await isRun()),
  );
  await waitFor('the webhook arrived', () => agent.calls.length === 3);
  await second.platform.messaging.idle();
  expect([await sendSlack(second.url, said), await sendGithub(second.url, delivery)]).toEqual(acknowledged);
  await second.platform.messaging.idle();
  const { ts } = said.event as { ts: string };
  const fired = agent.calls.map(messageIdOf).find((one) => one.startsWith('cron-'));
  expect(agent.calls.map(messageIdOf).sort()).toEqual([`channel-slack-C1-${ts}`, fired, 'webhook-github-d-1']);
  expect(await second.admin.listSchedules({ params: { id } })).toMatchObject([{ run_count: 1, last_status: 'ok' }]);
  expect(
    slack
      .said()
      .map(({ text }) => text)
      .sort(),
  ).toEqual([`re channel-slack-C1-${ts}`, `re ${fired}`]);
}, 60_000);
