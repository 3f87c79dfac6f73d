// The queue of messages whose target was busy (chapter 20 §3): accepted when stored, delivered as soon as the target is free,
// under a lease that is renewed while the call is open and fences every outcome.

import type { Transaction } from 'kysely';
import { sql } from 'kysely';
import type { Activity } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { PlatformError } from '../platform/errors.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import { type QueueRow, type QueueTransition, queueLifecycle } from './lifecycle.ts';
import { describeFailure } from './outcome.ts';
import type { A2aProxy, ProxyOutcome } from './proxy.ts';
import { extractText, extractToolTrace, resultOf } from './reply.ts';
import * as store from './store.ts';

const MOST_ATTEMPTS = 5;
const BUSY_DELAY_SECONDS = 30;
const MOST_DELAY_SECONDS = 300;
const SWEEP_BATCH = 100;
const RECOVER_AFTER_BOOT_MS = 60_000;

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
  const draining = new Set<string>();
  const again = new Set<string>();
  const openLeases = new Set<string>();
  let asked = new Set<string>();
  let asking = false;
  let closed = false;
  const bootedAt = Date.now();

  async function move(
    event: QueueTransition,
    id: string,
    patch: Record<string, unknown>,
    leaseToken: string | null = null,
  ): Promise<QueueRow | null> {
    const guard = leaseToken === null ? undefined : sql`lease_token = ${leaseToken}`;
    return await db.tx((trx) =>
      applyTransition(trx, events.append, queueLifecycle, event, id, { patch, ...(guard ? { guard } : {}) }),
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

  /** The final row of a queued message, and for a person the reply itself. */
  async function logFinal(item: QueueRow, reply: unknown, error: string | null): Promise<void> {
    const duration = Date.now() - (item.dispatched_at ?? item.enqueued_at).getTime();
    const stored = await activity.log({
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
      durationMs: duration,
      status: error ? 'error' : 'ok',
      errorDetail: error,
    });
    if (item.caller_id !== null || item.origin !== null || error) return;
    events.broadcast({
      event: 'A2A_RESPONSE',
      workspace_id: item.workspace_id,
      payload: {
        response_body: reply,
        method: item.method,
        duration_ms: duration,
        message_id: item.idempotency_key,
        activity_id: stored.id,
        queue_id: item.id,
      },
    });
  }

  async function complete(item: QueueRow, reply: unknown): Promise<void> {
    const done = await move(
      'complete',
      item.id,
      {
        completed_at: new Date(),
        answered_at: new Date(),
        injected_at: sql`coalesce(injected_at, now())`,
        last_error: null,
      },
      item.lease_token,
    );
    if (!done)
      return log.warn(
        { queue_id: item.id },
        'a message was answered after its lease had passed on; the later holder decides',
      );
    await logFinal(item, reply, null);
    events.broadcast({
      event: 'RECEIPT_UPDATED',
      workspace_id: item.workspace_id,
      payload: { message_id: item.idempotency_key, queue_id: item.id, answered_at: new Date().toISOString() },
    });
    await tellOutcome(done, { kind: 'completed', text: extractText(resultOf(reply)), reply });
  }

  async function retryLater(item: QueueRow, error: string, seconds: number, refund: boolean): Promise<void> {
    await move(
      'retry',
      item.id,
      {
        last_error: error,
        next_attempt_at: new Date(Date.now() + seconds * 1000),
        lease_token: null,
        lease_until: null,
        ...(refund ? { attempts: sql`attempts - 1` } : {}),
      },
      item.lease_token,
    );
  }

  async function giveUp(item: QueueRow, error: string): Promise<void> {
    const failed = await move('fail', item.id, { last_error: error, completed_at: new Date() }, item.lease_token);
    if (!failed) return;
    await logFinal(item, null, error);
    await tellOutcome(failed, { kind: 'failed', error });
  }

  async function settle(item: QueueRow, outcome: ProxyOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'answered':
        return await complete(item, JSON.parse(outcome.body.toString('utf8') || 'null'));
      case 'streamed':
        return await complete(item, { jsonrpc: '2.0', result: outcome.result });
      case 'inbox':
        return await complete(item, outcome.body);
      case 'busy':
        return await retryLater(item, 'the target was busy again', BUSY_DELAY_SECONDS, true);
      case 'queued':
        return await retryLater(item, 'queued again', BUSY_DELAY_SECONDS, true);
      case 'rejected':
        return await giveUp(item, 'the message has no readable parts');
      case 'failed': {
        const error = describeFailure(outcome.error);
        if (item.attempts >= MOST_ATTEMPTS) return await giveUp(item, error);
        return await retryLater(item, error, Math.min(5 * 2 ** item.attempts, MOST_DELAY_SECONDS), false);
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
      await settle(item, outcome);
    } finally {
      openLeases.delete(token);
    }
  }

  /** One message after another until the target is full or nothing waits. */
  async function drainOne(workspaceId: string): Promise<void> {
    if (draining.has(workspaceId)) return void again.add(workspaceId);
    draining.add(workspaceId);
    try {
      for (;;) {
        again.delete(workspaceId);
        const item = closed ? null : await claim(workspaceId);
        if (item) await deliver(item);
        else if (!again.has(workspaceId)) return;
      }
    } finally {
      draining.delete(workspaceId);
      again.delete(workspaceId);
    }
  }

  async function answerAsked(): Promise<void> {
    while (asked.size > 0 && !closed) {
      const ids = [...asked];
      asked = new Set();
      for (const id of await store.listWaiting(db.kysely, ids))
        drainOne(id).catch((error: unknown) =>
          log.error({ err: error, workspace_id: id }, 'a queue could not be drained; the sweep repeats it'),
        );
    }
  }

  /** Detached. Requests of the same moment cost one query. */
  function drain(workspaceId: string): void {
    if (closed) return;
    if (draining.has(workspaceId)) return void again.add(workspaceId);
    asked.add(workspaceId);
    if (asking) return;
    asking = true;
    Promise.resolve()
      .then(answerAsked)
      .catch((error: unknown) =>
        log.error({ err: error }, 'waiting messages could not be looked up; the sweep repeats it'),
      )
      .finally(() => {
        asking = false;
      });
  }

  async function dropIn(trx: Transaction<Tables>, ids: string[], reason: string): Promise<QueueRow[]> {
    const dropped: QueueRow[] = [];
    for (const id of ids) {
      const row = await applyTransition(trx, events.append, queueLifecycle, 'drop', id, {
        patch: {
          last_error: sql`concat_ws('; ', last_error, ${reason}::text)`,
          completed_at: new Date(),
          lease_token: null,
        },
      });
      if (row) dropped.push(row);
    }
    return dropped;
  }

  async function drop(ids: string[], reason: string): Promise<number> {
    if (ids.length === 0) return 0;
    const dropped = await db.tx((trx) => dropIn(trx, ids, reason));
    for (const item of dropped) await tellOutcome(item, { kind: 'dropped', error: reason });
    return dropped.length;
  }

  const loops: Loop[] = [
    {
      name: 'a2a-queue-sweeper',
      why: 'Expired messages would wait for ever, and due ones that no event announced would wait for the next beat.',
      everyMs: 10_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      async run() {
        const expired = await drop(await store.listExpired(db.kysely, SWEEP_BATCH), 'expired');
        const due = await store.listDue(db.kysely, SWEEP_BATCH);
        for (const id of due) drain(id);
        return { expired, due: due.length };
      },
    },
    {
      name: 'a2a-lease-renewal',
      why: 'A turn that takes longer than a lease would be run twice.',
      everyMs: 20_000,
      timeoutMs: 10_000,
      runs: 'every-replica',
      run: async () => ({ renewed: openLeases.size === 0 ? 0 : await store.renewLeases(db.kysely, [...openLeases]) }),
    },
    {
      name: 'a2a-lease-recovery',
      why: 'Messages of a process that died would stay dispatched for ever.',
      everyMs: 30_000,
      timeoutMs: 20_000,
      runs: 'one-replica',
      async run() {
        // Beats get the chance to renew what is still being worked on.
        if (Date.now() - bootedAt < RECOVER_AFTER_BOOT_MS) return { recovered: 0 };
        let recovered = 0;
        for (const id of await store.listAbandoned(db.kysely, SWEEP_BATCH)) {
          const row = await db.tx((trx) =>
            applyTransition(trx, events.append, queueLifecycle, 'recover', id, {
              patch: { lease_token: null, lease_until: null },
              guard: sql`lease_until < now()`,
            }),
          );
          if (!row) continue;
          recovered += 1;
          drain(row.workspace_id);
        }
        return { recovered };
      },
    },
  ];

  return {
    drain,
    /** For tests and callers that wait: drains until nothing may be delivered. */
    drainNow: drainOne,
    drop,
    async dropFor(trx: Transaction<Tables>, workspaceIds: string[], reason: string): Promise<void> {
      await dropIn(trx, await store.listActiveOf(trx, workspaceIds, 10_000), reason);
    },
    loops,
    close() {
      closed = true;
    },
  };
}

export type Queue = ReturnType<typeof createQueue>;
