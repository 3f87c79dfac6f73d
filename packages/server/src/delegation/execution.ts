// Carrying a delegation out: the job takes it under a lease, sends it as its caller, and writes what became of it.
// After a crash another job takes it up with the same message id (ruling R6).

import { randomUUID } from 'node:crypto';
import type { Events } from '../events/index.ts';
import { extractText, type Messaging, type ProxyOutcome, parseReply, resultOf } from '../messaging/index.ts';
import type { Database } from '../platform/db/index.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Ledger } from './ledger.ts';
import type { DelegationRow } from './lifecycle.ts';
import * as store from './store.ts';

const RETRY_AFTER_MS = 8_000;
const JOB_SECONDS = 1_800;
const MOST_AT_ONCE = 64;

export interface ExecutionDeps {
  db: Database;
  events: Events;
  ledger: Ledger;
  messaging: Messaging;
  log: Logger;
  /** Waits before the one retry; tests shorten it. */
  retryAfterMs?: number;
}

const pause = (milliseconds: number) =>
  new Promise<void>((done) => AbortSignal.timeout(milliseconds).addEventListener('abort', () => done()));

export function createExecution({ db, events, ledger, messaging, log, retryAfterMs = RETRY_AFTER_MS }: ExecutionDeps) {
  const token = randomUUID();
  const running = new Map<string, Promise<void>>();
  let closed = false;

  const messageOf = (row: DelegationRow) =>
    Buffer.from(
      JSON.stringify({
        jsonrpc: '2.0',
        id: row.delegation_id,
        method: 'message/send',
        params: {
          message: {
            role: 'user',
            messageId: row.delegation_id,
            parts: [{ kind: 'text', text: row.task }],
            metadata: { delegation_id: row.delegation_id },
          },
        },
      }),
    );

  async function send(row: DelegationRow): Promise<ProxyOutcome> {
    try {
      return await messaging.proxy({
        targetId: row.callee_id,
        body: messageOf(row),
        caller: { workspaceId: row.caller_id, origin: null },
        timeoutSeconds: JOB_SECONDS,
        enqueueOnBusy: true,
        logActivity: true,
      });
    } catch (error) {
      if (error instanceof PlatformError) return { kind: 'failed', error, normalized: null };
      throw error;
    }
  }

  /** Not delivered for certain, so a second try cannot double it. Busy is never repeated: it may have been delivered. */
  function mayRetry(outcome: ProxyOutcome): boolean {
    if (outcome.kind !== 'failed') return false;
    const { error } = outcome;
    return error.extras.restarting === true || (error.status === 502 && error.extras.delivery_confirmed !== true);
  }

  async function settle(row: DelegationRow, outcome: ProxyOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'answered': {
        const reply = parseReply(outcome.body);
        const rpcError = (reply as { error?: { message?: unknown } } | null)?.error;
        if (rpcError)
          return void (await ledger.fail(
            row.delegation_id,
            String(rpcError.message ?? 'the agent answered with an error'),
          ));
        return void (await ledger.complete(row.delegation_id, extractText(resultOf(reply))));
      }
      case 'streamed':
        return void (await ledger.complete(row.delegation_id, extractText(outcome.result)));
      case 'queued':
      case 'inbox':
        // The queue or the inbox holds it now, and says when it is answered. Its own JSON is never a reply.
        await store.releaseLease(db.kysely, row.delegation_id);
        await ledger.logQueued(row);
        await ledger.setMirrorStatus(row, 'queued');
        return await db.tx((trx) =>
          events.append(trx, {
            event: 'DELEGATION_STATUS',
            workspace_id: row.caller_id,
            payload: { delegation_id: row.delegation_id, target_id: row.callee_id, status: 'queued' },
          }),
        );
      case 'rejected':
        return void (await ledger.fail(row.delegation_id, 'the task could not be read'));
      case 'busy':
      case 'failed':
        return void (await ledger.fail(row.delegation_id, outcome.error.message));
    }
  }

  async function execute(row: DelegationRow): Promise<void> {
    if (row.status === 'queued') {
      if (!(await ledger.move('dispatch', row.delegation_id))) return;
      await ledger.setMirrorStatus(row, 'dispatched');
    }
    let outcome = await send(row);
    if (mayRetry(outcome) && !closed) {
      await pause(retryAfterMs);
      await store.countRetry(db.kysely, row.delegation_id);
      outcome = await send(row);
    }
    // A platform that is stopping leaves the rest to the next one, by the lease.
    if (closed && outcome.kind === 'failed') return;
    await settle(row, outcome);
  }

  function begin(row: DelegationRow): void {
    const job = execute(row)
      .catch((error: unknown) =>
        log.error(
          { err: error, delegation_id: row.delegation_id },
          'a delegation could not be carried out; its lease expires and it is taken up again',
        ),
      )
      .finally(() => running.delete(row.delegation_id));
    running.set(row.delegation_id, job);
  }

  return {
    /** Takes this delegation up at once, detached. */
    start(id: string): void {
      if (closed) return;
      store.claimQueued(db.kysely, [id], token, 1).then(
        (rows) => rows.forEach(begin),
        (error: unknown) =>
          log.error({ err: error, delegation_id: id }, 'a delegation could not be claimed; the sweep takes it up'),
      );
    },
    /** Takes up what nobody works on: accepted before a crash, or abandoned in the middle. */
    async resume(): Promise<number> {
      const room = MOST_AT_ONCE - running.size;
      if (room <= 0 || closed) return 0;
      const queued = await store.claimQueued(db.kysely, null, token, room);
      const abandoned = await store.claimAbandoned(db.kysely, token, room);
      for (const row of [...queued, ...abandoned]) begin(row);
      return queued.length + abandoned.length;
    },
    renew: async () => (running.size === 0 ? 0 : await store.renewLeases(db.kysely, token, [...running.keys()])),
    async close(): Promise<void> {
      closed = true;
      await Promise.allSettled([...running.values()]);
    },
  };
}
