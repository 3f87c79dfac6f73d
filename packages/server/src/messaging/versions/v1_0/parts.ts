// Messages, parts, artifacts and tasks of A2A v0.3 ⇄ v1.0, both ways (chapter 20 §1.4). v1.0 JSON is ProtoJSON: no `kind`,
// upper-case roles and states. Unknown fields pass through, so nothing an agent says is lost on the way.

import { isObject, type Json } from '../../json.ts';

const mapItems = (items: unknown, convert: (item: Json) => unknown): unknown =>
  Array.isArray(items) ? items.map((item) => (isObject(item) ? convert(item) : item)) : items;

/** Replaces those of these fields that are there. */
function withFields(value: Json, fields: Record<string, (field: unknown) => unknown>): Json {
  const changed = Object.entries(fields).flatMap(([name, convert]) =>
    name in value ? [[name, convert(value[name])]] : [],
  );
  return { ...value, ...Object.fromEntries(changed) };
}

const ROLES: Record<string, string> = { user: 'ROLE_USER', agent: 'ROLE_AGENT' };
const STATES = [
  'submitted',
  'working',
  'completed',
  'failed',
  'canceled',
  'input-required',
  'rejected',
  'auth-required',
];
const toConstant = (state: string) => `TASK_STATE_${state.toUpperCase().replaceAll('-', '_')}`;

const invert = (table: Record<string, string>) => Object.fromEntries(Object.entries(table).map(([a, b]) => [b, a]));
const TO_V10_STATE: Record<string, string> = {
  unknown: 'TASK_STATE_UNSPECIFIED',
  ...Object.fromEntries(STATES.map((state) => [state, toConstant(state)])),
};
const TO_V03_STATE = invert(TO_V10_STATE);
const TO_V03_ROLE = invert(ROLES);

/** A word neither version knows is passed on. */
const translate = (table: Record<string, string>) => (word: unknown) => table[String(word)] ?? word;

/** The SDK's own mark of a v1.0 data part that is no object, which v0.3 cannot say. */
const WRAPPED_DATA = 'data_part_compat';

function toV03Part(part: Json): Json {
  if (typeof part.kind === 'string' || typeof part.type === 'string') return part;
  if ('url' in part || 'raw' in part) {
    const { url, raw, filename, mediaType, ...rest } = part;
    const file = {
      ...(url === undefined ? { bytes: raw } : { uri: url }),
      ...(filename === undefined ? {} : { name: filename }),
      ...(mediaType === undefined ? {} : { mimeType: mediaType }),
    };
    return { ...rest, kind: 'file', file };
  }
  if (typeof part.text === 'string') return { ...part, kind: 'text' };
  if (!('data' in part)) return part;
  if (isObject(part.data)) return { ...part, kind: 'data' };
  const metadata = isObject(part.metadata) ? part.metadata : {};
  return { ...part, kind: 'data', data: { value: part.data }, metadata: { ...metadata, [WRAPPED_DATA]: true } };
}

function toV10Part({ kind: _kind, type: _type, ...part }: Json): Json {
  if (isObject(part.file)) {
    const { file: _file, ...rest } = part;
    const { uri, bytes, name, mimeType } = part.file;
    return {
      ...rest,
      ...(uri === undefined ? { raw: bytes } : { url: uri }),
      ...(name === undefined ? {} : { filename: name }),
      ...(mimeType === undefined ? {} : { mediaType: mimeType }),
    };
  }
  if (!isObject(part.metadata) || part.metadata[WRAPPED_DATA] !== true || !isObject(part.data)) return part;
  const { [WRAPPED_DATA]: _mark, ...metadata } = part.metadata;
  const { metadata: _metadata, ...rest } = part;
  return { ...rest, data: part.data.value, ...(Object.keys(metadata).length > 0 ? { metadata } : {}) };
}

const toV03Parts = (parts: unknown) => mapItems(parts, toV03Part);
const toV10Parts = (parts: unknown) => mapItems(parts, toV10Part);

export function toV03Message(message: Json): Json {
  return { kind: 'message', ...withFields(message, { role: translate(TO_V03_ROLE), parts: toV03Parts }) };
}

export function toV10Message({ kind: _kind, ...message }: Json): Json {
  return withFields(message, { role: translate(ROLES), parts: toV10Parts });
}

const messageOf = (convert: (message: Json) => Json) => (message: unknown) =>
  isObject(message) ? convert(message) : message;

/** ProtoJSON leaves out what is at its default; v0.3 wants a state. */
export const toV03Status = (status: unknown): Json => ({
  state: 'unknown',
  ...(isObject(status) ? withFields(status, { state: translate(TO_V03_STATE), message: messageOf(toV03Message) }) : {}),
});

export const toV10Status = (status: unknown): unknown =>
  isObject(status) ? withFields(status, { state: translate(TO_V10_STATE), message: messageOf(toV10Message) }) : status;

export const toV03Artifact = (artifact: unknown): unknown =>
  isObject(artifact) ? { parts: [], ...withFields(artifact, { parts: toV03Parts }) } : artifact;

export const toV10Artifact = (artifact: unknown): unknown =>
  isObject(artifact) ? withFields(artifact, { parts: toV10Parts }) : artifact;

export function toV03Task(task: Json): Json {
  return {
    kind: 'task',
    ...withFields(task, {
      artifacts: (artifacts) => mapItems(artifacts, toV03Artifact),
      history: (history) => mapItems(history, toV03Message),
    }),
    status: toV03Status(task.status),
  };
}

export function toV10Task({ kind: _kind, ...task }: Json): Json {
  return withFields(task, {
    status: toV10Status,
    artifacts: (artifacts) => mapItems(artifacts, toV10Artifact),
    history: (history) => mapItems(history, toV10Message),
  });
}

/** v0.3 nests the config under the task's id and allows several schemes; v1.0 is flat and has one. */
export function toV03PushConfig({ taskId, ...config }: Json): Json {
  const pushNotificationConfig = withFields(config, { authentication: toV03Authentication });
  return { ...(taskId === undefined ? {} : { taskId }), pushNotificationConfig };
}

export function toV10PushConfig({ taskId, pushNotificationConfig }: Json): Json {
  const config = isObject(pushNotificationConfig) ? pushNotificationConfig : {};
  return {
    ...(taskId === undefined ? {} : { taskId }),
    ...withFields(config, { authentication: toV10Authentication }),
  };
}

function toV03Authentication(authentication: unknown): unknown {
  if (!isObject(authentication)) return authentication;
  const { scheme, ...rest } = authentication;
  return { ...rest, schemes: scheme ? [scheme] : [] };
}

function toV10Authentication(authentication: unknown): unknown {
  if (!isObject(authentication)) return authentication;
  const { schemes, ...rest } = authentication;
  return { ...rest, scheme: Array.isArray(schemes) ? (schemes[0] ?? '') : '' };
}
