// The A2A objects this server speaks of, built in the SDK's own (v1.0) shape; its transports turn them into v0.3 where asked.

import { randomUUID } from 'node:crypto';
import type { Artifact, Message, Part, StreamResponse, Task, TaskStatus } from '@a2a-js/sdk';
import { Role, TaskState } from '@a2a-js/sdk';
import type { FilePart } from '../adapters/adapter.ts';

export { Role, TaskState };

export const TERMINAL_STATES = new Set<TaskState>([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
]);

export const textPart = (text: string): Part => ({
  content: { $case: 'text', value: text },
  metadata: undefined,
  filename: '',
  mediaType: '',
});

export const filePart = (file: FilePart): Part => ({
  content: { $case: 'url', value: file.uri },
  metadata: file.size === undefined ? undefined : { size: file.size },
  filename: file.name,
  mediaType: file.mimeType ?? '',
});

export function agentMessage(input: {
  taskId: string;
  contextId: string;
  parts: Part[];
  metadata?: Record<string, unknown>;
}): Message {
  return {
    messageId: randomUUID(),
    taskId: input.taskId,
    contextId: input.contextId,
    role: Role.ROLE_AGENT,
    parts: input.parts,
    metadata: input.metadata && Object.keys(input.metadata).length > 0 ? input.metadata : undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

export const statusNow = (state: TaskState, message?: Message): TaskStatus => ({
  state,
  message,
  timestamp: new Date().toISOString(),
});

export const artifactOf = (artifactId: string, parts: Part[]): Artifact => ({
  artifactId,
  name: '',
  description: '',
  parts,
  metadata: undefined,
  extensions: [],
});

export const taskFrame = (task: Task): StreamResponse => ({ payload: { $case: 'task', value: task } });

export const statusFrame = (task: Task): StreamResponse => ({
  payload: {
    $case: 'statusUpdate',
    value: { taskId: task.id, contextId: task.contextId, status: task.status, metadata: task.metadata },
  },
});

export const artifactFrame = (task: Task, artifact: Artifact, append: boolean, lastChunk: boolean): StreamResponse => ({
  payload: {
    $case: 'artifactUpdate',
    value: { taskId: task.id, contextId: task.contextId, artifact, append, lastChunk, metadata: undefined },
  },
});

/** The text of all text parts, one line each. */
export function textOf(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.content?.$case === 'text' ? [part.content.value] : [])).join('\n');
}

/** A file part as adapters see it; nothing for other parts. */
export function fileOf(part: Part): FilePart[] {
  if (part.content?.$case !== 'url') return [];
  const size = part.metadata?.size;
  return [
    {
      uri: part.content.value,
      name: part.filename || (part.content.value.split('/').at(-1) ?? 'file'),
      ...(part.mediaType ? { mimeType: part.mediaType } : {}),
      ...(typeof size === 'number' ? { size } : {}),
    },
  ];
}
