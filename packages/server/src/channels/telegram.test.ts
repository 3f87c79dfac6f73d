import type { ServerResponse } from 'node:http';
import {
  createSeat,
  type FakeAgent,
  failureOf,
  holdCalls,
  type Peer,
  replyStatus,
  replyWith,
  startFakeAgent,
  startPeer,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { post } from '../../test/webhook-senders.ts';

const TOKEN = `123456:${'a'.repeat(35)}`;
const OTHER_TOKEN = `654321:${'b'.repeat(35)}`;

interface Telegram extends Peer {
  /** Somebody does something; the bot learns it when it asks. */
  push(update: Record<string, unknown>): void;
  calledWith(method: string): Record<string, unknown>[];
  /** Polls that wait for something to happen. */
  open(): number;
  /** What the next messages are answered with. */
  refuse(...answers: { status: number; body: unknown }[]): void;
}

/** The bot API: keeps updates until they are confirmed, and lets a poll wait for them. */
async function startTelegram(): Promise<Telegram> {
  let updates: { update_id: number }[] = [];
  let number = 100;
  const refusals: { status: number; body: unknown }[] = [];
  const waiting = new Set<ServerResponse>();
  const answer = (response: ServerResponse, result: unknown) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ok: true, result }));
  const peer = await startPeer((call, response) => {
    const body = (call.body ?? {}) as { offset?: number; timeout?: number };
    const method = call.path.split('/').at(-1);
    const refusal = method === 'sendMessage' ? refusals.shift() : undefined;
    if (refusal) return replyStatus(refusal.status, refusal.body)(call, response);
    if (method === 'getMe')
      return answer(response, { username: 'the_bot', can_read_all_group_messages: false }) as never;
    if (method !== 'getUpdates') return answer(response, true) as never;
    updates = updates.filter((update) => update.update_id >= (body.offset ?? 0));
    if (updates.length > 0 || body.timeout === 0) return answer(response, updates) as never;
    waiting.add(response);
    response.on('close', () => waiting.delete(response));
  });
  return {
    ...peer,
    push(update) {
      number += 1;
      updates.push({ update_id: number, ...update });
      for (const response of waiting) answer(response, updates);
      waiting.clear();
    },
    calledWith: (method) =>
      peer.calls.filter(({ path }) => path.endsWith(`/${method}`)).map(({ body }) => body as Record<string, unknown>),
    open: () => waiting.size,
    refuse: (...answers) => void refusals.push(...answers),
  };
}

let messages = 0;
const message = (text: string, more: object = {}) => {
  messages += 1;
  const from = { id: 7, is_bot: false, username: 'ann' };
  return { message: { message_id: messages, from, chat: { id: -42, type: 'group', title: 'Team' }, text, ...more } };
};

let test: TestPlatform;
let telegram: Telegram;
const agents: FakeAgent[] = [];
const lines: string[] = [];

beforeAll(async () => {
  telegram = await startTelegram();
  test = await startPlatform({
    env: { MOLECULE_ENV: 'development' },
    channelHosts: { telegramApi: `${telegram.url}/` },
    onLog: (line) => void lines.push(JSON.stringify(line)),
  });
  await test.platform.supervisor.stop();
});
afterEach(async () => {
  await sql`delete from workspace_channels`.execute(test.db.kysely);
  await run('channel-manager');
  telegram.calls.length = 0;
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await test?.stop();
  await telegram?.stop();
});

const run = (name: string, on = test) =>
  on.platform.channels.loops.find((loop) => loop.name === name)?.run(new AbortController().signal);
async function startAgent(respond = replyWith('done')): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond });
  agents.push(agent);
  return agent;
}
async function connect({ id }: { id: string }, config: object = {}): Promise<string> {
  const body = { channel_type: 'telegram', config: { bot_token: TOKEN, chat_id: '-42', ...config } };
  const channel = await test.admin.createChannel({ params: { id }, body });
  await run('channel-manager');
  return channel.id;
}
const isPolled = (count = 1) => waitFor('Telegram is asked', () => telegram.open() === count);
const said = () => telegram.calledWith('sendMessage').map(({ chat_id: chat, text }) => [chat, text]);
interface Heard {
  metadata: { history: unknown[] };
}
const heardBy = (agent: FakeAgent) =>
  agent.calls.map((call) => (call.body as { params: { message: Heard } }).params.message);
const historyOf = (agent: FakeAgent, place: number) => heardBy(agent)[place]?.metadata.history;

