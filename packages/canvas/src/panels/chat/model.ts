// A conversation as data: activity rows, live events and what this browser sends, folded into turns. Pure; owns no I/O.

import type { ActivityRow, EventFrame } from '@molecule/contract';

export interface ChatFile {
  uri: string;
  name: string;
  mimeType?: string;
  size?: number;
}

export interface TraceStep {
  tool: string;
  input: string;
  output_preview: string;
  ms: number;
  ok: boolean;
}

export interface AgentReply {
  text: string;
  files: ChatFile[];
  at: string;
  durationMs: number | null;
  trace: TraceStep[];
}

/** Where a message stands; each is shown in words, and a typed message never disappears. */
export type TurnState =
  | { is: 'sending' }
  | { is: 'streaming'; text: string; taskId: string | null }
  | { is: 'queued'; queueId: string; place: number }
  | { is: 'inbox'; injectedAt: string | null; answeredAt: string | null }
  | { is: 'retrying'; at: number; why: string }
  | { is: 'open'; why: string }
  | { is: 'answered' }
  | { is: 'failed'; title: string; hint: string; fix: 'retry' | 'restart' | 'budget' | 'add-key' | null };

export interface Turn {
  /** Message id, else the row's id. */
  key: string;
  /** What the person said; null for an agent that speaks by itself. */
  user: { text: string; files: ChatFile[]; at: string } | null;
  reply: AgentReply | null;
  state: TurnState;
  /** A schedule, channel or webhook spoke, not the person. */
  origin: string | null;
  activityId: string | null;
  startedAt: string;
}

export interface DelegationBox {
  id: string;
  targetId: string;
  task: string;
  status: string;
  response: string;
  error: string;
  at: string;
}

export interface Conversation {
  turns: Turn[];
  delegations: DelegationBox[];
}

export const EMPTY_CONVERSATION: Conversation = { turns: [], delegations: [] };

const SAME_TEXT_MS = 5_000;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const kindOf = (part: Json) => part.kind ?? part.type;

function listParts(carrier: unknown): Json[] {
  if (!isObject(carrier)) return [];
  const own = Array.isArray(carrier.parts) ? carrier.parts.filter(isObject) : [];
  const artifacts = Array.isArray(carrier.artifacts) ? carrier.artifacts.flatMap(listParts) : [];
  if (own.length + artifacts.length > 0) return [...own, ...artifacts];
  return isObject(carrier.status) ? listParts(carrier.status.message) : [];
}

/** All text parts and artifact texts, joined with newlines. */
export function readText(carrier: unknown): string {
  if (typeof carrier === 'string') return carrier;
  return listParts(carrier)
    .filter((part) => kindOf(part) === 'text' && typeof part.text === 'string')
    .map((part) => part.text as string)
    .join('\n');
}

export function readFiles(carrier: unknown): ChatFile[] {
  return listParts(carrier).flatMap((part) => {
    const file = kindOf(part) === 'file' && isObject(part.file) ? part.file : null;
    if (!file || typeof file.uri !== 'string' || file.uri === '') return [];
    return [
      {
        uri: file.uri,
        name: typeof file.name === 'string' && file.name ? file.name : 'file',
        ...(typeof file.mimeType === 'string' ? { mimeType: file.mimeType } : {}),
        ...(typeof file.size === 'number' ? { size: file.size } : {}),
      },
    ];
  });
}

function readTrace(trace: unknown): TraceStep[] {
  if (!Array.isArray(trace)) return [];
  return trace.filter(isObject).map((step) => ({
    tool: String(step.tool ?? ''),
    input: typeof step.input === 'string' ? step.input : JSON.stringify(step.input ?? ''),
    output_preview: String(step.output_preview ?? ''),
    ms: Number(step.ms ?? 0),
    ok: step.ok !== false,
  }));
}

/** The result inside a JSON-RPC reply; notify rows carry their text as `result` itself. */
export function readReply(body: unknown, at: string, durationMs: number | null, trace: unknown): AgentReply | null {
  if (!isObject(body)) return null;
  const result = body.result ?? (body.error ? null : body);
  const text = readText(result);
  const files = [...readFiles(result), ...(typeof result === 'string' ? readFiles({ parts: body.parts }) : [])];
  if (text === '' && files.length === 0) return null;
  return { text, files, at, durationMs, trace: readTrace(trace) };
}

function isHidden(row: Pick<ActivityRow, 'method' | 'request_body'>): boolean {
  if (row.method === 'chat_upload_receive' || row.method === 'delegate_result') return true;
  const message = readMessage(row.request_body);
  return isObject(message?.metadata) && message.metadata.internal !== undefined;
}

function readMessage(body: unknown): Json | null {
  const params = isObject(body) && isObject(body.params) ? body.params : null;
  return params && isObject(params.message) ? params.message : null;
}

