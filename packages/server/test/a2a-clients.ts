// Callers of each A2A version for tests of the version bridge. They know the address of a card and a bearer, nothing else. v0.3
// and v1.0 are the official SDK's clients; v0.2, which it never had, is plain HTTP in the words of its time. What they read is
// reported in the same few facts, so that one table can compare them.

import { randomUUID } from 'node:crypto';
import { type Message, type Part, Role, type StreamResponse, type Task, TaskState } from '@a2a-js/sdk';
import { type Client, ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory } from '@a2a-js/sdk/client';

export type ClientVersion = '0.2' | '0.3' | '1.0';

export interface TaskFacts {
  id: string;
  /** In the words of v0.3, whoever reports it. */
  state: string;
  text: string;
}

export type FrameFacts =
  | { kind: 'task'; taskId: string; state: string }
  | { kind: 'status'; taskId: string; state: string }
  | { kind: 'artifact'; taskId: string; text: string; append: boolean };

export interface PushFacts {
  taskId: string;
  url: string;
  token: string;
}

/** A JSON-RPC error as the caller got it. */
export class RpcFailure extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor({ code, message, data }: { code: number; message: string; data?: unknown }) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export interface A2aClient {
  send(text: string): Promise<TaskFacts>;
  stream(text: string): AsyncGenerator<FrameFacts>;
  get(id: string): Promise<TaskFacts>;
  /** The ids. */
  list(): Promise<string[]>;
  cancel(id: string): Promise<TaskFacts>;
  resubscribe(id: string): AsyncGenerator<FrameFacts>;
  setPush(push: PushFacts): Promise<PushFacts>;
  getPush(taskId: string): Promise<PushFacts>;
  listPush(taskId: string): Promise<PushFacts[]>;
  deletePush(taskId: string): Promise<void>;
}

export interface Connection {
  cardUrl: string;
  token: string;
}

/** A task has one config in v0.2, which goes by the task's id; the others are given the same one. */
const pushIdOf = (taskId: string) => taskId;

type Json = Record<string, unknown>;

interface Rpc {
  call(method: string, params: Json): Promise<Json>;
  stream(method: string, params: Json): AsyncGenerator<Json>;
}

/** JSON-RPC over HTTP, at the address a card names. */
async function createRpc({ cardUrl, token }: Connection): Promise<Rpc> {
  const authorization = `Bearer ${token}`;
  const card = (await (await fetch(cardUrl, { headers: { authorization } })).json()) as { url: string };

  async function post(method: string, params: Json, accept: string): Promise<Response> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const headers = { authorization, accept, 'content-type': 'application/json' };
    return await fetch(card.url, { method: 'POST', headers, body });
  }

  function resultOf(reply: Json): Json {
    if (reply.error) throw new RpcFailure(reply.error as { code: number; message: string });
    return reply.result as Json;
  }

  return {
    async call(method, params) {
      return resultOf((await (await post(method, params, 'application/json')).json()) as Json);
    },
    async *stream(method, params) {
      const response = await post(method, params, 'text/event-stream');
      if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
        throw new Error(`no event stream: ${await response.text()}`);
      const decoder = new TextDecoder();
      let pending = '';
      for await (const chunk of response.body ?? []) {
        const frames = (pending + decoder.decode(chunk, { stream: true })).split('\n\n');
        pending = frames.pop() ?? '';
        for (const frame of frames) {
          const data = /^data: (.*)$/m.exec(frame)?.[1];
          if (data !== undefined) yield resultOf(JSON.parse(data));
        }
      }
    },
  };
}

interface OldPart {
  type: string;
  text: string;
}

/** v0.1 and v0.2 knew parts by `type`, and tasks by an `id` alone. */
const joinOld = (artifact: { parts: OldPart[] }) =>
  artifact.parts.map(({ type, text }) => (type === 'text' ? text : `(${type})`)).join('');

interface OldTask {
  id: string;
  status: { state: string };
  artifacts?: { parts: OldPart[] }[];
}

const oldTask = ({ id, status, artifacts = [] }: OldTask): TaskFacts => ({
  id,
  state: status.state,
  text: artifacts.map(joinOld).join(''),
});

