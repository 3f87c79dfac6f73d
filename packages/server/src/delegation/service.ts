// The rules of delegating: who may hand what to whom, and who may say how it went (chapter 20 §4.1).

import { uuid } from '@molecule/contract';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { type ChainGuard, type GivenParent, isChainRefusal } from './chain.ts';
import type { Execution } from './execution.ts';
import type { Accepted, AcceptInput, Ledger } from './ledger.ts';
import type { DelegationRow } from './lifecycle.ts';
import * as store from './store.ts';

const MOST_LISTED = 50;
const RETRY_SECONDS = 5;

/** What is asked for, before it has its place in a chain. */
type Wanted = Omit<AcceptInput, 'chain'>;

export interface DelegationServiceDeps {
  db: Database;
  workspaces: Workspaces;
  ledger: Ledger;
  execution: Execution;
  chains: ChainGuard;
  log: Logger;
}

export function createDelegationService({ db, workspaces, ledger, execution, chains, log }: DelegationServiceDeps) {
  /** @returns the target's id as it is stored. */
  async function assertTarget(callerId: string, targetId: string): Promise<string> {
    const target = uuid.safeParse(targetId);
    if (!target.success)
      throw new PlatformError('invalid_request', 'target_id must be a valid UUID', { field: 'target_id' });
    if (target.data === callerId)
      throw new PlatformError('self_delegation', 'self-delegation not permitted', { field: 'target_id' });
    const caller = await workspaces.facts(callerId);
    if (!caller || caller.status === 'removed') throw notFound('workspace');
    return target.data;
  }

  /** A repeat of what was accepted is answered as before, whatever became of its chain meanwhile. */
  async function acceptUnlessRefused(input: Wanted, parent: GivenParent): Promise<Accepted> {
    try {
      return await ledger.accept({ ...input, chain: await chains.place(input.callerId, input.calleeId, parent) });
    } catch (error) {
      const earlier = isChainRefusal(error) ? await ledger.findRepeated(input) : null;
      if (!earlier) throw error;
      return { row: earlier, isNew: false, warning: null };
    }
  }

  /**
   * The ledger's insert is the acceptance (ruling R6).
   * @throws ledger_unavailable when there is none, and what the chain is refused for: nothing was sent then.
   */
  async function accept(input: Wanted, parent: GivenParent): Promise<Accepted> {
    try {
      return await acceptUnlessRefused(input, parent);
    } catch (error) {
      if (isChainRefusal(error)) {
        const { code, extras } = error;
        log.info({ workspace_id: input.callerId, target_id: input.calleeId, code, ...extras }, error.message);
        throw error;
      }
      log.error({ err: error, workspace_id: input.callerId }, 'a delegation could not be stored');
      throw new PlatformError(
        'ledger_unavailable',
        'the delegation could not be stored; nothing was sent',
        { retry_after: RETRY_SECONDS },
        { headers: { 'retry-after': String(RETRY_SECONDS) }, cause: error },
      );
    }
  }

  /** The same answer for what is unknown and what is somebody else's. */
  async function findOwn(workspaceId: string, id: string, role: 'caller' | 'either'): Promise<DelegationRow> {
    const row = await store.findDelegation(db.kysely, id);
    const own = row && (row.caller_id === workspaceId || (role === 'either' && row.callee_id === workspaceId));
    if (!row || !own) throw notFound('delegation');
    return row;
  }

  /** Signs of life: the callee's first puts a delegation in progress. */
  async function noteActive(workspaceId: string, ids: string[]): Promise<void> {
    for (const row of await store.touch(db.kysely, ids, workspaceId)) {
      if (row.fresh) ledger.tellReceipt(row);
      if (row.callee_id === workspaceId && row.status !== 'in_progress') await ledger.progress(row.delegation_id);
    }
  }

  return {
    noteActive,
    /** @throws invalid_request, self_delegation, not_found, ledger_unavailable, and what a chain is refused for */
    async delegate(
      callerId: string,
      body: {
        target_id: string;
        task: string;
        idempotency_key?: string | undefined;
        parent_delegation_id?: GivenParent;
      },
    ) {
      const calleeId = await assertTarget(callerId, body.target_id);
      const key = body.idempotency_key ?? null;
      const wanted = { callerId, calleeId, task: body.task, key, lease: execution.lease };
      const accepted = await accept(wanted, body.parent_delegation_id);
      if (accepted.isNew) execution.start(accepted.row);
      return accepted;
    },
    /** The caller sent the message itself. @throws what `delegate` does, and conflict for an id of another workspace. */
    async record(
      callerId: string,
      body: { target_id: string; task: string; delegation_id: string; parent_delegation_id?: GivenParent },
    ): Promise<void> {
      const calleeId = await assertTarget(callerId, body.target_id);
      const input = { callerId, calleeId, task: body.task, key: null, id: body.delegation_id, lease: null };
      const { row } = await accept(input, body.parent_delegation_id);
      if (row.caller_id !== callerId)
        throw new PlatformError('conflict', 'delegation_id: is taken', { field: 'delegation_id' });
    },
    /** @throws not_found; conflict when it ended otherwise already: what is final stays. */
    async update(
      callerId: string,
      id: string,
      body: { status: 'completed' | 'failed'; error?: string | undefined; response_preview?: string | undefined },
    ): Promise<void> {
      await findOwn(callerId, id, 'caller');
      const moved =
        body.status === 'completed'
          ? await ledger.complete(id, body.response_preview ?? '')
          : await ledger.fail(id, body.error ?? 'the caller reported a failure');
      if (moved) return;
      const { status } = await findOwn(callerId, id, 'caller');
      if (status !== body.status)
        throw new PlatformError('conflict', `the delegation is ${status} already`, { field: 'status', status });
    },
    /** @throws not_found unless the workspace is one of the two sides. */
    async heartbeat(workspaceId: string, id: string): Promise<void> {
      await findOwn(workspaceId, id, 'either');
      await noteActive(workspaceId, [id]);
    },
    listOwn: (callerId: string) => store.listMirror(db.kysely, callerId, MOST_LISTED),
    async listByState(state: store.LedgerState, limit: number, id: string | undefined): Promise<DelegationRow[]> {
      if (id === undefined) return await store.listByState(db.kysely, state, limit);
      const row = await store.findDelegation(db.kysely, id);
      return row ? [row] : [];
    },
    count: () => store.countByStatus(db.kysely),
  };
}

export type DelegationService = ReturnType<typeof createDelegationService>;
