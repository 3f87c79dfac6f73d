import { randomUUID } from 'node:crypto';
import { type AgentCard, type Message, Role, type StreamResponse, type Task, TaskState } from '@a2a-js/sdk';
import { type Client, ClientFactory, JsonRpcTransportFactory } from '@a2a-js/sdk/client';
import {
  type FakeAgent,
  replyWith,
  sendA2a,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createV03Agent, createV10Agent, V10_CARD } from '../../test/a2a-agents.ts';

let test: TestPlatform;
let v03: FakeAgent;
let v10: FakeAgent;
beforeAll(async () => {
  test = await startPlatform();
  v03 = await startFakeAgent(test, { respond: createV03Agent() });
  v10 = await startFakeAgent(test, { respond: createV10Agent(), card: V10_CARD });
});
afterAll(async () => {
  await Promise.all([v03?.stop(), v10?.stop()]);
  await test?.stop();
});

type Version = '0.3' | '1.0';

/** The official client of this version, pointed at the proxy of an agent. */
async function connect(agent: FakeAgent, protocolVersion: Version): Promise<Client> {
  const withBearer: typeof fetch = (input, init) =>
    fetch(input, { ...init, headers: { ...init?.headers, authorization: `Bearer ${test.adminToken}` } });
  const url = `${test.url}/workspaces/${agent.id}/a2a`;
  const card = {
    name: 'proxied',
    capabilities: { streaming: true, pushNotifications: true, extensions: [] },
    supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion, tenant: '' }],
  } as unknown as AgentCard;
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory({ fetchImpl: withBearer, legacyCompat: { enabled: true } })],
  });
  return await factory.createFromAgentCard(card);
}

function requestOf(words: string) {
  const part = { content: { $case: 'text' as const, value: words }, metadata: undefined, filename: '', mediaType: '' };
  const message: Message = {
    messageId: randomUUID(),
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: [part],
    metadata: { purpose: 'test' },
    extensions: [],
    referenceTaskIds: [],
  };
  return { tenant: '', message, configuration: undefined, metadata: undefined };
}

const wordsOf = (task: Task) =>
  task.artifacts.flatMap(({ parts }) => parts.map(({ content }) => content?.value)).join('');
const kindsOf = (frames: StreamResponse[]) => frames.map(({ payload }) => payload?.$case);
/** What the agent was asked last. */
const askedOf = (agent: FakeAgent): { method: string; params: { message: { parts: unknown[] } } } =>
  JSON.parse(agent.calls.at(-1)?.raw ?? '{}');
const methodOf = (agent: FakeAgent) => askedOf(agent).method;
const joined = (artifacts: { parts: { text?: string }[] }[]) =>
  artifacts.flatMap(({ parts }) => parts.map(({ text }) => text)).join('');

describe.each([
  ['0.3', '0.3'],
  ['1.0', '0.3'],
  ['0.3', '1.0'],
  ['1.0', '1.0'],
] as const)('the official client of v%s at an agent of v%s', (caller, target) => {
  let client: Client;
  let agent: FakeAgent;
  beforeAll(async () => {
    agent = target === '0.3' ? v03 : v10;
    client = await connect(agent, caller);
  });

  it('sends, and reads the task it led to', async () => {
    const task = (await client.sendMessage(requestOf('hello there'))) as Task;
    expect(methodOf(agent)).toBe(target === '0.3' ? 'message/send' : 'SendMessage');
    expect(agent.calls.at(-1)?.headers['a2a-version']).toBe(target === '0.3' ? undefined : '1.0');
    expect(wordsOf(task)).toBe('hello there');
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);

    const read = await client.getTask({ tenant: '', id: task.id, historyLength: undefined });
    expect([read.id, wordsOf(read), read.status?.state]).toEqual([
      task.id,
      'hello there',
      TaskState.TASK_STATE_COMPLETED,
    ]);
    const { message } = task.status ?? {};
    expect([message?.role, message?.parts[0]?.content]).toEqual([Role.ROLE_AGENT, { $case: 'text', value: 'done' }]);
  });

  it('streams, frame by frame', async () => {
    const frames: StreamResponse[] = [];
    for await (const frame of client.sendMessageStream(requestOf('hello again'))) frames.push(frame);
    expect(methodOf(agent)).toBe(target === '0.3' ? 'message/stream' : 'SendStreamingMessage');
    expect(kindsOf(frames)).toEqual(['task', 'statusUpdate', 'artifactUpdate', 'artifactUpdate', 'statusUpdate']);
    const pieces = frames.flatMap(({ payload }) =>
      payload?.$case === 'artifactUpdate' ? payload.value.artifact?.parts.map(({ content }) => content?.value) : [],
    );
    expect(pieces).toEqual(['hello ', 'again']);
    // What was streamed is logged as the task it amounts to.
    const row = await waitForActivity(
      test,
      agent.id,
      ({ method, response_body: body }) => method === 'message/stream' && JSON.stringify(body).includes('hello again'),
    );
    expect(row.response_body).toMatchObject({
      result: {
        kind: 'task',
        status: { state: 'completed', message: { role: 'agent', parts: [{ kind: 'text', text: 'done' }] } },
        artifacts: [{ parts: [{ kind: 'text', text: 'hello again' }] }],
      },
    });
  });

  it('asks for its task to be cancelled, and for notifications', async () => {
    const task = (await client.sendMessage(requestOf('notify me'))) as Task;
    const authentication = { scheme: 'Bearer', credentials: 'secret' };
    const config = {
      tenant: '',
      taskId: task.id,
      id: 'c-1',
      url: 'https://hook.example/x',
      token: 't',
      authentication,
    };
    const created = await client.createTaskPushNotificationConfig(config);
    expect(created).toMatchObject({
      taskId: task.id,
      id: 'c-1',
      url: 'https://hook.example/x',
      token: 't',
      authentication,
    });
    expect(await client.getTaskPushNotificationConfig({ tenant: '', taskId: task.id, id: 'c-1' })).toMatchObject({
      url: 'https://hook.example/x',
    });
    const { configs } = await client.listTaskPushNotificationConfig({
      tenant: '',
      taskId: task.id,
      pageSize: 10,
      pageToken: '',
    });
    expect(configs).toMatchObject([{ id: 'c-1', authentication }]);
    await client.deleteTaskPushNotificationConfig({ tenant: '', taskId: task.id, id: 'c-1' });

    const cancel = client.cancelTask({ tenant: '', id: task.id, metadata: undefined });
    if (target === '0.3') expect((await cancel).status?.state).toBe(TaskState.TASK_STATE_CANCELED);
    // The SDK's own server does not cancel what is over, and says so in both versions.
    else await expect(cancel).rejects.toThrow(/cancel/i);
  });
});