function oldFrame(frame: Json): FrameFacts {
  const taskId = String(frame.id);
  if (frame.artifact) {
    const artifact = frame.artifact as { parts: OldPart[]; append?: boolean };
    return { kind: 'artifact', taskId, text: joinOld(artifact), append: artifact.append === true };
  }
  const { state } = frame.status as { state: string };
  return { kind: 'final' in frame ? 'status' : 'task', taskId, state };
}

async function* map<A, B>(items: AsyncIterable<A>, convert: (item: A) => B): AsyncGenerator<B> {
  for await (const item of items) yield convert(item);
}

/** The words of v0.1 and v0.2. What `tasks/get` and its like ask is spelled as in v0.3, and so is what they are told. */
async function connectV02(connection: Connection): Promise<A2aClient> {
  const rpc = await createRpc(connection);
  const begin = (text: string) => ({
    id: randomUUID(),
    sessionId: randomUUID(),
    message: { role: 'user', parts: [{ type: 'text', text }] },
    acceptedOutputModes: ['text/plain'],
  });
  const push = ({ id, pushNotificationConfig }: Json): PushFacts => {
    const { url, token } = pushNotificationConfig as { url: string; token: string };
    return { taskId: String(id), url, token };
  };
  return {
    send: async (text) => oldTask((await rpc.call('tasks/send', begin(text))) as unknown as OldTask),
    stream: (text) => map(rpc.stream('tasks/sendSubscribe', begin(text)), oldFrame),
    get: async (id) => plainTask((await rpc.call('tasks/get', { id })) as unknown as PlainTask),
    list: async () => idsOf(await rpc.call('tasks/list', {})),
    cancel: async (id) => plainTask((await rpc.call('tasks/cancel', { id })) as unknown as PlainTask),
    resubscribe: (id) => map(rpc.stream('tasks/resubscribe', { id }), plainFrame),
    setPush: async ({ taskId, url, token }) =>
      push(await rpc.call('tasks/pushNotification/set', { id: taskId, pushNotificationConfig: { url, token } })),
    getPush: async (taskId) => push(await rpc.call('tasks/pushNotification/get', { id: taskId })),
    listPush: async (taskId) => {
      const configs = await rpc.call('tasks/pushNotificationConfig/list', { id: taskId });
      return (configs as unknown as Json[]).map(({ taskId: id, ...config }) => push({ ...config, id }));
    },
    async deletePush(taskId) {
      await rpc.call('tasks/pushNotificationConfig/delete', { id: taskId, pushNotificationConfigId: pushIdOf(taskId) });
    },
  };
}

/** What v0.2 and v0.3 have in common. */
interface PlainTask {
  id: string;
  status: { state: string };
  artifacts?: { parts: { text: string }[] }[];
}

const joinPlain = ({ parts }: { parts: { text: string }[] }) => parts.map(({ text }) => text).join('');

const plainTask = ({ id, status, artifacts = [] }: PlainTask): TaskFacts => ({
  id,
  state: status.state,
  text: artifacts.map(joinPlain).join(''),
});

function plainFrame(frame: Json): FrameFacts {
  const { state } = (frame.status ?? {}) as { state: string };
  if (frame.kind === 'task') return { kind: 'task', taskId: String(frame.id), state };
  if (frame.kind === 'status-update') return { kind: 'status', taskId: String(frame.taskId), state };
  const artifact = frame.artifact as { parts: { text: string }[] };
  return { kind: 'artifact', taskId: String(frame.taskId), text: joinPlain(artifact), append: frame.append === true };
}

const idsOf = ({ tasks }: Json) => (tasks as { id: string }[]).map(({ id }) => id);

const stateOf = (state: TaskState | undefined) =>
  TaskState[state ?? TaskState.TASK_STATE_UNSPECIFIED].replace('TASK_STATE_', '').toLowerCase().replaceAll('_', '-');
const textOf = (parts: Part[]) => parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');

const sdkTask = ({ id, status, artifacts }: Task): TaskFacts => ({
  id,
  state: stateOf(status?.state),
  text: artifacts.map(({ parts }) => textOf(parts)).join(''),
});

function sdkFrame({ payload }: StreamResponse): FrameFacts {
  switch (payload?.$case) {
    case 'task':
      return { kind: 'task', taskId: payload.value.id, state: stateOf(payload.value.status?.state) };
    case 'statusUpdate':
      return { kind: 'status', taskId: payload.value.taskId, state: stateOf(payload.value.status?.state) };
    case 'artifactUpdate': {
      const { taskId, artifact, append } = payload.value;
      return { kind: 'artifact', taskId, text: textOf(artifact?.parts ?? []), append };
    }
    default:
      throw new Error(`unexpected frame: ${JSON.stringify(payload)}`);
  }
}

