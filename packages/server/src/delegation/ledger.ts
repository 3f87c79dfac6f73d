// The ledger of delegations: acceptance, every change of state with its preview, and what a final state tells the caller. The
// activity rows are a mirror for people and agents; their failure never blocks the ledger and is made up for later.

import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql, type Transaction } from 'kysely';
import { type Activity, type InsertedActivity, type NewActivity, truncate } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import { type Database, type Tables, toPlainText } from '../platform/db/index.ts';
import { applyTransition } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import type { Chain } from './chain.ts';
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

export interface AcceptInput {
  callerId: string;
  calleeId: string;
  task: string;
  key: string | null;
  id?: string;
  /** Under which the job that carries it out begins; null: the caller sent the message itself. */
  lease: string | null;
  chain: Chain;
}

/** `isNew` is false when an earlier delegation answers for this key or id. */
export interface Accepted {
  row: DelegationRow;
  isNew: boolean;
  warning: string | null;
}

/** How a delegation ends; `error` is null for an answer. */
interface Ending {
  text: string;
  error: string | null;
}

export interface EndOptions {
  via?: 'queue_drain';
  /** Only while this lease is held: a late writer never wins. */
  lease?: string;
}

const holding = (lease: string | undefined) =>
  lease === undefined ? {} : { guard: sql`lease_token = ${lease}::uuid` };

function rowOfTask(input: AcceptInput, id: string): NewActivity {
  return {
    workspaceId: input.callerId,
    type: 'delegation',
    method: 'delegate',
    sourceId: input.callerId,
    targetId: input.calleeId,
    messageId: id,
    idempotencyKey: input.key,
    summary: truncate(`Delegated: ${input.task}`, SUMMARY_LENGTH),
    requestBody: { task: input.task, delegation_id: id },
    status: input.lease === null ? 'dispatched' : 'pending',
  };
}

function rowOfResult(
  row: DelegationRow,
  fields: Pick<NewActivity, 'status' | 'summary' | 'responseBody'>,
): NewActivity {
  return {
    workspaceId: row.caller_id,
    type: 'delegation',
    method: 'delegate_result',
    sourceId: row.caller_id,
    targetId: row.callee_id,
    messageId: row.delegation_id,
    ...fields,
  };
}

/** Names the task, never the answer: what wakes the caller quotes it, and a peer's words must not get there (chapter 20 §4.8). */
const summaryOf = (row: DelegationRow, { error }: Ending) =>
  truncate(`Delegation ${error === null ? 'completed' : 'failed'}: ${row.task_preview}`, SUMMARY_LENGTH);

function rowOfInbox(row: DelegationRow, ending: Ending): NewActivity {
  return {
    workspaceId: row.caller_id,
    type: 'a2a_receive',
    method: 'delegate_result',
    sourceId: row.callee_id,
    targetId: row.caller_id,
    summary: summaryOf(row, ending),
    responseBody: { text: ending.text, delegation_id: row.delegation_id },
    status: ending.error === null ? 'ok' : 'error',
    errorDetail: ending.error,
    inbox: true,
  };
}

