// The activity log: what happened to a workspace, appended once, read by cursor, broadcast as it is written (chapter 20 §5).

import { activityRoutes, attachment, REPORTABLE_ACTIVITY_TYPES } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import { createBatcher, type Database, type Tables } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { toLoggedPayload, toWire, truncate } from './payload.ts';
import * as store from './store.ts';

export { truncate } from './payload.ts';
export type { InsertedActivity, NewActivity } from './store.ts';

export interface Activity {
  /** Stored with others of the same moment; resolves after the commit, then broadcasts ACTIVITY_LOGGED. */
  log(row: store.NewActivity): Promise<store.InsertedActivity>;
  /** Like `log`, for callers that do not wait; a failure is logged. */
  logLater(row: store.NewActivity): void;
  /** In the caller's transaction; `announce` after its commit. */
  logIn(trx: Transaction<Tables>, row: store.NewActivity): Promise<store.InsertedActivity>;
  announce(row: store.NewActivity, stored: store.InsertedActivity): void;
  /** Receipts of inbox messages a beat lists. */
  noteActive(workspaceId: string, messageIds: string[]): Promise<void>;
  loops: Loop[];
  close(): Promise<void>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

const SUMMARY_LENGTH = 256;
const ERROR_LENGTH = 4_096;
const ALLOWED_URI = /^(workspace:|platform-pending:|https?:|file:\/\/\/|\/)/;
const RETENTION_BATCH = 5_000;

export interface ActivityDeps {
  db: Database;
  config: Config;
  events: Events;
  metrics: Metrics;
  log: Logger;
  workspaces: Workspaces;
}

/** The first bad attachment refuses the whole message: nothing is broadcast or stored. */
function parseAttachments(given: unknown[]) {
  return given.map((element, index) => {
    const parsed = attachment.safeParse(element);
    if (!parsed.success || parsed.data.uri === '' || parsed.data.name === '')
      throw invalid(`attachment[${index}]`, 'uri and name are required');
    if (!ALLOWED_URI.test(parsed.data.uri))
      throw invalid(`attachment[${index}].uri`, 'this kind of address is not allowed');
    const { uri, name, mimeType, size } = parsed.data;
    return { uri, name, ...(mimeType ? { mimeType } : {}), ...(size === undefined ? {} : { size }) };
  });
}

export function createActivity({ db, config, events, metrics, log, workspaces }: ActivityDeps): Activity {
  const batcher = createBatcher<store.NewActivity, store.InsertedActivity>({
    name: 'activity',
    maxRows: 200,
    maxBytes: 8 * 1024 * 1024,
    sizeOf: (row) => JSON.stringify(row.requestBody ?? '').length + JSON.stringify(row.responseBody ?? '').length,
    flush: (rows) => store.insertRows(db.kysely, rows),
  });

  function announce(row: store.NewActivity, stored: store.InsertedActivity): void {
    events.broadcast({
      event: 'ACTIVITY_LOGGED',
      workspace_id: row.workspaceId,
      payload: toLoggedPayload(row, stored),
    });
  }

  async function write(row: store.NewActivity): Promise<store.InsertedActivity> {
    const stored = await batcher.add(row);
    announce(row, stored);
    return stored;
  }

  async function assertLive(id: string): Promise<string> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
    return facts.name;
  }

  function logLater(row: store.NewActivity): void {
    write(row).catch((error: unknown) =>
      log.error({ err: error, workspace_id: row.workspaceId }, 'an activity row could not be stored'),
    );
  }

  async function notify(id: string, message: string, given: unknown[]): Promise<void> {
    const attachments = parseAttachments(given);
    const name = await assertLive(id);
    const parts = attachments.map(({ uri, name: file, mimeType, size }) => ({
      kind: 'file',
      file: { uri, name: file, ...(mimeType ? { mimeType } : {}), ...(size === undefined ? {} : { size }) },
    }));
    const row: store.NewActivity = {
      workspaceId: id,
      type: 'a2a_receive',
      method: 'notify',
      summary: `Agent message: ${truncate(message, 80)}`,
      responseBody: { result: message, ...(parts.length > 0 ? { parts } : {}) },
    };
    // The person sees it even when it cannot be stored; the log then says why it will be missing after a reload.
    const stored = await batcher.add(row).catch((error: unknown) => {
      log.error({ err: error, workspace_id: id }, 'an agent message could not be stored');
      return null;
    });
    events.broadcast({
      event: 'AGENT_MESSAGE',
      workspace_id: id,
      payload: {
        message,
        workspace_id: id,
        name,
        ...(stored ? { activity_id: stored.id } : {}),
        ...(attachments.length > 0 ? { attachments } : {}),
      },
    });
    if (stored) announce(row, stored);
  }

