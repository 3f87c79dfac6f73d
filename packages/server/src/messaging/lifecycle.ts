// The states of a queued message (chapter 20 §3): the only writer of `a2a_queue.status`.

import { QUEUE_STATUSES, type QueueStatus } from '@molecule/contract';
import type { Selectable } from 'kysely';
import type { Tables } from '../platform/db/index.ts';
import { defineLifecycle, type Transition } from '../platform/lifecycle.ts';

export type QueueRow = Selectable<Tables['a2a_queue']>;

const edge = (transition: Transition<QueueStatus, QueueRow>): Transition<QueueStatus, QueueRow> => transition;

export const queueLifecycle = defineLifecycle<QueueRow>()({
  table: 'a2a_queue',
  idColumn: 'id',
  statuses: QUEUE_STATUSES,
  final: ['completed', 'failed', 'dropped'],
  transitions: {
    claim: edge({
      from: ['queued'],
      to: 'dispatched',
      why: 'The target has room: the message is handed over under a lease.',
    }),
    complete: edge({ from: ['dispatched'], to: 'completed', why: 'The agent answered.' }),
    retry: edge({
      from: ['dispatched'],
      to: 'queued',
      why: 'The target was busy again or failed for a passing reason.',
    }),
    fail: edge({ from: ['dispatched'], to: 'failed', why: 'Five attempts failed.' }),
    drop: edge({
      from: ['queued', 'dispatched'],
      to: 'dropped',
      why: 'Expired, too old, or its workspace was removed.',
    }),
    recover: edge({ from: ['dispatched'], to: 'queued', why: 'The process that held the lease died.' }),
  },
});

export type QueueTransition = keyof typeof queueLifecycle.transitions;
