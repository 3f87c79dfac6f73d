// A2A v1.0 ⇄ the canonical v0.3 (chapter 20 §1.4). v1.0 JSON is ProtoJSON: no `kind`, upper-case roles and states.

type Json = Record<string, unknown>;

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

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A PascalCase method, an upper-case role or the version header says so. */
export function usesV10(body: Json, versionHeader: string | undefined): boolean {
  if (versionHeader?.startsWith('1')) return true;
  if (/^[A-Z]/.test(String(body.method ?? ''))) return true;
  const message = isObject(body.params) ? body.params.message : undefined;
  return isObject(message) && String(message.role ?? '').startsWith('ROLE_');
}

function toV03Part(part: unknown): unknown {
  if (!isObject(part) || typeof part.kind === 'string' || typeof part.type === 'string') return part;
  const { url, raw, filename, mediaType, ...rest } = part;
  if (url === undefined && raw === undefined) return part;
  const file = {
    ...(url === undefined ? { bytes: raw } : { uri: url }),
    ...(filename === undefined ? {} : { name: filename }),
    ...(mediaType === undefined ? {} : { mimeType: mediaType }),
  };
  return { ...rest, kind: 'file', file };
}

function toV03Message(message: unknown): unknown {
  if (!isObject(message)) return message;
  const role = { ROLE_USER: 'user', ROLE_AGENT: 'agent' }[String(message.role)] ?? message.role;
  return { ...message, role, ...(Array.isArray(message.parts) ? { parts: message.parts.map(toV03Part) } : {}) };
}

export function toV03Request(body: Json): Json {
  const method = METHODS[String(body.method)] ?? body.method;
  if (!isObject(body.params)) return { ...body, method };
  const { configuration, message, ...params } = body.params;
  const settings = isObject(configuration) ? configuration : null;
  const { returnImmediately, ...kept } = settings ?? {};
  const converted = returnImmediately === undefined ? kept : { ...kept, blocking: !returnImmediately };
  return {
    ...body,
    method,
    params: {
      ...params,
      ...(message === undefined ? {} : { message: toV03Message(message) }),
      ...(settings ? { configuration: converted } : {}),
    },
  };
}

const STATES: Record<string, string> = { unknown: 'TASK_STATE_UNSPECIFIED' };
const toState = (state: unknown) =>
  STATES[String(state)] ?? `TASK_STATE_${String(state).toUpperCase().replaceAll('-', '_')}`;

function toV10Part(part: unknown): unknown {
  if (!isObject(part)) return part;
  const { kind: _kind, type: _type, file, ...rest } = part;
  if (!isObject(file)) return rest;
  const { uri, bytes, name, mimeType } = file;
  return {
    ...rest,
    ...(uri === undefined ? { raw: bytes } : { url: uri }),
    ...(name === undefined ? {} : { filename: name }),
    ...(mimeType === undefined ? {} : { mediaType: mimeType }),
  };
}

function toV10Message(message: Json): Json {
  const { kind: _kind, role, parts, ...rest } = message;
  return {
    ...rest,
    role: role === 'user' ? 'ROLE_USER' : 'ROLE_AGENT',
    ...(Array.isArray(parts) ? { parts: parts.map(toV10Part) } : {}),
  };
}

function toV10Status(status: unknown): unknown {
  if (!isObject(status)) return status;
  return {
    ...status,
    state: toState(status.state),
    ...(isObject(status.message) ? { message: toV10Message(status.message) } : {}),
  };
}

const toV10Artifact = (artifact: unknown): unknown =>
  isObject(artifact) && Array.isArray(artifact.parts)
    ? { ...artifact, parts: artifact.parts.map(toV10Part) }
    : artifact;

function toV10Task(task: Json): Json {
  const { kind: _kind, status, artifacts, history, ...rest } = task;
  return {
    ...rest,
    status: toV10Status(status),
    ...(Array.isArray(artifacts) ? { artifacts: artifacts.map(toV10Artifact) } : {}),
    ...(Array.isArray(history)
      ? { history: history.map((message) => (isObject(message) ? toV10Message(message) : message)) }
      : {}),
  };
}

function toV10Result(result: unknown): unknown {
  if (!isObject(result)) return result;
  switch (result.kind) {
    case 'message':
      return { message: toV10Message(result) };
    case 'task':
      return { task: toV10Task(result) };
    case 'status-update': {
      const { kind: _kind, final: _final, status, ...rest } = result;
      return { statusUpdate: { ...rest, status: toV10Status(status) } };
    }
    case 'artifact-update': {
      const { kind: _kind, artifact, ...rest } = result;
      return { artifactUpdate: { ...rest, artifact: toV10Artifact(artifact) } };
    }
    default:
      return result;
  }
}

/** A v0.3 JSON-RPC reply or stream frame in the v1.0 vocabulary; errors keep their codes. */
export function toV10Reply(reply: unknown): unknown {
  return isObject(reply) && 'result' in reply ? { ...reply, result: toV10Result(reply.result) } : reply;
}
