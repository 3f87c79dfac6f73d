// An agent that says what a test tells it to say, when it is told: each message begins a task, and whoever streams it or subscribes
// to it hears the rest. A subscriber hears first what was said already, as one task.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { messageIdOf, type ReceivedCall, type Responder, replyStatus, rpcIdOf } from '@molecule/testkit';

type Json = Record<string, unknown>;

export interface Talk {
  messageId: string;
  taskId: string;
  /** How often the agent was asked to begin this task. */
  deliveries: number;
  say(text: string): void;
  finish(): void;
  /** The agent knows nothing of it any more. */
  forget(): void;
  /** The connections break, in the middle. */
  breakOff(): void;
  /** Resolves when its connections can take more. */
  drained(): Promise<unknown>;
  /** Connections that hear it now. */
  listeners(): number;
}

export interface TalkingAgent {
  respond: Responder;
  /** By message id. */
  talks: Map<string, Talk>;
  /** Resolves with the talk of a message as soon as the agent has it. */
  waitForTalk(messageId: string): Promise<Talk>;
}

const STATES: Record<string, string> = {
  submitted: 'TASK_STATE_SUBMITTED',
  working: 'TASK_STATE_WORKING',
  completed: 'TASK_STATE_COMPLETED',
};

function toV10({ kind, final: _final, ...result }: Json): Json {
  const withState = (status: unknown) => ({ state: STATES[String((status as Json).state)] });
  const plain = (artifact: unknown) => {
    const { parts, ...rest } = artifact as { parts: Json[] };
    return { ...rest, parts: parts.map(({ text }) => ({ text })) };
  };
  if (kind === 'status-update') return { statusUpdate: { ...result, status: withState(result.status) } };
  if (kind === 'artifact-update') return { artifactUpdate: { ...result, artifact: plain(result.artifact) } };
  return {
    task: { ...result, status: withState(result.status), artifacts: (result.artifacts as unknown[]).map(plain) },
  };
}

export function createTalkingAgent(version: '0.3' | '1.0' = '0.3'): TalkingAgent {
  const talks = new Map<string, Talk>();
  const byTask = new Map<
    string,
    { task: () => Json; isOver: () => boolean; join(response: ServerResponse, id: unknown): void }
  >();
  const waiting = new Map<string, (talk: Talk) => void>();
  const shape = version === '1.0' ? toV10 : (result: Json) => result;

  function begin(messageId: string): Talk {
    const ids = { taskId: randomUUID(), contextId: randomUUID() };
    const hearing = new Map<ServerResponse, unknown>();
    let state = 'submitted';
    let said = '';
    const artifactOf = (text: string) => ({ artifactId: 'a', parts: [{ kind: 'text', text }] });
    const task = () => ({
      kind: 'task',
      id: ids.taskId,
      contextId: ids.contextId,
      status: { state },
      artifacts: said === '' ? [] : [artifactOf(said)],
    });
    const write = (response: ServerResponse, id: unknown, result: Json) =>
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: shape(result) })}\n\n`);
    const tell = (result: Json) => {
      for (const [response, id] of hearing) write(response, id, result);
    };
    byTask.set(ids.taskId, {
      task,
      isOver: () => state === 'completed',
      join(response, id) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        write(response, id, task());
        hearing.set(response, id);
        response.once('close', () => hearing.delete(response));
      },
    });
    return {
      messageId,
      taskId: ids.taskId,
      deliveries: 1,
      drained: () =>
        Promise.all([...hearing.keys()].map((response) => response.writableNeedDrain && once(response, 'drain'))),
      listeners: () => hearing.size,
      say(text) {
        if (state === 'submitted') {
          state = 'working';
          tell({ kind: 'status-update', ...ids, status: { state }, final: false });
        }
        tell({ kind: 'artifact-update', ...ids, append: said !== '', artifact: artifactOf(text) });
        said += text;
      },
      finish() {
        state = 'completed';
        tell({ kind: 'status-update', ...ids, status: { state }, final: true });
        for (const response of hearing.keys()) response.end();
      },
      forget: () => byTask.delete(ids.taskId),
      breakOff() {
        for (const response of hearing.keys()) response.socket?.destroy();
      },
    };
  }

  function stream(call: ReceivedCall, response: ServerResponse): void {
    const messageId = messageIdOf(call);
    const talk = talks.get(messageId) ?? begin(messageId);
    if (talks.has(messageId)) talk.deliveries += 1;
    talks.set(messageId, talk);
    byTask.get(talk.taskId)?.join(response, rpcIdOf(call));
    waiting.get(messageId)?.(talk);
  }

  const refuse =
    (code: number, message: string): Responder =>
    (call, response) =>
      replyStatus(200, { jsonrpc: '2.0', id: rpcIdOf(call), error: { code, message } })(call, response);

  return {
    talks,
    respond(call, response) {
      const { method, params } = call.body as { method: string; params: { id?: string } };
      const known = byTask.get(params.id ?? '');
      switch (method) {
        case 'message/stream':
        case 'SendStreamingMessage':
          return stream(call, response);
        case 'tasks/resubscribe':
        case 'SubscribeToTask':
          if (!known) return refuse(-32001, 'Task not found')(call, response);
          if (known.isOver()) return refuse(-32004, 'the task has ended')(call, response);
          return known.join(response, rpcIdOf(call));
        case 'tasks/get':
        case 'GetTask': {
          if (!known) return refuse(-32001, 'Task not found')(call, response);
          const task = shape(known.task());
          return replyStatus(200, { jsonrpc: '2.0', id: rpcIdOf(call), result: task.task ?? task })(call, response);
        }
        default:
          return refuse(-32601, 'Method not found')(call, response);
      }
    },
    async waitForTalk(messageId) {
      const { promise, resolve } = Promise.withResolvers<Talk>();
      waiting.set(messageId, resolve);
      const known = talks.get(messageId);
      return known ?? (await promise);
    },
  };
}
