import { generateKeyPairSync, sign } from 'node:crypto';
import {
  type FakeAgent,
  failureOf,
  type Peer,
  replyStatus,
  replyWith,
  startFakeAgent,
  startPeer,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, post, SLACK_SECRET, sendSlack, slackMessage } from '../../test/webhook-senders.ts';

let test: TestPlatform;
let api: Peer;
let agent: FakeAgent;
const lines: string[] = [];
const HOOK = '0123456789/very-secret-webhook-token';

function createKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const hex = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
  return { hex, privateKey };
}
const appKey = createKey();
const ownKey = createKey();

beforeAll(async () => {
  api = await startPeer(replyStatus(204, ''));
  test = await startPlatform({
    env: { MOLECULE_ENV: 'development', DISCORD_APP_PUBLIC_KEY: appKey.hex },
    channelHosts: { discordHooks: `${api.url}/discord/`, larkHooks: [`${api.url}/lark/`] },
    onLog: (line) => void lines.push(JSON.stringify(line)),
  });
  await test.platform.supervisor.stop();
  agent = await startFakeAgent(test, { respond: replyWith('done') });
});
beforeEach(async () => {
  await sql`delete from workspace_channels`.execute(test.db.kysely);
  api.calls.length = 0;
  agent.calls.length = 0;
});
afterAll(async () => {
  await agent?.stop();
  await test?.stop();
  await api?.stop();
});

async function connect(type: string, config: Record<string, string>, id = agent.id): Promise<string> {
  return (await test.admin.createChannel({ params: { id }, body: { channel_type: type, config } })).id;
}
async function settle(): Promise<void> {
  await test.platform.messaging.idle();
  const loop = test.platform.channels.loops.find(({ name }) => name === 'channel-replies');
  await loop?.run(new AbortController().signal);
}
const messages = () =>
  agent.calls.map((call) => (call.body as { params: { message: Record<string, unknown> } }).params.message);
const configFault = async (type: string, config: Record<string, string>) =>
  (await failureOf(connect(type, config))).body.field;

async function sendDiscord(payload: unknown, { privateKey } = appKey, tamper = ''): Promise<Answer> {
  const [body, at] = [JSON.stringify(payload), String(Math.floor(Date.now() / 1000))];
  const signature = sign(null, Buffer.from(at + body), privateKey).toString('hex');
  return await post(`${test.url}/webhooks/discord`, body + tamper, {
    'x-signature-timestamp': at,
    'x-signature-ed25519': signature,
  });
}
const command = (more: object = {}) => ({
  type: 2,
  id: `i-${Math.random()}`,
  channel_id: 'D1',
  guild_id: 'G1',
  member: { user: { id: 'U1', username: 'ann' } },
  data: { name: 'ask', options: [{ name: 'now', options: [{ name: 'what', value: 'how are you' }] }] },
  ...more,
});
const larkEvent = (text: string, more: object = {}, token = 'lark-verify-token') => ({
  schema: '2.0',
  header: { event_id: `e-${Math.random()}`, token, event_type: 'im.message.receive_v1' },
  event: {
    sender: { sender_type: 'user', sender_id: { user_id: 'u1', open_id: 'ou1' } },
    message: {
      message_id: `om-${Math.random()}`,
      chat_id: 'oc1',
      chat_type: 'group',
      message_type: 'text',
      content: JSON.stringify({ text }),
      ...more,
    },
  },
});
const sendLark = (payload: unknown) => post(`${test.url}/webhooks/lark`, JSON.stringify(payload));

it('20.83 Discord: no key or tampered ⇒ 401, PING ⇒ its answer; Slack with a bad signature ⇒ 401; Lark that says code 99 ⇒ 500; no webhook token in the log', async () => {
  const refused = { status: 401, body: { code: 'invalid_signature' } };
  const ping = { type: 1 };
  expect(await sendDiscord(ping)).toEqual({ status: 200, body: { type: 1 } });
  expect(await sendDiscord(ping, appKey, ' ')).toMatchObject(refused);
  expect(await sendDiscord(ping, ownKey)).toMatchObject(refused);
  expect(await post(`${test.url}/webhooks/discord`, JSON.stringify(ping))).toMatchObject(refused);
  const keyless = await startPlatform({ db: test.db, dataDir: test.dataDir, env: { MOLECULE_ENV: 'development' } });
  const signed = {
    'x-signature-timestamp': '1',
    'x-signature-ed25519': sign(null, Buffer.from('1{"type":1}'), appKey.privateKey).toString('hex'),
  };
  expect(await post(`${keyless.url}/webhooks/discord`, '{"type":1}', signed)).toMatchObject(refused);
  expect((await post(`${test.url}/webhooks/discord`, '{"type":1}', signed)).status).toBe(200);
  await keyless.stop();

  await connect('slack', { bot_token: 'xoxb-1', channel_id: 'C1', signing_secret: SLACK_SECRET });
  expect(await sendSlack(test.url, slackMessage('x'), 'another secret')).toMatchObject(refused);

  const larkId = await connect('lark', { webhook_url: `${api.url}/lark/${HOOK}` });
  api.respond(replyStatus(200, { code: 99, msg: 'no' }));
  const failure = await failureOf(test.admin.testChannel({ params: { id: agent.id, channelId: larkId } }));
  expect([failure.status, failure.body]).toMatchObject([
    500,
    { error: 'send failed', reason: 'Lark answered with code 99' },
  ]);

  const discordId = await connect('discord', { webhook_url: `${api.url}/discord/${HOOK}` });
  api.respond((_call, response) => void response.socket?.resetAndDestroy());
  const broken = await failureOf(test.admin.testChannel({ params: { id: agent.id, channelId: discordId } }));
  expect(broken.status).toBe(500);
  expect(lines.some((line) => line.includes(discordId) && line.includes('could not be reached'))).toBe(true);
  expect(lines.filter((line) => line.includes('very-secret-webhook-token'))).toEqual([]);
});

