// Delegation: a task handed from one workspace to another, accepted when its ledger row is stored, answered into the caller's
// inbox exactly once (chapter 20 §4).

import { delegationRoutes, uuid } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Activity } from '../activity/index.ts';
import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { DeliveredMessage, Messaging, QueueOutcome, QueueRow } from '../messaging/index.ts';
import { extractText } from '../messaging/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createExecution } from './execution.ts';
import { createLedger } from './ledger.ts';
import type { DelegationRow } from './lifecycle.ts';
import * as store from './store.ts';

export { delegationLifecycle } from './lifecycle.ts';

export interface Delegation {
  /** A beat lists these: they are alive, and the callee's first beat puts them in progress. */
  noteActive(workspaceId: string, delegationIds: string[]): Promise<void>;
  /** A queued message ended: if it carried a delegation, so does that. */
  onQueueOutcome(item: QueueRow, outcome: QueueOutcome): Promise<void>;
  /** A poll-mode callee answers with a message that names the delegation. */
  onCalleeReply(message: DeliveredMessage): Promise<void>;
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
  clock: Clock;
}

const MOST_LISTED = 50;
const PREVIEW_LENGTH = 300;
const SWEEP_BATCH = 100;

const delegationIdOf = (message: unknown): string | null => {
  const id = (message as { metadata?: { delegation_id?: unknown } } | null)?.metadata?.delegation_id;
  return typeof id === 'string' ? id : null;
};

const iso = (time: Date | null) => (time ? time.toISOString() : undefined);
const withoutUndefined = <T extends Record<string, unknown>>(row: T): T =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as T;

