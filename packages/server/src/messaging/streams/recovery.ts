// Streams whose reader died with its process: another one asks the agent for the rest and goes on with the log. One process per
// stream, by a lease; what comes first is the task as it stands, so nothing that was said meanwhile is missing.

import type { Database } from '../../platform/db/index.ts';
import type { Logger } from '../../platform/log.ts';
import type { ProxyCall, ProxyOutcome } from '../call.ts';
import { isObject, type Json } from '../json.ts';
import { resultOf } from '../reply.ts';
import { createTranslation } from '../versions/translation.ts';
import type { TargetVersion } from '../versions/version.ts';
import { readFrame } from './frames.ts';
import type { Hold, StreamLog } from './log.ts';
import { createPump } from './pump.ts';
import type { StreamReport } from './report.ts';
import * as store from './store.ts';

const BATCH = 20;
/** One every ten seconds, while the agent cannot be reached or cannot stream. */
const MOST_ATTEMPTS = 12;
const OVER = new Set(['completed', 'failed', 'canceled', 'rejected']);

export interface RecoveryDeps {
  db: Database;
  log: Logger;
  streamLog: StreamLog;
  /** As whom this process holds streams. */
  holder: string;
  run(call: ProxyCall): Promise<ProxyOutcome>;
  report: StreamReport;
}

export interface Recovery {
  /** Takes over what nobody holds, and goes on with it in the background. @returns how many. */
  adopt(): Promise<number>;
  /** Resolves when nothing goes on. The calls must have been stopped before. */
  close(): Promise<void>;
}

const stateOf = (result: Json): string => (isObject(result.status) ? String(result.status.state) : '');

/** Nothing follows this frame. @param frame canonical. */
function isLast(frame: unknown): boolean {
  if (!isObject(frame)) return false;
  if (isObject(frame.error)) return true;
  const { result } = frame;
  if (!isObject(result)) return false;
  return result.kind === 'message' || result.final === true || OVER.has(stateOf(result));
}

/** What a stream would have ended with: the task, and the update that says that it is over. */
function closingFrames(task: Json, row: store.StreamRow): string[] {
  const { id: taskId, contextId, status } = task;
  const toTarget = createTranslation(row.target_version as TargetVersion, '0.3', row.method);
  return [task, { kind: 'status-update', taskId, contextId, status, final: true }].map((result) => {
    const frame = { jsonrpc: '2.0', id: JSON.parse(row.rpc_id), result };
    return `data: ${JSON.stringify(toTarget.toCaller(frame))}`;
  });
}

export function createRecovery({ db, log, streamLog, holder, run, report }: RecoveryDeps): Recovery {
  const running = new Set<Promise<void>>();
  let closing = false;

  const callFor = (row: store.StreamRow, method: string): ProxyCall => ({
    targetId: row.workspace_id,
    body: Buffer.from(
      JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(row.rpc_id), method, params: { id: row.task_id } }),
    ),
    caller: { workspaceId: row.caller_id, origin: null },
    trusted: true,
    enqueueOnBusy: false,
    logActivity: false,
  });

  /** @returns false when the agent gave nothing to go on with. */
  async function subscribe(row: store.StreamRow, hold: Hold, from: store.LoggedFrame): Promise<boolean> {
    let taken = false;
    await run({
      ...callFor(row, 'tasks/resubscribe'),
      openStream: ({ target, translation }, fold) =>
        createPump({
          hold(first) {
            // Frames of another version than the logged ones could not be read with them.
            taken = !(isObject(first) && isObject(first.error)) && target.protocolVersion === row.target_version;
            return taken ? hold : null;
          },
          reader: null,
          fold,
          translation,
          from,
          log,
        }),
    });
    return taken;
  }

  async function finish(row: store.StreamRow, hold: Hold, from: store.LoggedFrame): Promise<void> {
    const outcome = await run(callFor(row, 'tasks/get'));
    // Not reached, or busy: the lease runs out, and the next attempt begins.
    if (outcome.kind !== 'answered') return hold.abandon();
    const task = resultOf(outcome.reply);
    if (!isObject(task) || isObject((outcome.reply as Json).error)) return await hold.end('interrupted');
    if (!OVER.has(stateOf(task))) return hold.abandon();
    let { seq, upto } = from;
    const frames = closingFrames({ kind: 'task', ...task }, row).map((frame) => {
      seq += 1;
      upto += Buffer.byteLength(frame);
      return { seq, frame, upto };
    });
    await hold.append(frames);
    await hold.end('complete');
  }

  async function goOn(row: store.StreamRow): Promise<void> {
    const hold = streamLog.resume(row, (ending) => report(row, ending));
    try {
      const from = await store.readLastFrame(db.kysely, row.id);
      const method = createTranslation('0.3', row.target_version as TargetVersion, row.method);
      if (from && isLast(method.fromTarget(readFrame(from.frame)))) return await hold.end('complete');
      if (!from || row.task_id === null || row.attempts > MOST_ATTEMPTS) return await hold.end('interrupted');
      if (!(await subscribe(row, hold, from))) await finish(row, hold, from);
    } catch (error) {
      hold.abandon();
      log.warn(
        { err: error, stream_id: row.id, workspace_id: row.workspace_id },
        'a stream could not be taken over yet',
      );
    }
  }

  return {
    async adopt() {
      if (closing) return 0;
      const alone = db.kind === 'embedded';
      const rows = await store.adoptStreams(db.kysely, { holder, alone, limit: BATCH });
      for (const row of rows) {
        const work = goOn(row).finally(() => running.delete(work));
        running.add(work);
      }
      return rows.length;
    },
    async close() {
      closing = true;
      await Promise.all(running);
    },
  };
}
