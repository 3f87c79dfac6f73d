// The activity log: what happened to a workspace, appended once, read by cursor, broadcast as it is written (chapter 20 §5).

import type { EventFrame } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import { createBatcher, type Database, type Tables } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createActivityLoops } from './loops.ts';
import { restorePayload, toLoggedPayload } from './payload.ts';
import { mountActivityRoutes } from './routes.ts';
import { createActivityService } from './service.ts';
import * as store from './store.ts';

export * as activityOutlook from './outlook/store.ts';
export { truncate } from './payload.ts';
export type { InsertedActivity, NewActivity } from './store.ts';

export interface Activity {
  /** Stored with others of the same moment; resolves after the commit, then broadcasts ACTIVITY_LOGGED. */
  log(row: store.NewActivity): Promise<store.InsertedActivity>;
  /**
   * In the caller's transaction, in the order of the rows; `announce` each after its commit. It holds the log of these workspaces
   * to the commit, so it comes after everything else the transaction locks, the event log included.
   */
  logIn(trx: Transaction<Tables>, rows: readonly store.NewActivity[]): Promise<store.InsertedActivity[]>;
  announce(row: store.NewActivity, stored: store.InsertedActivity): void;
  /** In the caller's transaction: no row of the workspace carries this key any more. */
  releaseKeyIn(trx: Transaction<Tables>, workspaceId: string, key: string): Promise<void>;
  /** Receipts of inbox messages a beat lists. */
  noteActive(workspaceId: string, messageIds: string[]): Promise<void>;
  /** The reply to an inbox message is stored. */
  noteAnswered(workspaceId: string, messageId: string): Promise<void>;
  /** When a person last said something to one of these workspaces; null: never, as far as the log reaches back. */
  findLastPersonMessage(workspaceIds: readonly string[]): Promise<Date | null>;
  /** A frame of another replica that was too large to cross whole, with what its row says; null when there is no such row. */
  restore(frame: EventFrame): Promise<EventFrame | null>;
  loops: Loop[];
  close(): Promise<void>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface ActivityDeps {
  db: Database;
  config: Config;
  events: Events;
  metrics: Metrics;
  log: Logger;
  workspaces: Workspaces;
  /** The agent holds these inbox messages now. */
  onInjected(workspaceId: string, messageIds: string[]): Promise<void>;
}

const BATCH_ROWS = 200;
const BATCH_BYTES = 8 * 1024 * 1024;
/** A row costs PostgreSQL 120 µs in batches of four and 46 µs in batches of thirty. */
const BATCH_REST_MS = 5;
const sizeOf = (body: unknown) => (body === null || body === undefined ? 0 : JSON.stringify(body).length);

export function createActivity({ db, config, events, metrics, log, workspaces, onInjected }: ActivityDeps): Activity {
  const batcher = createBatcher<store.NewActivity, store.InsertedActivity>({
    name: 'activity',
    maxRows: BATCH_ROWS,
    maxBytes: BATCH_BYTES,
    restMs: BATCH_REST_MS,
    sizeOf: (row) => row.bodyBytes ?? sizeOf(row.requestBody) + sizeOf(row.responseBody),
    flush: (rows) => store.insertRows(db.kysely, rows),
  });

  function announce(row: store.NewActivity, stored: store.InsertedActivity): void {
    events.broadcast({
      event: 'ACTIVITY_LOGGED',
      workspace_id: row.workspaceId,
      payload: toLoggedPayload(row, stored),
    });
  }

  const service = createActivityService({
    db,
    events,
    workspaces,
    log,
    insert: batcher.add,
    announce,
    onInjected,
  });

  return {
    async log(row) {
      const stored = await batcher.add(row);
      announce(row, stored);
      return stored;
    },
    logIn: store.insertRows,
    announce,
    releaseKeyIn: store.releaseKey,
    async noteActive(workspaceId, messageIds) {
      service.tellReceipts(workspaceId, await store.markActive(db.kysely, workspaceId, messageIds));
    },
    async noteAnswered(workspaceId, messageId) {
      service.tellReceipts(workspaceId, await store.markAnswered(db.kysely, workspaceId, messageId));
    },
    findLastPersonMessage: (ids) => store.findLastPersonMessage(db.kysely, ids),
    async restore(frame) {
      const { id, activity_id: activityId } = frame.payload as { id?: unknown; activity_id?: unknown };
      const rowId = frame.event === 'ACTIVITY_LOGGED' ? id : activityId;
      const row = typeof rowId === 'string' ? await store.findRow(db.kysely, rowId) : null;
      const payload = row ? restorePayload(frame, row) : null;
      return payload ? ({ ...frame, payload } as EventFrame) : null;
    },
    loops: createActivityLoops({ db, config, events, metrics, workspaces }),
    close: () => batcher.idle(),
    mount: (app, authorize) => mountActivityRoutes(app, authorize, service),
  };
}
