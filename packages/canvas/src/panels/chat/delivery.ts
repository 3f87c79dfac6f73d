// Sending: a message is shown at once, delivered by stream or by call, and every outcome is a state of its bubble.

import { ApiError, readA2aStream, readError } from '@molecule/contract';
import { api } from '../../app/api.ts';
import { dropWorkspace, getWorkspace } from '../../live/index.ts';
import { newId, toast } from '../../ui/index.ts';
import { readReply } from './a2a-shapes.ts';
import { changeConversation, clearFeed, readSlice } from './conversations.ts';
import { explainFailure } from './failures.ts';
import { applyFrame } from './stream.ts';
import {
  answerTurn,
  beginTurn,
  breakOff,
  type ChatFile,
  findTurn,
  setTurnState,
  type TurnState,
  toHistory,
} from './turns.ts';

const CALL_TIMEOUT_MS = 120_000;
const STREAM_TIMEOUT_MS = 1_800_000;
const RETRY_SECONDS = 15;
const NO_ANSWER = 'No answer yet. The agent may still be working.';
const NOT_REACHED = 'The platform was not reached, so this may not have arrived.';
const ENDED_EARLY = 'The stream ended early. The agent may still be working.';

interface Delivery {
  /** Workspace. */
  id: string;
  /** Message id: the same for every attempt, so that what was delivered is not run twice. */
  key: string;
  text: string;
  files: readonly ChatFile[];
  mayRetry: boolean;
}

type Send = (headers?: Record<string, string>) => Promise<Response>;

// A page that goes away aborts its requests; that says nothing about whether the platform was reached.
let isLeaving = false;
addEventListener('pagehide', () => {
  isLeaving = true;
});
addEventListener('pageshow', () => {
  isLeaving = false;
});

const now = () => new Date().toISOString();

function setState({ id, key }: Delivery, state: TurnState): void {
  changeConversation(id, (conversation) => setTurnState(conversation, key, state));
}

function canStream(id: string): boolean {
  const card = getWorkspace(id)?.agent_card as { capabilities?: { streaming?: unknown } } | null;
  return card?.capabilities?.streaming === true;
}

/** Whether the rest of its answer is still wanted from the stream: another way may have told it meanwhile. */
function isWaiting({ id, key }: Delivery): boolean {
  const state = findTurn(readSlice(id).conversation, key)?.state;
  return !isLeaving && (state?.is === 'streaming' || state?.is === 'sending');
}

/** @param send the request of this delivery, once more. */
async function takeStream(delivery: Delivery, response: Response, send: Send): Promise<void> {
  const { id, key, mayRetry } = delivery;
  await readA2aStream(response, {
    onFrame: (frame) => changeConversation(id, (conversation) => applyFrame(conversation, key, frame, now())),
    resume: (lastEventId) => send({ 'last-event-id': lastEventId }),
    mayResume: () => isWaiting(delivery),
  });
  if (!isWaiting(delivery)) return;
  // Nothing was said yet, so the agent went before it answered; its restart is waited for like a refusal that says so.
  const state = findTurn(readSlice(id).conversation, key)?.state;
  const hasSpoken = state?.is === 'streaming' && state.text !== '';
  if (mayRetry && !hasSpoken) return retryLater(delivery, RETRY_SECONDS, 'Restarting');
  changeConversation(id, (conversation) => breakOff(conversation, key, ENDED_EARLY, now()));
}

async function takeReply(delivery: Delivery, response: Response): Promise<void> {
  const { id, key } = delivery;
  const body = (await response.json()) as Record<string, unknown>;
  if (response.status === 202 && body.queued)
    return setState(delivery, {
      is: 'queued',
      queueId: String(body.queue_id),
      place: Number(body.queue_depth),
      injectedAt: null,
    });
  if (body.status === 'queued' && body.delivery_mode === 'poll')
    return setState(delivery, { is: 'inbox', injectedAt: null, answeredAt: null });
  const refusal = body.error as { message?: string } | undefined;
  if (refusal) return setState(delivery, explainFailure(refusal.message ?? ''));
  const reply = readReply(body, now(), null);
  if (reply) changeConversation(id, (conversation) => answerTurn(conversation, key, reply));
  else setState(delivery, { is: 'open', why: NO_ANSWER });
}

