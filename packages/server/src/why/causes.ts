// What keeps one workspace from answering: judged on its row, on what it is waited for with, and on what surrounds it. Pure.

import type { WhyCause, WhyFigures } from '@molecule/contract';
import { BUSY_AGAIN, MOST_ATTEMPTS } from '../messaging/index.ts';
import type { WorkspaceRow } from '../workspaces/index.ts';
import type { Wait } from './waits.ts';

/** Two beats of our runtime, and a little. */
export const SILENT_SECONDS = 65;
const ERROR_RATE = 0.5;
/** Below this an agent counts as recovered, so what it still reports is not its model. */
const RECOVERED_RATE = 0.1;

/** What the rows do not say. */
export interface Surroundings {
  now: number;
  /** The hierarchy lets the two talk; also for a person. */
  mayTalk: boolean;
  /** Why the guard refuses its address; null: it does not, or nobody has to call it. */
  addressRefused: string | null;
  isInLine: boolean;
  hasBackend: boolean;
}

export interface Finding {
  cause: WhyCause;
  figures: WhyFigures;
}

/** These say that all goes well, or that it is over. */
const FINE: readonly WhyCause[] = ['waits', 'working', 'nothing', 'ended', 'starting'];
/** These matter although nothing waits. */
const ALWAYS: readonly WhyCause[] = [
  ...(['failed', 'offline', 'wedged', 'model_errors', 'degraded', 'silent'] as const),
  ...(['dead_backend', 'no_backend', 'no_capacity', 'waiting_person', 'cycle'] as const),
];

export const isBlocking = (cause: WhyCause): boolean => !FINE.includes(cause);
export const isAlwaysBlocking = (cause: WhyCause): boolean => ALWAYS.includes(cause);

export const heartbeatAge = (seat: WorkspaceRow, now: number): number | null =>
  seat.last_heartbeat_at === null ? null : Math.max(0, Math.round((now - seat.last_heartbeat_at.getTime()) / 1000));

export const isOverBudget = (seat: WorkspaceRow): boolean =>
  seat.budget_limit !== null && seat.monthly_spend >= seat.budget_limit;

const errorOf = (text: string | null): WhyFigures => (text ? { error: text } : {});
const found = (cause: WhyCause, figures: WhyFigures = {}): Finding => ({ cause, figures });

export const tasksOf = (seat: WorkspaceRow): WhyFigures => ({
  active_tasks: seat.active_tasks,
  max_concurrent_tasks: seat.max_concurrent_tasks,
  ...(seat.current_task ? { current_task: seat.current_task } : {}),
});

/** Of a status in which no agent can answer. */
function judgeStatus(seat: WorkspaceRow, { isInLine, hasBackend }: Surroundings): Finding | null {
  const error = errorOf(seat.last_sample_error);
  if (seat.status === 'removed') return found('removed');
  if (seat.status === 'paused') return found('paused');
  if (seat.status === 'awaiting_agent') return found('awaiting_agent');
  if (seat.status === 'online' || seat.status === 'degraded') return null;
  if (isInLine) return found('no_capacity');
  const isOurs = seat.runtime !== 'external';
  if (seat.status === 'provisioning') return found('starting');
  if (seat.status === 'hibernating' || seat.status === 'hibernated') return found('hibernated');
  if (isOurs && !hasBackend) return found('no_backend', error);
  if (seat.status === 'failed')
    return found('failed', { ...error, ...(seat.retry_at ? { retry_at: seat.retry_at.toISOString() } : {}) });
  return found('offline', error);
}

const attemptsOf = ({ queued }: Wait): WhyFigures =>
  queued === null
    ? {}
    : {
        attempts: queued.attempts,
        most_attempts: MOST_ATTEMPTS,
        ...(queued.next_attempt_at ? { next_attempt_at: queued.next_attempt_at.toISOString() } : {}),
        ...errorOf(queued.last_error),
      };

/** Held by a process whose lease ran out, and not by the agent. */
function judgeLease({ queued, delegation }: Wait, now: number): Finding | null {
  const until =
    queued?.status === 'dispatched' ? queued.lease_until : queued ? null : (delegation?.lease_until ?? null);
  if (until === null || until.getTime() >= now) return null;
  return found('lease_held', { lease_until: until.toISOString() });
}

/** Of a message its agent does not hold yet. */
function judgeDelivery(seat: WorkspaceRow, wait: Wait, around: Surroundings): Finding | null {
  const { queued, inbox } = wait;
  if (!around.mayTalk) return found('hierarchy', attemptsOf(wait));
  if (isOverBudget(seat))
    return found('budget', { budget_limit: seat.budget_limit, monthly_spend: seat.monthly_spend, ...attemptsOf(wait) });
  if (inbox) return found('inbox_unread');
  if (seat.delivery_mode !== 'poll' && !seat.url) return found('no_url', attemptsOf(wait));
  if (around.addressRefused !== null) return found('guard', { ...attemptsOf(wait), error: around.addressRefused });
  const lease = judgeLease(wait, around.now);
  if (lease) return lease;
  if (queued?.status === 'queued' && queued.last_error !== null && queued.last_error !== BUSY_AGAIN)
    return found('put_off', attemptsOf(wait));
  return null;
}

/** Of the agent, as it reports itself. */
function judgeAgent(seat: WorkspaceRow, now: number): Finding | null {
  const age = heartbeatAge(seat, now);
  if (age !== null && age > SILENT_SECONDS) return found('silent', { heartbeat_age_seconds: age });
  if (seat.status !== 'degraded') return null;
  const figures = { error_rate: seat.last_error_rate, ...errorOf(seat.last_sample_error) };
  if (seat.last_error_rate >= ERROR_RATE) return found('model_errors', figures);
  return found(seat.last_error_rate < RECOVERED_RATE ? 'wedged' : 'degraded', figures);
}

/**
 * @param wait what the workspace is waited for with; null when it is asked about for its own sake.
 */
export function judge(seat: WorkspaceRow, wait: Wait | null, around: Surroundings): Finding {
  const isHeld = wait !== null && wait.marks.injected_at !== null;
  const standing = judgeStatus(seat, around);
  if (standing) return { ...standing, figures: { ...(wait ? attemptsOf(wait) : {}), ...standing.figures } };
  const delivery = wait && !isHeld ? judgeDelivery(seat, wait, around) : null;
  if (delivery) return delivery;
  const agent = judgeAgent(seat, around.now);
  if (agent) return agent;
  if (wait?.queued?.status === 'queued') return found('busy_target', { ...tasksOf(seat), ...attemptsOf(wait) });
  if (wait || seat.active_tasks > 0) return found('working', tasksOf(seat));
  return found('nothing', tasksOf(seat));
}