/** What an agent refused, out of the SDK's error for it; the last frame of a stream brings its own as the cause. */
function toFailure(error: unknown): unknown {
  const { envelopeCode, message, data, cause } = error as Error & { envelopeCode?: number; data?: unknown };
  if (envelopeCode !== undefined) return new RpcFailure({ code: envelopeCode, message, data });
  return cause === undefined ? error : toFailure(cause);
}

async function orFailure<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toFailure(error);
  }
}

async function* streamOrFailure(frames: AsyncIterable<StreamResponse>): AsyncGenerator<FrameFacts> {
  try {
    yield* map(frames, sdkFrame);
  } catch (error) {
    throw toFailure(error);
  }
}

const withBearer = (token: string, more: Record<string, string> = {}): typeof fetch => {
  return (input, init) =>
    fetch(input, { ...init, headers: { ...init?.headers, ...more, authorization: `Bearer ${token}` } });
};

/** The SDK's client of this version, which it chooses by the card it is served. */
export async function connectSdk({ cardUrl, token }: Connection, version: '0.3' | '1.0'): Promise<Client> {
  const legacyCompat = { enabled: true };
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory({ fetchImpl: withBearer(token), legacyCompat })],
    cardResolver: new DefaultAgentCardResolver({
      fetchImpl: withBearer(token, { 'A2A-Version': version }),
      legacyCompat,
    }),
  });
  return await factory.createFromUrl(cardUrl, '');
}

export function sdkMessage(parts: Part[]): Message {
  return {
    messageId: randomUUID(),
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts,
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

export const sdkText = (value: string): Part => ({
  content: { $case: 'text', value },
  metadata: undefined,
  filename: '',
  mediaType: '',
});

async function connectOfficial(connection: Connection, version: '0.3' | '1.0'): Promise<A2aClient> {
  const client = await connectSdk(connection, version);
  const request = (text: string) => ({
    tenant: '',
    message: sdkMessage([sdkText(text)]),
    configuration: undefined,
    metadata: undefined,
  });
  const push = ({ taskId, url, token }: PushFacts): PushFacts => ({ taskId, url, token });
  const named = (taskId: string) => ({ tenant: '', taskId, id: pushIdOf(taskId) });
  return {
    send: async (text) => sdkTask((await orFailure(client.sendMessage(request(text)))) as Task),
    stream: (text) => streamOrFailure(client.sendMessageStream(request(text))),
    get: async (id) => sdkTask(await orFailure(client.getTask({ tenant: '', id, historyLength: undefined }))),
    async list() {
      // The JSON-RPC of v0.3 has no such method, and the SDK's client of it refuses without asking.
      if (version === '0.3') return idsOf(await (await createRpc(connection)).call('tasks/list', {}));
      const all = { tenant: '', contextId: '', status: TaskState.TASK_STATE_UNSPECIFIED, pageToken: '' };
      const query = { ...all, statusTimestampAfter: undefined, pageSize: 100 };
      return (await orFailure(client.listTasks(query))).tasks.map(({ id }) => id);
    },
    cancel: async (id) => sdkTask(await orFailure(client.cancelTask({ tenant: '', id, metadata: undefined }))),
    resubscribe: (id) => streamOrFailure(client.resubscribeTask({ tenant: '', id })),
    setPush: async ({ taskId, url, token }) =>
      push(
        await orFailure(
          client.createTaskPushNotificationConfig({ ...named(taskId), url, token, authentication: undefined }),
        ),
      ),
    getPush: async (taskId) => push(await orFailure(client.getTaskPushNotificationConfig(named(taskId)))),
    async listPush(taskId) {
      const page = { tenant: '', taskId, pageSize: 10, pageToken: '' };
      return (await orFailure(client.listTaskPushNotificationConfig(page))).configs.map(push);
    },
    deletePush: async (taskId) => await orFailure(client.deleteTaskPushNotificationConfig(named(taskId))),
  };
}

export async function connect(connection: Connection, version: ClientVersion): Promise<A2aClient> {
  return version === '0.2' ? await connectV02(connection) : await connectOfficial(connection, version);
}