describe('Discord', () => {
  it('a command of a channel with a key of its own becomes a message, is shown as received, and is answered by the webhook in pieces', async () => {
    await connect('discord', { webhook_url: `${api.url}/discord/${HOOK}`, public_key: ownKey.hex, username: 'Helper' });
    const long = `${'a'.repeat(1_990)} ${'b'.repeat(30)}`;
    agent.respond(replyWith(long));
    api.respond(replyStatus(204, ''));
    const asked = command();
    expect((await sendDiscord(asked, appKey)).status).toBe(401);
    const received = { type: 4, data: { content: 'Received.', flags: 64 }, status: 'accepted' };
    expect(await sendDiscord(asked, ownKey)).toEqual({ status: 200, body: received });
    expect((await sendDiscord(asked, ownKey)).body).toEqual(received);
    await settle();
    expect(messages()).toMatchObject([
      {
        messageId: `channel-discord-${asked.id}`,
        parts: [{ text: 'how are you' }],
        metadata: {
          source: 'channel:discord',
          chat_id: 'D1',
          user_id: 'U1',
          username: 'ann',
          extra: { command: 'ask' },
        },
      },
    ]);
    expect(api.calls.map(({ path, body }) => [path, body])).toEqual(
      ['a'.repeat(1_990), 'b'.repeat(30)].map((content) => [
        `/discord/${HOOK}`,
        { content, allowed_mentions: { parse: ['users'] }, username: 'Helper' },
      ]),
    );
    agent.respond(replyWith('done'));
  });

  it('without ids is for its only channel; with several only an id says whose; buttons are nobody’s words', async () => {
    const other = await startFakeAgent(test);
    await connect('discord', { webhook_url: `${api.url}/discord/1` });
    expect((await sendDiscord(command({ data: { name: 'status' } }))).body.status).toBe('accepted');
    await connect('discord', { webhook_url: `${api.url}/discord/2` }, other.id);
    expect((await sendDiscord(command())).body).toEqual({
      type: 4,
      data: { content: 'No agent is connected here.', flags: 64 },
      status: 'no_channel',
    });
    const [row] = await test.admin.listChannels({ params: { id: other.id } });
    await test.admin.patchChannel({
      params: { id: other.id, channelId: row?.id ?? '' },
      body: { config: { ...row?.config, channel_id: 'D1,D2' } },
    });
    expect((await sendDiscord(command())).body.status).toBe('accepted');
    expect((await sendDiscord(command({ type: 3 }))).body.status).toBe('ignored');
    await settle();
    expect(messages()).toMatchObject([{ parts: [{ text: '/status' }] }]);
    expect(other.calls).toHaveLength(1);
    await other.stop();
  });

  it('refuses addresses and keys that are none', async () => {
    expect(await configFault('discord', {})).toBe('config.webhook_url');
    expect(await configFault('discord', { webhook_url: 'https://discord.com.evil.example/' })).toBe(
      'config.webhook_url',
    );
    const webhook_url = `${api.url}/discord/1`;
    expect(await configFault('discord', { webhook_url, public_key: 'abc' })).toBe('config.public_key');
    expect(await configFault('discord', { webhook_url, app_public_key: 'g'.repeat(64) })).toBe('config.app_public_key');
  });
});

describe('Lark', () => {
  it('a text with the channel’s token becomes a message of the user id, without mentions; its answer goes to the webhook', async () => {
    api.respond(replyStatus(200, { code: 0 }));
    await connect('lark', { webhook_url: `${api.url}/lark/1`, verify_token: 'lark-verify-token', chat_id: 'oc1' });
    const event = larkEvent('@_user_1 hello');
    expect(await sendLark(event)).toEqual({ status: 200, body: { status: 'accepted' } });
    expect(await sendLark(event)).toEqual({ status: 200, body: { status: 'accepted' } });
    await settle();
    const id = event.event.message.message_id;
    expect(messages()).toMatchObject([
      { messageId: `channel-lark-${id}`, parts: [{ text: 'hello' }], metadata: { chat_id: 'oc1', user_id: 'u1' } },
    ]);
    expect(api.calls.map(({ path, body }) => [path, body])).toEqual([
      ['/lark/1', { msg_type: 'text', content: { text: 'done' } }],
    ]);
  });

  it('its handshake is echoed to whoever knows the token; other tokens, and channels without one, are refused', async () => {
    const handshake = (token: string) => ({ type: 'url_verification', challenge: 'abc', token });
    await connect('lark', { webhook_url: `${api.url}/lark/1` });
    expect((await sendLark(larkEvent('x', {}, ''))).status).toBe(401);
    await sql`delete from workspace_channels`.execute(test.db.kysely);
    await connect('lark', { webhook_url: `${api.url}/lark/1`, verify_token: 'lark-verify-token' });
    expect(await sendLark(handshake('lark-verify-token'))).toEqual({ status: 200, body: { challenge: 'abc' } });
    expect((await sendLark(handshake('other'))).status).toBe(401);
    expect((await sendLark(larkEvent('x', {}, 'other'))).status).toBe(401);
    expect((await post(`${test.url}/webhooks/lark`, '{')).status).toBe(401);
    expect((await sendLark(larkEvent('x', { content: '{' }))).body).toMatchObject({ field: 'event.message.content' });
    expect((await sendLark(larkEvent('x', { message_type: 'image' }))).body.status).toBe('ignored');
    await settle();
    expect(messages()).toEqual([]);
  });
});
