// JSON-RPC replies and stream frames of A2A v0.3 ⇄ v1.0 (chapter 20 §1.4). What a result looks like depends on the method that
// asked for it: v1.0 wraps what a message led to and leaves what was asked of a task bare. Errors are errors.ts' business.

import { isObject, type Json } from '../../json.ts';
import { toV03Error, toV10Error } from './errors.ts';
import {
  toV03Artifact,
  toV03Message,
  toV03PushConfig,
  toV03Status,
  toV03Task,
  toV10Artifact,
  toV10Message,
  toV10PushConfig,
  toV10Status,
  toV10Task,
} from './parts.ts';

/** States in which no more frames follow: v0.3 marks their update as final. */
const RESTING = new Set(['completed', 'failed', 'canceled', 'rejected', 'input-required', 'auth-required']);

const mapList = (items: unknown, convert: (item: Json) => Json) =>
  Array.isArray(items) ? items.map((item) => (isObject(item) ? convert(item) : item)) : items;

/** What a message leads to: a message, a task, or an update of one. */
function toV10Event(result: Json): unknown {
  const { kind, ...rest } = result;
  switch (kind) {
    case 'message':
      return { message: toV10Message(result) };
    case 'task':
      return { task: toV10Task(result) };
    case 'status-update': {
      const { final: _final, ...update } = rest;
      return { statusUpdate: { ...update, status: toV10Status(update.status) } };
    }
    case 'artifact-update':
      return { artifactUpdate: { ...rest, artifact: toV10Artifact(rest.artifact) } };
    default:
      return result;
  }
}

function toV03Event(result: Json): unknown {
  if (isObject(result.message)) return toV03Message(result.message);
  if (isObject(result.task)) return toV03Task(result.task);
  if (isObject(result.statusUpdate)) {
    const status = toV03Status(result.statusUpdate.status);
    const final = RESTING.has(String(status.state));
    return { kind: 'status-update', ...result.statusUpdate, status, final };
  }
  if (isObject(result.artifactUpdate)) {
    const { artifact, ...update } = result.artifactUpdate;
    return { kind: 'artifact-update', ...update, artifact: toV03Artifact(artifact) };
  }
  return result;
}

function toV10Result(result: unknown, method: string): unknown {
  switch (method) {
    case 'tasks/get':
    case 'tasks/cancel':
      return isObject(result) ? toV10Task(result) : result;
    case 'tasks/list':
      return isObject(result) ? { ...result, tasks: mapList(result.tasks, toV10Task) } : result;
    case 'tasks/pushNotificationConfig/set':
    case 'tasks/pushNotificationConfig/get':
      return isObject(result) ? toV10PushConfig(result) : result;
    case 'tasks/pushNotificationConfig/list':
      return Array.isArray(result) ? { configs: mapList(result, toV10PushConfig) } : result;
    case 'tasks/pushNotificationConfig/delete':
      return result ?? {};
    default:
      return isObject(result) ? toV10Event(result) : result;
  }
}

/** ProtoJSON leaves empty lists out. */
function toV03Result(result: unknown, method: string): unknown {
  switch (method) {
    case 'tasks/get':
    case 'tasks/cancel':
      return isObject(result) ? toV03Task(result) : result;
    case 'tasks/list':
      return isObject(result) ? { ...result, tasks: mapList(result.tasks ?? [], toV03Task) } : result;
    case 'tasks/pushNotificationConfig/set':
    case 'tasks/pushNotificationConfig/get':
      return isObject(result) ? toV03PushConfig(result) : result;
    case 'tasks/pushNotificationConfig/list':
      return isObject(result) ? mapList(result.configs ?? [], toV03PushConfig) : result;
    case 'tasks/pushNotificationConfig/delete':
      return null;
    default:
      return isObject(result) ? toV03Event(result) : result;
  }
}

function convertReply(reply: unknown, result: (result: unknown) => unknown, error: (error: Json) => Json): unknown {
  if (!isObject(reply)) return reply;
  if (isObject(reply.error)) return { ...reply, error: error(reply.error) };
  return 'result' in reply ? { ...reply, result: result(reply.result) } : reply;
}

/** @param method the canonical v0.3 method that was called. */
export const toV10Reply = (reply: unknown, method: string) =>
  convertReply(reply, (result) => toV10Result(result, method), toV10Error);
export const toV03Reply = (reply: unknown, method: string) =>
  convertReply(reply, (result) => toV03Result(result, method), toV03Error);
