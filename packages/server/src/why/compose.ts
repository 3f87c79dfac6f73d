// Puts an explanation together as the wire shows it. Decides nothing: what was found is said.

import type { WhyHop, WhyReply } from '@molecule/contract';
import type { Config } from '../config.ts';
import type { Clock } from '../platform/clock.ts';
import type { LoopReport } from '../platform/loops.ts';
import type { Provisioning } from '../provisioning/index.ts';
import type { WorkspaceRow, Workspaces } from '../workspaces/index.ts';
import type { Finding, Surroundings } from './causes.ts';
import { listChecks } from './checks.ts';
import { findEnd, findNext, listActions, type OutlookInput } from './outlook.ts';
import type { Behind, Wait } from './waits.ts';
import type { Step } from './walk.ts';
import { describeCause, summarize } from './words.ts';

const MOST_BEHIND = 20;

export interface ComposeDeps {
  config: Config;
  workspaces: Workspaces;
  provisioning: Provisioning;
  clock: Clock;
  listLoops(): LoopReport[];
}

/** What is asked about: a workspace for its own sake, or what it is waited for with. */
export interface Subject {
  wait: Wait | null;
  /** Who is to answer; else the workspace. */
  seat: WorkspaceRow;
  status: string;
  /** Answered, failed or dropped. */
  isOver: boolean;
  error: string | null;
}

export interface Found {
  subject: Subject;
  steps: readonly Step[];
  /** By which the last hop is waited for. */
  via: Wait | null;
  /** What waits longest for a workspace that is asked about for its own sake. */
  head: Wait | null;
  behind: Behind;
  isRunning: boolean | null;
  question: { text: string; since: Date } | null;
  surroundings: Surroundings;
  stuck: boolean;
}

const toTime = (at: Date | null) => at?.toISOString() ?? null;
const NO_IDS = { queue_id: null, delegation_id: null, message_id: null, activity_id: null };
const NO_MARKS = { accepted_at: null, injected_at: null, answered_at: null };
const marksOf = ({ marks }: Wait) => ({
  accepted_at: toTime(marks.accepted_at),
  injected_at: toTime(marks.injected_at),
  answered_at: toTime(marks.answered_at),
});

/** A held call is stored nowhere, and what was read from an inbox has left it. */
const isCounted = ({ queued, delegation, inbox }: Wait) =>
  queued !== null || delegation !== null || inbox?.injected_at === null;

