// The queue of messages whose target was busy (chapter 20 §3): accepted when stored, delivered as soon as the target is free,
// under a lease that is renewed while the call is open and fences every outcome.

import type { Transaction } from 'kysely';
import { sql } from 'kysely';
import type { Activity, NewActivity } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import { type Database, json, type Tables } from '../platform/db/index.ts';
import { PlatformError } from '../platform/errors.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import type { ProxyOutcome } from './call.ts';
import { type QueueRow, type QueueTransition, queueLifecycle } from './lifecycle.ts';
import { describeFailure } from './outcome.ts';
import type { A2aProxy } from './proxy.ts';
import { extractText, extractToolTrace, parseReply, resultOf } from './reply.ts';
import * as store from './store.ts';

export const MOST_ATTEMPTS = 5;
const BUSY_DELAY_SECONDS = 30;
const MOST_DELAY_SECONDS = 300;

export type QueueOutcome =
  | { kind: 'completed'; text: string; reply: unknown }
  | { kind: 'failed' | 'dropped'; error: string };

export interface QueueDeps {
  db: Database;
  events: Events;
  activity: Activity;
  log: Logger;
  run: A2aProxy['run'];
  onOutcome(item: QueueRow, outcome: QueueOutcome): Promise<void>;
}

export function createQueue({ db, events, activity, log, run, onOutcome }: QueueDeps) {
  const claiming = new Set<string>();
  const claimAgain = new Set<string>();
  const openLeases = new Set<string>();
  /** Deliveries under way, by workspace. */
  const deliveries = new Map<string, Set<Promise<unknown>>>();
  let asked = new Set<string>();
  let asking: Promise<void> | null = null;
  let closed = false;

  const holding = (leaseToken: string | null) =>
    leaseToken === null ? {} : { guard: sql`lease_token = ${leaseToken}::uuid` };

  async function move(
    event: QueueTransition,
    item: { id: string; lease_token: string | null },
    patch: Record<string, unknown>,
  ): Promise<QueueRow | null> {
    return await db.tx((trx) =>
      applyTransition(trx, events.append, queueLifecycle, event, item.id, { patch, ...holding(item.lease_token) }),
    );
  }

  async function claim(workspaceId: string): Promise<QueueRow | null> {
    return await db.tx(async (trx) => {
      const id = await store.lockClaimable(trx, workspaceId);
      return id === null
        ? null
        : await applyTransition(trx, events.append, queueLifecycle, 'claim', id, { patch: store.freshLease() });
    });
  }

  /** Stitching a delegation must never stop the queue. */
  async function tellOutcome(item: QueueRow, outcome: QueueOutcome): Promise<void> {
    try {
      await onOutcome(item, outcome);
    } catch (error) {
      log.error({ err: error, queue_id: item.id }, 'the outcome of a queued message could not be passed on');
    }
  }

  /** A queued message's one activity row, and for a person the reply itself. */
  function finalRow(item: QueueRow, reply: unknown, error: string | null): NewActivity {
    return {
      workspaceId: item.workspace_id,
      type: 'a2a_receive',
      sourceId: item.caller_id,
      targetId: item.workspace_id,
      origin: item.origin,
      messageId: item.idempotency_key,
      method: item.method,
      summary: error ? `${item.method} failed` : `${item.method} answered from the queue`,
      requestBody: item.body,
      responseBody: reply,
      toolTrace: extractToolTrace(reply),
      durationMs: Date.now() - (item.dispatched_at ?? item.enqueued_at).getTime(),
      status: error ? 'error' : 'ok',
      errorDetail: error,
    };
  }

  /** The final state and its row are one commit, so that no answered message is missing in the history. */
  async function finish(
    event: 'complete' | 'fail',
    item: QueueRow,
    patch: Record<string, unknown>,
    entry: NewActivity,
  ): Promise<{ row: QueueRow; activityId: string } | null> {
    const done = await db.tx(async (trx) => {
      const row = await applyTransition(trx, events.append, queueLifecycle, event, item.id, {
        patch: { completed_at: sql`now()`, ...patch },
        ...holding(item.lease_token),
      });
      return row ? { row, stored: await activity.logIn(trx, entry) } : null;
    });
    if (!done) return null;
    activity.announce(entry, done.stored);
    return { row: done.row, activityId: done.stored.id };
  }

  async function complete(item: QueueRow, reply: unknown): Promise<void> {
    const text = extractText(resultOf(reply));
    const entry = finalRow(item, reply, null);
    const done = await finish(
      'complete',
      item,
      {
        answered_at: sql`now()`,
        injected_at: sql`coalesce(injected_at, now())`,
        last_error: null,
        response_body: json({ text }),
      },
      entry,
    );
    if (!done)
      return log.warn(
        { queue_id: item.id },
        'a message was answered after its lease had passed on; the later holder decides',
      );
    if (item.caller_id === null && item.origin === null) {
      events.broadcast({
        event: 'A2A_RESPONSE',
        workspace_id: item.workspace_id,
        payload: {
          response_body: reply,
          method: item.method,
          duration_ms: entry.durationMs ?? 0,
          message_id: item.idempotency_key,
          activity_id: done.activityId,
          queue_id: item.id,
        },
      });
    }
    events.broadcast({
      event: 'RECEIPT_UPDATED',
      workspace_id: item.workspace_id,
      payload: {
        message_id: item.idempotency_key,
        queue_id: item.id,
        activity_id: done.activityId,
        answered_at: done.row.answered_at?.toISOString() ?? new Date().toISOString(),
      },
    });
    await tellOutcome(done.row, { kind: 'completed', text, reply });
  }

  async function retryLater(item: QueueRow, error: string, seconds: number, refund: boolean): Promise<void> {
    await move('retry', item, {
      last_error: error,
      next_attempt_at: sql`now() + make_interval(secs => ${seconds})`,
      lease_token: null,
      lease_until: null,
      ...(refund ? { attempts: sql`attempts - 1` } : {}),
    });
  }

  async function giveUp(item: QueueRow, error: string): Promise<void> {
    const failed = await finish('fail', item, { last_error: error }, finalRow(item, null, error));
    if (failed) await tellOutcome(failed.row, { kind: 'failed', error });
  }

  /** @returns whether the target may take another message now. */
  async function settle(item: QueueRow, outcome: ProxyOutcome): Promise<boolean> {
    switch (outcome.kind) {
      case 'answered':
        await complete(item, parseReply(outcome.body));
        return true;
      case 'streamed':
        await complete(item, { jsonrpc: '2.0', result: outcome.result });
        return true;
      case 'inbox':
        await complete(item, outcome.body);
        return true;
      case 'busy':
      case 'queued':
        await retryLater(item, 'the target was busy again', BUSY_DELAY_SECONDS, true);
        return false;
      case 'rejected':
        await giveUp(item, 'the message has no readable parts');
        return true;
      case 'failed': {
        const error = describeFailure(outcome.error);
        if (item.attempts >= MOST_ATTEMPTS) await giveUp(item, error);
        else await retryLater(item, error, Math.min(5 * 2 ** item.attempts, MOST_DELAY_SECONDS), false);
        return false;
      }
    }
  }

  async function deliver(item: QueueRow): Promise<void> {
    const token = item.lease_token as string;
    openLeases.add(token);
    try {
      const outcome = await run({
        targetId: item.workspace_id,
        body: Buffer.from(JSON.stringify(item.body)),
        caller: { workspaceId: item.caller_id, origin: item.origin },
        trusted: true,
        enqueueOnBusy: false,
        logActivity: false,
      }).catch((error: unknown): ProxyOutcome => {
        if (error instanceof PlatformError) return { kind: 'failed', error, normalized: null };
        throw error;
      });
      if (await settle(item, outcome)) drain(item.workspace_id);
    } finally {
      openLeases.delete(token);
    }
  }

  function beginDelivery(item: QueueRow): void {
    const { workspace_id: workspaceId } = item;
    const open = deliveries.get(workspaceId) ?? new Set();
    deliveries.set(workspaceId, open);
    const delivery = deliver(item)
      .catch((error: unknown) =>
        log.error({ err: error, queue_id: item.id }, 'a delivery broke off; the message is free when its lease ends'),
      )
      .finally(() => {
        open.delete(delivery);
        if (open.size === 0) deliveries.delete(workspaceId);
      });
    open.add(delivery);
  }

  /** Claims as much as the target has room for; the deliveries go on by themselves. */
  async function claimAll(workspaceId: string): Promise<void> {
    if (claiming.has(workspaceId)) return void claimAgain.add(workspaceId);
    claiming.add(workspaceId);
    try {
      for (;;) {
        claimAgain.delete(workspaceId);
        const item = closed ? null : await claim(workspaceId);
        if (item) beginDelivery(item);
        else if (!claimAgain.has(workspaceId)) return;
      }
    } finally {
      claiming.delete(workspaceId);
      claimAgain.delete(workspaceId);
    }
  }

  async function answerAsked(): Promise<void> {
    while (asked.size > 0 && !closed) {
      const ids = [...asked];
      asked = new Set();
      const waiting = await store.listWaiting(db.kysely, ids);
      await Promise.all(
        waiting.map((id) =>
          claimAll(id).catch((error: unknown) =>
            log.error({ err: error, workspace_id: id }, 'a queue could not be drained; the sweep repeats it'),
          ),
        ),
      );
    }
  }

  function answerSoon(): void {
    asking ??= Promise.resolve()
      .then(answerAsked)
      .catch((error: unknown) =>
        log.error({ err: error }, 'waiting messages could not be looked up; the sweep repeats it'),
      )
      .finally(() => {
        asking = null;
        // Somebody may have asked after the last look and before this line.
        if (asked.size > 0 && !closed) answerSoon();
      });
  }

  /** Detached. Requests of the same moment cost one query. */
  function drain(workspaceId: string): void {
    if (closed) return;
    asked.add(workspaceId);
    answerSoon();
  }

  async function dropIn(trx: Transaction<Tables>, ids: string[], reason: string): Promise<QueueRow[]> {
    const dropped: QueueRow[] = [];
    for (const id of ids) {
      const row = await applyTransition(trx, events.append, queueLifecycle, 'drop', id, {
        patch: {
          last_error: sql`concat_ws('; ', last_error, ${reason}::text)`,
          completed_at: sql`now()`,
          lease_token: null,
        },
      });
      if (row) dropped.push(row);
    }
    return dropped;
  }

  return {
    drain,
    /** Drains and waits for the deliveries it began and those under way. */
    async drainNow(workspaceId: string): Promise<void> {
      await claimAll(workspaceId);
      for (let open = deliveries.get(workspaceId); open; open = deliveries.get(workspaceId)) await Promise.all(open);
    },
    async drop(ids: string[], reason: string): Promise<number> {
      if (ids.length === 0) return 0;
      const dropped = await db.tx((trx) => dropIn(trx, ids, reason));
      for (const item of dropped) await tellOutcome(item, { kind: 'dropped', error: reason });
      return dropped.length;
    },
    /** In the removing transaction; the delegations of these messages end with their workspace. */
    async dropFor(trx: Transaction<Tables>, workspaceIds: string[], reason: string): Promise<void> {
      await dropIn(trx, await store.listActiveOf(trx, workspaceIds, 10_000), reason);
    },
    renewLeases: async () => (openLeases.size === 0 ? 0 : await store.renewLeases(db.kysely, [...openLeases])),
    /** A message whose holder died is free again, unless it has been tried often enough: it may be what kills. */
    async recover({ id, attempts }: { id: string; attempts: number }): Promise<boolean> {
      const guard = sql`lease_until < now()`;
      const error = 'every process that delivered it died';
      const row = await db.tx((trx) =>
        attempts < MOST_ATTEMPTS
          ? applyTransition(trx, events.append, queueLifecycle, 'recover', id, {
              patch: { lease_token: null, lease_until: null },
              guard,
            })
          : applyTransition(trx, events.append, queueLifecycle, 'fail', id, {
              patch: { last_error: error, completed_at: sql`now()` },
              guard,
            }),
      );
      if (row?.status === 'failed') await tellOutcome(row, { kind: 'failed', error });
      if (row?.status === 'queued') drain(row.workspace_id);
      return row !== null;
    },
    async close(): Promise<void> {
      closed = true;
      await asking;
      await Promise.all([...deliveries.values()].flatMap((open) => [...open]));
    },
  };
}

export type Queue = ReturnType<typeof createQueue>;
