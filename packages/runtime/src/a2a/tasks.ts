// The tasks of this process: what a turn has said so far, who follows it, and the bounded memory of what ended (chapter 40 §8.2).
// Text chunks are merged as they come, so a task read later reads as one text.

import { setMaxListeners } from 'node:events';
import type { Message, StreamResponse, Task, TaskPushNotificationConfig } from '@a2a-js/sdk';
import type { Logger } from '../logger.ts';
import type { TurnObserver, TurnOutcome } from '../turn/pipeline.ts';
import { createTaskJournal, type EndedTask } from './task-journal.ts';
import {
  agentMessage,
  artifactFrame,
  artifactOf,
  filePart,
  statusFrame,
  statusNow,
  TaskState,
  TERMINAL_STATES,
  textPart,
} from './wire.ts';

const MOST_TASKS = 500;
const KEPT_MS = 24 * 3_600_000;

const FINAL_STATES = {
  completed: TaskState.TASK_STATE_COMPLETED,
  failed: TaskState.TASK_STATE_FAILED,
  canceled: TaskState.TASK_STATE_CANCELED,
} as const;

export interface PushTarget {
  config: TaskPushNotificationConfig;
  /** A2A version it was registered over; its posts are in that version. */
  version: string;
}

export interface TaskEntry {
  readonly task: Task;
  readonly cancel: AbortController;
  /** Resolves when the task has ended. */
  readonly done: Promise<void>;
  /** The final message, once completed. */
  answer: Message | null;
  pushTargets: PushTarget[];
  readonly createdAtMs: number;
  /** Caller, context and message id; the same three join this task. */
  readonly key: string;
  follow(listener: (frame: StreamResponse) => void): () => void;
  /** Fed by the turn. */
  readonly observer: TurnObserver;
}

export const isOver = (task: Task): boolean => task.status !== undefined && TERMINAL_STATES.has(task.status.state);

function metadataOf(outcome: TurnOutcome): Record<string, unknown> {
  return {
    ...(outcome.toolTrace.length > 0 ? { tool_trace: outcome.toolTrace } : {}),
    ...(outcome.usage ? { usage: outcome.usage } : {}),
  };
}

export function createTaskEntry(input: {
  taskId: string;
  contextId: string;
  key: string;
  request: Message;
  onState: (entry: TaskEntry) => void;
  /** Before anybody learns that it has ended. */
  onOver?: (entry: TaskEntry) => void;
}): TaskEntry {
  const { taskId, contextId } = input;
  const listeners = new Set<(frame: StreamResponse) => void>();
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const cancel = new AbortController();
  // An adapter may hang many requests and tools on one turn's signal.
  setMaxListeners(0, cancel.signal);
  const task: Task = {
    id: taskId,
    contextId,
    status: statusNow(TaskState.TASK_STATE_SUBMITTED),
    artifacts: [],
    history: [{ ...input.request, taskId, contextId }],
    metadata: undefined,
  };
  const tell = (frame: StreamResponse) => {
    for (const listener of [...listeners]) listener(frame);
  };

  function setStatus(state: TaskState, message?: Message): void {
    task.status = statusNow(state, message);
    if (isOver(task)) input.onOver?.(entry);
    tell(statusFrame(task));
    input.onState(entry);
  }

  function addText(chunk: string, segment: number): void {
    const artifactId = `${taskId}-${segment}`;
    const known = task.artifacts.find((artifact) => artifact.artifactId === artifactId);
    const content = known?.parts[0]?.content;
    if (content?.$case === 'text') content.value += chunk;
    else task.artifacts.push(artifactOf(artifactId, [textPart(chunk)]));
    tell(artifactFrame(task, artifactOf(artifactId, [textPart(chunk)]), known !== undefined, false));
  }

  const observer: TurnObserver = {
    working: () => setStatus(TaskState.TASK_STATE_WORKING),
    text(chunk, segment) {
      // An adapter that failed may still be talking.
      if (isOver(task)) return;
      if (task.status?.state === TaskState.TASK_STATE_INPUT_REQUIRED) setStatus(TaskState.TASK_STATE_WORKING);
      addText(chunk, segment);
    },
    inputRequired: (text) =>
      setStatus(TaskState.TASK_STATE_INPUT_REQUIRED, agentMessage({ taskId, contextId, parts: [textPart(text)] })),
    finished(outcome) {
      if (isOver(task)) return;
      // A reader of the artifacts alone must see that what was streamed is not the whole answer.
      if (outcome.state === 'failed' && task.artifacts.length > 0)
        addText(`\n\n${outcome.text}`, task.artifacts.length - 1);
      const files = outcome.files.map(filePart);
      if (files.length > 0) {
        const artifact = artifactOf(`${taskId}-files`, files);
        task.artifacts.push(artifact);
        tell(artifactFrame(task, artifact, false, true));
      }
      const metadata = metadataOf(outcome);
      if (Object.keys(metadata).length > 0) task.metadata = metadata;
      const message = agentMessage({ taskId, contextId, parts: [textPart(outcome.text), ...files], metadata });
      if (outcome.state === 'completed') entry.answer = message;
      task.history.push(message);
      setStatus(FINAL_STATES[outcome.state], message);
      listeners.clear();
      resolve();
    },
  };

  const entry: TaskEntry = {
    task,
    cancel,
    done,
    answer: null,
    pushTargets: [],
    createdAtMs: Date.now(),
    key: input.key,
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    observer,
  };
  return entry;
}

