// When a due schedule runs and what becomes of it (chapter 20 §8). A run is a message in the queue from its first moment: stored
// in the transaction that moves the schedule on, ended in the one that ends the message. Delivery is messaging's business.

import { randomBytes } from 'node:crypto';
import type { ScheduleResult } from '@molecule/contract';
import type { Transaction } from 'kysely';
import { type Activity, type NewActivity, truncate } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import type { MessageEnd, Messaging, QueueRow } from '../messaging/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { findNextRun } from './cron.ts';
import type { DueRow, ScheduleRow, SeatLoad } from './store.ts';
import * as store from './store.ts';

const ORIGIN = 'system:cron';
const ANSWER_SECONDS = 300;
/** How long a run waits for its agent to have room. */
const MOST_WAITING_MS = 120_000;
const PROMPT_LOGGED = 200;
const NO_REPLY = '(no response generated)';

/** What was done with a due row; `taken`: by another, or it was changed meanwhile. */
export type Turn = 'fired' | 'advanced' | 'waiting' | 'skipped' | 'unreadable' | 'taken';

type Verdict = { kind: 'fire' | 'advance' | 'wait' } | { kind: 'skip'; reason: string };

export interface FiringDeps {
  db: Database;
  events: Events;
  activity: Activity;
  messaging: Messaging;
  clock: Clock;
  log: Logger;
}

/** `load` null: it could not be read, and a run too many is better than none. */
function judge(row: DueRow, load: SeatLoad | null, now: Date): Verdict {
  if (load?.schedules_itself) return { kind: 'advance' };
  if (load?.status === 'paused') return { kind: 'skip', reason: 'the workspace is paused' };
  if (!row.in_flight && load?.has_room !== false) return { kind: 'fire' };
  const waitedMs = row.waiting_since === null ? 0 : now.getTime() - row.waiting_since.getTime();
  if (waitedMs < MOST_WAITING_MS) return { kind: 'wait' };
  return { kind: 'skip', reason: row.in_flight ? 'its previous run is still under way' : 'the agent is busy' };
}

function messageFor(row: ScheduleRow) {
  const messageId = `cron-${row.id.slice(0, 8)}-${randomBytes(4).toString('hex')}`;
  const message = {
    role: 'user',
    messageId,
    parts: [{ kind: 'text', text: row.prompt }],
    metadata: { source: ORIGIN, schedule_id: row.id, schedule_name: row.name },
  };
  return { messageId, body: { jsonrpc: '2.0', id: messageId, method: 'message/send', params: { message } } };
}

const titleOf = (row: ScheduleRow) => row.name || row.cron_expr;

function toRunEntry(
  row: ScheduleRow,
  run: { status: ScheduleResult; error: string | null; item: QueueRow | null },
): NewActivity {
  const { status, error, item } = run;
  return {
    workspaceId: row.workspace_id,
    type: 'cron_run',
    targetId: row.workspace_id,
    origin: ORIGIN,
    messageId: item?.idempotency_key ?? null,
    method: 'cron',
    summary: `Schedule ${truncate(titleOf(row), PROMPT_LOGGED)}: ${status}`,
    requestBody: {
      schedule_id: row.id,
      schedule_name: row.name,
      cron_expr: row.cron_expr,
      prompt: truncate(row.prompt, PROMPT_LOGGED),
    },
    durationMs: item?.dispatched_at ? Date.now() - item.dispatched_at.getTime() : null,
    status,
    errorDetail: error,
  };
}

