// The conversations of this browser tab, one per workspace: loaded once, kept live. React only reads; delivery.ts writes.

import type { ActivityRow, EventFrame } from '@molecule/contract';
import { create } from 'zustand';
import { api } from '../../app/api.ts';
import { onEvent, useLive } from '../../live/index.ts';
import { explainFailure } from './failures.ts';
import { applyEvent } from './live.ts';
import { keepUnsettled, restoreUnsettled } from './outbox.ts';
import { applyRows } from './rows.ts';
import { type Conversation, EMPTY_CONVERSATION, isRunning, setTurnState, type Turn } from './turns.ts';

const PAGE = 50;
const MOST_FEED = 20;

export interface ChatSlice {
  conversation: Conversation;
  loading: boolean;
  error: string | null;
  /** Time of the oldest row read; null when there is nothing older. */
  olderThan: string | null;
  loadingOlder: boolean;
  /** What the agent reported since the running turn began, newest last. */
  feed: readonly string[];
}

const EMPTY: ChatSlice = {
  conversation: EMPTY_CONVERSATION,
  loading: true,
  error: null,
  olderThan: null,
  loadingOlder: false,
  feed: [],
};

const useStore = create<Record<string, ChatSlice>>(() => ({}));

export const readSlice = (id: string): ChatSlice => useStore.getState()[id] ?? EMPTY;

function patch(id: string, change: Partial<ChatSlice>): void {
  useStore.setState({ [id]: { ...readSlice(id), ...change } });
}

/** Every change of a conversation also keeps what is not answered yet. */
export function changeConversation(id: string, apply: (conversation: Conversation) => Conversation): void {
  const conversation = apply(readSlice(id).conversation);
  patch(id, { conversation });
  keepUnsettled(id, conversation);
}

export function clearFeed(id: string): void {
  patch(id, { feed: [] });
}

export function useConversation(id: string): ChatSlice {
  return useStore((state) => state[id] ?? EMPTY);
}

const listSaid = (id: string, before?: string) =>
  api.listActivity({
    params: { id },
    query: { type: 'a2a_receive', source: 'canvas', limit: PAGE, ...(before ? { before_ts: before } : {}) },
  });

/** A full page has older ones before it. */
const oldestOf = (rows: readonly ActivityRow[]) => (rows.length < PAGE ? null : (rows.at(-1)?.created_at ?? null));

/** Reads the newest page; what is under way here stays, what this browser kept comes back. */
export async function loadConversation(id: string): Promise<void> {
  patch(id, { error: null });
  try {
    const [said, delegated] = await Promise.all([
      listSaid(id),
      api.listActivity({ params: { id }, query: { type: 'delegation', limit: PAGE } }),
    ]);
    changeConversation(id, (conversation) => restoreUnsettled(id, applyRows(conversation, [...said, ...delegated])));
    patch(id, { loading: false, olderThan: oldestOf(said) });
    await settleQueued(id);
  } catch (error) {
    patch(id, { loading: false, error: (error as Error).message });
  }
}

/** One more page of history, before the oldest row known. */
export async function loadOlder(id: string): Promise<void> {
  const { olderThan, loadingOlder } = readSlice(id);
  if (!olderThan || loadingOlder) return;
  patch(id, { loadingOlder: true });
  try {
    const rows = await listSaid(id, olderThan);
    changeConversation(id, (conversation) => applyRows(conversation, rows));
    patch(id, { olderThan: oldestOf(rows), loadingOlder: false, error: null });
  } catch (error) {
    patch(id, { loadingOlder: false, error: (error as Error).message });
  }
}

/** News of a queued message may have been missed; its item says what became of it. */
async function settleQueued(id: string): Promise<void> {
  const isQueued = (turn: Turn) => turn.state.is === 'queued';
  for (const turn of readSlice(id).conversation.turns.filter(isQueued)) {
    if (turn.state.is !== 'queued') continue;
    const item = await api.getQueueItem({ params: { id, queueId: turn.state.queueId } });
    const state =
      item.status === 'failed' || item.status === 'dropped'
        ? explainFailure(item.last_error ?? 'The queue gave the message up')
        : { ...turn.state, injectedAt: item.injected_at };
    changeConversation(id, (conversation) => setTurnState(conversation, turn.key, state));
  }
}

const FEED_TYPES = new Set(['a2a_send', 'a2a_receive', 'task_update', 'agent_log']);

function feedLine(frame: EventFrame): string | null {
  if (frame.event === 'TASK_UPDATED') return frame.payload.current_task || null;
  if (frame.event === 'ACTIVITY_LOGGED' && FEED_TYPES.has(frame.payload.activity_type))
    return frame.payload.summary ?? null;
  return null;
}

function feed(id: string, frame: EventFrame): void {
  const slice = readSlice(id);
  const line = slice.conversation.turns.some(isRunning) ? feedLine(frame) : null;
  if (line === null || slice.feed.at(-1) === line) return;
  patch(id, { feed: [...slice.feed, line].slice(-MOST_FEED) });
}

const isCut = (payload: Record<string, unknown>) =>
  payload.request_body_truncated === true || payload.response_body_truncated === true;

const reloadAll = () => Promise.all(Object.keys(useStore.getState()).map(loadConversation));

onEvent((frame) => {
  if (frame.event === 'RESYNC_REQUIRED') void reloadAll();
  else if (useStore.getState()[frame.workspace_id]) {
    const id = frame.workspace_id;
    const now = readSlice(id).conversation;
    const next = applyEvent(now, frame);
    if (next !== now) changeConversation(id, () => next);
    feed(id, frame);
    // Bodies that are too long for an event are read with their row.
    if (frame.event === 'ACTIVITY_LOGGED' && isCut(frame.payload)) void loadConversation(id);
  }
});

// Replies are told once and never replayed: after a drop only the history has them.
useLive.subscribe(({ connection }, before) => {
  const wasDown = before.connection.state === 'reconnecting' || before.connection.state === 'offline';
  if (connection.state === 'live' && wasDown) void reloadAll();
});