export function createLedger({ db, events, activity, log }: LedgerDeps) {
  async function moveIn(
    trx: Transaction<Tables>,
    event: DelegationTransition,
    id: string,
    input: { patch?: Record<string, unknown>; details?: Record<string, unknown>; guard?: RawBuilder<unknown> } = {},
  ): Promise<DelegationRow | null> {
    return await applyTransition(trx, events.append, delegationLifecycle, event, id, input);
  }

  /** @returns null when the id or the key is taken. */
  async function insertIn(trx: Transaction<Tables>, input: AcceptInput, id: string): Promise<DelegationRow | null> {
    const { callerId, calleeId, key, lease, chain } = input;
    const task = toPlainText(input.task);
    const row = { id, callerId, calleeId, task, taskPreview: truncate(task, PREVIEW_LENGTH), lease, ...chain };
    const insert = () => store.insertDelegation(trx, { ...row, idempotencyKey: key });
    const inserted = await insert();
    if (inserted || key === null || !(await store.releaseFailedKey(trx, callerId, key))) return inserted;
    await activity.releaseKeyIn(trx, callerId, key);
    return await insert();
  }

  async function findTaken(callerId: string, key: string | null, id: string | undefined) {
    const byKey = key === null ? null : await store.findByKey(db.kysely, callerId, key);
    return byKey ?? (id === undefined ? null : await store.findDelegation(db.kysely, id));
  }

  /** Who answers for an id or a key that is taken: of a race, the winner. */
  async function findEarlier({ callerId, key }: AcceptInput, id: string): Promise<DelegationRow> {
    const row = await findTaken(callerId, key, id);
    if (!row) throw new Error('a delegation was neither stored nor found');
    return row;
  }

  /** Stores the delegation; with a used key the earlier one answers. */
  async function accept(input: AcceptInput): Promise<Accepted> {
    const id = input.id ?? randomUUID();
    const row = await db.tx(async (trx) => {
      const inserted = await insertIn(trx, input, id);
      if (!inserted) return null;
      await events.append(trx, {
        event: 'DELEGATION_SENT',
        workspace_id: input.callerId,
        payload: {
          delegation_id: id,
          target_id: input.calleeId,
          task_preview: truncate(input.task, SENT_PREVIEW_LENGTH),
        },
      });
      return input.lease === null ? await moveIn(trx, 'dispatch', id) : inserted;
    });
    if (!row) return { row: await findEarlier(input, id), isNew: false, warning: null };
    try {
      await activity.log(rowOfTask(input, id));
      return { row, isNew: true, warning: null };
    } catch (error) {
      log.error({ err: error, delegation_id: id }, 'a delegation is stored, but its activity row is not');
      return { row, isNew: true, warning: 'the delegation is stored, but it will be missing in the activity log' };
    }
  }

  /** The caller's rows of a final state: the mirror, and the one row in its inbox. Nothing for a caller that was removed. */
  async function tellCallerIn(
    trx: Transaction<Tables>,
    row: DelegationRow,
    ending: Ending,
  ): Promise<{ entry: NewActivity; stored: InsertedActivity }[]> {
    if (!(await store.isLive(trx, row.caller_id))) return [];
    const status = ending.error === null ? 'completed' : 'failed';
    const result = { text: ending.text, delegation_id: row.delegation_id };
    const summary = summaryOf(row, ending);
    const known = await store.updateMirror(trx, row, { status, result, summary, error: ending.error });
    const mirror = {
      ...rowOfResult(row, { status, summary, responseBody: result }),
      errorDetail: ending.error,
    };
    const entries = [...(known ? [] : [mirror]), rowOfInbox(row, ending)];
    const stored = await activity.logIn(trx, entries);
    return entries.map((entry, index) => ({ entry, stored: stored[index] as InsertedActivity }));
  }

  function announce(rows: { entry: NewActivity; stored: InsertedActivity }[]): void {
    for (const { entry, stored } of rows) activity.announce(entry, stored);
  }

  function tellReceipt(row: DelegationRow): void {
    events.broadcast({
      event: 'RECEIPT_UPDATED',
      workspace_id: row.caller_id,
      payload: {
        message_id: row.delegation_id,
        delegation_id: row.delegation_id,
        ...(row.injected_at ? { injected_at: row.injected_at.toISOString() } : {}),
        ...(row.answered_at ? { answered_at: row.answered_at.toISOString() } : {}),
      },
    });
  }

  /** The state, its preview, its event and the caller's rows are one commit; only the state must not fail with the rows. */
  async function end(
    event: 'complete' | 'fail' | 'stall',
    id: string,
    ending: Ending,
    { via, lease }: EndOptions = {},
  ): Promise<boolean> {
    const free = { lease_token: null, lease_until: null };
    const patch =
      ending.error === null
        ? {
            ...free,
            result_preview: truncate(toPlainText(ending.text), PREVIEW_LENGTH),
            answered_at: sql`now()`,
            injected_at: sql`coalesce(injected_at, now())`,
          }
        : { ...free, error_detail: truncate(toPlainText(ending.error), PREVIEW_LENGTH) };
    const commit = (tells: boolean) =>
      db.tx(async (trx) => {
        const details = via === undefined ? {} : { via };
        const row = await moveIn(trx, event, id, {
          patch: { ...patch, inbox_pushed: tells },
          details,
          ...holding(lease),
        });
        return row ? { row, told: tells ? await tellCallerIn(trx, row, ending) : [] } : null;
      });
    const done = await commit(true).catch(async (error: unknown) => {
      log.error(
        { err: error, delegation_id: id },
        'a caller could not be told of its delegation; the repair repeats it',
      );
      return await commit(false);
    });
    if (!done) {
      log.debug({ delegation_id: id, event }, 'a delegation was not in a state for this change');
      return false;
    }
    announce(done.told);
    if (event === 'complete') {
      tellReceipt(done.row);
      await activity
        .noteAnswered(done.row.callee_id, id)
        .catch((error: unknown) =>
          log.error({ err: error, delegation_id: id }, 'the receipt of an inbox row is missing'),
        );
    }
    return true;
  }

  async function setMirrorStatus(row: DelegationRow, status: string): Promise<void> {
    await store
      .setMirrorStatus(db.kysely, row, status)
      .catch((error: unknown) =>
        log.error({ err: error, delegation_id: row.delegation_id }, 'the activity row of a delegation is outdated'),
      );
  }

  return {
    accept,
    /** What this is a repeat of; null when it is new, or the earlier one failed and gives its key back. */
    async findRepeated({ callerId, key, id }: Pick<AcceptInput, 'callerId' | 'key' | 'id'>) {
      const row = await findTaken(callerId, key, id);
      return row && row.status !== 'failed' && row.status !== 'stuck' ? row : null;
    },
    moveIn,
    tellReceipt,
    /** Its message goes out under this lease. @returns false when it is not waiting any more. */
    async dispatch(row: DelegationRow, lease: string): Promise<boolean> {
      const moved = await db.tx((trx) => moveIn(trx, 'dispatch', row.delegation_id, holding(lease)));
      if (moved) await setMirrorStatus(row, 'dispatched');
      return moved !== null;
    },
    /** The callee works on it. */
    async progress(id: string): Promise<void> {
      await db.tx((trx) => moveIn(trx, 'progress', id));
    },
    /**
     * The target's queue or inbox holds the message now and says when it is answered. What those answered with is no reply.
     * The row is locked first, so that an answer that comes at the same moment is told after this, or makes it needless.
     */
    async handOver(row: DelegationRow, lease: string): Promise<void> {
      const entry = rowOfResult(row, {
        status: 'queued',
        summary: 'Delegation queued — target at capacity',
        responseBody: { delegation_id: row.delegation_id, queued: true },
      });
      const commit = (tells: boolean) =>
        db.tx(async (trx) => {
          if (!(await store.releaseLease(trx, row.delegation_id, lease))) return [];
          await events.append(trx, {
            event: 'DELEGATION_STATUS',
            workspace_id: row.caller_id,
            payload: { delegation_id: row.delegation_id, target_id: row.callee_id, status: 'queued' },
          });
          if (!tells) return [];
          await store.setMirrorStatus(trx, row, 'queued');
          return await activity.logIn(trx, [entry]);
        });
      const [stored] = await commit(true).catch(async (error: unknown) => {
        log.error(
          { err: error, delegation_id: row.delegation_id },
          'the activity row of a queued delegation is missing',
        );
        return await commit(false);
      });
      if (stored) activity.announce(entry, stored);
    },
    /** @returns false when it was final already; the row is unchanged then. */
    complete: (id: string, text: string, options?: EndOptions) => end('complete', id, { text, error: null }, options),
    fail: (id: string, error: string, options?: EndOptions) => end('fail', id, { text: '', error }, options),
    stall: (id: string, error: string) => end('stall', id, { text: '', error }),
    /** Tells the caller of a final state it was not told of. Happens once, however often it is asked for. */
    async repeatTelling(row: DelegationRow): Promise<void> {
      const ending: Ending =
        row.status === 'completed'
          ? { text: row.result_preview ?? '', error: null }
          : { text: '', error: row.error_detail ?? 'delegation failed' };
      const told = await db.tx(async (trx) =>
        (await store.claimTelling(trx, row.delegation_id)) ? await tellCallerIn(trx, row, ending) : [],
      );
      announce(told);
    },
  };
}

export type Ledger = ReturnType<typeof createLedger>;
