// JSON-RPC errors of A2A v0.3 ⇄ v1.0 (chapter 20 §1.4). The codes are the same; v0.3 says in `data` what it likes, v1.0 a list of
// google.rpc details, the first of which names the code. What one version says and the other has no word for is kept.

import { isObject, type Json } from '../../json.ts';

const DOMAIN = 'a2a-protocol.org';
const TYPE = 'type.googleapis.com/';
const ERROR_INFO = `${TYPE}google.rpc.ErrorInfo`;
const BAD_REQUEST = `${TYPE}google.rpc.BadRequest`;
/** How ProtoJSON packs a value that has no type of its own. */
const STRUCT = `${TYPE}google.protobuf.Struct`;
const VALUE = `${TYPE}google.protobuf.Value`;

const REASONS: Record<number, string> = {
  [-32602]: 'INVALID_PARAMS',
  [-32001]: 'TASK_NOT_FOUND',
  [-32002]: 'TASK_NOT_CANCELABLE',
  [-32003]: 'PUSH_NOTIFICATION_NOT_SUPPORTED',
  [-32004]: 'UNSUPPORTED_OPERATION',
  [-32005]: 'CONTENT_TYPE_NOT_SUPPORTED',
  [-32006]: 'INVALID_AGENT_RESPONSE',
  [-32007]: 'EXTENDED_AGENT_CARD_NOT_CONFIGURED',
  [-32008]: 'EXTENSION_SUPPORT_REQUIRED',
  [-32009]: 'VERSION_NOT_SUPPORTED',
};

const isDetail = (value: unknown): value is Json => isObject(value) && typeof value['@type'] === 'string';
const isDetails = (data: unknown): data is Json[] => Array.isArray(data) && data.length > 0 && data.every(isDetail);

function describeData(data: unknown, message: unknown): Json[] {
  if (data === undefined || data === null) return [];
  if (isDetails(data)) return data;
  if (!isObject(data)) return [{ '@type': VALUE, value: data }];
  const { field, ...rest } = data;
  if (typeof field === 'string' && Object.keys(rest).length === 0)
    return [{ '@type': BAD_REQUEST, fieldViolations: [{ field, description: message }] }];
  return [{ '@type': STRUCT, value: data }];
}

/** @param error the `error` of a v0.3 reply. */
export function toV10Error({ data, ...error }: Json): Json {
  const details = describeData(data, error.message);
  const reason = REASONS[Number(error.code)];
  const isNamed = details.some((detail) => detail['@type'] === ERROR_INFO);
  const named = reason && !isNamed ? [{ '@type': ERROR_INFO, reason, domain: DOMAIN }, ...details] : details;
  return { ...error, ...(named.length > 0 ? { data: named } : {}) };
}

/** @param error the `error` of a v1.0 reply. */
export function toV03Error({ data, ...error }: Json): Json {
  if (data === undefined) return error;
  if (!isDetails(data)) return { ...error, data };
  const packed = data.find((detail) => detail['@type'] === STRUCT || detail['@type'] === VALUE);
  if (packed) return { ...error, data: packed.value };
  const [first, ...others] = data;
  const saysOnlyTheCode =
    others.length === 0 && first?.reason === REASONS[Number(error.code)] && first?.metadata === undefined;
  return saysOnlyTheCode ? error : { ...error, data };
}