const NOBODY: TurnObserver = { working() {}, text() {}, inputRequired() {}, finished() {} };

/** A task of an earlier process. */
function restoreEntry({ key, createdAtMs, task }: EndedTask): TaskEntry {
  const isAnswered = task.status?.state === TaskState.TASK_STATE_COMPLETED;
  return {
    task,
    cancel: new AbortController(),
    done: Promise.resolve(),
    answer: isAnswered ? (task.history.at(-1) ?? null) : null,
    pushTargets: [],
    createdAtMs,
    key,
    follow: () => () => undefined,
    observer: NOBODY,
  };
}

/** A canceled turn may have been cut off by the end of its process: a repeat of its message is a new turn. */
const isWorthKeeping = (task: Task) => task.status?.state !== TaskState.TASK_STATE_CANCELED;

export interface TaskStore {
  add(entry: TaskEntry): void;
  /** Remembers how it ended, beyond the life of this process. */
  keep(entry: TaskEntry): void;
  find(taskId: string): TaskEntry | null;
  findByKey(key: string): TaskEntry | null;
  /** Newest first. */
  list(): TaskEntry[];
  running(): TaskEntry[];
}

/**
 * 500 tasks or 24 hours; what still runs is never forgotten.
 * @param directory where ended ones are kept for the next process.
 */
export function createTaskStore({ directory, log }: { directory: string; log: Logger }): TaskStore {
  const entries = new Map<string, TaskEntry>();
  const byKey = new Map<string, TaskEntry>();
  const journal = createTaskJournal(directory, ({ task }) => entries.has(task.id), log);

  function forget(entry: TaskEntry): void {
    entries.delete(entry.task.id);
    if (byKey.get(entry.key) === entry) byKey.delete(entry.key);
  }

  function trim(): void {
    for (const entry of entries.values()) {
      const isOld = Date.now() - entry.createdAtMs > KEPT_MS;
      if (!isOld && entries.size <= MOST_TASKS) return;
      if (isOver(entry.task)) forget(entry);
    }
  }

  function add(entry: TaskEntry): void {
    entries.set(entry.task.id, entry);
    byKey.set(entry.key, entry);
    trim();
  }

  for (const ended of journal.read()) add(restoreEntry(ended));

  return {
    add,
    keep(entry) {
      if (isWorthKeeping(entry.task)) journal.append(entry);
    },
    find: (taskId) => entries.get(taskId) ?? null,
    findByKey: (key) => byKey.get(key) ?? null,
    list: () => [...entries.values()].reverse(),
    running: () => [...entries.values()].filter((entry) => !isOver(entry.task)),
  };
}
