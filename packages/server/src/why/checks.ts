// What was looked at and is not the cause, with its figures. Pure; what was not looked at is not claimed.

import type { WhyCause, WhyReply } from '@molecule/contract';
import type { WorkspaceRow } from '../workspaces/index.ts';
import { heartbeatAge, isOverBudget, SILENT_SECONDS, tasksOf } from './causes.ts';
import type { Wait } from './waits.ts';
import { describeDuration, describeMoney } from './words.ts';

type Check = WhyReply['checked'][number];

export interface CheckInput {
  cause: WhyCause;
  seat: WorkspaceRow;
  wait: Wait | null;
  now: number;
  queueDepth: number;
  unread: number;
  mayTalk: boolean;
  addressRefused: string | null;
  /** Null: nobody asked it. */
  isRunning: boolean | null;
  backend: string;
}

/** An agent that can be heard of reports these. */
function checkAgent({ seat, now, queueDepth }: CheckInput): Check[] {
  if (seat.status !== 'online' && seat.status !== 'degraded') return [];
  const age = heartbeatAge(seat, now);
  const tasks = tasksOf(seat);
  const rate = seat.last_error_rate;
  return [
    ...(age !== null && age <= SILENT_SECONDS
      ? [
          {
            check: 'silent' as const,
            says: `Heartbeat ${describeDuration(age)} ago`,
            figures: { heartbeat_age_seconds: age },
          },
        ]
      : []),
    ...(seat.active_tasks < seat.max_concurrent_tasks
      ? [
          {
            check: 'busy_target' as const,
            says: `${seat.active_tasks} of ${seat.max_concurrent_tasks} tasks, ${queueDepth} queued`,
            figures: { ...tasks, queue_depth: queueDepth },
          },
        ]
      : []),
    ...(seat.status === 'online' && rate < 0.5
      ? [
          {
            check: 'model_errors' as const,
            says: rate === 0 ? 'No errors reported' : `${Math.round(rate * 100)} % errors`,
            figures: { error_rate: rate },
          },
        ]
      : []),
  ];
}

function checkBudget({ seat }: CheckInput): Check[] {
  if (isOverBudget(seat)) return [];
  const { budget_limit: limit, monthly_spend: spend } = seat;
  const says = limit === null ? 'No budget limit' : `Budget ${describeMoney(spend)} of ${describeMoney(limit)}`;
  return [{ check: 'budget', says, figures: { budget_limit: limit, monthly_spend: spend } }];
}

/** The way of a message there. */
function checkWay({ seat, wait, mayTalk, addressRefused, unread }: CheckInput): Check[] {
  if (!wait) return [];
  const isHeld = wait.marks.injected_at !== null;
  return [
    ...(mayTalk ? [{ check: 'hierarchy' as const, says: 'The hierarchy lets them talk', figures: {} }] : []),
    ...(seat.delivery_mode !== 'poll' && seat.url && addressRefused === null && !isHeld
      ? [{ check: 'guard' as const, says: 'Address allowed', figures: {} }]
      : []),
    ...(isHeld ? [{ check: 'put_off' as const, says: 'Delivered', figures: {} }] : []),
    ...(seat.delivery_mode === 'poll' && unread === 0
      ? [{ check: 'inbox_unread' as const, says: 'Inbox read', figures: {} }]
      : []),
  ];
}

export function listChecks(input: CheckInput): Check[] {
  const { cause, isRunning, backend } = input;
  const checks: Check[] = [
    ...checkAgent(input),
    ...checkBudget(input),
    ...checkWay(input),
    ...(isRunning === true
      ? [{ check: 'dead_backend' as const, says: `Its process runs (${backend})`, figures: { backend } }]
      : []),
  ];
  return checks.filter(({ check }) => check !== cause);
}
