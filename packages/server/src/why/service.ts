// Explains why something does not go on (chapter 20 §12.4): finds what is asked about, walks to what blocks it, and says what waits
// behind that, what was ruled out, what comes next and what can be done. Reads only.

import type { WhyReply } from '@molecule/contract';
import type { Database } from '../platform/db/index.ts';
import { pause } from '../platform/deadline.ts';
import { notFound } from '../platform/errors.ts';
import type { Outbound } from '../platform/outbound/index.ts';
import type { WorkspaceRow } from '../workspaces/index.ts';
import { type Finding, isAlwaysBlocking, isBlocking, type Surroundings } from './causes.ts';
import { type ComposeDeps, createCompose, type Subject } from './compose.ts';
import {
  findDelegation,
  findHeldCall,
  findLoggedMessage,
  findQuestion,
  findQueued,
  listOpenFor,
  listOpenTo,
  listUnread,
} from './reads.ts';
import {
  type Behind,
  fromDelegation,
  fromHeldCall,
  fromInbox,
  fromQueue,
  locate,
  readWaits,
  type Wait,
} from './waits.ts';
import { createWalk, type Step } from './walk.ts';

const MOST_BEHIND = 20;
/** A backend that takes longer to say whether something runs is not waited for. */
const BACKEND_PATIENCE_MS = 2_000;
const FINISHED = ['completed', 'failed', 'dropped', 'stuck'];
const DOWN = ['offline', 'hibernated', 'failed'];

export interface WhyDeps extends ComposeDeps {
  db: Database;
  outbound: Outbound;
  canCommunicate(a: string, b: string): Promise<boolean>;
}

