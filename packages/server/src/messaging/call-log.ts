// The activity row of a call, stored after its caller has the answer, and the news of it for a person's canvas (chapter 20 §1.11).

import { type Activity, type InsertedActivity, type NewActivity, truncate } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Attempt } from './call.ts';
import { extractToolTrace } from './reply.ts';

const SUMMARY_LENGTH = 256;
/** Why the row of a stream is an error. */
export const STREAM_INTERRUPTED = 'stream interrupted';

export const summarize = (method: string, targetName: string) => truncate(`${method} → ${targetName}`, SUMMARY_LENGTH);

/** A person's canvas is told of the reply to what that person said. */
export function tellPerson(events: Events, entry: NewActivity, stored: InsertedActivity): void {
  const isFromPerson = (entry.sourceId ?? null) === null && (entry.origin ?? null) === null;
  if (!isFromPerson || entry.status !== 'ok') return;
  events.broadcast({
    event: 'A2A_RESPONSE',
    workspace_id: entry.workspaceId,
    payload: {
      response_body: entry.responseBody,
      method: entry.method ?? '',
      duration_ms: entry.durationMs ?? 0,
      message_id: entry.messageId ?? null,
      activity_id: stored.id,
    },
  });
}

export interface CallLog {
  row(attempt: Attempt, status: 'ok' | 'error', reply: unknown, errorDetail: string | null): NewActivity;
  /** Detached; `attempt.logged` tells of its end. */
  later(attempt: Attempt, ...outcome: Outcome): void;
}

export function createCallLog({ activity, events, log }: { activity: Activity; events: Events; log: Logger }): CallLog {
  function row({ call, target, normalized, startedAt }: Attempt, ...outcome: Outcome): NewActivity {
    const [status, reply, errorDetail, replyBytes] = outcome;
    return {
      workspaceId: target.id,
      type: 'a2a_receive',
      sourceId: call.caller.workspaceId,
      targetId: target.id,
      origin: call.caller.origin,
      messageId: normalized.messageId,
      method: normalized.method,
      summary: summarize(normalized.method, target.name),
      requestBody: normalized.body,
      responseBody: reply ?? null,
      ...(replyBytes === undefined ? {} : { bodyBytes: call.body.length + replyBytes }),
      toolTrace: extractToolTrace(reply),
      durationMs: Math.round(performance.now() - startedAt),
      status,
      errorDetail,
    };
  }

  async function store(entry: NewActivity): Promise<void> {
    tellPerson(events, entry, await activity.log(entry));
  }

  return {
    row,
    later(attempt, ...outcome) {
      const { call, target } = attempt;
      if (!call.logActivity) return;
      attempt.logged = store(row(attempt, ...outcome)).catch((error: unknown) =>
        log.error({ err: error, workspace_id: target.id }, 'a call could not be logged'),
      );
    },
  };
}

/** `replyBytes`: how many bytes the reply had on the wire, where that is known. */
type Outcome = [status: 'ok' | 'error', reply: unknown, errorDetail: string | null, replyBytes?: number];