export function createCompose({ config, workspaces, provisioning, clock, listLoops }: ComposeDeps) {
  const nameOf = async (id: string | null, origin: string | null = null): Promise<string> =>
    id !== null
      ? ((await workspaces.facts(id))?.name ?? id)
      : origin === null
        ? 'a person'
        : `the platform (${origin})`;

  function nextPass(name: string): number | null {
    const loop = listLoops().find((one) => one.name === name);
    if (!loop) return null;
    return Math.max(clock.now(), (loop.lastTickAt ?? clock.now()) + loop.everyMs);
  }

  const describeSubject = ({ wait, seat, status }: Subject): WhyReply['subject'] => ({
    kind: wait === null ? 'workspace' : wait.kind,
    workspace_id: seat.id,
    name: seat.name,
    text: wait?.text ?? '',
    status,
    ...(wait?.ids ?? NO_IDS),
    since: toTime(wait?.since ?? seat.status_changed_at),
    marks: wait ? marksOf(wait) : NO_MARKS,
  });

  const seatOf = (seat: WorkspaceRow) => ({ workspace_id: seat.id, name: seat.name, status: seat.status });

  function waitingHop({ seat }: Step, wait: Wait, nextName: string): WhyHop {
    return {
      ...seatOf(seat),
      waits_for: wait.to,
      kind: wait.kind,
      text: wait.text,
      ...wait.ids,
      since: toTime(wait.since),
      marks: marksOf(wait),
      cause: 'waits',
      says: describeCause('waits', {}, nextName),
      figures: {},
    };
  }

  function lastHop(
    seat: WorkspaceRow,
    { cause, figures }: Finding,
    via: Wait | null,
    found: Partial<Found>,
    other: string,
  ): WhyHop {
    const isTurn = seat.active_tasks > 0 && (seat.status === 'online' || seat.status === 'degraded');
    return {
      ...seatOf(seat),
      waits_for: null,
      kind: isTurn ? 'turn' : 'seat',
      text: [...(found.question?.text ?? (isTurn ? seat.current_task : ''))].slice(0, 200).join(''),
      ...NO_IDS,
      since: toTime(found.question?.since ?? via?.marks.injected_at ?? seat.status_changed_at),
      marks: NO_MARKS,
      cause,
      says: describeCause(cause, figures, other),
      figures,
    };
  }

  async function describeBehind({ items, total }: Behind, via: Wait | null): Promise<WhyReply['behind']> {
    const keyOf = ({ ids }: Wait) => ids.message_id ?? ids.queue_id ?? ids.activity_id;
    const others = items.filter((item) => via === null || keyOf(item) !== keyOf(via));
    return {
      total: total - (via && isCounted(via) ? 1 : 0),
      items: await Promise.all(
        others.slice(0, MOST_BEHIND).map(async (item) => ({
          kind: item.kind,
          workspace_id: item.from,
          name: await nameOf(item.from, item.queued?.origin ?? item.inbox?.origin ?? null),
          text: item.text,
          ...item.ids,
          marks: marksOf(item),
          since: item.since.toISOString(),
        })),
      ),
    };
  }

  return {
    async reply(found: Found): Promise<WhyReply> {
      const { subject, steps, via, head, behind, stuck } = found;
      const last = steps.at(-1) as Step;
      const finding = last.finding as Finding;
      const { seat } = last;
      const other = await nameOf((via ?? head)?.from ?? null);
      const chain = steps
        .slice(0, -1)
        .map((step, at) => waitingHop(step, step.wait as Wait, steps[at + 1]?.seat.name ?? ''));
      const end = lastHop(seat, finding, via, found, other);
      const first = subject.wait ?? steps[0]?.wait ?? null;
      const outlook: OutlookInput & { name: string } = {
        now: clock.now(),
        cause: finding.cause,
        seat,
        name: seat.name,
        wait: via ?? head,
        first,
        start: provisioning.outlook(seat.id, seat.runtime),
        hasBackend: provisioning.hasBackend(),
        stuckSeconds: config.delegationStuckSeconds,
        externalStaleSeconds: config.remoteLivenessStaleSeconds,
        nextPass,
      };
      const next = findNext(outlook);
      const givesUp = findEnd({ ...outlook, first: first ?? head });
      return {
        stuck,
        summary: summarize({ stuck, name: seat.name, says: end.says, cause: finding.cause, above: chain.length }),
        as_of: new Date(clock.now()).toISOString(),
        subject: describeSubject(subject),
        chain: [...chain, end],
        behind: await describeBehind(behind, via),
        checked: listChecks({
          cause: finding.cause,
          seat,
          wait: via ?? head,
          now: clock.now(),
          queueDepth: behind.queueDepth,
          unread: behind.unread,
          mayTalk: found.surroundings.mayTalk,
          addressRefused: found.surroundings.addressRefused,
          isRunning: found.isRunning,
          backend: provisioning.backendName,
        }),
        next,
        gives_up: givesUp,
        actions: listActions(outlook, next, givesUp, finding.figures.paused_ancestor ?? null),
      };
    },
    /** Of what is over there is nothing to walk to. */
    ended(subject: Subject): WhyReply {
      const { seat, error, status } = subject;
      const isAnswered = status === 'completed' || subject.wait?.marks.answered_at !== null;
      const finding: Finding = { cause: 'ended', figures: isAnswered ? {} : { error: error ?? status } };
      const end = lastHop(seat, finding, subject.wait, {}, '');
      return {
        stuck: false,
        summary: summarize({ stuck: false, name: seat.name, says: end.says, cause: 'ended', above: 0 }),
        as_of: new Date(clock.now()).toISOString(),
        subject: describeSubject(subject),
        chain: [{ ...end, kind: 'seat', text: '' }],
        behind: { total: 0, items: [] },
        checked: [],
        next: null,
        gives_up: null,
        actions: [
          {
            action: 'open',
            workspace_id: seat.id,
            delegation_id: null,
            label: `Open ${seat.name}`,
            consequence: 'Shows what it does. Changes nothing.',
          },
        ],
      };
    },
  };
}
