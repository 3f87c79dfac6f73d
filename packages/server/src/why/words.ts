// The sentences of an explanation. Pure; says nothing that the figures beside it do not show.

import type { WhyCause, WhyFigures } from '@molecule/contract';

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** `6 s`, `11 m 32 s`, `5 h 48 m`. */
export function describeDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} m ${whole % MINUTE} s`;
  return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} m`;
}

export const describeMoney = (cents: number): string => `$${(cents / 100).toFixed(2)}`;

const tasks = ({ active_tasks: active = 0, max_concurrent_tasks: most = 1 }: WhyFigures) =>
  `${active} of ${most} ${most === 1 ? 'task' : 'tasks'}`;

/** What a cause says after the name of its workspace. `other`: who waits for it, or who it waits for. */
export function describeCause(cause: WhyCause, figures: WhyFigures, other: string | null): string {
  switch (cause) {
    case 'waits':
      return `waits for ${other}`;
    case 'working':
      return 'is at work';
    case 'nothing':
      return 'is idle';
    case 'ended':
      return figures.error ? 'ended it without an answer' : 'is done with it';
    case 'busy_target':
      return `is at work on something else, ${tasks(figures)}`;
    case 'no_capacity':
      return 'waits for its turn to start, as many as may are starting';
    case 'starting':
      return 'is starting';
    case 'hibernated':
      return 'is asleep';
    case 'paused':
      return figures.paused_ancestor ? `stands below ${figures.paused_ancestor.name}, which is paused` : 'is paused';
    case 'failed':
      return 'did not start';
    case 'offline':
      return 'is offline';
    case 'awaiting_agent':
      return 'waits for its owner to connect an agent';
    case 'removed':
      return 'was deleted';
    case 'wedged':
      return 'cannot go on until it is restarted';
    case 'model_errors':
      return 'gets no answer from its model';
    case 'degraded':
      return 'reports errors';
    case 'silent':
      return `was last heard of ${describeDuration(figures.heartbeat_age_seconds ?? 0)} ago`;
    case 'budget':
      return 'has spent its budget';
    case 'hierarchy':
      return `may not be reached by ${other ?? 'its caller'}`;
    case 'guard':
      return 'has an address the platform may not call';
    case 'no_url':
      return 'has no address yet';
    case 'put_off':
      return `did not take the message, attempt ${figures.attempts ?? 0} of ${figures.most_attempts ?? 0}`;
    case 'lease_held':
      return 'is sent the message by a process that may be dead';
    case 'inbox_unread':
      return 'has not read its inbox';
    case 'waiting_person':
      return 'waits for an answer of a person';
    case 'dead_backend':
      return 'cannot be started, what runs agents does not answer';
    case 'no_backend':
      return 'cannot be started, this platform runs no agents';
    case 'cycle':
      return 'waits for itself, round a circle';
  }
}

/** The sentence at the top. */
export function summarize(input: {
  stuck: boolean;
  name: string;
  says: string;
  cause: WhyCause;
  /** Agents above the last hop. */
  above: number;
}): string {
  const { stuck, name, says, cause, above } = input;
  const waiting =
    above === 0 ? '' : above === 1 ? ' One agent above it is waiting.' : ` ${above} agents above it are waiting.`;
  if (stuck) return `${name} ${says}.${waiting}`;
  if (cause === 'ended') return `Nothing is stuck: ${name} ${says}.`;
  return `Nothing is stuck: ${name} ${says}.${waiting}`;
}
