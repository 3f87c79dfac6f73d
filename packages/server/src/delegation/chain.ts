// The chain a new delegation would belong to, and the chains that are refused (chapter 20 §4.9): those that come back to who
// waits in them, those that are too deep, and the two that hand tasks to and fro. Owns these rules; stores nothing.

import { type ErrorCode, MOST_DELEGATION_HOPS } from '@molecule/contract';
import type { Activity } from '../activity/index.ts';
import type { Database } from '../platform/db/index.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Workspaces } from '../workspaces/index.ts';
import type { DelegationRow } from './lifecycle.ts';
import * as store from './store.ts';

const PING_PONG_ALTERNATIONS = 6;
const PING_PONG_SECONDS = 600;
/** Looked at of two workspaces: six alternations of up to eight parallel tasks each. */
const MOST_BETWEEN = 50;

/** Where a delegation stands: which one its caller works on, and the workspaces from the first caller to the callee. */
export interface Chain {
  parentId: string | null;
  path: string[];
}

/** What the caller says of its own task: an id, null for nobody's, undefined for nothing. */
export type GivenParent = string | null | undefined;

export interface ChainGuardDeps {
  db: Database;
  workspaces: Workspaces;
  activity: Activity;
  log: Logger;
}

const REFUSALS: readonly ErrorCode[] = ['delegation_cycle', 'delegation_too_deep', 'delegation_ping_pong'];

export const isChainRefusal = (error: unknown): error is PlatformError =>
  error instanceof PlatformError && REFUSALS.includes(error.code);

/** Changes of direction, newest first, that end with a task of `callerId`. */
export function countAlternations(
  callerId: string,
  earlier: readonly store.Between[],
): { count: number; ids: string[] } {
  let direction = callerId;
  const turns = earlier.filter(({ caller_id: caller }) => {
    const turned = caller !== direction;
    direction = caller;
    return turned;
  });
  return { count: turns.length, ids: turns.map((row) => row.delegation_id).reverse() };
}

export function createChainGuard({ db, workspaces, activity, log }: ChainGuardDeps) {
  const name = async (id: string) => ({ workspace_id: id, name: (await workspaces.facts(id))?.name ?? id });

  async function findGiven(callerId: string, parentId: string): Promise<DelegationRow | null> {
    const row = await store.findDelegation(db.kysely, parentId);
    if (row?.callee_id === callerId) return row;
    log.warn(
      { workspace_id: callerId, parent_delegation_id: parentId },
      'a delegation named a parent that was not handed to its caller; it is ignored',
    );
    return null;
  }

  async function findParent(callerId: string, given: GivenParent) {
    if (given === null) return null;
    const named = given === undefined ? null : await findGiven(callerId, given);
    return named ?? (await store.findCertainParent(db.kysely, callerId));
  }

  async function refuse(code: ErrorCode, what: string, path: string[], evidence: Record<string, unknown>) {
    const named = await Promise.all(path.map(name));
    const shown = named.map((one) => one.name).join(' → ');
    return new PlatformError(code, `${what}: ${shown}`, { field: 'target_id', path: named, ...evidence });
  }

  async function assertNoPingPong(callerId: string, calleeId: string): Promise<void> {
    const between = await store.listBetween(db.kysely, callerId, calleeId, PING_PONG_SECONDS, MOST_BETWEEN);
    if (countAlternations(callerId, between).count < PING_PONG_ALTERNATIONS) return;
    const heardAt = await activity.findLastPersonMessage([callerId, calleeId]);
    const unheard = heardAt === null ? between : between.filter((row) => row.created_at > heardAt);
    const { count, ids } = countAlternations(callerId, unheard);
    if (count < PING_PONG_ALTERNATIONS) return;
    throw await refuse(
      'delegation_ping_pong',
      `${count} times to and fro within ${PING_PONG_SECONDS / 60} minutes, without a word of a person`,
      [callerId, calleeId],
      { delegation_ids: ids, alternations: count },
    );
  }

  return {
    /** @throws delegation_cycle, delegation_too_deep, delegation_ping_pong, each with its evidence. */
    async place(callerId: string, calleeId: string, given: GivenParent): Promise<Chain> {
      const parent = await findParent(callerId, given);
      const above = parent ? (parent.path ?? [parent.caller_id, parent.callee_id]) : [callerId];
      const path = [...above, calleeId];
      if (parent && above.includes(calleeId))
        throw await refuse('delegation_cycle', 'the target waits in this very chain of delegations', path, {
          delegation_ids: await store.listChain(db.kysely, parent.delegation_id),
        });
      if (parent && path.length - 1 > MOST_DELEGATION_HOPS)
        throw await refuse('delegation_too_deep', `more than ${MOST_DELEGATION_HOPS} hops`, path, {
          delegation_ids: await store.listChain(db.kysely, parent.delegation_id),
          max_depth: MOST_DELEGATION_HOPS,
        });
      await assertNoPingPong(callerId, calleeId);
      return { parentId: parent?.delegation_id ?? null, path };
    },
  };
}

export type ChainGuard = ReturnType<typeof createChainGuard>;
