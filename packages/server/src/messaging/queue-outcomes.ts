// How a queued message ends (chapter 20 §3): answered, put off, given up or dropped. Each final state is one commit with the
// activity row that tells of it, under the lease of whoever delivered it.

import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { Activity, InsertedActivity, NewActivity } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import { type Database, json, type Tables } from '../platform/db/index.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import type { ProxyOutcome } from './call.ts';
import { summarize } from './call-log.ts';
import { lockLanes, releaseLanes } from './intake/store.ts';
import { type QueueRow, type QueueTransition, queueLifecycle } from './lifecycle.ts';
import { describeFailedReply, extractText, extractToolTrace, resultOf } from './reply.ts';
import * as store from './store.ts';

export const MOST_ATTEMPTS = 5;
/** What a message that met a busy target says of its last attempt. */
export const BUSY_AGAIN = 'the target was busy again';
const BUSY_DELAY_SECONDS = 30;
const FIRST_DELAY_SECONDS = 5;
const MOST_DELAY_SECONDS = 300;
/** A removal takes all messages of a workspace along; more than these are left to the sweeps. */
const MOST_DROPPED_AT_ONCE = 10_000;

export type QueueOutcome = { kind: 'completed'; text: string } | { kind: 'failed' | 'dropped'; error: string };

/** How a message left the queue; `inbox`: into that of a target in poll mode, where it is yet to be read. */
export type MessageEnd = QueueOutcome | { kind: 'inbox' };

export interface QueueOutcomesDeps {
  db: Database;
  events: Events;
  activity: Activity;
  log: Logger;
  /** For the rows people read. */
  nameOf(workspaceId: string): Promise<string>;
  onOutcome(item: QueueRow, outcome: QueueOutcome): Promise<void>;
  /** In the transaction that ends the message. @returns what is logged with it. */
  onEndIn(trx: Transaction<Tables>, item: QueueRow, end: MessageEnd): Promise<NewActivity[]>;
}

interface Logged {
  entry: NewActivity;
  stored: InsertedActivity;
}

interface Finished extends Logged {
  row: QueueRow;
}

const lanesOf = (items: readonly { lane: string | null }[]) => items.flatMap(({ lane }) => lane ?? []);
const holding = (item: QueueRow) => sql`lease_token = ${item.lease_token}::uuid`;

