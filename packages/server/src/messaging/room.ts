// What this process heard of its targets: when each last told of itself, refused a message, and which of the turns it last told of
// are over. A beat and an answer may cross on the wire, so both are kept for a moment. In memory only; the claim goes by the store.

/** So long after a refusal a target counts as full: what comes meanwhile is stored without asking it again. */
const FULL_MS = 100;
/** A refusal this old says nothing any more. */
const STALE_MS = 1_000;

/** A beat that was sent before an answer comes no later than this after it: its sender gives up by then. */
const MOST_CROSSING_MS = 10_000;
/** As many ended calls are kept as a beat names messages. */
const MOST_ENDED = 50;

/** A beat as it came. */
export interface Beat {
  /** By `performance.now()`: when it came in, before anything was stored of it. */
  receivedAt: number;
  activeTasks: number;
  /** Messages its turns work on; those it does not name are told by the time. */
  messageIds: readonly string[];
}

interface EndedCall {
  messageId: string | null;
  /** When it began and ended. */
  since: number;
  at: number;
}

interface Heard {
  /** The last one. */
  beat: Beat | null;
  /** The last word of room: a beat, or the end of a call. */
  roomAt: number;
  /** When the claim began that took the last place it had. */
  usedUpAt: number;
  /** When it refused last, or was asked again after that, and when the call began that it refused. */
  refusedAt: number;
  refusedSince: number;
  /** How many of the tasks the last beat counted are over. */
  over: number;
  /** The newest, oldest first. */
  ended: EndedCall[];
}

/** Whether the beat counted this call among its tasks: it names its message, or has one it does not name and came while it was open. */
function isCountedBy({ receivedAt, activeTasks, messageIds }: Beat, { messageId, since, at }: EndedCall): boolean {
  if (messageId !== null && messageIds.includes(messageId)) return at > receivedAt - MOST_CROSSING_MS;
  return messageIds.length < activeTasks && since < receivedAt && at > receivedAt;
}

export function createRoom(now: () => number = () => performance.now()) {
  const heard = new Map<string, Heard>();

  function of(workspaceId: string): Heard {
    const known = heard.get(workspaceId);
    if (known) return known;
    const never = Number.NEGATIVE_INFINITY;
    const fresh = {
      beat: null,
      roomAt: never,
      usedUpAt: never,
      refusedAt: never,
      refusedSince: never,
      over: 0,
      ended: [],
    };
    heard.set(workspaceId, fresh);
    return fresh;
  }

  return {
    /** Its count stands in the store. Answers that came while it was being stored are taken into account. */
    noteBeat(workspaceId: string, beat: Beat): void {
      const target = of(workspaceId);
      target.beat = beat;
      target.roomAt = now();
      target.over = target.ended.filter((call) => isCountedBy(beat, call)).length;
    },
    /** A call that began at `since` is over, and with it the turn it led to. */
    noteEnded(workspaceId: string, since: number, messageId: string | null): void {
      const target = of(workspaceId);
      const call = { messageId, since, at: now() };
      target.roomAt = call.at;
      if (target.beat && isCountedBy(target.beat, call)) target.over += 1;
      if (target.ended.push(call) > MOST_ENDED) target.ended.shift();
    },
    noteRefused(workspaceId: string, since: number): void {
      const target = of(workspaceId);
      target.refusedAt = now();
      target.refusedSince = since;
    },
    /** A claim that began at `since` took the last place: what was told of room before that is used up. */
    noteUsedUp(workspaceId: string, since: number): void {
      of(workspaceId).usedUpAt = since;
    },
    /** It told of room after `since` that no claim has used up. */
    heardSince(workspaceId: string, since: number): boolean {
      const target = heard.get(workspaceId);
      return target !== undefined && target.roomAt > Math.max(since, target.usedUpAt);
    },
    /** How many of the tasks its last beat counted are over. */
    overSinceBeat: (workspaceId: string): number => heard.get(workspaceId)?.over ?? 0,
    /**
     * It refused a message a moment ago and has not told of room since; with others waiting those come first. One call in each such
     * moment is let through to ask again, however many come.
     */
    isFull(workspaceId: string, hasWaiting: boolean): boolean {
      const target = heard.get(workspaceId);
      if (!target || !(hasWaiting || target.roomAt <= target.refusedSince)) return false;
      const age = now() - target.refusedAt;
      if (age <= FULL_MS) return true;
      if (age <= STALE_MS) target.refusedAt = now();
      return false;
    },
    forget: (workspaceId: string): void => void heard.delete(workspaceId),
  };
}

export type Room = ReturnType<typeof createRoom>;
