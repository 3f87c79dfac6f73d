import type { EventFrame } from '@molecule/contract';
import {
  type FakeAgent,
  holdCalls,
  type ReceivedCall,
  type Responder,
  replyBusy,
  replyStatus,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  post,
  SLACK_SECRET,
  SLACK_TOKEN,
  type SlackApi,
  sendSlack,
  signSlack,
  slackMessage,
  startSlackApi,
} from '../../test/webhook-senders.ts';

let test: TestPlatform;
let replica: TestPlatform;
let slack: SlackApi;
const lines: string[] = [];
const frames: EventFrame[] = [];
const agents: FakeAgent[] = [];
const said = replyStatus(200, { ok: true });

beforeAll(async () => {
  slack = await startSlackApi();
  const options = {
    env: { MOLECULE_ENV: 'development' },
    channelHosts: slack.hosts,
    onLog: (line: Record<string, unknown>) => void lines.push(JSON.stringify(line)),
  };
  test = await startPlatform(options);
  // Loops run when a test says so.
  await test.platform.supervisor.stop();
  replica = await startPlatform({ ...options, db: test.db, dataDir: test.dataDir });
  await replica.platform.supervisor.stop();
  test.platform.events.subscribe((frame) => frames.push(frame));
});
beforeEach(async () => {
  await sql`delete from workspace_channels`.execute(test.db.kysely);
  await sql`delete from channel_messages`.execute(test.db.kysely);
  slack.calls.length = 0;
  slack.respond(said);
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await replica?.stop();
  await test?.stop();
  await slack?.stop();
});

const CONFIG = { bot_token: SLACK_TOKEN, channel_id: 'C1', signing_secret: SLACK_SECRET };

async function startAgent(respond: Responder = replyWith('done'), more: object = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond, ...more });
  agents.push(agent);
  return agent;
}
async function connect({ id }: { id: string }, config: object = {}, more: object = {}): Promise<string> {
  const body = { channel_type: 'slack', config: { ...CONFIG, ...config }, ...more };
  return (await test.admin.createChannel({ params: { id }, body })).id;
}
const idle = () => Promise.all([test, replica].map(({ platform }) => platform.messaging.idle()));
const runLoop = (name: string, on = test) =>
  on.platform.channels.loops.find((loop) => loop.name === name)?.run(new AbortController().signal);
const messageOf = (call: ReceivedCall | undefined) =>
  (call as { body: { params: { message: Record<string, unknown> } } }).body.params.message;
const listed = async ({ id }: { id: string }) => (await test.admin.listChannels({ params: { id } }))[0];
const pending = async () =>
  (await sql`select 1 from channel_messages where reply_due_at is not null`.execute(test.db.kysely)).rows.length;
/** Everything that was accepted is answered, and told. */
async function settle(): Promise<void> {
  await idle();
  // Whichever replica has taken a reply to send it.
  for (const on of [test, replica]) await runLoop('channel-replies', on);
}