/** What a failed row says to a person. */
export function explainFailure(detail: string, status = 0): Extract<TurnState, { is: 'failed' }> {
  const failed = (title: string, hint: string, fix: Extract<TurnState, { is: 'failed' }>['fix']) => ({
    is: 'failed' as const,
    title,
    hint,
    fix,
  });
  if (status === 402 || /budget/i.test(detail))
    return failed('Budget reached', 'The agent takes no calls until its limit is raised.', 'budget');
  if (/API_KEY|api key|auth_failed/i.test(detail))
    return failed(detail, 'Connect a model, then send it again.', 'add-key');
  if (/unreachable|refused|offline|failed to reach|no URL/i.test(detail))
    return failed(detail, 'The agent does not answer at its address.', 'restart');
  return failed(detail || 'No detail reported', 'Nothing was answered.', 'retry');
}

function turnFromRow(row: ActivityRow): Turn | null {
  if (isHidden(row)) return null;
  const message = readMessage(row.request_body);
  const reply = readReply(row.response_body, row.created_at, row.duration_ms, row.tool_trace);
  const started = new Date(Date.parse(row.created_at) - (row.duration_ms ?? 0)).toISOString();
  const base = { activityId: row.id, origin: row.origin ?? null, startedAt: started };
  if (row.method === 'notify' || !message)
    return reply ? { ...base, key: row.id, user: null, reply, state: { is: 'answered' } } : null;
  const user = { text: readText(message), files: readFiles(message), at: row.created_at };
  const key = typeof message.messageId === 'string' ? message.messageId : row.id;
  const state: TurnState =
    row.status === 'error'
      ? explainFailure(row.error_detail ?? '')
      : reply
        ? { is: 'answered' }
        : row.accepted_at
          ? { is: 'inbox', injectedAt: row.injected_at ?? null, answeredAt: row.answered_at ?? null }
          : { is: 'answered' };
  return { ...base, key, user, reply, state };
}

function delegationFromRow(row: ActivityRow): DelegationBox | null {
  const request = isObject(row.request_body) ? row.request_body : {};
  const response = isObject(row.response_body) ? row.response_body : {};
  const id = String(request.delegation_id ?? response.delegation_id ?? '');
  if (id === '' || !row.target_id) return null;
  return {
    id,
    targetId: row.target_id,
    task: String(request.task ?? ''),
    status: row.status,
    response: String(response.text ?? ''),
    error: row.error_detail ?? '',
    at: row.created_at,
  };
}

/** Both rows of one delegation are one box: the task from the first, the answer from the second. */
function mergeDelegation(boxes: DelegationBox[], next: Partial<DelegationBox> & { id: string }): DelegationBox[] {
  const known = boxes.find((box) => box.id === next.id);
  if (!known)
    return [
      ...boxes,
      { targetId: '', task: '', status: 'pending', response: '', error: '', at: new Date().toISOString(), ...next },
    ];
  const filled = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== '' && value !== undefined));
  const settled = known.status === 'completed' || known.status === 'failed';
  return boxes.map((box) =>
    box.id === next.id
      ? {
          ...box,
          ...filled,
          at: box.at,
          status:
            settled && next.status !== 'completed' && next.status !== 'failed'
              ? box.status
              : (next.status ?? box.status),
        }
      : box,
  );
}

function upsertTurn(turns: Turn[], turn: Turn): Turn[] {
  const index = turns.findIndex(
    (known) => known.key === turn.key || (turn.activityId !== null && known.activityId === turn.activityId),
  );
  if (index < 0) return [...turns, turn].sort((a, b) => a.startedAt.localeCompare(b.startedAt));
  const known = turns[index] as Turn;
  // The message as it was typed stays; the row adds what became of it.
  const merged: Turn = {
    ...known,
    activityId: turn.activityId ?? known.activityId,
    reply: turn.reply ?? known.reply,
    state: turn.reply || turn.state.is === 'failed' ? turn.state : known.state,
  };
  return turns.with(index, merged);
}

/** Rows as the platform lists them, in any order; existing turns that are still under way are kept. */
export function applyRows(conversation: Conversation, rows: readonly ActivityRow[]): Conversation {
  let { turns, delegations } = conversation;
  for (const row of [...rows].sort((a, b) => a.created_at.localeCompare(b.created_at))) {
    if (row.activity_type === 'delegation') {
      const box = delegationFromRow(row);
      if (box) delegations = mergeDelegation(delegations, box);
      continue;
    }
    const turn = turnFromRow(row);
    if (turn && row.activity_type === 'a2a_receive' && row.source_id === null) turns = upsertTurn(turns, turn);
  }
  return { turns, delegations };
}

