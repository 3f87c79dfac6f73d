// What comes by itself and what a person can do, each from a row or a constant of the platform. Pure; a time that is not known is
// not said.

import type { WhyAction, WhyCause, WhyNext, WhyReply } from '@molecule/contract';
import type { WorkspaceRow } from '../workspaces/index.ts';
import type { Wait } from './waits.ts';
import { describeDuration } from './words.ts';

type Coming = NonNullable<WhyReply['next']>;
type Action = WhyReply['actions'][number];

/** What our runtime promises (chapter 40 §6.1). */
const BEAT_SECONDS = 30;
/** The liveness sweep of the registry (chapter 10 §8). */
const SILENT_SECONDS = 180;

export interface OutlookInput {
  now: number;
  cause: WhyCause;
  seat: WorkspaceRow;
  /** By which the last hop is waited for. */
  wait: Wait | null;
  /** What was asked about, or the first hop waits for. */
  first: Wait | null;
  start: { restartAt: Date | null; startSeconds: number };
  hasBackend: boolean;
  stuckSeconds: number;
  externalStaleSeconds: number;
  /** When a background loop passes next, as far as this process knows; null = it does not. */
  nextPass(loop: string): number | null;
}

const SAYS: Record<WhyNext, (left: string) => string> = {
  next_attempt: (left) => `Tries again in ${left}`,
  lease_end: (left) => `Another process takes it up in ${left}`,
  beat: (left) => `Its next heartbeat is due in ${left}`,
  liveness_sweep: (left) => `Counts as offline in ${left}`,
  start_retry: (left) => `Starts again in ${left}`,
  start_deadline: (left) => `The start fails in ${left}`,
  health_sweep: (left) => `Is looked for and started again in ${left}`,
  message_expiry: (left) => `The message expires in ${left}`,
  delegation_stuck: (left) => `Gives up in ${left}, without a heartbeat, and tells the caller`,
  delegation_deadline: (left) => `Gives up in ${left} and tells the caller`,
};

function coming(what: WhyNext, at: number | null, now: number): Coming | null {
  if (at === null) return null;
  return { what, at: new Date(at).toISOString(), says: SAYS[what](describeDuration((at - now) / 1000)) };
}

/** One that is due comes with the next pass of its loop. */
const dueWith = (at: Date | null, input: OutlookInput, loop: string): number | null =>
  at !== null && at.getTime() > input.now ? at.getTime() : input.nextPass(loop);

function nextAttempt(input: OutlookInput): Coming | null {
  const queued = input.wait?.queued;
  if (queued?.status !== 'queued') return null;
  return coming('next_attempt', dueWith(queued.next_attempt_at, input, 'a2a-queue-sweeper'), input.now);
}

function nextBeat({ seat, now }: OutlookInput): Coming | null {
  const at = seat.last_heartbeat_at === null ? null : seat.last_heartbeat_at.getTime() + BEAT_SECONDS * 1000;
  return at === null || at < now ? null : coming('beat', at, now);
}

/** The first thing that happens without anybody doing anything. */
export function findNext(input: OutlookInput): Coming | null {
  const { cause, seat, now, wait, start } = input;
  switch (cause) {
    case 'put_off':
    case 'budget':
    case 'hierarchy':
    case 'guard':
    case 'no_url':
    case 'hibernated':
    case 'paused':
    case 'awaiting_agent':
      return nextAttempt(input);
    case 'busy_target':
    case 'working':
    case 'nothing':
    case 'wedged':
    case 'model_errors':
    case 'degraded':
      return nextBeat(input) ?? nextAttempt(input);
    case 'silent': {
      const seconds = seat.runtime === 'external' ? input.externalStaleSeconds : SILENT_SECONDS;
      const at = (seat.last_heartbeat_at ?? seat.status_changed_at).getTime() + seconds * 1000;
      return coming('liveness_sweep', at > now ? at : input.nextPass('liveness-monitor'), now);
    }
    case 'starting':
    case 'no_capacity': {
      if (seat.status !== 'provisioning') return null;
      const at = seat.status_changed_at.getTime() + start.startSeconds * 1000;
      return coming('start_deadline', at > now ? at : input.nextPass('provision-timeout-sweep'), now);
    }
    case 'failed':
      return coming('start_retry', (start.restartAt ?? seat.retry_at)?.getTime() ?? null, now);
    case 'offline':
    case 'dead_backend':
      if (start.restartAt) return coming('start_retry', start.restartAt.getTime(), now);
      return input.hasBackend && seat.runtime !== 'external'
        ? coming('health_sweep', input.nextPass('health-sweep'), now)
        : null;
    case 'lease_held': {
      const loop = wait?.queued ? 'a2a-lease-recovery' : 'delegation-runner';
      return coming('lease_end', input.nextPass(loop), now);
    }
    default:
      return null;
  }
}

