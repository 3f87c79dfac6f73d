// Delegation: a task handed from one workspace to another, accepted when its ledger row is stored, answered into the caller's
// inbox exactly once (chapter 20 §4).

import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Activity } from '../activity/index.ts';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { DelegationMessage, EndedMessage, Messaging, QueueOutcome } from '../messaging/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createChainGuard } from './chain.ts';
import { createExecution } from './execution.ts';
import { createLedger } from './ledger.ts';
import { createDelegationLoops } from './loops.ts';
import { mountDelegationRoutes } from './routes.ts';
import { createDelegationService } from './service.ts';
import * as store from './store.ts';

export { delegationLifecycle } from './lifecycle.ts';
export * as delegationOutlook from './outlook/store.ts';

export interface Delegation {
  /** A beat lists these: they are alive, and the callee's first beat puts them in progress. */
  noteActive(workspaceId: string, delegationIds: string[]): Promise<void>;
  /** The agent holds these messages: a receipt for those that carry a delegation. */
  noteInjected(workspaceId: string, messageIds: string[]): Promise<void>;
  /** A queued message that named a delegation ended, and so does that, if it was its own. */
  onQueueOutcome(message: EndedMessage, outcome: QueueOutcome): Promise<void>;
  /** A callee in poll mode answers with a message that names the delegation. */
  onMessage(message: DelegationMessage): Promise<void>;
  /** In the transaction that removes these workspaces: what they gave or took ends. */
  failFor(trx: Transaction<Tables>, workspaceIds: string[]): Promise<void>;
  loops: Loop[];
  close(): Promise<void>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface DelegationDeps {
  db: Database;
  config: Config;
  events: Events;
  workspaces: Workspaces;
  activity: Activity;
  messaging: Messaging;
  log: Logger;
}

/** A removal takes all delegations of a workspace along; more than these are left to their deadlines. */
const MOST_FAILED_AT_ONCE = 10_000;

export function createDelegation(deps: DelegationDeps): Delegation {
  const { db, config, events, workspaces, activity, messaging, log } = deps;
  const ledger = createLedger({ db, events, activity, log });
  const execution = createExecution({ db, ledger, messaging, log });
  const chains = createChainGuard({ db, workspaces, activity, log });
  const service = createDelegationService({ db, workspaces, ledger, execution, chains, log });

  /** Anybody may name a delegation in a message; only its two sides mean it. */
  async function isBetween(id: string, callerId: string, calleeId: string): Promise<boolean> {
    const row = await store.findDelegation(db.kysely, id);
    return row !== null && row.caller_id === callerId && row.callee_id === calleeId;
  }

  return {
    noteActive: service.noteActive,
    async noteInjected(workspaceId, messageIds) {
      for (const row of await store.markInjected(db.kysely, workspaceId, messageIds)) ledger.tellReceipt(row);
    },
    async onQueueOutcome({ callerId, targetId, delegationId: id }, outcome) {
      if (!(await isBetween(id, callerId, targetId))) return;
      if (outcome.kind === 'completed') await ledger.complete(id, outcome.text, { via: 'queue_drain' });
      else await ledger.fail(id, outcome.error);
    },
    async onMessage({ callerId, targetId, delegationId: id, text, failed }) {
      if (!(await isBetween(id, targetId, callerId))) return;
      if (failed) await ledger.fail(id, text);
      else await ledger.complete(id, text);
    },
    async failFor(trx, workspaceIds) {
      const patch = { error_detail: 'workspace removed', lease_token: null, lease_until: null };
      for (const id of await store.listUnfinishedOf(trx, workspaceIds, MOST_FAILED_AT_ONCE))
        await ledger.moveIn(trx, 'fail', id, { patch });
    },
    loops: createDelegationLoops({ db, config, ledger, execution, messaging, log }),
    close: execution.close,
    mount: (app, authorize) => mountDelegationRoutes(app, authorize, service),
  };
}
