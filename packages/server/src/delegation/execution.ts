// Carrying a delegation out: the job takes it under a lease, sends it as its caller, and writes what became of it.
// After a crash another job takes it up with the same message id (ruling R6).

import { randomUUID } from 'node:crypto';
import { describeFailedReply, extractText, type Messaging, type ProxyOutcome, resultOf } from '../messaging/index.ts';
import type { Database } from '../platform/db/index.ts';
import { startDeadline } from '../platform/deadline.ts';
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
  ledger: Ledger;
  messaging: Messaging;
  log: Logger;
}

/** The id doubles as the message's own, so that queues and receivers know a repeat. */
function messageOf(row: DelegationRow): Buffer {
  const message = {
    role: 'user',
    messageId: row.delegation_id,
    parts: [{ kind: 'text', text: row.task }],
    metadata: {
      delegation_id: row.delegation_id,
      // For agents of other makes, which can see there that a peer they mean to ask waits for them.
      ...(row.path ? { delegation_path: row.path, delegation_depth: row.path.length - 1 } : {}),
    },
  };
  const request = { jsonrpc: '2.0', id: row.delegation_id, method: 'message/send', params: { message } };
  return Buffer.from(JSON.stringify(request));
}

/** Not delivered for certain, so a second try cannot double it. Busy is never repeated: it may have been delivered. */
function mayRetry(outcome: ProxyOutcome): boolean {
  if (outcome.kind !== 'failed') return false;
  const { error } = outcome;
  return (
    error.extras.restarting === true ||
    error.extras.waking === true ||
    (error.status === 502 && error.extras.delivery_confirmed !== true)
  );
}

export function createExecution({ db, ledger, messaging, log }: ExecutionDeps) {
  const lease = randomUUID();
  const running = new Map<string, Promise<void>>();
  const closing = Promise.withResolvers<void>();
  let closed = false;

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

  async function settleReply(id: string, reply: unknown): Promise<void> {
    const failure = describeFailedReply(reply);
    if (failure === null) await ledger.complete(id, extractText(resultOf(reply)), { lease });
    else await ledger.fail(id, failure, { lease });
  }

  async function settle(row: DelegationRow, outcome: ProxyOutcome): Promise<void> {
    const id = row.delegation_id;
    switch (outcome.kind) {
      case 'answered':
        return await settleReply(id, outcome.reply);
      case 'streamed':
        if (!outcome.broken) return await settleReply(id, outcome.reply);
        return void (await ledger.fail(id, 'stream interrupted', { lease }));
      case 'queued':
      case 'inbox':
        return await ledger.handOver(row, lease);
      case 'rejected':
        return void (await ledger.fail(id, 'the task could not be read', { lease }));
      case 'busy':
      case 'failed':
        return void (await ledger.fail(id, outcome.error.message, { lease }));
    }
  }

  /** Ends early when the platform stops. */
  async function pauseBeforeRetry(): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const deadline = startDeadline({ silenceMs: RETRY_AFTER_MS, ceilingMs: null, onExpire: () => resolve() });
    await Promise.race([over, closing.promise]);
    deadline.cancel();
  }

  async function execute(row: DelegationRow): Promise<void> {
    if (row.status === 'queued' && !(await ledger.dispatch(row, lease))) return;
    let outcome = await send(row);
    if (mayRetry(outcome) && !closed) {
      await pauseBeforeRetry();
      if (closed) return;
      await store.countRetry(db.kysely, row.delegation_id);
      outcome = await send(row);
    }
    // A platform that is stopping leaves the rest to the next one, by the lease.
    if (closed && outcome.kind === 'failed') return;
    await settle(row, outcome);
  }

  function begin(row: DelegationRow): void {
    // A lease that ran out while its job went on here: the job still has it.
    if (running.has(row.delegation_id)) return;
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
    /** Under which new delegations are stored that `start` is to carry out. */
    lease,
    /** Detached. After the end of this process another takes it up, by the lease. */
    start(row: DelegationRow): void {
      if (!closed) begin(row);
    },
    /** Takes up what nobody works on: accepted before a crash, or abandoned in the middle. */
    async resume(): Promise<number> {
      const room = MOST_AT_ONCE - running.size;
      if (room <= 0 || closed) return 0;
      const taken = await store.claimUnattended(db.kysely, lease, room);
      for (const row of taken) begin(row);
      return taken.length;
    },
    renew: async () => (running.size === 0 ? 0 : await store.renewLeases(db.kysely, lease, [...running.keys()])),
    /** Waits for the jobs to put their work down. */
    async close(): Promise<void> {
      closed = true;
      closing.resolve();
      await Promise.allSettled([...running.values()]);
      await store
        .expireLeases(db.kysely, lease)
        .catch((error: unknown) => log.warn({ err: error }, 'leases of delegations could not be given back'));
    },
  };
}

export type Execution = ReturnType<typeof createExecution>;
