// Requests of A2A v0.3 ⇄ v1.0 (chapter 20 §1.4). Unknown methods pass through in both directions.

import { isObject, type Json } from '../json.ts';
import { toV03Message, toV03PushConfig, toV10Message, toV10PushConfig } from './parts.ts';

export type Version = '0.3' | '1.0';

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

const isPascalCase = (method: unknown) => typeof method === 'string' && /^[A-Z]/.test(method);

/** The version replies are given in: what the header says, else what the method's spelling says. */
export function readCallerVersion(body: Json, versionHeader: string | undefined): Version {
  return /^1(\.|$)/.test(versionHeader ?? '') || isPascalCase(body.method) ? '1.0' : '0.3';
}

/** True for requests to convert; an upper-case role alone is enough. */
export function usesV10(body: Json, callerVersion: Version): boolean {
  if (callerVersion === '1.0') return true;
  const message = isObject(body.params) ? body.params.message : undefined;
  return isObject(message) && String(message.role ?? '').startsWith('ROLE_');
}

function toV03Configuration({ returnImmediately, taskPushNotificationConfig, ...configuration }: Json): Json {
  return {
    ...configuration,
    ...(returnImmediately === undefined ? {} : { blocking: !returnImmediately }),
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

function toV10Params(method: unknown, params: Json): Json {
  switch (method) {
    case 'tasks/pushNotificationConfig/set':
      return toV10PushConfig(params);
    case 'tasks/pushNotificationConfig/get':
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
