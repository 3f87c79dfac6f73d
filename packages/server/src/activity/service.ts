// What may be said in the activity log and what follows from reading it. Routes parse, store.ts holds the SQL.

import type { ActivityQuery, activityRoutes } from '@molecule/contract';
import type { z } from 'zod';
import type { Events } from '../events/index.ts';
import { type Database, isUniqueViolation } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { toWire, truncate } from './payload.ts';
import type { Attachment } from './routes.ts';
import { type SearchResult, searchSession } from './search/index.ts';
import * as store from './store.ts';

const SUMMARY_LENGTH = 256;
const NOTICE_LENGTH = 80;
const ERROR_LENGTH = 4_096;

export interface ActivityServiceDeps {
  db: Database;
  events: Events;
  workspaces: Workspaces;
  log: Logger;
  /** Stores a row with others of the same moment; not broadcast. */
  insert(row: store.NewActivity): Promise<store.InsertedActivity>;
  announce(row: store.NewActivity, stored: store.InsertedActivity): void;
  onInjected(workspaceId: string, messageIds: string[]): Promise<void>;
}

/** What an agent says to the person. */
export interface Notice {
  message: string;
  attachments: Attachment[];
  /** The inbox row it answers. */
  inReplyTo: string | null;
}

const RETRY_SECONDS = 5;

type Report = z.output<typeof activityRoutes.reportActivity.body>;

export function createActivityService({
  db,
  events,
  workspaces,
  log,
  insert,
  announce,
  onInjected,
}: ActivityServiceDeps) {
  async function assertLive(id: string): Promise<string> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
    return facts.name;
  }

  function tellReceipts(workspaceId: string, receipts: store.InboxReceipt[]): void {
    for (const receipt of receipts)
      events.broadcast({
        event: 'RECEIPT_UPDATED',
        workspace_id: workspaceId,
        payload: {
          activity_id: receipt.id,
          message_id: receipt.message_id,
          injected_at: receipt.injected_at.toISOString(),
          ...(receipt.answered_at ? { answered_at: receipt.answered_at.toISOString() } : {}),
        },
      });
  }

  /** The agent's own cursor moved on: what it passed is in a turn. A failure costs the mark, never the page. */
  async function noteCursor(workspaceId: string, seq: number): Promise<void> {
    try {
      const receipts = await store.markInjected(db.kysely, workspaceId, seq);
      tellReceipts(workspaceId, receipts);
      const messages = receipts.flatMap(({ message_id: id }) => (id === null ? [] : [id]));
      if (messages.length > 0) await onInjected(workspaceId, messages);
    } catch (error) {
      log.error(
        { err: error, workspace_id: workspaceId },
        'receipts of an inbox could not be stored; the next poll repeats it',
      );
    }
  }

  function rowOfNotice(workspaceId: string, { message, attachments, inReplyTo }: Notice): store.NewActivity {
    const parts = attachments.map((file) => ({ kind: 'file', file }));
    return {
      workspaceId,
      type: 'a2a_receive',
      method: 'notify',
      summary: `Agent message: ${truncate(message, NOTICE_LENGTH)}`,
      responseBody: { result: message, ...(parts.length > 0 ? { parts } : {}) },
      ...(inReplyTo === null ? {} : { metadata: { in_reply_to: inReplyTo }, idempotencyKey: `reply:${inReplyTo}` }),
    };
  }

  /**
   * The answer and the receipt of what it answers, in one commit, apart from the rows of others: a repetition must not fail theirs.
   * @returns null when it was said before. @throws inbox_unavailable: the agent says it again.
   */
  async function insertReply(row: store.NewActivity, rowId: string): Promise<store.InsertedActivity | null> {
    try {
      const { stored, receipts } = await db.tx(async (trx) => {
        const answered = await store.markRowAnswered(trx, row.workspaceId, rowId);
        const [inserted] = await store.insertRows(trx, [row]);
        return { stored: inserted ?? null, receipts: answered };
      });
      tellReceipts(row.workspaceId, receipts);
      return stored;
    } catch (error) {
      if (isUniqueViolation(error)) return null;
      log.error({ err: error, workspace_id: row.workspaceId }, 'the answer to an inbox message could not be stored');
      throw new PlatformError(
        'inbox_unavailable',
        'the answer could not be stored',
        { retry_after: RETRY_SECONDS },
        { headers: { 'retry-after': String(RETRY_SECONDS) }, cause: error },
      );
    }
  }

  /** Shown even when it cannot be stored; the log then says why it will be missing after a reload. */
  async function insertNotice(row: store.NewActivity): Promise<store.InsertedActivity | null> {
    try {
      return await insert(row);
    } catch (error) {
      log.error({ err: error, workspace_id: row.workspaceId }, 'an agent message could not be stored');
      return null;
    }
  }

  return {
    /** @throws not_found */
    async report(workspaceId: string, body: Report): Promise<void> {
      await assertLive(workspaceId);
      const row: store.NewActivity = {
        workspaceId,
        type: body.activity_type,
        sourceId: workspaceId,
        targetId: body.target_id ?? null,
        method: body.method ?? null,
        summary: body.summary === undefined ? null : truncate(body.summary, SUMMARY_LENGTH),
        status: body.status ?? 'ok',
        errorDetail: body.error_detail ? truncate(body.error_detail, ERROR_LENGTH) : null,
        durationMs: body.duration_ms ?? null,
        requestBody: body.request_body ?? body.metadata ?? null,
        responseBody: body.response_body ?? null,
        metadata: body.metadata ?? null,
      };
      announce(row, await insert(row));
    },
    /**
     * Newest first; oldest first after a cursor.
     * @throws cursor_gone for a cursor that is unknown, pruned or of another workspace.
     */
    async list(workspaceId: string, query: ActivityQuery, { isOwn }: { isOwn: boolean }) {
      if (query.since_id === undefined) return (await store.listRows(db.kysely, workspaceId, query, null)).map(toWire);
      const after = await store.findCursor(db.kysely, workspaceId, query.since_id);
      if (after === null) throw new PlatformError('cursor_gone', 'cursor not found');
      if (isOwn) await noteCursor(workspaceId, after);
      return (await store.listRows(db.kysely, workspaceId, query, after)).map(toWire);
    },
    /** @throws not_found */
    async search(workspaceId: string, query: { q: string; limit: number }): Promise<SearchResult> {
      await assertLive(workspaceId);
      return await searchSession(db, workspaceId, query);
    },
    /** @throws not_found; inbox_unavailable for an answer that cannot be stored. */
    async notify(workspaceId: string, notice: Notice): Promise<void> {
      const name = await assertLive(workspaceId);
      const { message, attachments, inReplyTo } = notice;
      const row = rowOfNotice(workspaceId, notice);
      const stored = inReplyTo === null ? await insertNotice(row) : await insertReply(row, inReplyTo);
      if (inReplyTo !== null && stored === null) return;
      events.broadcast({
        event: 'AGENT_MESSAGE',
        workspace_id: workspaceId,
        payload: {
          message,
          workspace_id: workspaceId,
          name,
          ...(stored ? { activity_id: stored.id } : {}),
          ...(attachments.length > 0 ? { attachments } : {}),
        },
      });
      if (stored) announce(row, stored);
    },
    tellReceipts,
  };
}

export type ActivityService = ReturnType<typeof createActivityService>;
