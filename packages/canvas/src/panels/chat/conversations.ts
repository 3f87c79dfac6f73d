// The conversations of this browser tab, one per workspace: loaded once, kept live, sent from here. React only reads.

import { type ActivityRow, ApiError, readError } from '@molecule/contract';
import { create } from 'zustand';
import { api } from '../../app/api.ts';
import { dropWorkspace, getWorkspace, onEvent } from '../../live/index.ts';
import * as model from './model.ts';

const SEND_TIMEOUT_MS = 120_000;
const PAGE = 50;

export interface ChatSlice {
  conversation: model.Conversation;
  loading: boolean;
  error: string | null;
}

const EMPTY: ChatSlice = { conversation: model.EMPTY_CONVERSATION, loading: true, error: null };

const useStore = create<Record<string, ChatSlice>>(() => ({}));

const slice = (id: string): ChatSlice => useStore.getState()[id] ?? EMPTY;

function patch(id: string, change: Partial<ChatSlice>): void {
  useStore.setState({ [id]: { ...slice(id), ...change } });
}

function change(id: string, apply: (conversation: model.Conversation) => model.Conversation): void {
  patch(id, { conversation: apply(slice(id).conversation) });
}

export function useConversation(id: string): ChatSlice {
  return useStore((state) => state[id] ?? EMPTY);
}

/** Reads history; turns that are under way here stay. */
export async function loadConversation(id: string): Promise<void> {
  patch(id, { error: null });
  try {
    const [said, delegated] = await Promise.all([
      api.listActivity({ params: { id }, query: { type: 'a2a_receive', source: 'canvas', limit: PAGE } }),
      api.listActivity({ params: { id }, query: { type: 'delegation', limit: PAGE } }),
    ]);
    change(id, (conversation) => model.applyRows(conversation, [...said, ...delegated] as ActivityRow[]));
    patch(id, { loading: false });
  } catch (error) {
    patch(id, { loading: false, error: (error as Error).message });
  }
}

/** Keeps every conversation that was opened up to date. */
onEvent((frame) => {
  if (frame.event === 'RESYNC_REQUIRED')
    return void Promise.all(Object.keys(useStore.getState()).map(loadConversation));
  if (useStore.getState()[frame.workspace_id])
    change(frame.workspace_id, (conversation) => model.applyEvent(conversation, frame));
});

function streams(id: string): boolean {
  const card = getWorkspace(id)?.agent_card as { capabilities?: { streaming?: unknown } } | null;
  return card?.capabilities?.streaming === true;
}

/** Frames of an event stream, as they arrive. */
async function readStream(response: Response, onFrame: (frame: unknown) => void): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return;
    pending += value;
    const frames = pending.split(/\r?\n\r?\n/);
    pending = frames.pop() ?? '';
    for (const text of frames) {
      const data = text
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trim())
        .join('\n');
      if (data) onFrame(JSON.parse(data));
    }
  }
}

async function settleResponse(id: string, key: string, response: Response): Promise<void> {
  const now = () => new Date().toISOString();
  if ((response.headers.get('content-type') ?? '').includes('text/event-stream')) {
    await readStream(response, (frame) =>
      change(id, (conversation) => model.applyFrame(conversation, key, frame, now())),
    );
    const turn = slice(id).conversation.turns.find((one) => one.key === key);
    if (turn?.state.is === 'streaming')
      change(id, (conversation) =>
        model.setTurnState(conversation, key, {
          is: 'open',
          why: 'The stream ended early. The agent may still be working.',
        }),
      );
    return;
  }
  const body = (await response.json()) as Record<string, unknown>;
  if (response.status === 202 && body.queued)
    return change(id, (conversation) =>
      model.setTurnState(conversation, key, {
        is: 'queued',
        queueId: String(body.queue_id),
        place: Number(body.queue_depth),
      }),
    );
  if (body.status === 'queued' && body.delivery_mode === 'poll')
    return change(id, (conversation) =>
      model.setTurnState(conversation, key, { is: 'inbox', injectedAt: null, answeredAt: null }),
    );
  const rpcError = body.error as { message?: string } | undefined;
  if (rpcError)
    return change(id, (conversation) =>
      model.setTurnState(conversation, key, model.explainFailure(rpcError.message ?? '')),
    );
  const result = body.result as
    | { metadata?: { tool_trace?: unknown }; status?: { message?: { metadata?: { tool_trace?: unknown } } } }
    | undefined;
  const trace = result?.metadata?.tool_trace ?? result?.status?.message?.metadata?.tool_trace;
  const reply = model.readReply(body, now(), null, trace);
  if (reply) change(id, (conversation) => model.answerTurn(conversation, key, reply));
}