export function beginTurn(
  conversation: Conversation,
  message: { key: string; text: string; at: string },
): Conversation {
  const turn: Turn = {
    key: message.key,
    user: { text: message.text, files: [], at: message.at },
    reply: null,
    state: { is: 'sending' },
    origin: null,
    activityId: null,
    startedAt: message.at,
  };
  const known = conversation.turns.some((one) => one.key === message.key);
  return {
    ...conversation,
    turns: known
      ? conversation.turns.map((one) => (one.key === message.key ? { ...one, state: { is: 'sending' } } : one))
      : [...conversation.turns, turn],
  };
}

export function setTurnState(conversation: Conversation, key: string, state: TurnState): Conversation {
  // What has been answered stays answered, whatever a late outcome says.
  return {
    ...conversation,
    turns: conversation.turns.map((turn) =>
      turn.key === key && turn.state.is !== 'answered' ? { ...turn, state } : turn,
    ),
  };
}

export function answerTurn(
  conversation: Conversation,
  key: string,
  reply: AgentReply,
  activityId: string | null = null,
): Conversation {
  return {
    ...conversation,
    turns: conversation.turns.map((turn) =>
      turn.key === key
        ? {
            ...turn,
            reply:
              turn.reply && turn.reply.text.length >= reply.text.length
                ? {
                    ...turn.reply,
                    durationMs: turn.reply.durationMs ?? reply.durationMs,
                    trace: turn.reply.trace.length > 0 ? turn.reply.trace : reply.trace,
                  }
                : reply,
            state: { is: 'answered' },
            activityId: activityId ?? turn.activityId,
          }
        : turn,
    ),
  };
}

/** One A2A stream frame (v0.3 vocabulary): status, artifact chunk, message or task. */
export function applyFrame(conversation: Conversation, key: string, frame: unknown, at: string): Conversation {
  const result = isObject(frame) ? frame.result : null;
  if (isObject(frame) && isObject(frame.error))
    return setTurnState(conversation, key, explainFailure(String(frame.error.message ?? '')));
  if (!isObject(result)) return conversation;
  const turn = conversation.turns.find((one) => one.key === key);
  if (!turn) return conversation;
  const stream = turn.state.is === 'streaming' ? turn.state : { is: 'streaming' as const, text: '', taskId: null };
  const taskId =
    typeof result.taskId === 'string'
      ? result.taskId
      : result.kind === 'task' && typeof result.id === 'string'
        ? result.id
        : stream.taskId;
  switch (result.kind) {
    case 'artifact-update': {
      const chunk = readText(result.artifact);
      return setTurnState(conversation, key, {
        is: 'streaming',
        text: result.append === true ? stream.text + chunk : joinBlocks(stream.text, chunk),
        taskId,
      });
    }
    case 'status-update':
      return result.final === true
        ? finishStream(conversation, turn, result, stream.text, at)
        : setTurnState(conversation, key, { ...stream, taskId });
    case 'message':
      return answerTurn(
        conversation,
        key,
        readReply({ result }, at, null, isObject(result.metadata) ? result.metadata.tool_trace : null) ??
          emptyReply(at),
      );
    case 'task':
      return setTurnState(conversation, key, { ...stream, taskId });
    default:
      return conversation;
  }
}

const joinBlocks = (before: string, next: string) => (before === '' ? next : `${before}\n\n${next}`);
const emptyReply = (at: string): AgentReply => ({
  text: '(no response generated)',
  files: [],
  at,
  durationMs: null,
  trace: [],
});

function finishStream(
  conversation: Conversation,
  turn: Turn,
  result: Json,
  streamed: string,
  at: string,
): Conversation {
  const status = isObject(result.status) ? result.status : {};
  const said = isObject(status.message) ? status.message : null;
  const text = streamed || readText(said);
  if (status.state === 'canceled')
    return answerTurn(conversation, turn.key, {
      ...emptyReply(at),
      text: streamed ? `${streamed}\n\n*Stopped.*` : '*Stopped.*',
    });
  if (status.state === 'failed') return setTurnState(conversation, turn.key, explainFailure(text));
  const duration = Date.parse(at) - Date.parse(turn.startedAt);
  const trace = isObject(said?.metadata) ? said.metadata.tool_trace : null;
  return answerTurn(conversation, turn.key, {
    text: text || '(no response generated)',
    files: readFiles(said),
    at,
    durationMs: duration,
    trace: readTrace(trace),
  });
}

