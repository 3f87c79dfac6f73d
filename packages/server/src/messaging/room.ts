// What this process heard of its targets: when each last told of itself, refused a message, and which of the turns it last told of
// have ended since. In memory only; the claim itself goes by the store.

/** So long after a refusal a target counts as full: what comes meanwhile is stored without asking it again. */
const FULL_MS = 100;
/** A refusal this old says nothing any more. */
const STALE_MS = 1_000;

interface Heard {
  /** By `performance.now()`; the last beat. */
  beatAt: number;
  /** The last word of room: a beat, or the end of a call. */
  roomAt: number;
  /** When it refused last, or was asked again after that, and when the call began that it refused. */
  refusedAt: number;
  refusedSince: number;
  /** Calls of before the last beat that ended after it: it counted them. */
  ended: number;
}

export function createRoom(now: () => number = () => performance.now()) {
  const heard = new Map<string, Heard>();

  function of(workspaceId: string): Heard {
    const known = heard.get(workspaceId);
    if (known) return known;
    const never = Number.NEGATIVE_INFINITY;
    const fresh = { beatAt: never, roomAt: never, refusedAt: never, refusedSince: never, ended: 0 };
    heard.set(workspaceId, fresh);
    return fresh;
  }

  return {
    noteBeat(workspaceId: string): void {
      const target = of(workspaceId);
      target.beatAt = now();
      target.roomAt = target.beatAt;
      target.ended = 0;
    },
    /** A call that began at `since` is over. */
    noteEnded(workspaceId: string, since: number): void {
      const target = of(workspaceId);
      target.roomAt = now();
      if (since < target.beatAt) target.ended += 1;
    },
    noteRefused(workspaceId: string, since: number): void {
      const target = of(workspaceId);
      target.refusedAt = now();
      target.refusedSince = since;
    },
    /** It told of room after `since`. */
    heardSince: (workspaceId: string, since: number): boolean => (heard.get(workspaceId)?.roomAt ?? since) > since,
    /** How many of the tasks its last beat counted are over. */
    endedSinceBeat: (workspaceId: string): number => heard.get(workspaceId)?.ended ?? 0,
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