/** A refusal in words; a restart or a wake-up is waited for once, with the same message id. */
async function settleError(id: string, key: string, text: string, error: unknown, mayRetry: boolean): Promise<void> {
  const failure = error instanceof ApiError ? error : null;
  if (failure && (failure.body.restarting || failure.body.waking) && mayRetry) {
    const seconds = failure.retryAfterSeconds ?? 15;
    change(id, (conversation) =>
      model.setTurnState(conversation, key, {
        is: 'retrying',
        at: Date.now() + seconds * 1000,
        why: failure.body.waking ? 'Waking up' : 'Restarting',
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const turn = slice(id).conversation.turns.find((one) => one.key === key);
    if (turn?.state.is === 'retrying') await deliver(id, key, text, false);
    return;
  }
  if (failure?.code === 'timeout' || failure?.code === 'network' || !failure) {
    return change(id, (conversation) =>
      model.setTurnState(conversation, key, { is: 'open', why: 'No answer yet. The agent may still be working.' }),
    );
  }
  if (failure.status === 404 || failure.status === 410) dropWorkspace(id);
  change(id, (conversation) =>
    model.setTurnState(conversation, key, model.explainFailure(failure.message, failure.status)),
  );
}

async function deliver(id: string, key: string, text: string, mayRetry = true): Promise<void> {
  const streaming = streams(id);
  const history = model.toHistory({
    ...slice(id).conversation,
    turns: slice(id).conversation.turns.filter((turn) => turn.key !== key),
  });
  try {
    const response = await api.raw('POST', `/workspaces/${encodeURIComponent(id)}/a2a`, {
      headers: {
        'content-type': 'application/json',
        ...(streaming ? { accept: 'text/event-stream, application/json' } : {}),
      },
      timeoutMs: streaming ? 1_800_000 : SEND_TIMEOUT_MS,
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: key,
        method: streaming ? 'message/stream' : 'message/send',
        params: { message: { role: 'user', messageId: key, parts: [{ kind: 'text', text }] }, metadata: { history } },
      }),
    });
    if (!response.ok) throw await readError(response);
    await settleResponse(id, key, response);
  } catch (error) {
    await settleError(id, key, text, error, mayRetry);
  }
}

/** Shows the message at once and delivers it; never rejects, because every outcome is a state of its bubble. */
export function sendMessage(id: string, text: string): void {
  const key = crypto.randomUUID();
  change(id, (conversation) => model.beginTurn(conversation, { key, text, at: new Date().toISOString() }));
  void deliver(id, key, text);
}

/** The same message again, under the same id: what was delivered is not run twice. */
export function resendMessage(id: string, key: string): void {
  const turn = slice(id).conversation.turns.find((one) => one.key === key);
  if (!turn?.user) return;
  change(id, (conversation) => model.beginTurn(conversation, { key, text: turn.user?.text ?? '', at: turn.startedAt }));
  void deliver(id, key, turn.user.text);
}

export async function stopTurn(id: string, taskId: string): Promise<void> {
  const response = await api.raw('POST', `/workspaces/${encodeURIComponent(id)}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: crypto.randomUUID(), method: 'tasks/cancel', params: { id: taskId } }),
  });
  if (!response.ok) throw await readError(response);
}