describe('a bot that is asked', () => {
  it('what is said in its chat becomes one message, stored before it is confirmed; the answer goes back', async () => {
    const hold = holdCalls(replyWith('**done**'));
    const agent = await startAgent(hold.respond);
    const channelId = await connect(agent);
    await isPolled();
    telegram.push(message('hello', { is_topic_message: true, message_thread_id: 5 }));
    const [call] = await agent.waitForCalls(1);
    expect(call && heardBy(agent)[0]).toMatchObject({
      messageId: `channel-telegram--42-${messages}`,
      parts: [{ text: 'hello' }],
      metadata: { channel_id: channelId, chat_id: '-42', user_id: '7', username: 'ann', extra: { chat_title: 'Team' } },
    });
    expect(await run('channel-typing')).toEqual({ shown: 1 });
    expect(telegram.calledWith('sendChatAction')).toEqual([{ chat_id: '-42', message_thread_id: 5, action: 'typing' }]);
    telegram.refuse({ status: 400, body: { ok: false, description: "can't parse entities" } });
    hold.release();
    await waitFor('the answer is there', () => said().length === 2);
    expect(telegram.calledWith('sendMessage')).toEqual([
      { chat_id: '-42', message_thread_id: 5, text: '**done**', parse_mode: 'Markdown' },
      { chat_id: '-42', message_thread_id: 5, text: '**done**' },
    ]);
    await isPolled();
    expect(telegram.calledWith('getUpdates').at(-1)).toMatchObject({ offset: 102, timeout: 30 });
    expect(await run('channel-typing')).toEqual({ shown: 0 });
  });

  it('what could not be stored is asked for again', async () => {
    const agent = await startAgent();
    await connect(agent);
    await isPolled();
    await sql`alter table channel_messages rename to channel_messages_away`.execute(test.db.kysely);
    telegram.push(message('later'));
    await waitFor('it failed', () => lines.some((line) => line.includes('could not be asked')));
    await sql`alter table channel_messages_away rename to channel_messages`.execute(test.db.kysely);
    await agent.waitForCalls(1);
    expect(heardBy(agent)).toMatchObject([{ parts: [{ text: 'later' }] }]);
  });

  it('its commands are answered without the agent, once; after /reset nothing of before is brought along', async () => {
    const agent = await startAgent();
    await connect(agent);
    await isPolled();
    telegram.push(message('my name is Ann'));
    await agent.waitForCalls(1);
    await test.platform.messaging.idle();
    for (const command of ['/start', '/help@the_bot', '/cancel', '/reset']) telegram.push(message(command));
    await waitFor('all are answered', () => said().length === 5);
    telegram.push(message('what is my name?'));
    await agent.waitForCalls(2);
    expect(historyOf(agent, 1)).toEqual([]);
    await test.platform.messaging.idle();
    telegram.push(message('and now?'));
    await agent.waitForCalls(3);
    expect(historyOf(agent, 2)).toMatchObject([{ text: 'what is my name?' }]);
  });

  it('greets where it is added, says what a button decided, and is disabled where it is put out', async () => {
    const agent = await startAgent();
    await connect(agent);
    await isPolled();
    const member = (before: string, after: string) => ({
      my_chat_member: { chat: { id: -42 }, old_chat_member: { status: before }, new_chat_member: { status: after } },
    });
    telegram.push(member('left', 'member'));
    await waitFor('it greets', () => said().length === 1);
    const from = { id: 7, first_name: 'Ann' };
    telegram.push({ callback_query: { id: 'q1', from, data: 'approve', message: { chat: { id: -42 } } } });
    await agent.waitForCalls(1);
    expect(heardBy(agent)).toMatchObject([
      { parts: [{ text: 'CEO_DECISION: approve' }], metadata: { username: 'Ann' } },
    ]);
    expect(telegram.calledWith('answerCallbackQuery')).toEqual([{ callback_query_id: 'q1' }]);
    telegram.push(member('member', 'kicked'));
    await waitFor('the channel is disabled', async () => {
      const [channel] = await test.admin.listChannels({ params: { id: agent.id } });
      return channel?.enabled === false;
    });
    expect(await run('channel-manager')).toEqual({ polled: 0, ended: 1 });
    await isPolled(0);
  });

  it('is asked once for all its channels, anew when its config changes, and not any more when it is gone', async () => {
    const [first, second] = [await startAgent(), await startAgent()];
    const firstId = await connect(first);
    await connect(second, { chat_id: '-43' });
    await isPolled();
    telegram.push(message('for the second', { chat: { id: -43, type: 'group' } }));
    await second.waitForCalls(1);
    expect(first.calls).toEqual([]);
    const params = { id: first.id, channelId: firstId };
    const config = { bot_token: OTHER_TOKEN, chat_id: '-42' };
    await test.admin.patchChannel({ params, body: { config } });
    expect(await run('channel-manager')).toEqual({ polled: 2, ended: 0 });
    await isPolled(2);
    await test.admin.deleteChannel({ params });
    expect(await run('channel-manager')).toEqual({ polled: 1, ended: 1 });
    await isPolled(1);
  });
});

