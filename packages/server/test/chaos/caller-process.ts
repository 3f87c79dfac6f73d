// A caller of a chaos run, as a process that may be killed: sends its conversations, repeats with the same id until each message is
// acknowledged, and notes that. Started again it goes on where its notes end.

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type AckLine, appendLine, readLines } from './journal.ts';
import { type CallerPlan, type Conversation, type PlannedMessage, textOf } from './plan.ts';

export interface CallerSettings {
  plan: CallerPlan;
  token: string;
  /** Addresses of the replicas; a repeat goes to the next one. */
  platforms: string[];
  acksPath: string;
}

/** Longer than a turn, shorter than anybody's patience: what was cut or stalls is repeated. */
const TIMEOUT_MS = 5_000;
const PAUSE_MS = 150;

const { plan, token, platforms, acksPath } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as CallerSettings;
const acknowledged = new Set(readLines<AckLine>(acksPath).map(({ name }) => name));
let turn = 0;

type Ack = Omit<AckLine, 'name'>;

async function post(path: string, body: unknown, accept: string): Promise<Response> {
  const base = platforms[turn++ % platforms.length];
  return await fetch(`${base}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

interface Reply {
  error?: unknown;
  queued?: boolean;
  queue_id?: string;
  delegation_id?: string;
  result?: { parts?: { text?: string }[]; status?: { state?: string; message?: { parts?: { text?: string }[] } } };
}

const said = ({ result }: Reply): string =>
  (result?.parts ?? result?.status?.message?.parts ?? []).map(({ text }) => text ?? '').join('');

/** The terminal frame of a stream; null when it broke off before that. */
function lastReply(stream: string): Reply | null {
  const frames = stream
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => JSON.parse(line.slice(5)) as Reply);
  const last = frames.at(-1);
  if (!last || last.error) return null;
  return last.result?.parts || last.result?.status?.state === 'completed' ? last : null;
}

async function readReply(response: Response): Promise<Reply | null> {
  const text = await response.text();
  return response.headers.get('content-type')?.includes('text/event-stream')
    ? lastReply(text)
    : (JSON.parse(text) as Reply);
}

/** Null: nobody knows, so it is repeated. */
function judge(status: number, reply: Reply | null): Ack | null {
  if (reply === null || status >= 500 || status === 429) return null;
  if (reply.queued) return { ack: 'accepted', detail: reply.queue_id ?? '' };
  if (reply.delegation_id) return { ack: 'accepted', detail: reply.delegation_id };
  if (status >= 400 || reply.error) return { ack: 'refused', detail: `${status} ${JSON.stringify(reply)}` };
  return { ack: 'answered', detail: said(reply) };
}

async function attempt({ targetId, contextId }: Conversation, planned: PlannedMessage): Promise<Ack | null> {
  const { id, kind } = planned;
  const message = { role: 'user', messageId: id, contextId, parts: [{ kind: 'text', text: textOf(planned) }] };
  const rpc = (method: string) => ({ jsonrpc: '2.0', id: `rpc-${turn}`, method, params: { message } });
  const response =
    kind === 'delegation'
      ? await post(
          `/workspaces/${plan.callerId}/delegate`,
          { target_id: targetId, task: textOf(planned), idempotency_key: id },
          'application/json',
        )
      : kind === 'stream'
        ? await post(`/workspaces/${targetId}/a2a`, rpc('message/stream'), 'text/event-stream')
        : await post(`/workspaces/${targetId}/a2a`, rpc('message/send'), 'application/json');
  return judge(response.status, await readReply(response));
}

async function sendUntilAcknowledged(conversation: Conversation, planned: PlannedMessage): Promise<void> {
  for (;;) {
    // Cut, stalled or refused by a platform that is down: whether it arrived nobody knows.
    const ack = await attempt(conversation, planned).catch(() => null);
    if (ack) return appendLine(acksPath, { name: planned.id, ...ack });
    await pause(PAUSE_MS);
  }
}

async function converse(conversation: Conversation): Promise<void> {
  for (const planned of conversation.messages)
    if (!acknowledged.has(planned.id)) await sendUntilAcknowledged(conversation, planned);
}

await Promise.all(plan.conversations.map(converse));
