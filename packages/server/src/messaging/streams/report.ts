// The activity row of a stream whose end another process told than the one that began it (chapter 20 §1.11): what was asked stands
// in the stream's row, what was answered is what its log amounts to. Stored with the end, so there is one whoever finishes it.

import type { Activity, NewActivity } from '../../activity/index.ts';
import type { Events } from '../../events/index.ts';
import type { Database } from '../../platform/db/index.ts';
import type { Workspaces } from '../../workspaces/index.ts';
import { STREAM_INTERRUPTED, summarize, tellPerson } from '../call-log.ts';
import { createStreamFold, extractToolTrace } from '../reply.ts';
import { createTranslation } from '../versions/translation.ts';
import type { TargetVersion } from '../versions/version.ts';
import { readFrame } from './frames.ts';
import type { EndReport } from './log.ts';
import * as store from './store.ts';

const PAGE = { mostRows: 500, mostBytes: 1024 * 1024 };

export interface ReportDeps {
  db: Database;
  activity: Activity;
  events: Events;
  workspaces: Workspaces;
  /** The message will be answered from the log if it comes again. */
  noteMessage(workspaceId: string, messageId: string): void;
}

export function createStreamReport({ db, activity, events, workspaces, noteMessage }: ReportDeps) {
  /** The reply that all logged frames amount to, canonical. */
  async function readReply(row: store.StreamRow): Promise<unknown> {
    const translation = createTranslation('0.3', row.target_version as TargetVersion, row.method);
    const fold = createStreamFold();
    for (let after = { seq: 0, upto: 0 }; ; ) {
      const page = await store.listFrames(db.kysely, row.id, after, PAGE);
      for (const { frame } of page) fold.add(translation.fromTarget(readFrame(frame)));
      const last = page.at(-1);
      if (!last) return fold.reply(JSON.parse(row.rpc_id));
      after = last;
    }
  }

  /** @returns null for a call that leaves no row, or whose target is gone. */
  return async (row: store.StreamRow, ending: store.StreamEnding): Promise<EndReport | null> => {
    const target = row.request === null ? null : await workspaces.facts(row.workspace_id);
    if (!target) return null;
    const reply = await readReply(row);
    const entry: NewActivity = {
      workspaceId: row.workspace_id,
      type: 'a2a_receive',
      sourceId: row.caller_id,
      targetId: row.workspace_id,
      origin: row.origin,
      messageId: row.message_id,
      method: row.method,
      summary: summarize(row.method, target.name),
      requestBody: row.request,
      responseBody: reply,
      toolTrace: extractToolTrace(reply),
      durationMs: Date.now() - row.started_at.getTime(),
      status: ending === 'complete' ? 'ok' : 'error',
      errorDetail: ending === 'complete' ? null : STREAM_INTERRUPTED,
    };
    let tell = () => {};
    return {
      async storeIn(trx) {
        // The process that began it got as far as the row, and no further.
        if (await store.isLogged(trx, row)) return;
        if (row.message_id !== null) noteMessage(row.workspace_id, row.message_id);
        const [stored] = await activity.logIn(trx, [entry]);
        if (!stored) return;
        tell = () => {
          activity.announce(entry, stored);
          tellPerson(events, entry, stored);
        };
      },
      tell: () => tell(),
    };
  };
}

export type StreamReport = ReturnType<typeof createStreamReport>;
