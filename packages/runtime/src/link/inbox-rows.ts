// What the rows of a poll-mode inbox say (chapter 40 §12.1): which of them are messages, from whom, in which words. Pure.

export interface InboxRow {
  id: string;
  source_id: string | null;
  method: string | null;
  summary: string | null;
  status: string;
  request_body?: unknown;
  response_body?: unknown;
  error_detail?: string | null;
  /** Only rows that wait to be read carry it. */
  accepted_at?: string;
  injected_at?: string;
  answered_at?: string;
  created_at: string;
}

export type Json = Record<string, unknown>;

/** Who hears the answer: the person, a peer, or nobody. */
export type ReplyTo = { kind: 'user' } | { kind: 'peer'; id: string } | { kind: 'nobody' };

export interface InboxMessage {
  activityId: string;
  messageId: string;
  kind: 'canvas_user' | 'peer_agent';
  /** Null for a person or a part of the platform; the workspace itself for its own wake-ups. */
  peerId: string | null;
  text: string;
  parts: Json[];
  method: string;
  /** The task it belongs to, to be named by the answer. */
  delegationId: string | null;
  replyTo: ReplyTo;
  /** `params` of the A2A request. */
  params: Json;
  createdAt: string;
}

/** A finished delegation of this workspace's own. */
export interface InboxResult {
  activityId: string;
  delegationId: string;
  peerId: string;
  status: 'completed' | 'failed';
  text: string;
  error: string;
  summary: string;
  createdAt: string;
}

/** A file a person attached, which waits on the platform. */
export interface InboxUpload {
  activityId: string;
  fileId: string;
  name: string;
  size: number;
}

export type InboxItem =
  | { is: 'message'; message: InboxMessage }
  | { is: 'result'; result: InboxResult }
  | { is: 'upload'; upload: InboxUpload }
  | { is: 'nothing'; why: string };

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textIn = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const objectIn = (value: unknown): Json => (isObject(value) ? value : {});
const nothing = (why: string): InboxItem => ({ is: 'nothing', why });

/** Everything of the text parts, whichever way they are told apart. */
export function textOfParts(parts: readonly unknown[]): string {
  return parts
    .flatMap((part) => {
      const text = isObject(part) ? (objectIn(part.root).text ?? part.text) : part;
      return typeof text === 'string' ? [text] : [];
    })
    .join('\n');
}

function readUpload(row: InboxRow): InboxItem {
  const { file_id: fileId, name, size } = objectIn(row.request_body);
  if (typeof fileId !== 'string' || !/^[0-9a-f-]{36}$/i.test(fileId)) return nothing('an upload without an id');
  const upload = { activityId: row.id, fileId: fileId.toLowerCase(), name: textIn(name) ?? 'file', size: Number(size) };
  return { is: 'upload', upload };
}

function readResult(row: InboxRow): InboxItem {
  const { delegation_id: delegationId, text } = objectIn(row.response_body);
  // The platform writes the answer into the row; what a peer sends stands in the request.
  if (typeof delegationId !== 'string' || row.request_body) return nothing('a result that is not the platform’s own');
  return {
    is: 'result',
    result: {
      activityId: row.id,
      delegationId,
      peerId: row.source_id ?? '',
      status: row.status === 'ok' ? 'completed' : 'failed',
      text: textIn(text) ?? '',
      error: row.error_detail ?? '',
      summary: row.summary ?? '',
      createdAt: row.created_at,
    },
  };
}

function readMessage(row: InboxRow, selfId: string): InboxItem {
  const body = objectIn(row.request_body);
  const params = isObject(body.params) ? body.params : body;
  const message = isObject(params.message) ? params.message : params;
  if (/^tasks\//.test(row.method ?? '')) return nothing('a request about a task');
  const parts = Array.isArray(message.parts) ? message.parts.filter(isObject) : [];
  const metadata = { ...objectIn(params.metadata), ...objectIn(message.metadata) };
  const delegationId = textIn(metadata.delegation_id);
  const isAnswer = textIn(metadata.in_reply_to) !== null;
  const isOwn = row.source_id === selfId;
  if (isOwn && textIn(metadata.internal) === null) return nothing('its own words');
  // The answer to a delegation arrives as its result.
  if (isAnswer && delegationId !== null) return nothing('the answer of a delegation, told by its result');
  const messageId = textIn(message.messageId) ?? row.id;
  const text = textOfParts(parts) || (parts.length === 0 ? (row.summary ?? '') : '');
  const sender: ReplyTo = row.source_id === null ? { kind: 'user' } : { kind: 'peer', id: row.source_id };
  return {
    is: 'message',
    message: {
      activityId: row.id,
      messageId,
      kind: row.source_id === null ? 'canvas_user' : 'peer_agent',
      peerId: row.source_id,
      text,
      parts,
      method: row.method ?? '',
      delegationId,
      // Two agents that answered each other's answers would never stop.
      replyTo: isOwn || isAnswer ? { kind: 'nobody' } : sender,
      params: {
        ...(isObject(body.params) ? body.params : {}),
        message: {
          ...message,
          messageId,
          role: message.role ?? 'user',
          parts: parts.length > 0 ? parts : [{ kind: 'text', text }],
        },
      },
      createdAt: row.created_at,
    },
  };
}

/** What a row asks for. Calls that were answered as they came, and the agent's own notices, stand in the same list. */
export function readRow(row: InboxRow, selfId: string): InboxItem {
  if (row.method === 'chat_upload_receive') return readUpload(row);
  if (row.answered_at) return nothing('answered already');
  if (!row.accepted_at) return nothing('no message that waits');
  return row.method === 'delegate_result' ? readResult(row) : readMessage(row, selfId);
}
