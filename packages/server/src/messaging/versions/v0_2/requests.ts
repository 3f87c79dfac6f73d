// Requests in the names A2A had before v0.3 → v0.3 (chapter 20 §1.4). v0.1 began tasks by an id of the client's own, in a session;
// since v0.2 the agent gives tasks their ids, so that id is not passed on: the reply names the task.

import { isObject, type Json } from '../../json.ts';

const METHODS: Record<string, string> = {
  'message/sendSubscribe': 'message/stream',
  'tasks/send': 'message/send',
  'tasks/sendSubscribe': 'message/stream',
  'tasks/pushNotification/set': 'tasks/pushNotificationConfig/set',
  'tasks/pushNotification/get': 'tasks/pushNotificationConfig/get',
};

export const isV02Method = (method: unknown): boolean => typeof method === 'string' && Object.hasOwn(METHODS, method);

/**
 * `tasks/send`: what is about the message goes into it, what is about the reply into the configuration. Its time knew no other
 * way than to wait for the task; a configuration that does not say so leaves that to the agent.
 */
function toV03Send({
  id: _id,
  sessionId,
  acceptedOutputModes,
  historyLength,
  pushNotification,
  ...params
}: Json): Json {
  const configuration = {
    blocking: true,
    ...(isObject(params.configuration) ? params.configuration : {}),
    ...(acceptedOutputModes === undefined ? {} : { acceptedOutputModes }),
    ...(historyLength === undefined ? {} : { historyLength }),
    ...(pushNotification === undefined ? {} : { pushNotificationConfig: pushNotification }),
  };
  const { message } = params;
  const inSession =
    isObject(message) && typeof sessionId === 'string' ? { message: { contextId: sessionId, ...message } } : {};
  return { ...params, ...inSession, configuration };
}

function toV03Params(method: string, params: Json): Json {
  switch (method) {
    case 'tasks/send':
    case 'tasks/sendSubscribe':
      return toV03Send(params);
    // A task had one config. It goes by the task's id, which is also what v0.3 takes for one without an id.
    case 'tasks/pushNotification/set': {
      const { id, pushNotificationConfig, ...rest } = params;
      const config = isObject(pushNotificationConfig) ? { id, ...pushNotificationConfig } : pushNotificationConfig;
      return { ...rest, taskId: id, pushNotificationConfig: config };
    }
    case 'tasks/pushNotification/get':
      return { ...params, pushNotificationConfigId: params.id };
    default:
      return params;
  }
}

/** @param body a request whose method is one of v0.2. */
export function toV03Request(body: Json): Json {
  const asked = String(body.method);
  return {
    ...body,
    method: METHODS[asked],
    ...(isObject(body.params) ? { params: toV03Params(asked, body.params) } : {}),
  };
}