/** A restart or a wake-up is waited for once, with the same message id. */
async function retryLater(delivery: Delivery, seconds: number, why: string): Promise<void> {
  setState(delivery, { is: 'retrying', at: Date.now() + seconds * 1000, why });
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const isWanted = findTurn(readSlice(delivery.id).conversation, delivery.key)?.state.is === 'retrying';
  if (isWanted) await deliver({ ...delivery, mayRetry: false });
}

async function takeRefusal(delivery: Delivery, error: unknown): Promise<void> {
  if (isLeaving) return;
  const failure = error instanceof ApiError ? error : null;
  if (failure && delivery.mayRetry && (failure.body.restarting || failure.body.waking))
    return retryLater(
      delivery,
      failure.retryAfterSeconds ?? RETRY_SECONDS,
      failure.body.waking ? 'Waking up' : 'Restarting',
    );
  if (failure?.code === 'network') return setState(delivery, { is: 'open', why: NOT_REACHED });
  if (!failure || failure.code === 'timeout') return setState(delivery, { is: 'open', why: NO_ANSWER });
  const retryAt = failure.retryAfterSeconds === null ? null : Date.now() + failure.retryAfterSeconds * 1000;
  setState(delivery, explainFailure(failure.message, { status: failure.status, code: failure.code, retryAt }));
  if (failure.status !== 404 && failure.status !== 410) return;
  const name = getWorkspace(delivery.id)?.name ?? 'The workspace';
  toast.error(`${name} does not exist any more. Not delivered: “${delivery.text.slice(0, 200)}”`);
  dropWorkspace(delivery.id);
}

function toParts({ text, files }: Delivery): object[] {
  const said = text === '' ? [] : [{ kind: 'text', text }];
  return [...said, ...files.map((file) => ({ kind: 'file', file }))];
}

/** Never rejects: every outcome is a state. */
async function deliver(delivery: Delivery): Promise<void> {
  const { id, key } = delivery;
  const streams = canStream(id);
  const history = toHistory(readSlice(id).conversation, key);
  const body = {
    jsonrpc: '2.0',
    id: key,
    method: streams ? 'message/stream' : 'message/send',
    params: { message: { role: 'user', messageId: key, parts: toParts(delivery) }, metadata: { history } },
  };
  const send: Send = (headers) =>
    api.raw('POST', `/workspaces/${encodeURIComponent(id)}/a2a`, {
      headers: {
        'content-type': 'application/json',
        ...(streams ? { accept: 'text/event-stream, application/json' } : {}),
        ...headers,
      },
      timeoutMs: streams ? STREAM_TIMEOUT_MS : CALL_TIMEOUT_MS,
      body: JSON.stringify(body),
    });
  try {
    const response = await send();
    if (!response.ok) throw await readError(response);
    const isStream = (response.headers.get('content-type') ?? '').includes('text/event-stream');
    await (isStream ? takeStream(delivery, response, send) : takeReply(delivery, response));
  } catch (error) {
    await takeRefusal(delivery, error);
  }
}

function begin(id: string, message: { key: string; text: string; files: readonly ChatFile[] }): void {
  clearFeed(id);
  changeConversation(id, (conversation) =>
    beginTurn(conversation, { ...message, files: [...message.files], at: now() }),
  );
  void deliver({ id, ...message, mayRetry: true });
}

/** @param files what was uploaded for it. */
export function sendMessage(id: string, text: string, files: readonly ChatFile[] = []): void {
  begin(id, { key: newId(), text, files });
}

/** The same message again, under the same id. */
export function resendMessage(id: string, key: string): void {
  const user = findTurn(readSlice(id).conversation, key)?.user;
  if (user) begin(id, { key, text: user.text, files: user.files });
}

/** Ends a running turn. @throws when the platform or the agent refuses. */
export async function stopTurn(id: string, taskId: string): Promise<void> {
  const response = await api.raw('POST', `/workspaces/${encodeURIComponent(id)}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: newId(), method: 'tasks/cancel', params: { id: taskId } }),
  });
  if (!response.ok) throw await readError(response);
  const { error } = (await response.json()) as { error?: { message?: string } };
  if (error) throw new Error(error.message ?? 'refused by the agent');
}