describe('a message in a chat', () => {
  it('becomes one message of nobody in the tree and its answer goes back to where it was said; both are told, and counted', async () => {
    const agent = await startAgent(replyWith('**done**, see [it](https://x.example/1)'));
    const channelId = await connect(agent, { username: 'Helper', icon_emoji: ':robot_face:' });
    const payload = slackMessage('<@UBOT> fix <it> & go', { thread_ts: '1759.1' });
    expect(await sendSlack(test.url, payload)).toEqual({ status: 200, body: { status: 'accepted' } });
    await settle();

    const { ts } = payload.event as { ts: string };
    expect(agent.calls.map(messageOf)).toEqual([
      {
        role: 'user',
        messageId: `channel-slack-C1-${ts}`,
        parts: [{ kind: 'text', text: 'fix <it> & go' }],
        metadata: {
          source: 'channel:slack',
          channel_id: channelId,
          chat_id: 'C1',
          user_id: 'U1',
          username: 'U1',
          message_id: `C1-${ts}`,
          history: [],
          extra: { team_id: 'T1', event_id: payload.event_id, ts, thread_ts: '1759.1' },
        },
      },
    ]);
    expect(agent.calls[0]?.headers['x-workspace-id']).toBeUndefined();
    const text = '*done*, see <https://x.example/1|it>';
    expect(slack.said()).toEqual([
      {
        channel: 'C1',
        text,
        blocks: [{ type: 'section', text: { type: 'mrkdwn', text } }],
        username: 'Helper',
        icon_emoji: ':robot_face:',
        thread_ts: '1759.1',
      },
    ]);
    expect([slack.calls[0]?.path, slack.calls[0]?.headers.authorization]).toEqual([
      '/api/chat.postMessage',
      `Bearer ${SLACK_TOKEN}`,
    ]);
    await test.platform.events.catchUp();
    const told = frames.filter(({ event, workspace_id: id }) => event === 'CHANNEL_MESSAGE' && id === agent.id);
    expect(told.map(({ payload }) => payload)).toEqual([
      { channel_id: channelId, channel_type: 'slack', direction: 'inbound', username: 'U1' },
      { channel_id: channelId, channel_type: 'slack', direction: 'outbound' },
    ]);
    expect(await listed(agent)).toMatchObject({ message_count: 1, last_message_at: expect.any(String) });
  });

  it('delivered again, at once, on another replica, or as a mention as well, is one message with one answer', async () => {
    const agent = await startAgent();
    await connect(agent);
    const payload = slackMessage('once') as { event: Record<string, unknown> };
    const mention = { ...payload, event_id: 'EvOther', event: { ...payload.event, type: 'app_mention' } };
    const answers = await Promise.all([test, replica, test, replica].map(({ url }) => sendSlack(url, payload)));
    await settle();
    answers.push(await sendSlack(replica.url, payload), await sendSlack(test.url, mention));
    await settle();
    expect(answers).toEqual(Array.from({ length: 6 }, () => ({ status: 200, body: { status: 'accepted' } })));
    expect([agent.calls.length, slack.said().length]).toEqual([1, 1]);
  });

  it('brings along what was said in that chat in the last day, oldest first, and nothing of other chats', async () => {
    const agent = await startAgent((call, response) => replyWith(`re ${messageOf(call).messageId}`)(call, response));
    await connect(agent, { channel_id: 'C1, C2' });
    for (let count = 1; count <= 12; count += 1) {
      await sendSlack(test.url, slackMessage(`message ${count}`));
      await idle();
    }
    await sendSlack(test.url, slackMessage('elsewhere', { channel: 'C2' }));
    await idle();
    await sendSlack(test.url, slackMessage('and now'));
    await idle();
    const past = (messageOf(agent.calls.at(-1)).metadata as { history: { text: string; reply: string }[] }).history;
    expect(past.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, at) => `message ${at + 3}`));
    expect(past[0]).toEqual({
      at: expect.any(String),
      username: 'U1',
      text: 'message 3',
      reply: expect.stringMatching(/^re channel-slack-C1-/),
    });
    await sql`update activity_logs set created_at = now() - interval '25 hours' where workspace_id = ${agent.id}`.execute(
      test.db.kysely,
    );
    await sendSlack(test.url, slackMessage('a day later'));
    await idle();
    expect((messageOf(agent.calls.at(-1)).metadata as { history: unknown[] }).history).toEqual([]);
  });

  it('that is on its way when its channel is removed and connected anew is not taken a second time', async () => {
    const hold = holdCalls(replyWith('done'));
    const agent = await startAgent(hold.respond);
    const channelId = await connect(agent);
    const payload = slackMessage('once');
    await sendSlack(test.url, payload);
    await agent.waitForCalls(1);
    await test.admin.deleteChannel({ params: { id: agent.id, channelId } });
    await connect(agent);
    expect(await sendSlack(test.url, payload)).toEqual({ status: 200, body: { status: 'accepted' } });
    hold.release();
    await settle();
    expect(agent.calls).toHaveLength(1);
  });

  it('with [name] is for the agent of that name, without for the one that was there first', async () => {
    const [first, second] = [await startAgent(), await startAgent()];
    await connect(first, { username: 'Dev Lead' });
    await connect(second, { username: 'QA' });
    const send = (text: string) => sendSlack(test.url, slackMessage(text));
    expect((await send('hello')).body).toEqual({ status: 'accepted' });
    expect((await send('[qa] test it')).body).toEqual({ status: 'accepted' });
    expect((await send('[dev-lead]\nbuild it')).body).toEqual({ status: 'accepted' });
    expect((await send('[ops] run it')).body).toEqual({
      status: 'unknown_agent',
      requested_slug: 'ops',
      available_slugs: ['dev-lead', 'qa'],
    });
    await idle();
    const texts = (agent: FakeAgent) =>
      agent.calls.map((call) => (messageOf(call).parts as { text: string }[])[0]?.text).sort();
    expect([texts(first), texts(second)]).toEqual([['build it', 'hello'], ['test it']]);
  });

  it('of nobody, of a bot, of a chat without a channel, of a disabled channel and of a removed workspace reaches no agent', async () => {
    const [agent, leaving] = [await startAgent(), await startAgent()];
    const id = await connect(agent);
    await connect(leaving, { channel_id: 'C3' });
    const send = async (more: object, text = 'x') =>
      (await sendSlack(test.url, slackMessage(text, { ...more }))).body.status;
    expect(await send({ bot_id: 'B1' })).toBe('ignored');
    expect(await send({ subtype: 'message_changed' })).toBe('ignored');
    expect(await send({ type: 'reaction_added' })).toBe('ignored');
    expect(await send({}, '  ')).toBe('ignored');
    expect(await send({ channel: 'C9' })).toBe('no_channel');
    await test.admin.deleteWorkspace({ params: { id: leaving.id } });
    expect(await send({ channel: 'C3' })).toBe('no_channel');
    await test.admin.patchChannel({ params: { id: agent.id, channelId: id }, body: { enabled: false } });
    expect((await sendSlack(test.url, slackMessage('x'))).status).toBe(401);
    await idle();
    expect([agent.calls.length, leaving.calls.length]).toEqual([0, 0]);
  });

  it('of a slash command is acknowledged in words, and its answer is said in the channel', async () => {
    const agent = await startAgent();
    await connect(agent);
    const form = new URLSearchParams({
      channel_id: 'C1',
      user_id: 'U2',
      user_name: 'ann',
      command: '/ask',
      text: 'how are you',
      trigger_id: '1.2.3',
    }).toString();
    const send = () => post(`${test.url}/webhooks/slack`, form, signSlack(form), 'application/x-www-form-urlencoded');
    for (const answer of [await send(), await send()])
      expect(answer).toEqual({
        status: 200,
        body: { status: 'accepted', response_type: 'ephemeral', text: 'Received.' },
      });
    await settle();
    expect(agent.calls.map(messageOf)).toMatchObject([
      { parts: [{ text: 'how are you' }], metadata: { username: 'ann', extra: { command: '/ask' } } },
    ]);
    expect(slack.said()).toMatchObject([{ channel: 'C1', text: 'done' }]);
  });
});

