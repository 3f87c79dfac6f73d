// What a repeat is told: the outcome of the first call, with the repeat's own envelope id and in its own version. Pure.

import type { Attempt, ProxyOutcome } from '../call.ts';
import { isObject, type Json } from '../json.ts';
import type { Known } from './store.ts';

/** Only a JSON-RPC envelope has an id of its own. */
function withIdOf({ normalized }: Attempt, reply: Json): Json {
  return 'jsonrpc' in reply ? { ...reply, id: normalized.body.id ?? null } : reply;
}

const bytesOf = (reply: unknown): Buffer =>
  reply === null ? Buffer.alloc(0) : Buffer.from(typeof reply === 'string' ? reply : JSON.stringify(reply));

/** What is stored of a message, as the outcome of a call. */
export function outcomeOf(known: Known, { normalized }: Attempt): ProxyOutcome {
  if (known.queueId !== null)
    return {
      kind: 'queued',
      body: {
        queued: true,
        queue_id: known.queueId,
        queue_depth: known.depth,
        message: 'the message is stored already and will be delivered',
      },
      normalized,
    };
  if (known.isInbox)
    return {
      kind: 'inbox',
      body: {
        status: 'queued',
        delivery_mode: 'poll',
        method: normalized.method,
        activity_id: known.activityId as string,
      },
      normalized,
    };
  return { kind: 'answered', status: 200, body: bytesOf(known.reply), reply: known.reply, normalized };
}

/** The outcome of the first call as this repeat of it gets it. */
export function toRepeat(outcome: ProxyOutcome, attempt: Attempt): ProxyOutcome {
  const { normalized, translation } = attempt;
  switch (outcome.kind) {
    case 'answered': {
      if (!isObject(outcome.reply)) return { ...outcome, normalized };
      const reply = withIdOf(attempt, outcome.reply);
      // The log does not say how the answer came, so whoever asks for a stream gets one.
      if (normalized.method === 'message/stream')
        return { kind: 'streamed', reply, broken: false, normalized, translation };
      return { ...outcome, reply, body: Buffer.from(JSON.stringify(translation.toCaller(reply))), normalized };
    }
    case 'streamed':
      return { ...outcome, reply: withIdOf(attempt, outcome.reply), normalized, translation };
    case 'rejected':
      return outcome;
    case 'queued':
    case 'inbox':
    case 'busy':
    case 'failed':
      return { ...outcome, normalized };
  }
}
