// One attempt to deliver a message, and everything that can come of it. Never retries and never waits beyond the call.

import { ApiError, type Client, readError, type WorkspaceView } from '@molecule/contract';
import { describeFailedReply, extractText, resultOf } from '@molecule/server/messaging/reply';
import type { Target } from '../environment.ts';
import { CommandError, EXIT } from '../failure.ts';
import { curlCommand, logsCommand } from '../shell.ts';
import { createStreamedReply, isObject, listFiles, type ReplyFile, readFrames } from './reply.ts';

export interface Message {
  workspace: WorkspaceView;
  /** The same for every attempt, so that what was delivered is not run twice. */
  messageId: string;
  text: string;
}

export type Outcome =
  | { is: 'answered'; text: string; files: ReplyFile[] }
  /** Stored behind others; `place` counts from 1. */
  | { is: 'queued'; queueId: string; place: number }
  /** Stored in the inbox of an agent that polls. */
  | { is: 'inbox'; activityId: string }
  /** Not delivered: the agent comes back by itself. */
  | { is: 'away'; why: 'restarting' | 'waking' | 'starting'; retryAfterSeconds: number }
  /** Delivered as far as anyone knows, and no answer came. */
  | { is: 'open'; why: string };

const RETRY_SECONDS = 15;

/** Why an answer is none, best in the agent's last words: what it streamed before stands on the terminal already. */
function describeFailure(reply: unknown): string | null {
  const failure = describeFailedReply(reply);
  const result = resultOf(reply);
  const status = isObject(result) && isObject(result.status) ? result.status : {};
  return failure === null ? null : extractText(status.message) || failure;
}

/** @throws CommandError for an answer that is none. */
export function readReply(reply: unknown, { workspace }: Message, streamed = ''): Outcome {
  const failure = describeFailure(reply);
  if (failure !== null)
    throw new CommandError(
      `${workspace.name} failed on this message: ${failure}`,
      logsCommand(workspace),
      EXIT.failed,
      'agent_failed',
    );
  const result = resultOf(reply);
  return { is: 'answered', text: streamed || extractText(result), files: listFiles(result) };
}

function canStream({ agent_card: card }: WorkspaceView): boolean {
  return isObject(card) && isObject(card.capabilities) && card.capabilities.streaming === true;
}

const isTimeout = (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError';

async function takeStream(response: Response, message: Message, onText: (text: string) => void): Promise<Outcome> {
  const reply = createStreamedReply();
  try {
    for await (const frame of readFrames(response.body as ReadableStream<Uint8Array>)) {
      const added = reply.add(frame);
      if (added !== '') onText(added);
    }
  } catch (error) {
    return { is: 'open', why: isTimeout(error) ? 'no answer in time' : 'the connection broke before the end' };
  }
  const whole = reply.whole();
  if (whole === null) return { is: 'open', why: 'the answer ended early' };
  return readReply(whole, message, reply.text());
}

async function takeJson(response: Response, message: Message): Promise<Outcome> {
  const body = (await response.json()) as Record<string, unknown>;
  if (body.queued === true) return { is: 'queued', queueId: String(body.queue_id), place: Number(body.queue_depth) };
  if (body.status === 'queued') return { is: 'inbox', activityId: String(body.activity_id) };
  return readReply(body, message);
}

function explainBudget({ workspace }: Message, target: Target, error: ApiError): CommandError {
  const command = curlCommand(target, 'PATCH', `/workspaces/${workspace.id}/budget`, { budget_limit: null });
  return new CommandError(
    `${workspace.name} has spent its budget, so the message was not sent`,
    `raise its limit in the canvas, or lift it: ${command}`,
    EXIT.failed,
    error.code,
  );
}

/** Codes after which the agent's own log says more than the code. */
const AGENT_CODES = new Set<string>([
  'agent_error',
  'agent_no_url',
  'agent_unreachable',
  'agent_response_unreadable',
  'agent_response_too_large',
]);

function takeRefusal(error: ApiError, message: Message, target: Target): Outcome {
  const { workspace } = message;
  const { restarting, waking, status } = error.body;
  const retryAfterSeconds = error.retryAfterSeconds ?? RETRY_SECONDS;
  if (restarting === true) return { is: 'away', why: 'restarting', retryAfterSeconds };
  if (waking === true) return { is: 'away', why: 'waking', retryAfterSeconds };
  // It has an address from the moment it is started, and listens a moment later.
  if ((error.code === 'agent_no_url' || error.code === 'agent_unreachable') && status === 'provisioning')
    return { is: 'away', why: 'starting', retryAfterSeconds };
  if (error.code === 'timeout') return { is: 'open', why: 'no answer in time' };
  if (error.code === 'network')
    throw new CommandError(
      'the platform went away before the answer came; the message may not have arrived',
      'molecule status; then send it again',
      EXIT.unreachable,
      error.code,
    );
  if (error.code === 'budget_exceeded') throw explainBudget(message, target, error);
  if (AGENT_CODES.has(error.code)) {
    const state = typeof status === 'string' ? ` (it is ${status})` : '';
    const hint = logsCommand(workspace);
    throw new CommandError(`${workspace.name}: ${error.message}${state}`, hint, EXIT.failed, error.code);
  }
  throw error;
}

/** @throws CommandError, or ApiError for a refusal that says everything itself. */
export async function deliver(
  message: Message,
  {
    client,
    target,
    timeoutMs,
    onText,
  }: { client: Client; target: Target; timeoutMs: number; onText(text: string): void },
): Promise<Outcome> {
  const { workspace, messageId, text } = message;
  const streams = canStream(workspace);
  try {
    const response = await client.raw('POST', `/workspaces/${workspace.id}/a2a`, {
      headers: {
        'content-type': 'application/json',
        ...(streams ? { accept: 'text/event-stream, application/json' } : {}),
      },
      timeoutMs,
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: messageId,
        method: streams ? 'message/stream' : 'message/send',
        params: { message: { role: 'user', messageId, parts: [{ kind: 'text', text }] } },
      }),
    });
    if (!response.ok) throw await readError(response);
    const isStream = response.headers.get('content-type')?.includes('text/event-stream') === true;
    return isStream ? await takeStream(response, message, onText) : await takeJson(response, message);
  } catch (error) {
    if (isTimeout(error)) return { is: 'open', why: 'no answer in time' };
    if (error instanceof ApiError) return takeRefusal(error, message, target);
    throw error;
  }
}