describe('a signature', () => {
  it('must be of the secret of the very channel, over the very body, of the last five minutes; without a secret none is', async () => {
    const [mine, theirs] = [await startAgent(), await startAgent()];
    await connect(mine);
    await connect(theirs, { channel_id: 'C2', signing_secret: 'their-signing-secret' });
    const body = JSON.stringify(slackMessage('x'));
    const send = (headers: Record<string, string>, text = body) => post(`${test.url}/webhooks/slack`, text, headers);
    const refused = { status: 401, body: { code: 'invalid_signature' } };
    expect(await send({})).toMatchObject(refused);
    expect(await send(signSlack(body, 'their-signing-secret'))).toMatchObject(refused);
    expect(await send(signSlack(body), body.replace('"x"', '"y"'))).toMatchObject(refused);
    expect(await send(signSlack(body, SLACK_SECRET, Date.now() - 301_000))).toMatchObject(refused);
    expect(await send(signSlack(body, SLACK_SECRET, Date.now() + 301_000))).toMatchObject(refused);
    expect(await send(signSlack('{', 'no secret'), '{')).toMatchObject(refused);
    expect(await send(signSlack('{'), '{')).toMatchObject({ status: 400, body: { code: 'invalid_json' } });
    expect(await send(signSlack(body, SLACK_SECRET, Date.now() - 290_000))).toMatchObject({ status: 200 });

    const challenge = { type: 'url_verification', challenge: 'abc' };
    expect(await sendSlack(test.url, challenge, 'no secret')).toMatchObject(refused);
    expect(await sendSlack(test.url, challenge)).toEqual({ status: 200, body: { challenge: 'abc' } });
    expect((await post(`${test.url}/webhooks/pigeon`, '{}')).status).toBe(404);
    const bare = await startAgent();
    await connect(bare, { channel_id: 'C4', signing_secret: '' });
    expect((await sendSlack(test.url, slackMessage('x', { channel: 'C4' }), '')).status).toBe(401);
  });
});