export function createFiring({ db, events, activity, messaging, clock, log }: FiringDeps) {
  const change = <T>(work: (trx: Transaction<Tables>) => Promise<T>) => store.withinLimit(db, work);

  async function acceptIn(trx: Transaction<Tables>, row: ScheduleRow): Promise<QueueRow> {
    return await messaging.acceptIn(trx, {
      workspaceId: row.workspace_id,
      origin: ORIGIN,
      method: 'message/send',
      timeoutSeconds: ANSWER_SECONDS,
      scheduleId: row.id,
      ...messageFor(row),
    });
  }

  async function fire(id: string, now: Date, next: Date): Promise<Turn> {
    const item = await change(async (trx) => {
      const row = await store.takeDue(trx, id, now);
      return row && (await store.beginRun(trx, id, now, next)) ? await acceptIn(trx, row) : null;
    });
    if (item) messaging.begin(item);
    return item ? 'fired' : 'taken';
  }

  async function skip(id: string, now: Date, next: Date, reason: string): Promise<Turn> {
    const done = await change(async (trx) => {
      const row = await store.takeDue(trx, id, now);
      if (!row) return null;
      await store.skipRun(trx, id, next, reason);
      await events.append(trx, {
        event: 'CRON_SKIPPED',
        workspace_id: row.workspace_id,
        payload: { schedule_id: id, schedule_name: row.name, reason },
      });
      const entry = toRunEntry(row, { status: 'skipped', error: reason, item: null });
      const [stored] = await activity.logIn(trx, [entry]);
      return stored ? { entry, stored } : null;
    });
    if (done) activity.announce(done.entry, done.stored);
    return done ? 'skipped' : 'taken';
  }

  async function move(
    id: string,
    now: Date,
    turn: Turn,
    work: (trx: Transaction<Tables>) => Promise<void>,
  ): Promise<Turn> {
    return await change(async (trx) => {
      if (!(await store.takeDue(trx, id, now))) return 'taken';
      await work(trx);
      return turn;
    });
  }

  return {
    /** One due schedule gets its turn. `load` null: not known. */
    async takeTurn(row: DueRow, load: SeatLoad | null): Promise<Turn> {
      const now = new Date(clock.now());
      const next = findNextRun(row.cron_expr, row.timezone, now);
      if (!next) {
        return await move(row.id, now, 'unreadable', async (trx) => {
          const isNews = await store.noteUnreadable(trx, row.id, `cannot be read: ${row.cron_expr} in ${row.timezone}`);
          if (isNews)
            log.warn({ schedule_id: row.id, cron_expr: row.cron_expr }, 'a schedule cannot be read and does not run');
        });
      }
      const verdict = judge(row, load, now);
      switch (verdict.kind) {
        case 'fire':
          return await fire(row.id, now, next);
        case 'skip':
          return await skip(row.id, now, next, verdict.reason);
        case 'advance':
          return await move(row.id, now, 'advanced', (trx) => store.advance(trx, row.id, next));
        case 'wait':
          return await move(row.id, now, 'waiting', (trx) => store.beginWaiting(trx, row.id, now));
      }
    },
    /**
     * Out of turn, whatever its agent does: the queue waits for room. Stored when it resolves.
     * @throws not_found, conflict while a run is under way
     */
    async fireNow(workspaceId: string, id: string): Promise<ScheduleRow> {
      const now = new Date(clock.now());
      const { row, item } = await change(async (trx) => {
        const found = await store.lockOf(trx, workspaceId, id);
        if (!found) throw notFound('schedule');
        if (!(await store.beginRun(trx, id, now, null)))
          throw new PlatformError('conflict', 'a run of this schedule is still under way', { field: 'scheduleId' });
        return { row: found, item: await acceptIn(trx, found) };
      });
      messaging.begin(item);
      return row;
    },
    /** In the transaction that ends a message: if it was a run, so does that. @returns what is logged with it. */
    async onEndIn(trx: Transaction<Tables>, item: QueueRow, end: MessageEnd): Promise<NewActivity[]> {
      if (item.schedule_id === null) return [];
      const error = end.kind === 'failed' || end.kind === 'dropped' ? end.error : null;
      const isEmpty = end.kind === 'completed' ? ['', NO_REPLY].includes(end.text.trim()) : null;
      const row = await store.noteEnd(trx, item.schedule_id, { error, isEmpty });
      // Deleted meanwhile: the message has its own row, and nobody asks for the run.
      if (!row) return [];
      const status = row.last_status as ScheduleResult;
      await events.append(trx, {
        event: 'CRON_EXECUTED',
        workspace_id: row.workspace_id,
        payload: { schedule_id: row.id, schedule_name: row.name, status },
      });
      return [toRunEntry(row, { status, error, item })];
    },
  };
}

export type Firing = ReturnType<typeof createFiring>;
