// Resumable streams (chapter 20 §1.10): a log of every stream a client reads, and the way back into it. Streams without a client
// are folded by tee.ts and leave no log.

import { PlatformError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { Loop } from '../../platform/loops.ts';
import type { Presence } from '../../platform/presence.ts';
import type { Attempt, ProxyCall, ProxyOutcome } from '../call.ts';
import { STREAM_INTERRUPTED } from '../call-log.ts';
import { isObject, type Json } from '../json.ts';
import type { Normalized } from '../normalize.ts';
import type { StreamFold } from '../reply.ts';
import { createTranslation } from '../versions/translation.ts';
import type { TargetVersion } from '../versions/version.ts';
import { followStream } from './follow.ts';
import { fromEventId } from './frames.ts';
import { createStreamHints } from './hints.ts';
import { createStreamLog, type Opening } from './log.ts';
import { createPump } from './pump.ts';
import { type Connection, createReader } from './reader.ts';
import { createRecovery } from './recovery.ts';
import { createStreamReport, type ReportDeps } from './report.ts';
import { type A2aRequest, eventUnknown, readResumeRequest, streamUnknown, streamUnlogged } from './resume.ts';
import * as store from './store.ts';
import type { StreamTee } from './tee.ts';

export type { Connection } from './reader.ts';
export type { A2aRequest } from './resume.ts';

/** Longer ids fit into no index, and nobody gives them. */
const MOST_ID_LENGTH = 200;
const RETENTION_BATCH = 50;

/** The last frame of a stream that its agent ended early, for whoever reads it. */
export const interruptedFrame = (id: unknown): Json => ({
  jsonrpc: '2.0',
  id: id ?? null,
  error: { code: -32000, message: STREAM_INTERRUPTED },
});

export type Resumed =
  | { kind: 'refused'; body: unknown }
  | { kind: 'follow'; run(connection: Connection): Promise<void> };

export interface Streams {
  /** What takes a stream that a client reads, for `ProxyCall.openStream`. */
  begin(attempt: Attempt, fold: StreamFold, connection: Connection): StreamTee;
  /**
   * @returns null for every request that resumes nothing.
   * @throws PlatformError `access_denied` as a call does.
   */
  resume(request: A2aRequest): Promise<Resumed | null>;
  loops: Loop[];
  /** Ends those who follow a log; they come back to another replica. */
  stop(): void;
  /** Lets go of what is held here. The calls must have been stopped before. */
  close(): Promise<void>;
}

export interface StreamsDeps extends ReportDeps {
  log: Logger;
  presence: Presence;
  canCommunicate(a: string, b: string): Promise<boolean>;
  run(call: ProxyCall): Promise<ProxyOutcome>;
}

const idOf = (value: unknown) =>
  typeof value === 'string' && value !== '' && value.length <= MOST_ID_LENGTH ? value : null;

/** What the stream is found by later. @param first its first frame, canonical. */
function describe({ call, target, normalized }: Attempt, first: unknown): Opening {
  const result = isObject(first) && isObject(first.result) ? first.result : {};
  const params = isObject(normalized.body.params) ? normalized.body.params : {};
  const said = result.kind === 'task' ? result.id : result.taskId;
  return {
    workspace_id: target.id,
    caller_id: call.caller.workspaceId,
    method: normalized.method,
    rpc_id: JSON.stringify(normalized.body.id ?? null),
    message_id: normalized.messageId,
    task_id: idOf(said ?? (normalized.method === 'tasks/resubscribe' ? params.id : null)),
    context_id: idOf(result.contextId),
    target_version: target.protocolVersion,
    request: call.logActivity ? normalized.body : null,
    origin: call.caller.origin,
  };
}

export function createStreams(deps: StreamsDeps): Streams {
  const { db, log, presence, canCommunicate, run } = deps;
  const { holder } = presence;
  const hints = createStreamHints({ db, log, instanceId: holder });
  const streamLog = createStreamLog({ db, hints, holder });
  const recovery = createRecovery({ db, log, streamLog, holder, run, report: createStreamReport(deps) });
  let stopping = false;

  async function assertAllowed({ caller, targetId }: A2aRequest): Promise<void> {
    const { workspaceId } = caller;
    if (workspaceId === null || workspaceId === targetId || (await canCommunicate(workspaceId, targetId))) return;
    throw new PlatformError('access_denied', 'access denied: workspaces cannot communicate per hierarchy rules');
  }

  function follow(row: store.StreamRow, seen: { seq: number; upto: number }, normalized: Normalized): Resumed {
    const { callerVersion, body } = normalized;
    const { id } = body;
    return {
      kind: 'follow',
      async run(connection) {
        const reader = createReader(connection);
        const end = await followStream(
          { db, hints, isStopping: () => stopping },
          {
            row,
            seen,
            translation: createTranslation(callerVersion, row.target_version as TargetVersion, row.method),
            rpcId: JSON.stringify(id) === row.rpc_id ? undefined : id,
            fromStart: callerVersion === '0.2',
          },
          reader,
        );
        if (end === 'interrupted') await reader.write(`data: ${JSON.stringify(interruptedFrame(id))}\n\n`);
        if (end === 'unlogged')
          await reader.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, ...streamUnlogged() })}\n\n`);
      },
    };
  }

  return {
    begin: (attempt, fold, connection) =>
      createPump({
        hold: (first) => streamLog.open(describe(attempt, first)),
        reader: createReader(connection),
        fold,
        translation: attempt.translation,
        from: { seq: 0, upto: 0 },
        log,
      }),
    async resume(request) {
      const asked = readResumeRequest(request);
      if (!asked) return null;
      await assertAllowed(request);
      const { normalized, of, after } = asked;
      const refused = (refusal: Json): Resumed => ({
        kind: 'refused',
        body: createTranslation(normalized.callerVersion, '0.3', normalized.method).toCaller({
          jsonrpc: '2.0',
          id: normalized.body.id ?? null,
          ...refusal,
        }),
      });
      if (after === null) return refused(eventUnknown());
      const { ordinal, seq } = fromEventId(after);
      const key = { workspaceId: request.targetId, callerId: request.caller.workspaceId, ordinal, ...of };
      const row = await store.findStream(db.kysely, key);
      if (!row) return refused(streamUnknown());
      if (row.ending === 'too_large') return refused(streamUnlogged());
      const seen = seq === 0 ? { upto: 0 } : await store.findFrame(db.kysely, row.id, seq);
      return seen ? follow(row, { seq, upto: seen.upto }, normalized) : refused(eventUnknown());
    },
    loops: [
      {
        name: 'a2a-stream-leases',
        why: 'Another replica would take over a stream whose agent is silent for a while.',
        everyMs: 3_000,
        timeoutMs: 5_000,
        runs: 'every-replica',
        run: async () => ({ renewed: await streamLog.renew() }),
      },
      {
        name: 'a2a-stream-recovery',
        why: 'The log of a stream would end with the process that read it, and so would the answer of whoever resumes it.',
        everyMs: 2_000,
        timeoutMs: 10_000,
        runs: 'every-replica',
        run: async () => ({ adopted: stopping ? 0 : await recovery.adopt() }),
      },
      {
        name: 'a2a-stream-retention',
        why: 'The logs of streams that ended would be kept for ever.',
        everyMs: 60_000,
        timeoutMs: 30_000,
        runs: 'one-replica',
        async run(signal) {
          let deleted = 0;
          for (let batch = RETENTION_BATCH; batch === RETENTION_BATCH && !signal.aborted; deleted += batch)
            batch = await store.deleteFinished(db.kysely, RETENTION_BATCH);
          return { deleted };
        },
      },
    ],
    stop() {
      stopping = true;
    },
    async close() {
      stopping = true;
      await hints.stop();
      await recovery.close();
      await streamLog.idle();
    },
  };
}