export function createDelegation({
  db,
  config,
  events,
  workspaces,
  activity,
  messaging,
  log,
}: DelegationDeps): Delegation {
  const ledger = createLedger({ db, events, activity, log });
  const execution = createExecution({ db, events, ledger, messaging, log });

  async function assertTarget(callerId: string, targetId: string): Promise<void> {
    if (!uuid.safeParse(targetId).success) throw invalid('target_id', 'must be a valid UUID');
    if (targetId === callerId)
      throw new PlatformError('self_delegation', 'self-delegation not permitted', { field: 'target_id' });
    const caller = await workspaces.facts(callerId);
    if (!caller || caller.status === 'removed') throw notFound('workspace');
  }

  async function accept(
    callerId: string,
    body: { target_id: string; task: string; idempotency_key?: string | undefined },
  ) {
    await assertTarget(callerId, body.target_id);
    let accepted: Awaited<ReturnType<typeof ledger.accept>>;
    try {
      accepted = await ledger.accept({
        callerId,
        calleeId: body.target_id,
        task: body.task,
        key: body.idempotency_key ?? null,
        executedHere: true,
      });
    } catch (error) {
      throw new PlatformError(
        'ledger_unavailable',
        'the delegation could not be stored; nothing was sent',
        { retry_after: 5 },
        { headers: { 'retry-after': '5' }, cause: error },
      );
    }
    if (accepted.existing)
      return answer(200, {
        delegation_id: accepted.id,
        status: accepted.existing.status,
        target_id: accepted.existing.callee_id,
        idempotent_hit: true as const,
      });
    execution.start(accepted.id);
    return answer(202, {
      delegation_id: accepted.id,
      status: 'delegated' as const,
      target_id: body.target_id,
      ...(accepted.warning ? { warning: accepted.warning } : {}),
    });
  }

  /** Only its caller may say how it ended. */
  async function findOwn(workspaceId: string, id: string, role: 'caller' | 'either'): Promise<DelegationRow> {
    const row = await store.findDelegation(db.kysely, id);
    const own = row && (row.caller_id === workspaceId || (role === 'either' && row.callee_id === workspaceId));
    if (!row || !own) throw notFound('delegation');
    return row;
  }

  async function noteActive(workspaceId: string, ids: string[]): Promise<void> {
    for (const row of await store.touch(db.kysely, ids, workspaceId)) {
      if (row.callee_id === workspaceId && row.status !== 'in_progress')
        await ledger.move('progress', row.delegation_id);
    }
  }

  const loops: Loop[] = [
    {
      name: 'delegation-runner',
      why: 'Delegations accepted before a crash would never be sent.',
      everyMs: 5_000,
      timeoutMs: 20_000,
      runs: 'every-replica',
      run: async () => ({ resumed: await execution.resume(), renewed: await execution.renew() }),
    },
    {
      name: 'delegation-sweeper',
      why: 'A caller would wait for ever for a delegation whose callee is gone.',
      everyMs: config.delegationSweepSeconds * 1000,
      timeoutMs: 60_000,
      runs: 'one-replica',
      async run() {
        let failed = 0;
        let stuck = 0;
        let pushed = 0;
        for (const id of await store.listOverdue(db.kysely, SWEEP_BATCH))
          if (await ledger.fail(id, 'deadline exceeded by sweeper')) failed += 1;
        for (const { delegation_id: id, silent_seconds: seconds } of await store.listSilent(
          db.kysely,
          config.delegationStuckSeconds,
          SWEEP_BATCH,
        )) {
          if (await ledger.stall(id, `no heartbeat for ${seconds} seconds`)) stuck += 1;
        }
        for (const row of await store.listUnpushed(db.kysely, SWEEP_BATCH)) {
          await ledger.pushResult(row);
          pushed += 1;
        }
        return { failed, stuck, pushed };
      },
    },
  ];

  function toListed(row: store.MirrorRow) {
    return withoutUndefined({
      id: row.id,
      type: 'delegation' as const,
      method: row.method,
      source_id: row.source_id,
      target_id: row.target_id,
      summary: row.summary ?? '',
      status: row.status,
      created_at: row.created_at,
      delegation_id: row.delegation_id ?? undefined,
      error: row.error_detail ?? undefined,
      response_preview: row.text?.slice(0, PREVIEW_LENGTH) ?? undefined,
      accepted_at: row.created_at,
      injected_at: iso(row.injected_at),
      answered_at: iso(row.answered_at),
    });
  }

  function toAdmin(row: DelegationRow) {
    return withoutUndefined({
      delegation_id: row.delegation_id,
      caller_id: row.caller_id,
      callee_id: row.callee_id,
      task_preview: row.task_preview,
      status: row.status as 'queued',
      last_heartbeat: iso(row.last_heartbeat),
      deadline: row.deadline,
      result_preview: row.result_preview ?? undefined,
      error_detail: row.error_detail ?? undefined,
      retry_count: row.retry_count,
      accepted_at: row.created_at,
      injected_at: iso(row.injected_at),
      answered_at: iso(row.answered_at),
      created_at: row.created_at,
      updated_at: row.updated_at,
    });
  }

  return {
    noteActive,
    async onQueueOutcome(item, outcome) {
      const body = item.body as { params?: { message?: unknown } };
      const id = delegationIdOf(body.params?.message);
      if (!id || !item.caller_id) return;
      if (outcome.kind === 'completed') await ledger.complete(id, outcome.text, 'queue_drain');
      else await ledger.fail(id, outcome.error);
    },
    async onCalleeReply({ callerId, targetId, message }) {
      const id = delegationIdOf(message);
      const row = id ? await store.findDelegation(db.kysely, id) : null;
      // The sender must be the callee and write to the caller; anything else is an ordinary message.
      if (row && row.callee_id === callerId && row.caller_id === targetId)
        await ledger.complete(row.delegation_id, extractText(message));
    },
    async failFor(trx, workspaceIds) {
      for (const id of await store.listUnfinishedOf(trx, workspaceIds, 10_000))
        await ledger.moveIn(trx, 'fail', id, {
          error_detail: 'workspace removed',
          lease_token: null,
          lease_until: null,
        });
    },
    loops,
    close: execution.close,
    mount: (app, authorize) =>
      mount(
        app,
        delegationRoutes,
        {
          delegate: async ({ params, body }) => await accept(params.id, body),
          listDelegations: async ({ params }) =>
            (await store.listMirror(db.kysely, params.id, MOST_LISTED)).map(toListed),
          recordDelegation: async ({ params, body }) => {
            await assertTarget(params.id, body.target_id);
            const { existing } = await ledger.accept({
              callerId: params.id,
              calleeId: body.target_id,
              task: body.task,
              key: null,
              id: body.delegation_id,
              executedHere: false,
            });
            if (!existing) await ledger.move('dispatch', body.delegation_id);
            return { delegation_id: body.delegation_id, status: 'recorded' as const };
          },
          updateDelegation: async ({ params, body }) => {
            const row = await findOwn(params.id, params.delegationId, 'caller');
            if (body.status === 'completed') await ledger.complete(row.delegation_id, body.response_preview ?? '');
            else await ledger.fail(row.delegation_id, body.error ?? 'the caller reported a failure');
            return { status: body.status, delegation_id: row.delegation_id };
          },
          heartbeatDelegation: async ({ params }) => {
            const row = await findOwn(params.id, params.delegationId, 'either');
            await noteActive(params.id, [row.delegation_id]);
            return { status: 'ok' as const };
          },
          listAllDelegations: async ({ query }) => {
            const rows = await store.listByState(db.kysely, query.status, query.limit);
            return { status: query.status, limit: query.limit, count: rows.length, delegations: rows.map(toAdmin) };
          },
          getDelegationStats: async () => ({
            queued: 0,
            dispatched: 0,
            in_progress: 0,
            completed: 0,
            failed: 0,
            stuck: 0,
            ...(await store.countByStatus(db.kysely)),
          }),
        },
        authorize,
      ),
  };
}
