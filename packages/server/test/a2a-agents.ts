// Agents of both A2A versions for tests of the proxy, built with the official SDK's servers: its own v1.0 and that of v0.3.
// Neither understands the other's words. Both answer with the text they were sent, as a task whose artifact comes in two pieces.

import { randomUUID } from 'node:crypto';
import { type AgentCard, Role, TaskState } from '@a2a-js/sdk';
import { LegacyJsonRpcTransportHandler } from '@a2a-js/sdk/compat/v0_3/server';
import {
  AgentEvent,
  type AgentExecutor,
  DefaultPushNotificationSender,
  DefaultRequestHandler,
  type ExecutionEventBus,
  InMemoryPushNotificationStore,
  InMemoryTaskStore,
  JsonRpcTransportHandler,
  ServerCallContext,
} from '@a2a-js/sdk/server';
import type { Responder } from '@molecule/testkit';

/** A message that says only this is worked on until its task is cancelled. */
export const HOLD = 'hold';

const text = (value: string) => ({
  content: { $case: 'text' as const, value },
  metadata: undefined,
  filename: '',
  mediaType: '',
});

const statusOf = (state: TaskState) => ({ state, message: undefined, timestamp: new Date().toISOString() });

function createExecutor(): AgentExecutor {
  const held = new Map<string, { contextId: string; release(): void }>();

  function echo(said: string, bus: ExecutionEventBus, { taskId, contextId }: { taskId: string; contextId: string }) {
    const half = Math.ceil(said.length / 2);
    const update = { taskId, contextId, metadata: undefined };
    const piece = (part: string, append: boolean) =>
      AgentEvent.artifactUpdate({
        ...update,
        artifact: {
          artifactId: 'a-1',
          name: 'echo',
          description: '',
          parts: [text(part)],
          metadata: undefined,
          extensions: [],
        },
        append,
        lastChunk: append,
      });
    bus.publish(piece(said.slice(0, half), false));
    bus.publish(piece(said.slice(half), true));
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
      AgentEvent.statusUpdate({ ...update, status: { ...statusOf(TaskState.TASK_STATE_COMPLETED), message: done } }),
    );
  }

  return {
    async execute({ userMessage, taskId, contextId }, bus) {
      const said = userMessage.parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');
      const task = { id: taskId, contextId, artifacts: [], history: [], metadata: undefined };
      const status = (state: TaskState) =>
        AgentEvent.statusUpdate({ taskId, contextId, metadata: undefined, status: statusOf(state) });
      bus.publish(AgentEvent.task({ ...task, status: statusOf(TaskState.TASK_STATE_SUBMITTED) }));
      bus.publish(status(TaskState.TASK_STATE_WORKING));
      if (said === HOLD) {
        const { promise, resolve } = Promise.withResolvers<void>();
        held.set(taskId, { contextId, release: resolve });
        await promise;
        bus.publish(status(TaskState.TASK_STATE_CANCELED));
      } else echo(said, bus, { taskId, contextId });
      bus.finished();
    },
    async cancelTask(taskId) {
      held.get(taskId)?.release();
    },
  };
}

const MODES = ['text/plain'];
const skill = { id: 'echo', name: 'Echo', description: 'Says what it was told.', tags: ['test'] };

/** As a v0.3 agent registers it. Its address is its own. */
export const V03_CARD = {
  protocolVersion: '0.3.0',
  name: 'v0.3 agent',
  description: 'An echo.',
  version: '3.1',
  url: 'http://agent.internal:8000/',
  preferredTransport: 'JSONRPC',
  additionalInterfaces: [{ url: 'http://agent.internal:8001/', transport: 'GRPC' }],
  provider: { organization: 'Tests', url: 'https://tests.example' },
  capabilities: { streaming: true, pushNotifications: true },
  securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'x-key' } },
  security: [{ key: [] }],
  defaultInputModes: MODES,
  defaultOutputModes: MODES,
  skills: [{ ...skill, security: [{ key: [] }] }],
};

/** As a v1.0 agent registers it. */
export const V10_CARD = {
  name: 'v1.0 agent',
  description: 'An echo.',
  version: '1.7',
  provider: { organization: 'Tests', url: 'https://tests.example' },
  capabilities: { streaming: true, pushNotifications: true, extendedAgentCard: true },
  supportedInterfaces: [
    { url: 'http://agent.internal:8000', protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: 'inner' },
  ],
  securitySchemes: { key: { apiKeySecurityScheme: { location: 'header', name: 'x-key' } } },
  securityRequirements: [{ schemes: { key: { list: [] } } }],
  defaultInputModes: MODES,
  defaultOutputModes: MODES,
  skills: [{ ...skill, securityRequirements: [{ schemes: { key: { list: [] } } }] }],
  signatures: [{ protected: 'e30', signature: 'AA' }],
};

/** What both servers stand on. */
function createRequestHandler(protocolVersion: string): DefaultRequestHandler {
  const card: AgentCard = {
    name: 'echo',
    description: '',
    version: '1',
    provider: undefined,
    capabilities: { streaming: true, pushNotifications: true, extensions: [] },
    supportedInterfaces: [{ url: 'http://agent', protocolBinding: 'JSONRPC', protocolVersion, tenant: '' }],
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: MODES,
    defaultOutputModes: MODES,
    skills: [],
    signatures: [],
  };
  const pushes = new InMemoryPushNotificationStore();
  return new DefaultRequestHandler(
    card,
    new InMemoryTaskStore(),
    createExecutor(),
    undefined,
    pushes,
    new DefaultPushNotificationSender(pushes),
  );
}

interface Transport {
  handle(body: string, context: ServerCallContext): Promise<object>;
  describe(error: unknown): object;
}

function respondWith(requestedVersion: string, transport: Transport): Responder {
  return async (call, response) => {
    const answer = await transport.handle(call.raw, new ServerCallContext({ requestedVersion }));
    if (!(Symbol.asyncIterator in answer)) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const id = (call.body as { id?: unknown }).id ?? null;
    try {
      for await (const frame of answer as AsyncIterable<unknown>) response.write(`data: ${JSON.stringify(frame)}\n\n`);
    } catch (error) {
      // As the SDK's own HTTP handlers do it: what goes wrong in a stream is its last frame.
      const frame = { jsonrpc: '2.0', id, error: transport.describe(error) };
      response.write(`event: error\ndata: ${JSON.stringify(frame)}\n\n`);
    }
    response.end();
  };
}

export function createV03Agent(): Responder {
  const transport = new LegacyJsonRpcTransportHandler(createRequestHandler('0.3'));
  return respondWith('0.3', {
    handle: (body, context) => transport.handle(body, context),
    describe: (error) => LegacyJsonRpcTransportHandler.mapToLegacyJSONRPCError(error),
  });
}

/** Without the SDK's compatibility layer. */
export function createV10Agent(): Responder {
  const transport = new JsonRpcTransportHandler(createRequestHandler('1.0'));
  return respondWith('1.0', {
    handle: (body, context) => transport.handle(body, context),
    describe: (error) => JsonRpcTransportHandler.mapToJSONRPCError(error as Error),
  });
}
