// A conversation as data: turns, and the changes every source of news shares. Pure; owns no I/O and no wire shape.

import type { Origin } from './origins.ts';

export interface ChatFile {
  uri: string;
  name: string;
  mimeType?: string;
  /** Bytes. */
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

export interface Failure {
  is: 'failed';
  title: string;
  hint: string;
  fix: 'restart' | 'budget' | 'add-key' | null;
  /** When sending it again is worth it (ms since the epoch); null: at once. */
  retryAt: number | null;
}

/** Where a message stands; each is shown in words, and a typed message never disappears. */
export type TurnState =
  | { is: 'sending' }
  | { is: 'streaming'; text: string; taskId: string | null }
  | { is: 'queued'; queueId: string; place: number; injectedAt: string | null }
  | { is: 'inbox'; injectedAt: string | null; answeredAt: string | null }
  | { is: 'retrying'; at: number; why: string }
  | { is: 'open'; why: string }
  | { is: 'answered' }
  | Failure;

export interface Turn {
  /** Message id, else the row's id. */
  key: string;
  /** What the person said; null for an agent that speaks by itself. */
  user: { text: string; files: ChatFile[]; at: string } | null;
  reply: AgentReply | null;
  state: TurnState;
  /** A schedule, channel or webhook spoke, not the person. */
  origin: Origin | null;
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
  /** When it was handed out. */
  at: string;
  pickedUpAt: string | null;
  endedAt: string | null;
}

export interface Conversation {
  turns: readonly Turn[];
  delegations: readonly DelegationBox[];
}

export const EMPTY_CONVERSATION: Conversation = { turns: [], delegations: [] };

/** The same words twice within this time are one message, however they came. */
const SAME_TEXT_MS = 5_000;

/** Whether this browser still waits for the outcome of a request of its own. */
export function isRunning(turn: Turn): boolean {
  return turn.state.is === 'sending' || turn.state.is === 'streaming' || turn.state.is === 'retrying';
}

export function findTurn(conversation: Conversation, key: string): Turn | undefined {
  return conversation.turns.find((turn) => turn.key === key);
}

export function isSameMessage(reply: AgentReply | null, text: string, at: string): boolean {
  return reply !== null && reply.text === text && Math.abs(Date.parse(reply.at) - Date.parse(at)) < SAME_TEXT_MS;
}

function changeTurn(conversation: Conversation, key: string, change: (turn: Turn) => Turn): Conversation {
  return { ...conversation, turns: conversation.turns.map((turn) => (turn.key === key ? change(turn) : turn)) };
}

/** The person's message, at once; sending one again keeps its place. */
export function beginTurn(
  conversation: Conversation,
  message: { key: string; text: string; files?: ChatFile[]; at: string },
): Conversation {
  if (findTurn(conversation, message.key))
    return changeTurn(conversation, message.key, (turn) => ({ ...turn, state: { is: 'sending' } }));
  const turn: Turn = {
    key: message.key,
    user: { text: message.text, files: message.files ?? [], at: message.at },
    reply: null,
    state: { is: 'sending' },
    origin: null,
    activityId: null,
    startedAt: message.at,
  };
  return { ...conversation, turns: [...conversation.turns, turn] };
}

/** Who has left the line lets those behind it move up. */
function closeRanks(before: readonly Turn[], key: string, after: readonly Turn[]): readonly Turn[] {
  const left = before.find((turn) => turn.key === key)?.state;
  if (left?.is !== 'queued' || after.find((turn) => turn.key === key)?.state.is === 'queued') return after;
  return after.map((turn) =>
    turn.state.is === 'queued' && turn.state.place > left.place
      ? { ...turn, state: { ...turn.state, place: turn.state.place - 1 } }
      : turn,
  );
}

/** What has been answered stays answered, whatever a late outcome says. */
export function setTurnState(conversation: Conversation, key: string, state: TurnState): Conversation {
  const changed = changeTurn(conversation, key, (turn) => (turn.state.is === 'answered' ? turn : { ...turn, state }));
  return { ...changed, turns: closeRanks(conversation.turns, key, changed.turns) };
}

/** What stands for a reply without words. */
export const NO_RESPONSE = '(no response generated)';
const wordsIn = ({ text }: AgentReply) => (text === NO_RESPONSE ? 0 : text.length);

/** Whichever of two reports of one reply is longer has the words; each fills what the other lacks. */
function mergeReply(known: AgentReply | null, next: AgentReply, at: string): AgentReply {
  if (!known) return next;
  const words = wordsIn(known) > wordsIn(next) ? known : next;
  return {
    text: words.text,
    files: next.files.length > 0 ? next.files : known.files,
    at,
    durationMs: known.durationMs ?? next.durationMs,
    trace: next.trace.length > 0 ? next.trace : known.trace,
  };
}

/** The reply of a message, by HTTP, stream or event; an agent that also said it by itself said it once. */
export function answerTurn(
  conversation: Conversation,
  key: string,
  reply: AgentReply,
  activityId: string | null = null,
): Conversation {
  const answered = changeTurn(conversation, key, (turn) => ({
    ...turn,
    // A row's time is the one that a reload shows, so nothing that comes after it changes it.
    reply: mergeReply(turn.reply, reply, turn.activityId && turn.reply ? turn.reply.at : reply.at),
    state: { is: 'answered' },
    activityId: activityId ?? turn.activityId,
  }));
  return {
    ...answered,
    turns: closeRanks(conversation.turns, key, answered.turns).filter(
      (turn) => turn.user !== null || !isSameMessage(turn.reply, reply.text, reply.at),
    ),
  };
}

/** An agent that answered and also said the same by itself said it once: the answer stays. */
function addTurn(turns: readonly Turn[], turn: Turn): readonly Turn[] {
  const { reply } = turn;
  const isEcho = (other: Turn) => reply !== null && isSameMessage(other.reply, reply.text, reply.at);
  if (turn.user === null && turns.some(isEcho)) return turns;
  const others = turn.user === null ? turns : turns.filter((other) => other.user !== null || !isEcho(other));
  return [...others, turn].sort((a, b) => a.startedAt.localeCompare(b.startedAt));
}

/** A stream that broke: what was said so far stays, and the message is open. */
export function breakOff(conversation: Conversation, key: string, why: string, at: string): Conversation {
  return changeTurn(conversation, key, (turn) => {
    if (turn.state.is === 'answered') return turn;
    const text = turn.state.is === 'streaming' ? turn.state.text : '';
    const said = text === '' ? turn.reply : { text, files: [], at, durationMs: null, trace: [] };
    return { ...turn, reply: said, state: { is: 'open', why } };
  });
}

/** A stored turn over what is known of it: the words as typed stay, the row adds its times and what came of it. */
export function upsertTurn(turns: readonly Turn[], turn: Turn): readonly Turn[] {
  const index = turns.findIndex(
    (known) => known.key === turn.key || (turn.activityId !== null && known.activityId === turn.activityId),
  );
  const known = turns[index];
  if (!known) return addTurn(turns, turn);
  // The row of a refused attempt must not end a turn this browser is about to repeat.
  if (turn.state.is === 'failed' && (isRunning(known) || known.state.is === 'answered')) return turns;
  const user = known.user && turn.user ? { ...known.user, at: turn.user.at } : known.user;
  const next = turns.with(index, {
    ...known,
    user,
    activityId: turn.activityId ?? known.activityId,
    reply: turn.reply ? mergeReply(known.reply, turn.reply, turn.reply.at) : known.reply,
    state: settle(known, turn),
  });
  return closeRanks(turns, known.key, next);
}

function settle(known: Turn, row: Turn): TurnState {
  // The refusal itself said more than the row of it: its code, and when to try again.
  if (row.state.is === 'failed' && known.state.is === 'failed') return known.state;
  if (row.reply || row.state.is === 'failed' || row.state.is === 'inbox') return row.state;
  return known.state.is === 'open' ? row.state : known.state;
}

/** The last twenty things said, for agents without a memory of their own. */
export function toHistory(
  conversation: Conversation,
  exceptKey: string,
): { role: 'user' | 'agent'; parts: { kind: 'text'; text: string }[] }[] {
  return conversation.turns
    .filter((turn) => turn.key !== exceptKey)
    .flatMap((turn) => [
      ...(turn.user?.text ? [{ role: 'user' as const, parts: [{ kind: 'text' as const, text: turn.user.text }] }] : []),
      ...(turn.reply?.text
        ? [{ role: 'agent' as const, parts: [{ kind: 'text' as const, text: turn.reply.text }] }]
        : []),
    ])
    .slice(-20);
}