  function tellInjected(
    workspaceId: string,
    receipts: { id: string; message_id: string | null; injected_at: Date }[],
  ): void {
    for (const receipt of receipts) {
      events.broadcast({
        event: 'RECEIPT_UPDATED',
        workspace_id: workspaceId,
        payload: {
          activity_id: receipt.id,
          message_id: receipt.message_id,
          injected_at: receipt.injected_at.toISOString(),
        },
      });
    }
  }

  const loops: Loop[] = [
    {
      name: 'activity-retention',
      why: 'The activity log would grow for ever.',
      everyMs: config.activityCleanupHours * 3_600_000,
      timeoutMs: 60_000,
      runs: 'one-replica',
      async run(signal) {
        let deleted = 0;
        for (let batch = RETENTION_BATCH; batch === RETENTION_BATCH && !signal.aborted; ) {
          batch = await store.deleteOld(db.kysely, config.activityRetentionDays, RETENTION_BATCH);
          deleted += batch;
        }
        return { deleted };
      },
    },
    {
      name: 'phantom-busy',
      why: 'A seat that lost its last beat would look busy for ever and get no messages.',
      everyMs: 300_000,
      timeoutMs: 30_000,
      runs: 'one-replica',
      async run() {
        const reset = await store.resetPhantomBusy(db.kysely, 500);
        for (const id of reset) {
          workspaces.forget(id);
          events.broadcast({ event: 'TASK_UPDATED', workspace_id: id, payload: { current_task: '', active_tasks: 0 } });
        }
        metrics.phantomBusyResets.inc(reset.length);
        return { reset: reset.length };
      },
    },
  ];

  return {
    log: write,
    logLater,
    logIn: async (trx, row) => (await store.insertRows(trx, [row]))[0] as store.InsertedActivity,
    announce,
    async noteActive(workspaceId, messageIds) {
      tellInjected(workspaceId, await store.markActive(db.kysely, workspaceId, messageIds));
    },
    loops,
    close: () => batcher.idle(),
    mount: (app, authorize) =>
      mount(
        app,
        activityRoutes,
        {
          reportActivity: async ({ params, body }) => {
            if (!(REPORTABLE_ACTIVITY_TYPES as readonly string[]).includes(body.activity_type)) {
              throw new PlatformError(
                'invalid_request',
                `activity_type: must be one of ${REPORTABLE_ACTIVITY_TYPES.join(', ')}`,
                { field: 'activity_type', valid_types: REPORTABLE_ACTIVITY_TYPES },
              );
            }
            if (body.source_id && body.source_id !== params.id)
              throw new PlatformError('source_mismatch', 'source_id must match authenticated workspace', {
                field: 'source_id',
              });
            await assertLive(params.id);
            await write({
              workspaceId: params.id,
              type: body.activity_type,
              sourceId: params.id,
              targetId: body.target_id ?? null,
              method: body.method ?? null,
              summary: body.summary === undefined ? null : truncate(body.summary, SUMMARY_LENGTH),
              status: body.status ?? 'ok',
              errorDetail: body.error_detail ? truncate(body.error_detail, ERROR_LENGTH) : null,
              durationMs: body.duration_ms ?? null,
              requestBody: body.request_body ?? body.metadata ?? null,
              responseBody: body.response_body ?? null,
              metadata: body.metadata ?? null,
            });
            return { status: 'logged' as const };
          },
          listActivity: async ({ params, query, principal }) => {
            const after =
              query.since_id === undefined ? null : await store.findCursor(db.kysely, params.id, query.since_id);
            if (query.since_id !== undefined && after === null)
              throw new PlatformError('cursor_gone', 'cursor not found');
            // Only the agent's own cursor says that it holds a message; an operator's read marks nothing.
            if (after !== null && principal.kind === 'workspace' && principal.workspaceId === params.id)
              tellInjected(params.id, await store.markInjected(db.kysely, params.id, after));
            return (await store.listRows(db.kysely, params.id, query, after)).map(toWire);
          },
          notify: async ({ params, body }) => {
            await notify(params.id, body.message, body.attachments ?? []);
            return { status: 'sent' as const };
          },
        },
        authorize,
      ),
  };
}
