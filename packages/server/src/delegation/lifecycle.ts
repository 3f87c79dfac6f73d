// The states of a delegation in the ledger (chapter 20 §4.4): the only writer of `delegations.status`.
// A repeat of a final state is a no-op and a change of one is refused, because no edge leads there.

import { DELEGATION_STATUSES, type DelegationStatus } from '@molecule/contract';
import type { Selectable } from 'kysely';
import type { Tables } from '../platform/db/index.ts';
import { defineLifecycle, type Transition } from '../platform/lifecycle.ts';

export type DelegationRow = Selectable<Tables['delegations']>;

const edge = (transition: Transition<DelegationStatus, DelegationRow>): Transition<DelegationStatus, DelegationRow> =>
  transition;
const IN_FLIGHT = ['queued', 'dispatched', 'in_progress'] as const;

const statusEvent = (status: string) => (row: DelegationRow) => ({
  event: 'DELEGATION_STATUS' as const,
  workspace_id: row.caller_id,
  payload: { delegation_id: row.delegation_id, target_id: row.callee_id, status },
});

const failedEvent = (row: DelegationRow) => ({
  event: 'DELEGATION_FAILED' as const,
  workspace_id: row.caller_id,
  payload: {
    delegation_id: row.delegation_id,
    target_id: row.callee_id,
    error: row.error_detail ?? 'delegation failed',
  },
});

const PREVIEW_LENGTH = 200;

export const delegationLifecycle = defineLifecycle<DelegationRow>()({
  table: 'delegations',
  idColumn: 'delegation_id',
  changedAtColumn: 'updated_at',
  statuses: DELEGATION_STATUSES,
  final: ['completed', 'failed', 'stuck'],
  transitions: {
    dispatch: edge({
      from: ['queued'],
      to: 'dispatched',
      why: 'The task is on its way to the callee.',
      event: statusEvent('dispatched'),
    }),
    progress: edge({
      from: ['queued', 'dispatched'],
      to: 'in_progress',
      why: "The callee's beat lists it: a turn works on it.",
      event: statusEvent('in_progress'),
    }),
    complete: edge({
      from: IN_FLIGHT,
      to: 'completed',
      why: 'The callee answered.',
      event: (row, { via }) => ({
        event: 'DELEGATION_COMPLETE',
        workspace_id: row.caller_id,
        payload: {
          delegation_id: row.delegation_id,
          target_id: row.callee_id,
          response_preview: (row.result_preview ?? '').slice(0, PREVIEW_LENGTH),
          ...(typeof via === 'string' ? { via } : {}),
        },
      }),
    }),
    fail: edge({
      from: IN_FLIGHT,
      to: 'failed',
      why: 'It could not be delivered, the callee failed, or its time is over.',
      event: failedEvent,
    }),
    stall: edge({ from: IN_FLIGHT, to: 'stuck', why: 'Whoever worked on it fell silent.', event: failedEvent }),
  },
});

export type DelegationTransition = keyof typeof delegationLifecycle.transitions;