/** When the platform ends what waits. */
export function findEnd({ first, now, stuckSeconds }: OutlookInput): Coming | null {
  if (first === null || first.marks.answered_at) return null;
  const ends: [WhyNext, number][] = [];
  const { queued, delegation } = first;
  if (queued?.status === 'queued' && queued.expires_at) ends.push(['message_expiry', queued.expires_at.getTime()]);
  if (delegation) {
    ends.push(['delegation_deadline', delegation.deadline.getTime()]);
    const heard = delegation.last_heartbeat?.getTime() ?? null;
    // While it is heard of this moves on with every beat.
    if (heard !== null && now - heard > 2 * BEAT_SECONDS * 1000)
      ends.push(['delegation_stuck', heard + stuckSeconds * 1000]);
  }
  const [soonest] = ends.sort(([, a], [, b]) => a - b);
  return soonest ? coming(soonest[0], soonest[1], now) : null;
}

const RESTART = 'Its process starts anew. What the queue and the ledger hold is delivered again.';

const OFFERS: Partial<Record<WhyCause, readonly WhyAction[]>> = {
  working: ['open'],
  busy_target: ['open'],
  starting: ['open'],
  no_capacity: ['open'],
  hibernated: ['wake'],
  paused: ['resume'],
  failed: ['retry', 'show_errors'],
  offline: ['restart', 'show_errors'],
  awaiting_agent: ['connect'],
  wedged: ['restart', 'show_errors'],
  model_errors: ['restart', 'show_errors'],
  degraded: ['restart', 'show_errors'],
  silent: ['restart', 'open'],
  budget: ['raise_budget'],
  hierarchy: ['open'],
  guard: ['open'],
  no_url: ['restart'],
  put_off: ['restart', 'show_errors'],
  lease_held: ['open'],
  inbox_unread: ['open'],
  waiting_person: ['answer'],
  dead_backend: ['retry'],
  no_backend: ['connect'],
  cycle: ['open'],
};

const ACTIONS: Record<WhyAction, { label: (name: string) => string; consequence: string }> = {
  restart: { label: (name) => `Restart ${name}`, consequence: RESTART },
  retry: { label: (name) => `Start ${name} again`, consequence: RESTART },
  wake: { label: (name) => `Wake ${name}`, consequence: 'Its process starts, and what waits is delivered.' },
  resume: { label: (name) => `Resume ${name}`, consequence: 'It and what is paused below it start again.' },
  raise_budget: {
    label: (name) => `Raise the budget of ${name}`,
    consequence: 'What waits is delivered with the next attempt.',
  },
  connect: {
    label: (name) => `Connect an agent to ${name}`,
    consequence: 'What waits is delivered as soon as the agent is there.',
  },
  open: { label: (name) => `Open ${name}`, consequence: 'Shows what it does. Changes nothing.' },
  show_errors: {
    label: (name) => `Show the errors of ${name}`,
    consequence: 'Shows its failed calls. Changes nothing.',
  },
  answer: { label: (name) => `Answer ${name}`, consequence: 'Opens its chat. It goes on with your answer.' },
  cancel: {
    label: (name) => `Give up the task for ${name}`,
    consequence: 'The delegation ends as failed, and its caller is told. A turn that runs is not stopped.',
  },
  wait: { label: () => 'Do nothing', consequence: '' },
};

/** What a person can do, the likeliest first; to wait is always the last. */
export function listActions(
  input: OutlookInput & { name: string },
  next: Coming | null,
  end: Coming | null,
  above: { workspace_id: string; name: string } | null,
): Action[] {
  const { cause, seat, name, first } = input;
  const action = (kind: WhyAction, id: string, shown: string, delegation: string | null = null): Action => ({
    action: kind,
    workspace_id: id,
    delegation_id: delegation,
    label: ACTIONS[kind].label(shown),
    consequence: ACTIONS[kind].consequence,
  });
  const external = seat.runtime === 'external';
  const offered = (OFFERS[cause] ?? []).filter((kind) => !external || (kind !== 'restart' && kind !== 'retry'));
  const where = above ?? { workspace_id: seat.id, name };
  const open = first?.delegation && cause !== 'ended' ? first.delegation : null;
  const consequence = [next, end].flatMap((one) => (one ? [`${one.says}.`] : [])).join(' ');
  return [
    ...offered.map((kind) => action(kind, where.workspace_id, where.name)),
    ...(open ? [action('cancel', open.caller_id, name, open.delegation_id)] : []),
    ...(cause === 'ended' || cause === 'nothing'
      ? []
      : [{ ...action('wait', seat.id, name), consequence: consequence || 'Nothing happens by itself.' }]),
  ];
}
