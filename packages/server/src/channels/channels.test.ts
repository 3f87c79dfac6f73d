import type { EventFrame } from '@molecule/contract';
import {
  breakColumn,
  createSeat,
  type FakeAgent,
  failureOf,
  mendColumn,
  replyStatus,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  SLACK_SECRET,
  SLACK_TOKEN,
  type SlackApi,
  sendSlack,
  slackMessage,
  startSlackApi,
} from '../../test/webhook-senders.ts';

let test: TestPlatform;
let slack: SlackApi;
const lines: string[] = [];
const frames: EventFrame[] = [];
const agents: FakeAgent[] = [];
const ENV = { MOLECULE_ENV: 'development' };
const OLD_KEY = 'k'.repeat(32);
const NEW_KEY = 'n'.repeat(32);

beforeAll(async () => {
  slack = await startSlackApi();
  test = await startPlatform({
    env: { ...ENV, SECRETS_ENCRYPTION_KEY: OLD_KEY },
    channelHosts: slack.hosts,
    onLog: (line) => void lines.push(JSON.stringify(line)),
  });
  await test.platform.supervisor.stop();
  test.platform.events.subscribe((frame) => frames.push(frame));
});
beforeEach(async () => {
  await sql`delete from workspace_channels`.execute(test.db.kysely);
  slack.calls.length = 0;
  slack.respond(replyStatus(200, { ok: true }));
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
  await slack?.stop();
});

const CONFIG = { bot_token: SLACK_TOKEN, channel_id: 'C1', signing_secret: SLACK_SECRET };

async function startAgent(more: object = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond: replyWith('done'), ...more });
  agents.push(agent);
  return agent;
}
const create = ({ id }: { id: string }, body: object = {}, on = test) =>
  on.admin.createChannel({ params: { id }, body: { channel_type: 'slack', config: CONFIG, ...body } });
const listOf = ({ id }: { id: string }, on = test) => on.admin.listChannels({ params: { id } });
const storedConfig = async () => {
  const { rows } = await sql<{ channel_config: Record<string, string> }>`
    select channel_config from workspace_channels
  `.execute(test.db.kysely);
  return rows[0]?.channel_config ?? {};
};
const runLoop = (name: string, on = test) =>
  on.platform.channels.loops.find((loop) => loop.name === name)?.run(new AbortController().signal);

it('20.84 budget 10/10 ⇒ a send is refused; a sender off the list ⇒ 200 and no message; the list is masked, and the row encrypted', async () => {
  const agent = await startAgent();
  const { id: channelId } = await create(agent, { channel_budget: 10, allowed_users: ['U1', 'C2'] });
  await sql`update workspace_channels set message_count = 9`.execute(test.db.kysely);
  const params = { id: agent.id, channelId };
  const refusals = await Promise.all(
    [1, 2, 3].map(() => test.admin.sendToChannel({ params, body: { text: 'hello' } }).catch((error) => error.status)),
  );
  expect(refusals.filter((one) => one === 429)).toHaveLength(2);
  const refusal = await failureOf(test.admin.sendToChannel({ params, body: { text: 'hello' } }));
  expect([refusal.status, refusal.body]).toMatchObject([
    429,
    { code: 'channel_budget_exceeded', error: 'channel budget exceeded' },
  ]);
  expect((await failureOf(test.admin.testChannel({ params }))).status).toBe(429);
  expect(slack.said()).toHaveLength(1);

  expect(await sendSlack(test.url, slackMessage('let me in', { user: 'U2' }))).toEqual({
    status: 200,
    body: { status: 'ignored' },
  });
  await test.platform.messaging.idle();
  expect(agent.calls).toHaveLength(0);
  expect((await sendSlack(test.url, slackMessage('hello', { user: 'U1' }))).body).toEqual({ status: 'accepted' });
  await test.platform.messaging.idle();
  expect(agent.calls).toHaveLength(1);

  const [row] = await listOf(agent);
  expect(row?.config).toEqual({ bot_token: 'xoxb…cdef', channel_id: 'C1', signing_secret: 'slac…6789' });
  expect(row).toMatchObject({ channel_budget: 10, allowed_users: ['U1', 'C2'], enabled: true });
  expect(await storedConfig()).toEqual({
    bot_token: expect.stringMatching(/^ec1:/),
    channel_id: 'C1',
    signing_secret: expect.stringMatching(/^ec1:/),
  });
  for (const secret of [SLACK_TOKEN, SLACK_SECRET]) expect(JSON.stringify(await storedConfig())).not.toContain(secret);
});

