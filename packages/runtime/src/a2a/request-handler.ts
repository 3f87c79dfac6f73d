// The A2A methods over turns: the SDK's transports read and write the wire, this decides what happens. Written for turns instead
// of the SDK's default handler, because a turn goes on and is remembered when its reader leaves, and a repeated message joins it.

import { randomUUID } from 'node:crypto';
import type {
  AgentCard,
  Message,
  SendMessageRequest,
  StreamResponse,
  Task,
  TaskPushNotificationConfig,
} from '@a2a-js/sdk';
import {
  RequestMalformedError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import type { A2ARequestHandler, ServerCallContext } from '@a2a-js/sdk/server';
import type { HistoryEntry } from '../adapters/adapter.ts';
import { AgentStopping } from '../turn/failure.ts';
import type { Pipeline } from '../turn/pipeline.ts';
import type { TurnQueue } from '../turn/queue.ts';
import type { PushSender } from './push.ts';
import { PushTargetError } from './push.ts';
import { createTaskEntry, isOver, type TaskEntry, type TaskStore } from './tasks.ts';
import { fileOf, TaskState, taskFrame, textOf } from './wire.ts';

const MOST_HISTORY = 20;
const MOST_PUSH_TARGETS = 10;
const EMPTY_MESSAGE = 'Your message is empty. Write what you need, or attach a file.';
const RESULT_NOTED = 'Noted.';

/** Under this key of the call context stands the caller's workspace id; null = a person or the platform. */
export const CALLER = 'molecule.caller';
/** Set when the call was refused for lack of room. */
export const BUSY = 'molecule.busy';
/** Under this key stands an `InboxCall` when the message came by the inbox instead of by a request. */
export const INBOX = 'molecule.inbox';

export interface InboxCall {
  /** The turn of this message; not new: it had one already. */
  entered(entry: TaskEntry, isNew: boolean): void;
}

export interface RequestHandlerDeps {
  card: () => AgentCard;
  tasks: TaskStore;
  queue: TurnQueue;
  pipeline: Pipeline;
  push: PushSender;
  /** The adapter keeps its own session, so earlier turns are not told again. */
  nativeSession: boolean;
}

class BusyError extends Error {}

/** `[{role, parts}]`, whoever spelled it; anything unreadable is left out. */
export function readHistory(given: unknown): HistoryEntry[] {
  if (!Array.isArray(given)) return [];
  return given.slice(-MOST_HISTORY).flatMap((entry: { role?: unknown; parts?: unknown } | null) => {
    const parts = Array.isArray(entry?.parts) ? entry.parts : [];
    const text = parts
      .map((part: { text?: unknown } | null) => part?.text)
      .filter((one): one is string => typeof one === 'string')
      .join('\n');
    const role = ['agent', 'ROLE_AGENT', 'assistant'].includes(String(entry?.role))
      ? ('agent' as const)
      : ('user' as const);
    return text === '' ? [] : [{ role, text }];
  });
}

function withHistory(task: Task, historyLength: number | undefined): Task {
  const copy = structuredClone(task);
  if (historyLength !== undefined) copy.history = historyLength <= 0 ? [] : copy.history.slice(-historyLength);
  return copy;
}

/** The answer of a delegation this agent gave away: it reaches the agent as a result (chapter 40 §7), and costs no turn. */
const isDelegationAnswer = ({ in_reply_to: answered, delegation_id: id }: Record<string, unknown>) =>
  typeof answered === 'string' && typeof id === 'string';

/** The message of a finished turn, else the task as it stands. */
function resultOf(entry: TaskEntry, historyLength: number | undefined): Message | Task {
  return entry.answer ? structuredClone(entry.answer) : withHistory(entry.task, historyLength);
}

/** Frames of a task as they come; ends with the task. */
async function* framesOf(entry: TaskEntry): AsyncGenerator<StreamResponse, void, undefined> {
  const waiting: StreamResponse[] = [taskFrame(structuredClone(entry.task))];
  let wake: () => void = () => undefined;
  let over = isOver(entry.task);
  const unfollow = entry.follow((frame) => {
    waiting.push(frame);
    wake();
  });
  entry.done.then(() => {
    over = true;
    wake();
  });
  try {
    for (;;) {
      const next = waiting.shift();
      if (next) yield next;
      else if (over) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unfollow();
  }
}

export function createRequestHandler(deps: RequestHandlerDeps): A2ARequestHandler {
  const { tasks, queue, pipeline, push, nativeSession } = deps;

  function refuse(context: ServerCallContext): BusyError {
    context.state.set(BUSY, true);
    return new BusyError('the agent is busy');
  }

  function find(taskId: string): TaskEntry {
    if (!taskId?.trim()) throw new RequestMalformedError('a task id is required');
    const entry = tasks.find(taskId);
    if (!entry) throw new TaskNotFoundError(`Task not found: ${taskId}`);
    return entry;
  }

  async function addPushTarget(entry: TaskEntry, config: TaskPushNotificationConfig, version: string) {
    try {
      await push.assertTarget(config.url);
    } catch (error) {
      if (error instanceof PushTargetError)
        throw new RequestMalformedError(`pushNotificationConfig.url: ${error.message}`);
      throw error;
    }
    const stored = { ...config, taskId: entry.task.id, id: config.id || randomUUID() };
    const others = entry.pushTargets.filter((target) => target.config.id !== stored.id);
    if (others.length >= MOST_PUSH_TARGETS)
      throw new RequestMalformedError(`a task has at most ${MOST_PUSH_TARGETS} push targets`);
    entry.pushTargets = [...others, { config: stored, version }];
    return stored;
  }

  function readTurn(params: SendMessageRequest, message: Message, entry: TaskEntry, callerId: string | null) {
    const metadata = { ...params.metadata, ...message.metadata };
    const { history, ...rest } = metadata;
    return {
      id: entry.task.id,
      contextId: entry.task.contextId,
      messageId: message.messageId,
      callerId,
      text: textOf(message.parts),
      files: message.parts.flatMap(fileOf),
      history: nativeSession ? [] : readHistory(history),
      metadata: rest,
    };
  }

  /** Joins the turn this message already has, or begins one. */
  async function admit(params: SendMessageRequest, context: ServerCallContext): Promise<TaskEntry> {
    const { message } = params;
    if (!message) throw new RequestMalformedError('message is required');
    const callerId = (context.state.get(CALLER) as string | null | undefined) ?? null;
    const key = [callerId ?? '', message.contextId, message.messageId].join('\n');
    const inbox = context.state.get(INBOX) as InboxCall | undefined;
    const known = tasks.findByKey(key);
    if (known) {
      inbox?.entered(known, false);
      return known;
    }
    const referenced = message.taskId ? find(message.taskId) : null;
    if (referenced && isOver(referenced.task)) throw new UnsupportedOperationError(`Task ${message.taskId} has ended`);
    const contextId = message.contextId || referenced?.task.contextId || randomUUID();
    const entry = createTaskEntry({
      taskId: randomUUID(),
      contextId,
      key,
      request: message,
      onState: push.send,
      onOver: tasks.keep,
    });
    const turn = readTurn(params, message, entry, callerId);
    const pushConfig = params.configuration?.taskPushNotificationConfig;
    const isEmpty = turn.text.trim() === '' && turn.files.length === 0;
    if (isEmpty || isDelegationAnswer(turn.metadata)) {
      tasks.add(entry);
      inbox?.entered(entry, true);
      const text = isEmpty ? EMPTY_MESSAGE : RESULT_NOTED;
      entry.observer.finished({ state: 'completed', text, files: [], toolTrace: [], usage: null });
      return entry;
    }
    const ticket = queue.enter(contextId, inbox !== undefined);
    if (!ticket) throw refuse(context);
    // Known from here on: a repetition that arrives while the push target is judged joins this turn.
    tasks.add(entry);
    inbox?.entered(entry, true);
    if (pushConfig)
      try {
        await addPushTarget(entry, pushConfig, context.requestedVersion);
      } catch (error) {
        ticket.leave();
        entry.observer.finished({
          state: 'failed',
          text: (error as Error).message,
          files: [],
          toolTrace: [],
          usage: null,
        });
        throw error;
      }
    // A tick later, so that whoever streams sees the turn from its first state on.
    setImmediate(() => void pipeline.runTurn(turn, ticket, entry.observer, entry.cancel));
    return entry;
  }

  /** The end of the task, or the moment it needs a person. */
  async function settled(entry: TaskEntry): Promise<void> {
    if (isOver(entry.task)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const unfollow = entry.follow((frame) => {
      if (
        frame.payload?.$case === 'statusUpdate' &&
        frame.payload.value.status?.state === TaskState.TASK_STATE_INPUT_REQUIRED
      )
        resolve();
    });
    entry.done.then(resolve);
    await promise;
    unfollow();
  }

  return {
    getAgentCard: async () => deps.card(),
    getAuthenticatedExtendedAgentCard: async () => {
      throw new UnsupportedOperationError('there is no extended card');
    },
    async sendMessage(params, context) {
      const entry = await admit(params, context);
      const historyLength = params.configuration?.historyLength;
      if (params.configuration?.returnImmediately) return withHistory(entry.task, historyLength);
      await settled(entry);
      // Not an answer: whoever sent it may send it again to the next process.
      if (entry.cancel.signal.reason instanceof AgentStopping) throw refuse(context);
      return resultOf(entry, historyLength);
    },
    async *sendMessageStream(params, context) {
      yield* framesOf(await admit(params, context));
    },
    async getTask(params) {
      return withHistory(find(params.id).task, params.historyLength);
    },
    async cancelTask(params) {
      const entry = find(params.id);
      if (isOver(entry.task)) throw new TaskNotCancelableError(`Task not cancelable: ${params.id}`);
      entry.cancel.abort(new Error('canceled'));
      await entry.done;
      return withHistory(entry.task, undefined);
    },
    async *resubscribe(params) {
      const entry = find(params.id);
      if (isOver(entry.task)) throw new UnsupportedOperationError(`Task ${params.id} has ended`);
      yield* framesOf(entry);
    },
    async listTasks(params) {
      const pageSize = Math.min(Math.max(params.pageSize ?? 50, 1), 100);
      const all = tasks.list().filter(({ task }) => {
        const wanted = !params.contextId || task.contextId === params.contextId;
        return wanted && (!params.status || task.status?.state === params.status);
      });
      const from = params.pageToken ? all.findIndex(({ task }) => task.id === params.pageToken) + 1 : 0;
      const page = all.slice(from, from + pageSize);
      const hasMore = from + pageSize < all.length;
      return {
        tasks: page.map(({ task }) => ({
          ...withHistory(task, params.historyLength),
          ...(params.includeArtifacts ? {} : { artifacts: [] }),
        })),
        nextPageToken: hasMore ? (page.at(-1)?.task.id ?? '') : '',
        pageSize,
        totalSize: all.length,
      };
    },
    async createTaskPushNotificationConfig(params, context) {
      return await addPushTarget(find(params.taskId), params, context.requestedVersion);
    },
    async getTaskPushNotificationConfig(params) {
      const { pushTargets } = find(params.taskId);
      const target = params.id ? pushTargets.find(({ config }) => config.id === params.id) : pushTargets[0];
      if (!target) throw new TaskNotFoundError(`Task ${params.taskId} has no such push target`);
      return target.config;
    },
    async listTaskPushNotificationConfigs(params) {
      return { configs: find(params.taskId).pushTargets.map(({ config }) => config), nextPageToken: '' };
    },
    async deleteTaskPushNotificationConfig(params) {
      const entry = find(params.taskId);
      entry.pushTargets = entry.pushTargets.filter(({ config }) => config.id !== params.id);
    },
  };
}