describe('an answer', () => {
  it('of a busy agent comes when it comes; the chat is told once that it has to wait', async () => {
    const agent = await startAgent(replyBusy);
    await connect(agent);
    await sendSlack(test.url, slackMessage('when you can'));
    await idle();
    // One that goes out at once, as after a crash, does not wait.
    const putOff = (until: string | null) =>
      sql`update a2a_queue set next_attempt_at = ${until}::timestamptz where workspace_id = ${agent.id}`.execute(
        test.db.kysely,
      );
    await putOff(null);
    await runLoop('channel-replies');
    expect(slack.said()).toEqual([]);
    await putOff(new Date(Date.now() + 30_000).toISOString());
    await runLoop('channel-replies');
    await runLoop('channel-replies');
    expect(slack.said().map(({ text }) => text)).toEqual([expect.stringContaining('stored')]);
    agent.respond(replyWith('here it is'));
    test.platform.messaging.drain(agent.id);
    await settle();
    expect(slack.said().map(({ text }) => text)).toEqual([expect.stringContaining('stored'), 'here it is']);
  });

  it('of an agent that fails is a short sentence, of one with an inbox a notice, of a silent one nothing', async () => {
    const failing = await startAgent(replyStatus(400, { error: 'secret detail' }));
    await connect(failing);
    await sendSlack(test.url, slackMessage('a'));
    await idle();
    await sql`update a2a_queue set attempts = 5 where workspace_id = ${failing.id}`.execute(test.db.kysely);
    await sql`update a2a_queue set next_attempt_at = null where workspace_id = ${failing.id}`.execute(test.db.kysely);
    test.platform.messaging.drain(failing.id);
    await settle();
    const inbox = await startAgent(replyWith(''), { deliveryMode: 'poll' });
    await connect(inbox, { channel_id: 'C2' });
    await sendSlack(test.url, slackMessage('b', { channel: 'C2' }));
    await settle();
    const silent = await startAgent(replyWith(''));
    await connect(silent, { channel_id: 'C3' });
    await sendSlack(test.url, slackMessage('c', { channel: 'C3' }));
    await settle();
    expect(silent.calls).toHaveLength(1);
    expect(slack.said().map(({ channel, text }) => [channel, text])).toEqual([
      ['C1', 'Sorry, the agent could not answer this message.'],
      ['C2', expect.stringContaining('inbox')],
    ]);
    expect(JSON.stringify(slack.calls)).not.toContain('secret detail');
  });

  it('that an agent gives to its inbox later goes back to the chat, once', async () => {
    const agent = await startAgent(replyWith(''), { deliveryMode: 'poll' });
    await connect(agent);
    await sendSlack(test.url, slackMessage('when you read this'));
    await settle();
    const own = test.client(agent.token);
    const rows = await own.listActivity({ params: { id: agent.id }, query: { type: 'a2a_receive' } });
    expect(rows).toMatchObject([{ origin: 'channel:slack', source_id: null }]);
    const body = { message: 'I have read it', in_reply_to: rows[0]?.id ?? '' };
    await own.notify({ params: { id: agent.id }, body });
    await own.notify({ params: { id: agent.id }, body });
    await settle();
    await settle();
    expect(slack.said().map(({ text }) => text)).toEqual([expect.stringContaining('inbox'), 'I have read it']);
  });

  it('of a run of a schedule that says something is told in the chats of its workspace, cut short', async () => {
    const agent = await startAgent(replyWith(`r${'x'.repeat(600)}`));
    await connect(agent, { channel_id: 'C1,C2' });
    const schedule = { cron_expr: '0 0 1 1 *', prompt: 'report', name: 'report' };
    const { id: scheduleId } = await test.admin.createSchedule({ params: { id: agent.id }, body: schedule });
    await test.admin.runSchedule({ params: { id: agent.id, scheduleId } });
    await settle();
    agent.respond(replyWith('(no response generated)'));
    await test.admin.runSchedule({ params: { id: agent.id, scheduleId } });
    await settle();
    expect(
      slack
        .said()
        .map(({ channel, text }) => [channel, text])
        .sort(),
    ).toEqual(['C1', 'C2'].map((chat) => [chat, `r${'x'.repeat(499)}…`]));
  });

  it('that Slack does not take is sent again, from where it stopped, and given up after five tries', async () => {
    const long = `${'a'.repeat(2_500)}\n${'b'.repeat(2_500)}`;
    const agent = await startAgent(replyWith(long));
    await connect(agent);
    let calls = 0;
    slack.respond((call, response) => {
      calls += 1;
      const isOk = calls !== 2;
      return replyStatus(isOk ? 200 : 429, { ok: isOk }, isOk ? {} : { 'retry-after': '77' })(call, response);
    });
    await sendSlack(test.url, slackMessage('go'));
    await settle();
    await waitFor('the reply was put off', async () => {
      const { rows } = await sql<{ ready: boolean }>`
        select reply_due_at between now() + interval '60 seconds' and now() + interval '80 seconds' as ready from channel_messages
      `.execute(test.db.kysely);
      return rows[0]?.ready === true;
    });
    await sql`update channel_messages set reply_due_at = now()`.execute(test.db.kysely);
    await runLoop('channel-replies');
    expect(slack.said().map(({ text }) => text[0])).toEqual(['a', 'b', 'b']);
    expect(await pending()).toBe(0);

    slack.calls.length = 0;
    slack.respond(replyStatus(200, { ok: false, error: 'channel_not_found' }));
    await sendSlack(test.url, slackMessage('again'));
    await settle();
    for (let again = 0; again < 6; again += 1) {
      await sql`update channel_messages set reply_due_at = now() where reply_due_at is not null`.execute(
        test.db.kysely,
      );
      await runLoop('channel-replies');
    }
    expect(slack.said()).toHaveLength(5);
    expect(await pending()).toBe(0);
    expect(lines.some((line) => line.includes('channel_not_found') && line.includes('given up'))).toBe(true);
  });

  it('of a channel that was removed meanwhile is not sent', async () => {
    const hold = holdCalls(replyWith('too late'));
    const agent = await startAgent(hold.respond);
    const channelId = await connect(agent);
    await sendSlack(test.url, slackMessage('go'));
    await agent.waitForCalls(1);
    await test.admin.deleteChannel({ params: { id: agent.id, channelId } });
    hold.release();
    await settle();
    expect(slack.said()).toEqual([]);
    expect(await pending()).toBe(0);
  });
});
