// The A2A matrix (chapter 20 §1.4): every client version at every agent version, through one platform, each client knowing nothing
// but the address of a card and a bearer. The agents and the newer clients are the official SDK's.

import { type FakeAgent, startFakeAgent, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createV03Agent, createV10Agent, HOLD, V03_CARD, V10_CARD } from './a2a-agents.ts';
import { type A2aClient, type ClientVersion, connect, type FrameFacts, RpcFailure } from './a2a-clients.ts';

type AgentVersion = '0.3' | '1.0';

let test: TestPlatform;
let agents: Record<AgentVersion, FakeAgent>;
let peer: FakeAgent;
beforeAll(async () => {
  test = await startPlatform();
  peer = await startFakeAgent(test);
  agents = {
    '0.3': await startFakeAgent(test, { respond: createV03Agent(), card: V03_CARD }),
    '1.0': await startFakeAgent(test, { respond: createV10Agent(), card: V10_CARD }),
  };
});
afterAll(async () => {
  await Promise.all([peer, ...Object.values(agents ?? {})].map((agent) => agent?.stop()));
  await test?.stop();
});

const METHODS = {
  '0.3': {
    send: 'message/send',
    stream: 'message/stream',
    get: 'tasks/get',
    list: 'tasks/list',
    cancel: 'tasks/cancel',
    resubscribe: 'tasks/resubscribe',
    setPush: 'tasks/pushNotificationConfig/set',
    getPush: 'tasks/pushNotificationConfig/get',
    listPush: 'tasks/pushNotificationConfig/list',
    deletePush: 'tasks/pushNotificationConfig/delete',
  },
  '1.0': {
    send: 'SendMessage',
    stream: 'SendStreamingMessage',
    get: 'GetTask',
    list: 'ListTasks',
    cancel: 'CancelTask',
    resubscribe: 'SubscribeToTask',
    setPush: 'CreateTaskPushNotificationConfig',
    getPush: 'GetTaskPushNotificationConfig',
    listPush: 'ListTaskPushNotificationConfigs',
    deletePush: 'DeleteTaskPushNotificationConfig',
  },
} as const;

async function gather(frames: AsyncIterable<FrameFacts>): Promise<FrameFacts[]> {
  const all: FrameFacts[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

const failureOf = async (work: Promise<unknown>): Promise<RpcFailure> => {
  const failure = await work.then(
    () => new Error('was answered'),
    (error: unknown) => error,
  );
  if (failure instanceof RpcFailure) return failure;
  throw failure;
};

/** Errors name their code in v1.0; v0.3 and v0.2 have no word for that. */
const reasonOf = (version: ClientVersion, reason: string) =>
  version === '1.0'
    ? [expect.objectContaining({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason })]
    : undefined;

async function checkSending(client: A2aClient): Promise<string> {
  const task = await client.send('hello there');
  expect(task).toEqual({ id: expect.stringMatching(/./), state: 'completed', text: 'hello there' });
  expect(await client.get(task.id)).toEqual(task);
  return task.id;
}

async function checkStream(client: A2aClient): Promise<void> {
  const frames = await gather(client.stream('hello again'));
  const taskId = frames[0]?.taskId;
  expect(frames).toEqual([
    { kind: 'task', taskId, state: 'submitted' },
    { kind: 'status', taskId, state: 'working' },
    { kind: 'artifact', taskId, text: 'hello ', append: false },
    { kind: 'artifact', taskId, text: 'again', append: true },
    { kind: 'status', taskId, state: 'completed' },
  ]);
}

/** A task that is being worked on: left, found again, and cancelled; whoever listens learns of it. */
async function checkCancel(client: A2aClient): Promise<void> {
  const first = client.stream(HOLD);
  const begun = (await first.next()).value as FrameFacts;
  expect((await first.next()).value).toEqual({ kind: 'status', taskId: begun.taskId, state: 'working' });

  const again = client.resubscribe(begun.taskId);
  expect((await again.next()).value).toEqual({ kind: 'task', taskId: begun.taskId, state: 'working' });
  expect(await client.cancel(begun.taskId)).toEqual({ id: begun.taskId, state: 'canceled', text: '' });
  const end: FrameFacts = { kind: 'status', taskId: begun.taskId, state: 'canceled' };
  expect([await gather(first), await gather(again)]).toEqual([[end], [end]]);
}

async function checkPush(client: A2aClient, taskId: string): Promise<void> {
  const push = { taskId, url: 'https://hook.example/x', token: 'secret' };
  expect(await client.setPush(push)).toEqual(push);
  expect(await client.getPush(taskId)).toEqual(push);
  expect(await client.listPush(taskId)).toEqual([push]);
  await client.deletePush(taskId);
  expect(await client.listPush(taskId)).toEqual([]);
}

/** The SDK's v0.3 server has no tasks/list, as its specification has none in JSON-RPC. */
async function checkList(client: A2aClient, taskId: string, agentVersion: AgentVersion): Promise<void> {
  if (agentVersion === '1.0') expect(await client.list()).toContain(taskId);
  else expect(await failureOf(client.list())).toMatchObject({ code: -32601 });
}

const UNKNOWN_TASK = '00000000-0000-4000-8000-00000000dead';

async function checkErrors(client: A2aClient, version: ClientVersion, taskId: string): Promise<void> {
  const unknown = await failureOf(client.get(UNKNOWN_TASK));
  expect([unknown.code, unknown.message]).toEqual([-32001, `Task not found: ${UNKNOWN_TASK}`]);
  expect(unknown.data).toEqual(reasonOf(version, 'TASK_NOT_FOUND'));
  const over = await failureOf(client.cancel(taskId));
  expect([over.code, over.message]).toEqual([-32002, `Task not cancelable: ${taskId}`]);
  expect(over.data).toEqual(reasonOf(version, 'TASK_NOT_CANCELABLE'));
  const ended = await failureOf(gather(client.resubscribe(taskId)));
  expect(ended.code).toBe(-32004);
  expect(ended.data).toEqual(reasonOf(version, 'UNSUPPORTED_OPERATION'));
}

const MATRIX = (['0.2', '0.3', '1.0'] as const).flatMap((client) =>
  (['0.3', '1.0'] as const).map((agent): [ClientVersion, AgentVersion] => [client, agent]),
);

it.each(MATRIX)(
  '20.118 a v%s client at a v%s agent: every method, and its errors, each side in its own words',
  async (clientVersion, agentVersion) => {
    const agent = agents[agentVersion];
    const cardUrl = `${test.url}/workspaces/${agent.id}/.well-known/agent-card.json`;
    const before = agent.calls.length;
    const client = await connect({ cardUrl, token: peer.token }, clientVersion);

    const taskId = await checkSending(client);
    await checkStream(client);
    await checkCancel(client);
    await checkPush(client, taskId);
    await checkList(client, taskId, agentVersion);
    await checkErrors(client, clientVersion, taskId);

    const asked = agent.calls.slice(before);
    const methods = new Set(asked.map(({ body }) => (body as { method: string }).method));
    expect([...methods].sort()).toEqual(Object.values<string>(METHODS[agentVersion]).sort());
    const versions = new Set(asked.map(({ headers }) => headers['a2a-version']));
    expect([...versions]).toEqual([agentVersion === '1.0' ? '1.0' : undefined]);
  },
);