export function createQueueOutcomes({ db, events, activity, log, nameOf, onOutcome, onEndIn }: QueueOutcomesDeps) {
  /** Stitching a delegation must never stop the queue. */
  async function tellOutcome(item: QueueRow, outcome: QueueOutcome): Promise<void> {
    try {
      await onOutcome(item, outcome);
    } catch (error) {
      log.error(
        { err: error, queue_id: item.id },
        'the outcome of a queued message could not be passed on; the sweep of delegations repeats it',
      );
    }
  }

  /** A queued message's one activity row; failed attempts have none. */
  function finalRow(item: QueueRow, name: string, reply: unknown, error: string | null): NewActivity {
    return {
      workspaceId: item.workspace_id,
      type: 'a2a_receive',
      sourceId: item.caller_id,
      targetId: item.workspace_id,
      origin: item.origin,
      messageId: item.idempotency_key,
      method: item.method,
      summary: summarize(item.method, name),
      requestBody: item.body,
      responseBody: reply,
      toolTrace: extractToolTrace(reply),
      durationMs: item.dispatched_at === null ? null : Date.now() - item.dispatched_at.getTime(),
      status: error === null ? 'ok' : 'error',
      errorDetail: error,
    };
  }

  async function transition(
    trx: Transaction<Tables>,
    event: QueueTransition,
    id: string,
    patch: Record<string, unknown>,
    guard: RawBuilder<unknown>,
  ): Promise<QueueRow | null> {
    return await applyTransition(trx, events.append, queueLifecycle, event, id, { patch, guard });
  }

  /** However it ends, the next message of its lane may go. */
  async function end(
    trx: Transaction<Tables>,
    event: 'complete' | 'fail',
    item: QueueRow,
    patch: Record<string, unknown>,
    guard: RawBuilder<unknown>,
  ): Promise<QueueRow | null> {
    const lanes = lanesOf([item]);
    await lockLanes(trx, lanes);
    const row = await transition(trx, event, item.id, { completed_at: sql`now()`, ...patch }, guard);
    if (row) await releaseLanes(trx, lanes);
    return row;
  }

  async function logIn(trx: Transaction<Tables>, entries: NewActivity[]): Promise<Logged[]> {
    const stored = entries.length > 0 ? await activity.logIn(trx, entries) : [];
    return entries.map((entry, index) => ({ entry, stored: stored[index] as InsertedActivity }));
  }

  function announce(logged: readonly Logged[]): void {
    for (const { entry, stored } of logged) activity.announce(entry, stored);
  }

  /** Null when the lease has passed on: the later holder decides. */
  async function finish(
    event: 'complete' | 'fail',
    item: QueueRow,
    patch: Record<string, unknown>,
    entry: NewActivity,
    outcome: QueueOutcome,
    guard = holding(item),
  ): Promise<Finished | null> {
    const done = await db.tx(async (trx) => {
      const row = await end(trx, event, item, patch, guard);
      return row ? { row, logged: await logIn(trx, [entry, ...(await onEndIn(trx, row, outcome))]) } : null;
    });
    if (!done) log.warn({ queue_id: item.id, event }, 'a queued message ended after its lease had passed on');
    announce(done?.logged ?? []);
    const own = done?.logged[0];
    return done && own ? { row: done.row, ...own } : null;
  }

  function tellReply({ row, entry, stored }: Finished): void {
    if (row.caller_id === null && row.origin === null)
      events.broadcast({
        event: 'A2A_RESPONSE',
        workspace_id: row.workspace_id,
        payload: {
          response_body: entry.responseBody,
          method: row.method,
          duration_ms: entry.durationMs ?? 0,
          message_id: row.idempotency_key,
          activity_id: stored.id,
          queue_id: row.id,
        },
      });
    events.broadcast({
      event: 'RECEIPT_UPDATED',
      workspace_id: row.workspace_id,
      payload: {
        message_id: row.idempotency_key,
        queue_id: row.id,
        activity_id: stored.id,
        injected_at: row.injected_at?.toISOString(),
        answered_at: row.answered_at?.toISOString(),
      },
    });
  }

  /** An agent's 2xx ends the message, whatever it says; a delegation ends by what it says. */
  async function complete(item: QueueRow, reply: unknown): Promise<void> {
    const failure = describeFailedReply(reply);
    const text = failure === null ? extractText(resultOf(reply)) : '';
    const outcome: QueueOutcome = failure === null ? { kind: 'completed', text } : { kind: 'failed', error: failure };
    const done = await finish(
      'complete',
      item,
      {
        answered_at: sql`now()`,
        injected_at: sql`coalesce(injected_at, now())`,
        last_error: null,
        response_body: json(failure === null ? { text } : { error: failure }),
      },
      finalRow(item, await nameOf(item.workspace_id), reply, null),
      outcome,
    );
    if (!done) return;
    tellReply(done);
    await tellOutcome(done.row, outcome);
  }

  /** The target reads an inbox by now, and the row there is the delivery: answered when it answers. */
  async function handToInbox(item: QueueRow): Promise<void> {
    const logged = await db.tx(async (trx) => {
      const row = await end(trx, 'complete', item, { last_error: null }, holding(item));
      return row ? await logIn(trx, await onEndIn(trx, row, { kind: 'inbox' })) : [];
    });
    announce(logged);
  }

  async function putOff(item: QueueRow, error: string, seconds: number, patch: Record<string, unknown>): Promise<void> {
    const delay = { next_attempt_at: sql`now() + make_interval(secs => ${seconds})` };
    const free = { lease_token: null, lease_until: null };
    await db.tx((trx) =>
      transition(trx, 'retry', item.id, { last_error: error, ...delay, ...free, ...patch }, holding(item)),
    );
  }

  async function giveUp(item: QueueRow, error: string, guard = holding(item)): Promise<boolean> {
    const entry = finalRow(item, await nameOf(item.workspace_id), null, error);
    const outcome: QueueOutcome = { kind: 'failed', error };
    const done = await finish('fail', item, { last_error: error }, entry, outcome, guard);
    if (done) await tellOutcome(done.row, outcome);
    return done !== null;
  }

  async function settleFailure(item: QueueRow, error: string): Promise<void> {
    if (item.attempts >= MOST_ATTEMPTS) return void (await giveUp(item, error));
    await putOff(item, error, Math.min(FIRST_DELAY_SECONDS * 2 ** item.attempts, MOST_DELAY_SECONDS), {});
  }

  return {
    /** @returns whether the target may take another message now. */
    async settle(item: QueueRow, outcome: ProxyOutcome): Promise<boolean> {
      switch (outcome.kind) {
        case 'answered':
          await complete(item, outcome.reply);
          return true;
        case 'streamed':
          // Delivered, but the end of the answer is missing: a repeat gets it from the agent's own memory.
          if (outcome.broken) await settleFailure(item, 'stream interrupted');
          else await complete(item, outcome.reply);
          return !outcome.broken;
        case 'inbox':
          await handToInbox(item);
          return true;
        case 'busy':
        case 'queued':
          // It never reached a turn: the attempt does not count, and word of room overrides the delay.
          await putOff(item, BUSY_AGAIN, BUSY_DELAY_SECONDS, {
            attempts: sql`attempts - 1`,
            dispatched_at: null,
          });
          return false;
        case 'rejected':
          await giveUp(item, 'the message has no readable parts');
          return true;
        case 'failed':
          await settleFailure(item, outcome.error.message || 'delivery failed');
          return false;
      }
    },
    giveUp,
    /** Ends messages nobody works on. @returns how many it were. */
    async drop(
      items: readonly store.ItemKey[],
      reason: string,
      options: { keepEarlierError: boolean },
    ): Promise<number> {
      if (items.length === 0) return 0;
      const lastError = options.keepEarlierError
        ? sql`concat_ws('; ', last_error, ${reason}::text)`
        : sql`${reason}::text`;
      const names = new Map<string, string>();
      for (const { workspace_id: id } of items) if (!names.has(id)) names.set(id, await nameOf(id));
      const outcome: QueueOutcome = { kind: 'dropped', error: reason };
      const { rows, logged } = await db.tx(async (trx) => {
        const dropped: QueueRow[] = [];
        await lockLanes(trx, lanesOf(items));
        for (const { id } of items) {
          const patch = { last_error: lastError, completed_at: sql`now()` };
          const row = await transition(trx, 'drop', id, patch, sql`status = 'queued'`);
          if (row) dropped.push(row);
        }
        await releaseLanes(trx, lanesOf(dropped));
        const entries = dropped.map((row) => finalRow(row, names.get(row.workspace_id) ?? '', null, reason));
        // All messages are locked before what these ends append: others lock one, and append after.
        for (const row of dropped) entries.push(...(await onEndIn(trx, row, outcome)));
        return { rows: dropped, logged: await logIn(trx, entries) };
      });
      announce(logged);
      for (const row of rows) await tellOutcome(row, outcome);
      return rows.length;
    },
    /** In the removing transaction. Delegations these messages carry end with the workspace. */
    async dropFor(trx: Transaction<Tables>, workspaceIds: string[], reason: string): Promise<void> {
      const items = await store.listActiveOf(trx, workspaceIds, MOST_DROPPED_AT_ONCE);
      // Whoever ends one of them locks its lane first, and then the message behind it.
      await lockLanes(trx, lanesOf(items));
      for (const { id } of items) {
        const patch = { last_error: reason, completed_at: sql`now()`, lease_token: null };
        await transition(trx, 'drop', id, patch, sql`true`);
      }
    },
    /** A message whose holder died is free again, unless it has been tried often enough: it may be what kills. */
    async recover(item: QueueRow): Promise<'free' | 'given_up' | 'held'> {
      const expired = sql`lease_until < now()`;
      if (item.attempts >= MOST_ATTEMPTS)
        return (await giveUp(item, 'every process that delivered it died', expired)) ? 'given_up' : 'held';
      const row = await db.tx((trx) =>
        transition(trx, 'recover', item.id, { lease_token: null, lease_until: null }, expired),
      );
      return row ? 'free' : 'held';
    },
  };
}

export type QueueOutcomes = ReturnType<typeof createQueueOutcomes>;