it('20.109 rows of a schedule and of a channel are listed and broadcast with their origin and without a source, in push and poll mode', async () => {
  for (const deliveryMode of ['push', 'poll'] as const) {
    const agent = await startAgent({ deliveryMode });
    await sql`delete from workspace_channels`.execute(test.db.kysely);
    await create(agent);
    const body = { cron_expr: '0 0 1 1 *', prompt: 'report', name: 'yearly' };
    const { id: scheduleId } = await test.admin.createSchedule({ params: { id: agent.id }, body });
    await test.admin.runSchedule({ params: { id: agent.id, scheduleId } });
    await test.platform.messaging.idle();
    await sendSlack(test.url, slackMessage('hello'));
    await test.platform.messaging.idle();

    const rows = await test.admin.listActivity({ params: { id: agent.id } });
    const received = rows.filter((row) => row.activity_type === 'a2a_receive');
    expect(received.map((row) => [row.origin, row.source_id])).toEqual([
      ['channel:slack', null],
      ['system:cron', null],
    ]);
    const told = frames.filter(
      (frame) =>
        frame.event === 'ACTIVITY_LOGGED' &&
        frame.workspace_id === agent.id &&
        frame.payload.activity_type === 'a2a_receive',
    );
    expect(told.map(({ payload }) => payload)).toMatchObject([
      { origin: 'system:cron', source_id: null },
      { origin: 'channel:slack', source_id: null },
    ]);
  }
});

describe('keeping channels', () => {
  it('lists what kinds there are to anybody', async () => {
    const adapters = (await (await fetch(`${test.url}/channels/adapters`)).json()) as { display_name: string }[];
    const names = adapters.map(({ display_name: name }) => name);
    expect(names).toEqual([...names].sort());
    expect(adapters).toContainEqual({
      type: 'slack',
      display_name: 'Slack',
      config_schema: expect.arrayContaining([
        expect.objectContaining({ key: 'bot_token', type: 'password', sensitive: true }),
      ]),
    });
  });

  it('refuses unknown kinds, fields and configs by field, and a second one of a kind', async () => {
    const seat = await createSeat(test);
    const refused = async (body: object) => {
      const { status, body: said } = await failureOf(create(seat, body));
      return [status, said.field];
    };
    expect(await refused({ channel_type: 'pigeon' })).toEqual([400, 'channel_type']);
    expect(await refused({ config: {} })).toEqual([400, 'config.bot_token']);
    expect(await refused({ config: { bot_token: 'x' } })).toEqual([400, 'config.channel_id']);
    expect(await refused({ config: { webhook_url: 'https://hooks.slack.com.evil.example/' } })).toEqual([
      400,
      'config.webhook_url',
    ]);
    expect(await refused({ config: { ...CONFIG, colour: 'red' } })).toEqual([400, 'config.colour']);
    expect(await create(seat)).toEqual({ id: expect.any(String), channel_type: 'slack', enabled: true });
    expect((await failureOf(create(seat))).status).toBe(409);
    expect((await failureOf(create({ id: '00000000-0000-4000-8000-000000000009' }))).status).toBe(404);
  });

  it('keeps what a masked value masks, checks a changed config again, and binds a channel to its workspace', async () => {
    const [seat, other] = [await createSeat(test), await createSeat(test)];
    const { id: channelId } = await create(seat);
    const params = { id: seat.id, channelId };
    const [{ config } = { config: {} }] = await listOf(seat);
    await test.admin.patchChannel({ params, body: { config: { ...config, username: 'Helper' }, enabled: false } });
    await test.admin.sendToChannel({ params, body: { text: 'x' } });
    expect(slack.calls[0]?.headers.authorization).toBe(`Bearer ${SLACK_TOKEN}`);
    expect((await listOf(seat))[0]).toMatchObject({ config: { ...config, username: 'Helper' }, enabled: false });
    const { bot_token: _token, ...rest } = config as Record<string, string>;
    expect((await failureOf(test.admin.patchChannel({ params, body: { config: rest } }))).body.field).toBe(
      'config.bot_token',
    );
    await test.admin.patchChannel({ params, body: { config: { ...config, bot_token: 'xoxb-another-token-999' } } });
    expect((await listOf(seat))[0]?.config.bot_token).toBe('xoxb…-999');

    const foreign = { id: other.id, channelId };
    const calls = [
      test.admin.patchChannel({ params: foreign, body: {} }),
      test.admin.sendToChannel({ params: foreign, body: { text: 'x' } }),
      test.admin.testChannel({ params: foreign }),
      test.admin.deleteChannel({ params: foreign }),
    ];
    expect((await Promise.all(calls.map(failureOf))).map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(await test.admin.deleteChannel({ params })).toEqual({ status: 'deleted' });
    expect(await listOf(seat)).toEqual([]);
  });

  it('reads what an earlier key or no key wrote, writes it again under the current one, and hides what no key opens', async () => {
    const seat = await createSeat(test);
    const { id: channelId } = await create(seat);
    const rotated = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      channelHosts: slack.hosts,
      env: { ...ENV, SECRETS_ENCRYPTION_KEY: NEW_KEY, SECRETS_ENCRYPTION_KEY_PREVIOUS: OLD_KEY },
    });
    await rotated.platform.supervisor.stop();
    const before = await storedConfig();
    expect(await runLoop('channel-rotation', rotated)).toEqual({ rewritten: 1, unreadable: 0 });
    expect(await runLoop('channel-rotation', rotated)).toEqual({ rewritten: 0, unreadable: 0 });
    expect((await storedConfig()).bot_token).not.toBe(before.bot_token);
    const [row] = await listOf(seat, rotated);
    expect(row?.config.bot_token).toBe('xoxb…cdef');
    // The first platform does not know the new key.
    expect((await listOf(seat))[0]?.config).toEqual({ bot_token: '***', channel_id: 'C1', signing_secret: '***' });
    expect((await sendSlack(test.url, slackMessage('x'))).status).toBe(401);

    const plain = JSON.stringify({ ...CONFIG, bot_token: 'xoxb-plain-text-token' });
    await sql`update workspace_channels set channel_config = ${plain}::jsonb, key_id = null`.execute(test.db.kysely);
    expect((await listOf(seat, rotated))[0]?.config.bot_token).toBe('xoxb…oken');
    await rotated.admin.testChannel({ params: { id: seat.id, channelId } });
    expect(slack.calls[0]?.headers.authorization).toBe('Bearer xoxb-plain-text-token');
    expect(await runLoop('channel-rotation', rotated)).toEqual({ rewritten: 1, unreadable: 0 });
    expect((await storedConfig()).bot_token).toMatch(/^ec1:/);
    await rotated.stop();
  });
});

