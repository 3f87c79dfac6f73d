// The ledger of delegations: acceptance, every change of state with its preview, and the one push of a result to the caller's
// inbox. The activity rows are a mirror for people; their failure never blocks the ledger.

import { randomUUID } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { type Activity, truncate } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import { type DelegationRow, type DelegationTransition, delegationLifecycle } from './lifecycle.ts';
import * as store from './store.ts';

const PREVIEW_LENGTH = 4_096;
const SENT_PREVIEW_LENGTH = 100;
const SUMMARY_LENGTH = 256;

export interface LedgerDeps {
  db: Database;
  events: Events;
  activity: Activity;
  log: Logger;
}

export interface Accepted {
  id: string;
  /** Set when an earlier delegation answers for this key. */
  existing: DelegationRow | null;
  warning: string | null;
}

export function createLedger({ db, events, activity, log }: LedgerDeps) {
  async function moveIn(
    trx: Transaction<Tables>,
    event: DelegationTransition,
    id: string,
    patch: Record<string, unknown> = {},
    details: Record<string, unknown> = {},
  ): Promise<DelegationRow | null> {
    return await applyTransition(trx, events.append, delegationLifecycle, event, id, { patch, details });
  }

  async function move(
    event: DelegationTransition,
    id: string,
    patch: Record<string, unknown> = {},
    details: Record<string, unknown> = {},
  ): Promise<DelegationRow | null> {
    const row = await db.tx((trx) => moveIn(trx, event, id, patch, details));
    if (!row) log.debug({ delegation_id: id, event }, 'a delegation was not in a state for this change');
    return row;
  }

  const delegateRow = (input: { callerId: string; calleeId: string; task: string; id: string; status: string }) => ({
    workspaceId: input.callerId,
    type: 'delegation',
    method: 'delegate',
    sourceId: input.callerId,
    targetId: input.calleeId,
    summary: truncate(`Delegated: ${input.task}`, SUMMARY_LENGTH),
    requestBody: { task: input.task, delegation_id: input.id },
    status: input.status,
  });

  /** Stores the delegation; with a used key the earlier one answers. The losing side of a race reads the winner. */
  async function accept(input: {
    callerId: string;
    calleeId: string;
    task: string;
    key: string | null;
    id?: string;
    executedHere: boolean;
  }): Promise<Accepted> {
    const id = input.id ?? randomUUID();
    const stored = await db.tx(async (trx) => {
      if (input.key) await store.releaseKey(trx, input.callerId, input.key);
      const fresh = await store.insertDelegation(trx, {
        id,
        callerId: input.callerId,
        calleeId: input.calleeId,
        task: input.task,
        taskPreview: truncate(input.task, PREVIEW_LENGTH),
        idempotencyKey: input.key,
        executedHere: input.executedHere,
      });
      if (fresh)
        await events.append(trx, {
          event: 'DELEGATION_SENT',
          workspace_id: input.callerId,
          payload: {
            delegation_id: id,
            target_id: input.calleeId,
            task_preview: truncate(input.task, SENT_PREVIEW_LENGTH),
          },
        });
      return fresh;
    });
    if (!stored) {
      const existing = input.key
        ? await store.findByKey(db.kysely, input.callerId, input.key)
        : await store.findDelegation(db.kysely, id);
      return { id: existing?.delegation_id ?? id, existing, warning: null };
    }
    try {
      await activity.log(delegateRow({ ...input, id, status: 'pending' }));
      return { id, existing: null, warning: null };
    } catch (error) {
      log.error({ err: error, delegation_id: id }, 'a delegation is stored, but its activity row is not');
      return { id, existing: null, warning: 'the delegation is stored, but it will be missing in the activity log' };
    }
  }

  /** The mirror rows of a final state. */
  async function mirror(
    row: DelegationRow,
    status: 'completed' | 'failed',
    text: string,
    error: string | null,
  ): Promise<void> {
    try {
      const result = { text, delegation_id: row.delegation_id };
      const summary = truncate(error ? `Delegation failed: ${error}` : `Delegation completed: ${text}`, SUMMARY_LENGTH);
      const { result_updated } = await store.updateMirror(db.kysely, row.caller_id, row.delegation_id, {
        status,
        result,
        summary,
        error,
      });
      if (result_updated || !(await store.isLive(db.kysely, row.caller_id))) return;
      await activity.log({
        workspaceId: row.caller_id,
        type: 'delegation',
        method: 'delegate_result',
        sourceId: row.caller_id,
        targetId: row.callee_id,
        summary,
        responseBody: result,
        status,
        errorDetail: error,
      });
    } catch (failure) {
      log.error(
        { err: failure, delegation_id: row.delegation_id },
        'the activity rows of a delegation could not be updated',
      );
    }
  }

  /** Exactly once per delegation; the sweeper repeats what failed. */
  async function pushResult(row: DelegationRow): Promise<void> {
    const failed = row.status !== 'completed';
    const entry = {
      workspaceId: row.caller_id,
      type: 'a2a_receive',
      method: 'delegate_result',
      sourceId: row.callee_id,
      targetId: row.caller_id,
      summary: truncate(
        failed ? `Delegation failed: ${row.error_detail ?? ''}` : `Delegation completed: ${row.result_preview ?? ''}`,
        SUMMARY_LENGTH,
      ),
      responseBody: { text: row.result_preview ?? '', delegation_id: row.delegation_id },
      status: failed ? 'error' : 'ok',
      errorDetail: failed ? (row.error_detail ?? 'delegation failed') : null,
      inbox: true,
    };
    const stored = await db.tx(async (trx) => {
      if (!(await store.claimPush(trx, row.delegation_id))) return null;
      return (await store.isLive(trx, row.caller_id)) ? await activity.logIn(trx, entry) : null;
    });
    if (stored) activity.announce(entry, stored);
  }

  async function finish(
    row: DelegationRow,
    status: 'completed' | 'failed',
    text: string,
    error: string | null,
  ): Promise<void> {
    await mirror(row, status, text, error);
    await pushResult(row).catch((failure: unknown) =>
      log.error(
        { err: failure, delegation_id: row.delegation_id },
        'a delegation result could not be put into the inbox; the sweeper repeats it',
      ),
    );
  }

  return {
    accept,
    move,
    moveIn,
    /** Repeats what follows a final state, for delegations that got it without: nothing here happens twice. */
    async repeatFinish(row: DelegationRow): Promise<void> {
      const done = row.status === 'completed';
      await finish(row, done ? 'completed' : 'failed', row.result_preview ?? '', done ? null : row.error_detail);
    },
    /** The preview goes with the change itself, so no later write can lose it. @returns false when it was final already. */
    async complete(id: string, text: string, via?: string): Promise<boolean> {
      const row = await move(
        'complete',
        id,
        {
          result_preview: truncate(text, PREVIEW_LENGTH),
          answered_at: sql`now()`,
          injected_at: sql`coalesce(injected_at, now())`,
          lease_token: null,
          lease_until: null,
        },
        via ? { via } : {},
      );
      if (row) await finish(row, 'completed', text, null);
      return row !== null;
    },
    async fail(id: string, error: string): Promise<boolean> {
      const row = await move('fail', id, {
        error_detail: truncate(error, PREVIEW_LENGTH),
        lease_token: null,
        lease_until: null,
      });
      if (row) await finish(row, 'failed', '', error);
      return row !== null;
    },
    async stall(id: string, error: string): Promise<boolean> {
      const row = await move('stall', id, {
        error_detail: truncate(error, PREVIEW_LENGTH),
        lease_token: null,
        lease_until: null,
      });
      if (row) await finish(row, 'failed', '', error);
      return row !== null;
    },
    setMirrorStatus: (row: DelegationRow, status: string) =>
      store.setMirrorStatus(db.kysely, row.caller_id, row.delegation_id, status),
    async logQueued(row: DelegationRow): Promise<void> {
      await activity.log({
        workspaceId: row.caller_id,
        type: 'delegation',
        method: 'delegate_result',
        sourceId: row.caller_id,
        targetId: row.callee_id,
        summary: 'Delegation queued — target at capacity',
        responseBody: { delegation_id: row.delegation_id, queued: true },
        status: 'queued',
      });
    },
  };
}

export type Ledger = ReturnType<typeof createLedger>;