export function createWhyService(deps: WhyDeps) {
  const { db, workspaces, provisioning, outbound, canCommunicate, clock } = deps;
  const compose = createCompose(deps);

  async function readBehind(id: string): Promise<Behind> {
    const [queue, inbox, held] = await Promise.all([
      listOpenFor(db.kysely, id, MOST_BEHIND + 1),
      listUnread(db.kysely, id, MOST_BEHIND + 1),
      listOpenTo(db.kysely, id, MOST_BEHIND + 1),
    ]);
    const items = [
      ...queue.rows.map(fromQueue),
      ...inbox.rows.map(fromInbox),
      ...held.rows.map((row) => fromDelegation(row)),
    ];
    items.sort((a, b) => a.since.getTime() - b.since.getTime());
    return {
      items,
      total: queue.total + inbox.total + held.total,
      queueDepth: queue.total,
      unread: inbox.total,
    };
  }

  async function surroundingsOf(seat: WorkspaceRow, via: Wait | null): Promise<Surroundings> {
    const mustCall = via !== null && !via.marks.injected_at && seat.delivery_mode !== 'poll' && seat.url !== null;
    const [mayTalk, verdict] = await Promise.all([
      via?.from && via.from !== seat.id ? canCommunicate(via.from, seat.id) : true,
      mustCall ? outbound.judge(seat.url ?? '', 'dispatch', { trusted: seat.url_source === 'provisioner' }) : null,
    ]);
    return {
      now: clock.now(),
      mayTalk,
      addressRefused: verdict && !verdict.ok ? verdict.reason : null,
      isInLine: provisioning.outlook(seat.id, seat.runtime).isInLine,
      hasBackend: provisioning.hasBackend(),
    };
  }

  /** Null: not asked, or no answer in time. */
  async function askBackend(seat: WorkspaceRow): Promise<{ running: boolean; error?: Error } | null> {
    const runs = ['online', 'degraded', 'offline', 'provisioning', 'failed'].includes(seat.status);
    if (seat.runtime === 'external' || !provisioning.hasBackend() || !runs) return null;
    const asked = provisioning.isRunning(seat.id).catch((error: Error) => ({ running: false, error }));
    return await Promise.race([asked, pause(BACKEND_PATIENCE_MS).then(() => null)]);
  }

  /** What only the last hop is worth a question: the seats above it, what runs it, and whether it asked a person something. */
  async function lookCloser(
    { cause, figures }: Finding,
    seat: WorkspaceRow,
    isWaitedFor: boolean,
  ): Promise<{ finding: Finding; isRunning: boolean | null; question: { text: string; since: Date } | null }> {
    const standing = { finding: { cause, figures }, isRunning: null, question: null };
    if (DOWN.includes(seat.status)) {
      const above = (await workspaces.listAncestry(seat.id)).find(
        ({ id, status }) => id !== seat.id && status === 'paused',
      );
      const name = above ? ((await workspaces.facts(above.id))?.name ?? above.id) : '';
      if (above)
        return {
          ...standing,
          finding: { cause: 'paused', figures: { ...figures, paused_ancestor: { workspace_id: above.id, name } } },
        };
    }
    if (cause === 'nothing' && !isWaitedFor) {
      const asked = await findQuestion(db.kysely, seat.id);
      if (asked)
        return {
          ...standing,
          finding: { cause: 'waiting_person', figures },
          question: { text: asked.text, since: asked.created_at },
        };
    }
    const answer = await askBackend(seat);
    if (answer?.error && isBlocking(cause))
      return {
        ...standing,
        finding: { cause: 'dead_backend', figures: { error: answer.error.message, backend: provisioning.backendName } },
      };
    return { ...standing, isRunning: answer && !answer.error ? answer.running : null };
  }

  async function getSeat(id: string): Promise<WorkspaceRow> {
    const seat = await workspaces.get(id);
    if (!seat) throw notFound('workspace');
    return seat;
  }

  /** The way from who waits, or from who is asked about, to the end. */
  async function walkFrom(subject: Subject, head: Wait | null): Promise<Step[]> {
    const { wait, seat } = subject;
    const start = wait?.from ?? seat.id;
    const waits = await readWaits(db.kysely, [...new Set([start, seat.id])]);
    const ids = new Set([start, seat.id, ...[...waits.values()].flat().map(({ to }) => to)]);
    const seats = new Map((await workspaces.listById([...ids])).map((row) => [row.id, row]));
    const { walk, follow } = createWalk({ waits, seats, surroundingsOf });
    const from = seats.get(start);
    if (wait?.from && from && from.id !== seat.id) return (await follow(from, wait, [])) ?? [];
    return await walk(seat, wait ?? head);
  }

  async function explain(subject: Subject): Promise<WhyReply> {
    if (subject.isOver) return compose.ended(subject);
    const own = subject.wait ? null : await readBehind(subject.seat.id);
    const head = own?.items.find(({ marks }) => !marks.injected_at) ?? null;
    const steps = await walkFrom(subject, head);
    const last = steps.at(-1);
    // Purged while it was read.
    if (!last?.finding) throw notFound('workspace');
    const via = steps.at(-2)?.wait ?? subject.wait;
    const behind = own && last.seat.id === subject.seat.id ? own : await readBehind(last.seat.id);
    const closer = await lookCloser(last.finding, last.seat, steps.length > 1 || subject.wait !== null);
    // Asked for its own sake, a workspace at work is not "busy with something else".
    const isBusyItself = closer.finding.cause === 'busy_target' && steps.length === 1 && !subject.wait;
    const finding: Finding = isBusyItself ? { ...closer.finding, cause: 'working' } : closer.finding;
    const waited = steps.length > 1 || subject.wait !== null || behind.total > 0;
    return await compose.reply({
      subject,
      steps: [...steps.slice(0, -1), { ...last, finding }],
      via,
      head,
      behind,
      isRunning: closer.isRunning,
      question: closer.question,
      surroundings: await surroundingsOf(last.seat, via ?? head),
      stuck: isBlocking(finding.cause) && (waited || isAlwaysBlocking(finding.cause)),
    });
  }

  async function subjectOf(wait: Wait, status: string): Promise<Subject> {
    const isOver = FINISHED.includes(status) || wait.marks.answered_at !== null;
    return {
      wait,
      seat: await getSeat(wait.to),
      status,
      isOver,
      error: wait.queued?.last_error ?? wait.delegation?.error_detail ?? null,
    };
  }

  async function findDelegated(workspaceId: string, id: string): Promise<Subject | null> {
    const row = await findDelegation(db.kysely, id);
    if (!row || (row.caller_id !== workspaceId && row.callee_id !== workspaceId)) return null;
    const [wait] = await locate(db.kysely, [row]);
    return wait ? await subjectOf(wait, row.status) : null;
  }

  async function findMessage(workspaceId: string, messageId: string): Promise<Subject | null> {
    const delegated = await findDelegated(workspaceId, messageId);
    if (delegated) return delegated;
    const queued = await findQueued(db.kysely, workspaceId, { messageId });
    if (queued) return await subjectOf(fromQueue(queued), queued.status);
    const held = await findHeldCall(db.kysely, workspaceId, messageId);
    if (held) return await subjectOf(fromHeldCall(held), 'running');
    const logged = await findLoggedMessage(db.kysely, workspaceId, messageId);
    if (!logged) return null;
    // What was called directly is logged when it is over; what lies in an inbox may be.
    const status = logged.inbox
      ? logged.answered_at
        ? 'completed'
        : 'queued'
      : logged.status === 'ok'
        ? 'completed'
        : 'failed';
    return await subjectOf(fromInbox(logged), status);
  }

  return {
    /** @throws not_found */
    async explainWorkspace(id: string, query: { queue_id?: string | undefined; message_id?: string | undefined }) {
      if (query.queue_id !== undefined) {
        const queued = await findQueued(db.kysely, id, { queueId: query.queue_id });
        if (!queued) throw notFound('queue item');
        const delegated = queued.message_id === null ? null : await findDelegated(id, queued.message_id);
        return await explain(delegated ?? (await subjectOf(fromQueue(queued), queued.status)));
      }
      if (query.message_id !== undefined) {
        const subject = await findMessage(id, query.message_id);
        if (!subject) throw notFound('message');
        return await explain(subject);
      }
      const seat = await getSeat(id);
      return await explain({ wait: null, seat, status: seat.status, isOver: false, error: null });
    },
    /** @throws not_found, also for a delegation of others. */
    async explainDelegation(id: string, delegationId: string) {
      const subject = await findDelegated(id, delegationId);
      if (!subject) throw notFound('delegation');
      return await explain(subject);
    },
  };
}

export type WhyService = ReturnType<typeof createWhyService>;