describe('sending', () => {
  it('goes to every chat; one that refuses makes it a failure, which costs nothing', async () => {
    const seat = await createSeat(test);
    const { id: channelId } = await create(seat, { config: { ...CONFIG, channel_id: 'C1,C2,C3' }, channel_budget: 5 });
    const params = { id: seat.id, channelId };
    await test.admin.testChannel({ params });
    expect(slack.said().map(({ channel }) => channel)).toEqual(['C1', 'C2', 'C3']);
    slack.respond((call, response) => {
      const isGone = (call.body as { channel: string }).channel === 'C2';
      return replyStatus(200, isGone ? { ok: false, error: 'is_archived' } : { ok: true })(call, response);
    });
    const refusal = await failureOf(test.admin.sendToChannel({ params, body: { text: 'hello' } }));
    expect([refusal.status, refusal.body]).toMatchObject([
      500,
      { error: 'send failed', code: 'channel_send_failed', reason: 'Slack answered with is_archived' },
    ]);
    expect(
      slack
        .said()
        .slice(3)
        .map(({ channel }) => channel),
    ).toEqual(['C1', 'C2', 'C3']);
    expect((await listOf(seat))[0]?.message_count).toBe(1);
  });

  it('by a webhook address says the text there; neither its failure nor that of a token shows them in the log', async () => {
    const seat = await createSeat(test);
    const hook = `${slack.hosts.slackHooks}services/T0/B0/very-secret-path`;
    const { id: channelId } = await create(seat, { config: { webhook_url: hook } });
    const params = { id: seat.id, channelId };
    await test.admin.sendToChannel({ params, body: { text: '# Hi' } });
    expect([slack.calls[0]?.path, slack.calls[0]?.body]).toEqual([
      '/hooks/services/T0/B0/very-secret-path',
      { text: '*Hi*' },
    ]);
    slack.respond((_call, response) => void response.socket?.resetAndDestroy());
    expect((await failureOf(test.admin.testChannel({ params }))).body).toMatchObject({
      reason: expect.stringContaining('could not be reached'),
    });
    slack.respond(replyStatus(404, 'no_service'));
    expect((await failureOf(test.admin.testChannel({ params }))).body.reason).toBe('Slack answered with status 404');
    expect(lines.some((line) => line.includes('could not be reached'))).toBe(true);
    for (const secret of ['very-secret-path', SLACK_TOKEN, SLACK_SECRET])
      expect(lines.filter((line) => line.includes(secret))).toEqual([]);
  });

  it('goes on when the budget cannot be read', async () => {
    const seat = await createSeat(test);
    const { id: channelId } = await create(seat, { channel_budget: 0 });
    const params = { id: seat.id, channelId };
    await breakColumn(test.db, 'workspace_channels', 'channel_budget');
    try {
      await test.admin.testChannel({ params });
    } finally {
      await mendColumn(test.db, 'workspace_channels');
    }
    expect(slack.said()).toHaveLength(1);
    expect(await (await fetch(`${test.url}/metrics`)).text()).toContain(
      'molecule_fail_open_total{check="channel_budget"} 1',
    );
    expect((await failureOf(test.admin.testChannel({ params }))).status).toBe(429);
  });
});

it('messages of a week ago are forgotten, those that wait are not', async () => {
  const agent = await startAgent();
  await create(agent);
  await sql`delete from channel_messages`.execute(test.db.kysely);
  for (const text of ['old', 'young', 'open']) await sendSlack(test.url, slackMessage(text));
  await test.platform.messaging.idle();
  await runLoop('channel-replies');
  await sql`
    update channel_messages set received_at = now() - interval '8 days',
      reply_due_at = case when message_key = (select max(message_key) from channel_messages) then now() end
    where message_key <> (select min(message_key) from channel_messages)
  `.execute(test.db.kysely);
  expect(await runLoop('channel-cleanup')).toEqual({ deleted: 1 });
  expect((await sql`select 1 from channel_messages`.execute(test.db.kysely)).rows).toHaveLength(2);
});