it('20.99 a v0.3 caller streams from an agent whose card declares 1.0; a PascalCase method is answered in v1.0', async () => {
  const request = textRequest('across', { method: 'message/stream' });
  const streamed = await sendA2a(test, v10.id, request, { headers: { accept: 'text/event-stream' } });
  expect(methodOf(v10)).toBe('SendStreamingMessage');
  expect(streamed.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const frames = streamed.raw
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: '))
    .map((frame) => JSON.parse(frame.slice(6)));
  expect(frames.map(({ id, result }) => [id, result.kind])).toEqual([
    [1, 'task'],
    [1, 'status-update'],
    [1, 'artifact-update'],
    [1, 'artifact-update'],
    [1, 'status-update'],
  ]);
  expect(frames.at(-1).result).toMatchObject({ status: { state: 'completed' }, final: true });
  expect(streamed.raw).not.toMatch(/TASK_STATE|ROLE_/);

  // Without an event stream on its side the caller gets the result, in its own version.
  const folded = await sendA2a(test, v10.id, request);
  expect(folded.body).toMatchObject({
    id: 1,
    result: { kind: 'task', artifacts: [{ parts: [{ kind: 'text', text: 'across' }] }] },
  });

  const pascal = {
    jsonrpc: '2.0',
    id: 2,
    method: 'SendMessage',
    params: { message: { role: 'ROLE_USER', messageId: randomUUID(), parts: [{ text: 'hi' }] } },
  };
  for (const agent of [v03, v10]) {
    const reply = await sendA2a(test, agent.id, pascal);
    const { id, result } = JSON.parse(reply.raw);
    expect([id, joined(result.task.artifacts), result.task.status.state]).toEqual([2, 'hi', 'TASK_STATE_COMPLETED']);
    expect(reply.raw).not.toContain('"kind"');
  }
  const message = await startFakeAgent(test, { respond: replyWith('a message') });
  expect((await sendA2a(test, message.id, pascal)).body).toMatchObject({
    result: { message: { role: 'ROLE_AGENT', parts: [{ text: 'a message' }] } },
  });
  await message.stop();
});

it('a v0.2 body is understood by agents of both versions', async () => {
  const body = {
    jsonrpc: '2.0',
    id: 3,
    method: 'message/send',
    params: { message: { role: 'user', messageId: 'old', content: 'from the past' } },
  };
  for (const agent of [v03, v10]) {
    const reply = await sendA2a(test, agent.id, body);
    const { id, result } = JSON.parse(reply.raw);
    expect([id, result.kind, joined(result.artifacts)]).toEqual([3, 'task', 'from the past']);
  }
});

it('files and data cross versions without loss', async () => {
  const parts = [
    { kind: 'text', text: 'look' },
    { kind: 'file', file: { uri: 'workspace:/a.png', name: 'a.png', mimeType: 'image/png' } },
    { kind: 'file', file: { bytes: 'aGk=', name: 'hi.txt', mimeType: 'text/plain' } },
    { kind: 'data', data: { answer: 42 }, metadata: { unit: 'none' } },
    { kind: 'data', data: { value: [1, 2] }, metadata: { data_part_compat: true } },
  ];
  await sendA2a(test, v10.id, textRequest('', { message: { parts } }));
  const { message } = askedOf(v10).params;
  expect(message.parts).toEqual([
    { text: 'look' },
    { url: 'workspace:/a.png', filename: 'a.png', mediaType: 'image/png' },
    { raw: 'aGk=', filename: 'hi.txt', mediaType: 'text/plain' },
    { data: { answer: 42 }, metadata: { unit: 'none' } },
    { data: [1, 2] },
  ]);
  const back = {
    jsonrpc: '2.0',
    id: 1,
    method: 'SendMessage',
    params: { message: { ...message, role: 'ROLE_USER', messageId: 'm' } },
  };
  await sendA2a(test, v03.id, back);
  expect(askedOf(v03).params.message.parts).toEqual(parts);
});
