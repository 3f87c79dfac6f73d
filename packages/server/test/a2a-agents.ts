// Agents of both A2A versions for tests of the proxy: one that speaks v0.3 by a script, one that is the official SDK's own v1.0
// server. Both answer with the text they were sent, as a task whose artifact comes in two pieces.

import { randomUUID } from 'node:crypto';
import { Role, TaskState } from '@a2a-js/sdk';
import {
  AgentEvent,
  type AgentExecutor,
  DefaultPushNotificationSender,
  DefaultRequestHandler,
  InMemoryPushNotificationStore,
  InMemoryTaskStore,
  JsonRpcTransportHandler,
  ServerCallContext,
} from '@a2a-js/sdk/server';
import { type Responder, replyResult, rpcIdOf, streamResults } from '@molecule/testkit';

type Json = Record<string, unknown>;
const paramsOf = (body: unknown) => (body as { params: Json }).params;
const textOf = (message: unknown): string =>
  (message as { parts: { text?: string }[] }).parts.map((part) => part.text ?? '').join('');

/** A v0.3 agent that keeps its tasks. What it is asked in another version it does not understand. */
export function createV03Agent(): Responder {
  const tasks = new Map<string, Json>();
  const configs = new Map<string, Json>();

  function startTask(message: Json): { task: Json; updates: Json[] } {
    const ids = { taskId: randomUUID(), contextId: String(message.contextId ?? randomUUID()) };
    const text = textOf(message);
    const piece = (part: string, append: boolean, lastChunk: boolean): Json => {
      const artifact = { artifactId: 'a-1', name: 'echo', parts: [{ kind: 'text', text: part }] };
      return { kind: 'artifact-update', ...ids, artifact, append, lastChunk };
    };
    const half = Math.ceil(text.length / 2);
    const said = { kind: 'message', role: 'agent', messageId: randomUUID(), parts: [{ kind: 'text', text: 'done' }] };
    const status = { state: 'completed', message: said };
    const working = { kind: 'status-update', ...ids, status: { state: 'working' }, final: false };
    const first = { kind: 'task', id: ids.taskId, contextId: ids.contextId, status: { state: 'submitted' } };
    const artifacts = [{ artifactId: 'a-1', name: 'echo', parts: [{ kind: 'text', text }] }];
    const task = { ...first, status, artifacts };
    tasks.set(ids.taskId, task);
    const pieces = [piece(text.slice(0, half), false, false), piece(text.slice(half), true, true)];
    return { task, updates: [first, working, ...pieces, { kind: 'status-update', ...ids, status, final: true }] };
  }

  const methods: Record<string, (params: Json) => Responder> = {
    'message/send': ({ message }) => replyResult(startTask(message as Json).task),
    'message/stream': ({ message }) => streamResults(startTask(message as Json).updates),
    'tasks/get': ({ id }) => replyResult(tasks.get(String(id))),
    'tasks/list': () => replyResult({ tasks: [...tasks.values()], totalSize: tasks.size }),
    'tasks/cancel': ({ id }) => replyResult({ ...tasks.get(String(id)), status: { state: 'canceled' } }),
    'tasks/resubscribe': ({ id }) => streamResults([tasks.get(String(id))]),
    'tasks/pushNotificationConfig/set': (params) => {
      configs.set(String(params.taskId), params);
      return replyResult(params);
    },
    'tasks/pushNotificationConfig/get': ({ id }) => replyResult(configs.get(String(id))),
    'tasks/pushNotificationConfig/list': ({ id }) => replyResult([configs.get(String(id))]),
    'tasks/pushNotificationConfig/delete': ({ id }) => {
      configs.delete(String(id));
      return replyResult(null);
    },
  };

  return (call, response) => {
    const answer = methods[(call.body as { method: string }).method];
    if (answer) return answer(paramsOf(call.body))(call, response);
    const error = { code: -32601, message: 'Method not found' };
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id: rpcIdOf(call), error }));
  };
}

const text = (value: string) => ({
  content: { $case: 'text' as const, value },
  metadata: undefined,
  filename: '',
  mediaType: '',
});

const executor: AgentExecutor = {
  async execute({ userMessage, taskId, contextId }, bus) {
    const said = userMessage.parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');
    const half = Math.ceil(said.length / 2);
    const artifact = (part: string) => ({
      artifactId: 'a-1',
      name: 'echo',
      description: '',
      parts: [text(part)],
      metadata: undefined,
      extensions: [],
    });
    const update = { taskId, contextId, metadata: undefined };
    const status = (state: TaskState) => ({ state, message: undefined, timestamp: undefined });
    const task = { id: taskId, contextId, artifacts: [], history: [], metadata: undefined };
    bus.publish(AgentEvent.task({ ...task, status: status(TaskState.TASK_STATE_SUBMITTED) }));
    bus.publish(AgentEvent.statusUpdate({ ...update, status: status(TaskState.TASK_STATE_WORKING) }));
    const [first, second] = [said.slice(0, half), said.slice(half)];
    bus.publish(AgentEvent.artifactUpdate({ ...update, artifact: artifact(first), append: false, lastChunk: false }));
    bus.publish(AgentEvent.artifactUpdate({ ...update, artifact: artifact(second), append: true, lastChunk: true }));
    const done = {
      messageId: randomUUID(),
      contextId,
      taskId,
      role: Role.ROLE_AGENT,
      parts: [text('done')],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    };
    bus.publish(
      AgentEvent.statusUpdate({
        ...update,
        status: { state: TaskState.TASK_STATE_COMPLETED, message: done, timestamp: undefined },
      }),
    );
    bus.finished();
  },
  cancelTask: async () => {},
};

export const V10_CARD = {
  name: 'v1.0 agent',
  description: '',
  version: '1',
  capabilities: { streaming: true, pushNotifications: true },
  supportedInterfaces: [{ url: 'http://agent', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
};

/** The SDK's own v1.0 server, without its compatibility layer. */
export function createV10Agent(): Responder {
  const card = {
    ...V10_CARD,
    provider: undefined,
    capabilities: { ...V10_CARD.capabilities, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: [],
    defaultOutputModes: [],
    skills: [],
    signatures: [],
    supportedInterfaces: V10_CARD.supportedInterfaces.map((one) => ({ ...one, tenant: '' })),
  };
  const pushes = new InMemoryPushNotificationStore();
  const requests = new DefaultRequestHandler(
    card,
    new InMemoryTaskStore(),
    executor,
    undefined,
    pushes,
    new DefaultPushNotificationSender(pushes),
  );
  const transport = new JsonRpcTransportHandler(requests);
  return async (call, response) => {
    const requestedVersion = String(call.headers['a2a-version'] ?? '');
    const answer = await transport.handle(call.raw, new ServerCallContext({ requestedVersion }));
    if (!(Symbol.asyncIterator in answer)) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const frame of answer) response.write(`data: ${JSON.stringify(frame)}\n\n`);
    response.end();
  };
}