describe('a bot that is told', () => {
  it('needs its secret, is not asked, and takes a repeat for the same', async () => {
    const agent = await startAgent();
    await connect(agent, { webhook_secret: 'telegram-webhook-secret' });
    expect(await run('channel-manager')).toEqual({ polled: 0, ended: 0 });
    const update = JSON.stringify({ update_id: 1, ...message('hello') });
    const send = (secret: string) =>
      post(`${test.url}/webhooks/telegram`, update, { 'x-telegram-bot-api-secret-token': secret });
    expect((await send('wrong')).status).toBe(401);
    expect((await send('')).status).toBe(401);
    for (let again = 0; again < 2; again += 1)
      expect(await send('telegram-webhook-secret')).toEqual({ status: 200, body: { status: 'accepted' } });
    await test.platform.messaging.idle();
    expect(heardBy(agent)).toHaveLength(1);
    const config = await test.admin.listChannels({ params: { id: agent.id } });
    expect(config[0]?.config).toEqual({ bot_token: '1234…aaaa', chat_id: '-42', webhook_secret: 'tele…cret' });
    await waitFor('it was answered', () => said().length === 1);
  });
});

describe('looking for chats', () => {
  const find = (body: object) => test.admin.discoverChats({ body: body as never });

  it('20.85 without a workspace ⇒ 400; with one its own poller rests, others’ tokens are not decrypted', async () => {
    const [mine, other] = [await startAgent(), await createSeat(test)];
    await connect(mine);
    await connect(other, { bot_token: OTHER_TOKEN, chat_id: '-1' });
    await isPolled(2);
    await sql`
      update workspace_channels set channel_config = jsonb_set(channel_config, '{bot_token}', '"ec1:AAAA"') where workspace_id = ${other.id}
    `.execute(test.db.kysely);
    const body = { channel_type: 'telegram', bot_token: TOKEN, workspace_id: mine.id };
    const refused = async (more: object) => {
      const { status, body: answer } = await failureOf(find({ ...body, ...more }));
      return [status, answer.field];
    };
    expect(await refused({ workspace_id: undefined })).toEqual([400, 'workspace_id']);
    expect(await refused({ bot_token: undefined })).toEqual([400, 'bot_token']);
    expect(await refused({ channel_type: 'slack' })).toEqual([400, 'channel_type']);
    expect(await refused({ bot_token: 'no token' })).toEqual([400, 'bot_token']);
    expect(await refused({ workspace_id: '00000000-0000-4000-8000-000000000009' })).toEqual([404, undefined]);

    expect(await find(body)).toEqual({
      bot_username: 'the_bot',
      chats: [],
      can_read_all_group_messages: false,
      privacy_warning: expect.stringContaining('groups'),
      hint: expect.stringContaining('@the_bot'),
    });
    // Its own poll was ended for that, and nobody else's.
    await isPolled(1);
    expect(lines.filter((line) => line.includes('cannot be decrypted'))).toEqual([]);
    await run('channel-manager');
    expect(lines.filter((line) => line.includes('cannot be decrypted')).length).toBeGreaterThan(0);
    for (const secret of [TOKEN, OTHER_TOKEN]) expect(lines.filter((line) => line.includes(secret))).toEqual([]);
  });

  it('names the chats the bot has heard of, without taking anything away', async () => {
    const seat = await createSeat(test);
    telegram.push(message('hi', { chat: { id: -42, type: 'group', title: 'Team' } }));
    telegram.push(message('hi', { chat: { id: 7, type: 'private', first_name: 'Ann' } }));
    const body = { channel_type: 'telegram', bot_token: TOKEN, workspace_id: seat.id };
    const chats = [
      { chat_id: '-42', name: 'Team', type: 'group' },
      { chat_id: '7', name: 'Ann', type: 'private' },
    ];
    expect((await find(body)).chats).toEqual(expect.arrayContaining(chats));
    expect(await find(body)).toMatchObject({ chats: expect.arrayContaining(chats), hint: '' });
  });
});
