// Replies and stream frames for callers that use names from before v0.3 (chapter 20 §1.4). The old names are put beside those of
// v0.3, never in their place: one reply serves the readers of `id`, `sessionId` and `type` and those of `taskId` and `kind`.

import { isObject, type Json } from '../../json.ts';

const mapItems = (items: unknown, convert: (item: Json) => Json): unknown =>
  Array.isArray(items) ? items.map((item) => (isObject(item) ? convert(item) : item)) : items;

const withType = (part: Json): Json => (typeof part.kind === 'string' ? { type: part.kind, ...part } : part);

const withParts = (carrier: Json): Json =>
  'parts' in carrier ? { ...carrier, parts: mapItems(carrier.parts, withType) } : carrier;

const withStatus = (status: unknown): unknown =>
  isObject(status) && isObject(status.message) ? { ...status, message: withParts(status.message) } : status;

/** v0.1 knew tasks alone, so a message is also the task it completed. */
function fromMessage(message: Json): Json {
  const said = withParts(message);
  const task = { id: message.taskId ?? message.messageId, sessionId: message.contextId };
  return { ...said, ...task, status: { state: 'completed', message: said }, final: true };
}

/**
 * One per call: frames name an artifact by its place in the task.
 * @returns what turns a canonical v0.3 reply or frame into one of v0.2.
 */
export function createV02Replies(): (reply: unknown) => unknown {
  const places = new Map<unknown, number>();

  function placeOf({ artifactId }: Json): number {
    const place = places.get(artifactId) ?? places.size;
    places.set(artifactId, place);
    return place;
  }

  const withIndex = (artifact: Json): Json => ({ index: placeOf(artifact), ...withParts(artifact) });

  function fromTask(task: Json): Json {
    return {
      ...task,
      sessionId: task.contextId,
      status: withStatus(task.status),
      ...('artifacts' in task ? { artifacts: mapItems(task.artifacts, withIndex) } : {}),
      ...('history' in task ? { history: mapItems(task.history, withParts) } : {}),
    };
  }

  function fromArtifactUpdate({ artifact, append, lastChunk, ...update }: Json): Json {
    const chunk = { ...(append === undefined ? {} : { append }), ...(lastChunk === undefined ? {} : { lastChunk }) };
    return {
      ...update,
      ...chunk,
      id: update.taskId,
      artifact: isObject(artifact) ? { ...withIndex(artifact), ...chunk } : artifact,
    };
  }

  function fromResult(result: Json): Json {
    if ('pushNotificationConfig' in result) return { ...result, id: result.taskId };
    if (Array.isArray(result.tasks)) return { ...result, tasks: mapItems(result.tasks, fromTask) };
    switch (result.kind) {
      case 'message':
        return fromMessage(result);
      case 'task':
        return fromTask(result);
      case 'status-update':
        return { ...result, id: result.taskId, status: withStatus(result.status) };
      case 'artifact-update':
        return fromArtifactUpdate(result);
      default:
        return result;
    }
  }

  return (reply) => {
    if (!isObject(reply) || !('result' in reply)) return reply;
    const { result } = reply;
    if (Array.isArray(result)) return { ...reply, result: mapItems(result, fromResult) };
    return isObject(result) ? { ...reply, result: fromResult(result) } : reply;
  };
}
