// Requests of A2A v0.3 ⇄ v1.0 (chapter 20 §1.4). Unknown methods pass through in both directions.

import { isObject, type Json } from '../../json.ts';
import { toV03Message, toV03PushConfig, toV10Message, toV10PushConfig } from './parts.ts';

const METHODS: Record<string, string> = {
  SendMessage: 'message/send',
  SendStreamingMessage: 'message/stream',
  GetTask: 'tasks/get',
  ListTasks: 'tasks/list',
  CancelTask: 'tasks/cancel',
  SubscribeToTask: 'tasks/resubscribe',
  CreateTaskPushNotificationConfig: 'tasks/pushNotificationConfig/set',
  GetTaskPushNotificationConfig: 'tasks/pushNotificationConfig/get',
  ListTaskPushNotificationConfigs: 'tasks/pushNotificationConfig/list',
  DeleteTaskPushNotificationConfig: 'tasks/pushNotificationConfig/delete',
};
const V10_METHODS = Object.fromEntries(Object.entries(METHODS).map(([v10, v03]) => [v03, v10]));

/** v1.0 waits unless told otherwise; a v0.3 configuration that is silent leaves that to the agent. */
function toV03Configuration({ returnImmediately, taskPushNotificationConfig, ...configuration }: Json): Json {
  return {
    ...configuration,
    blocking: returnImmediately !== true,
    ...(isObject(taskPushNotificationConfig)
      ? { pushNotificationConfig: toV03PushConfig(taskPushNotificationConfig).pushNotificationConfig }
      : {}),
  };
}

function toV10Configuration({ blocking, pushNotificationConfig, ...configuration }: Json): Json {
  return {
    ...configuration,
    ...(blocking === undefined ? {} : { returnImmediately: !blocking }),
    ...(isObject(pushNotificationConfig)
      ? { taskPushNotificationConfig: toV10PushConfig({ pushNotificationConfig }) }
      : {}),
  };
}

function toV03Params(method: unknown, params: Json): Json {
  switch (method) {
    case 'tasks/pushNotificationConfig/set':
      return toV03PushConfig(params);
    case 'tasks/pushNotificationConfig/get':
    case 'tasks/pushNotificationConfig/list':
    case 'tasks/pushNotificationConfig/delete': {
      const { taskId, id, ...rest } = params;
      if (taskId === undefined) return params;
      return { ...rest, id: taskId, ...(id === undefined ? {} : { pushNotificationConfigId: id }) };
    }
    default: {
      const { message, configuration } = params;
      return {
        ...params,
        ...(isObject(message) ? { message: toV03Message(message) } : {}),
        ...(isObject(configuration) ? { configuration: toV03Configuration(configuration) } : {}),
      };
    }
  }
}

/** A push config that was given no name goes by the task's id: v0.3 lets it be left out, v1.0 does not. */
function toV10Params(method: unknown, params: Json): Json {
  switch (method) {
    case 'tasks/pushNotificationConfig/set':
      return { id: params.taskId, ...toV10PushConfig(params) };
    case 'tasks/pushNotificationConfig/get': {
      const { id, pushNotificationConfigId, ...rest } = params;
      return { ...rest, taskId: id, id: pushNotificationConfigId ?? id };
    }
    case 'tasks/pushNotificationConfig/list':
    case 'tasks/pushNotificationConfig/delete': {
      const { id, pushNotificationConfigId, ...rest } = params;
      return {
        ...rest,
        taskId: id,
        ...(pushNotificationConfigId === undefined ? {} : { id: pushNotificationConfigId }),
      };
    }
    default: {
      const { message, configuration } = params;
      return {
        ...params,
        ...(isObject(message) ? { message: toV10Message(message) } : {}),
        ...(isObject(configuration) ? { configuration: toV10Configuration(configuration) } : {}),
      };
    }
  }
}

export function toV03Request(body: Json): Json {
  const method = METHODS[String(body.method)] ?? body.method;
  return { ...body, method, ...(isObject(body.params) ? { params: toV03Params(method, body.params) } : {}) };
}

/** @param body a canonical v0.3 request. */
export function toV10Request(body: Json): Json {
  const method = V10_METHODS[String(body.method)] ?? body.method;
  return { ...body, method, ...(isObject(body.params) ? { params: toV10Params(body.method, body.params) } : {}) };
}