/** A live event of this workspace. */
export function applyEvent(conversation: Conversation, frame: EventFrame): Conversation {
  switch (frame.event) {
    case 'A2A_RESPONSE': {
      const { message_id: key, response_body: body, duration_ms: duration, activity_id: activityId } = frame.payload;
      const trace = isObject(frame.payload) ? frame.payload.tool_trace : null;
      const reply = key ? readReply(body, frame.timestamp, duration, trace) : null;
      return key && reply ? answerTurn(conversation, key, reply, activityId ?? null) : conversation;
    }
    case 'AGENT_MESSAGE':
      return addAgentMessage(conversation, frame.payload, frame.timestamp);
    case 'ACTIVITY_LOGGED':
      return applyRows(conversation, [toRow(frame)]);
    case 'RECEIPT_UPDATED':
      return applyReceipt(conversation, frame.payload);
    case 'DELEGATION_SENT':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        task: frame.payload.task_preview,
        status: 'pending',
        at: frame.timestamp,
      });
    case 'DELEGATION_STATUS':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        status: frame.payload.status,
      });
    case 'DELEGATION_COMPLETE':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        status: 'completed',
        response: frame.payload.response_preview,
      });
    case 'DELEGATION_FAILED':
      return withDelegation(conversation, {
        id: frame.payload.delegation_id,
        targetId: frame.payload.target_id,
        status: 'failed',
        error: frame.payload.error,
      });
    default:
      return conversation;
  }
}

const withDelegation = (conversation: Conversation, box: Partial<DelegationBox> & { id: string }): Conversation => ({
  ...conversation,
  delegations: mergeDelegation(conversation.delegations, box),
});

function toRow(frame: Extract<EventFrame, { event: 'ACTIVITY_LOGGED' }>): ActivityRow {
  return {
    request_body: null,
    response_body: null,
    ...frame.payload,
    workspace_id: frame.workspace_id,
    created_at: typeof frame.payload.created_at === 'string' ? frame.payload.created_at : frame.timestamp,
    method: frame.payload.method ?? null,
    summary: frame.payload.summary ?? null,
    duration_ms: frame.payload.duration_ms ?? null,
    error_detail: frame.payload.error_detail ?? null,
    origin: frame.payload.origin ?? undefined,
  } as ActivityRow;
}

/** Text or a usable attachment is needed; the same words twice within five seconds are one message. */
function addAgentMessage(conversation: Conversation, payload: Json, at: string): Conversation {
  const text = typeof payload.message === 'string' ? payload.message : '';
  const files = Array.isArray(payload.attachments)
    ? payload.attachments
        .filter(isObject)
        .flatMap((file) =>
          typeof file.uri === 'string' && file.uri && typeof file.name === 'string' && file.name
            ? [{ uri: file.uri, name: file.name }]
            : [],
        )
    : [];
  if (text === '' && files.length === 0) return conversation;
  const activityId = typeof payload.activity_id === 'string' ? payload.activity_id : null;
  const twice = conversation.turns.some(
    (turn) =>
      (activityId !== null && turn.activityId === activityId) ||
      (turn.user === null &&
        turn.reply?.text === text &&
        Math.abs(Date.parse(turn.reply.at) - Date.parse(at)) < SAME_TEXT_MS),
  );
  if (twice) return conversation;
  const turn: Turn = {
    key: activityId ?? `said-${at}`,
    user: null,
    reply: { text, files, at, durationMs: null, trace: [] },
    state: { is: 'answered' },
    origin: null,
    activityId,
    startedAt: at,
  };
  return { ...conversation, turns: [...conversation.turns, turn] };
}

function applyReceipt(conversation: Conversation, payload: Json): Conversation {
  return {
    ...conversation,
    turns: conversation.turns.map((turn) => {
      if (turn.state.is !== 'inbox' || (turn.key !== payload.message_id && turn.activityId !== payload.activity_id))
        return turn;
      return {
        ...turn,
        state: {
          is: 'inbox',
          injectedAt: (payload.injected_at as string) ?? turn.state.injectedAt,
          answeredAt: (payload.answered_at as string) ?? turn.state.answeredAt,
        },
      };
    }),
  };
}

/** Delegations that were handed out during a turn. */
export function delegationsOf(conversation: Conversation, turn: Turn, next: Turn | undefined): DelegationBox[] {
  const from = Date.parse(turn.startedAt) - 500;
  const until = next ? Date.parse(next.startedAt) - 500 : Number.POSITIVE_INFINITY;
  return conversation.delegations.filter((box) => Date.parse(box.at) >= from && Date.parse(box.at) < until);
}

/** The last twenty things said, for agents without a memory of their own. */
export function toHistory(
  conversation: Conversation,
): { role: 'user' | 'agent'; parts: { kind: 'text'; text: string }[] }[] {
  return conversation.turns
    .flatMap((turn) => [
      ...(turn.user?.text ? [{ role: 'user' as const, parts: [{ kind: 'text' as const, text: turn.user.text }] }] : []),
      ...(turn.reply?.text
        ? [{ role: 'agent' as const, parts: [{ kind: 'text' as const, text: turn.reply.text }] }]
        : []),
    ])
    .slice(-20);
}
