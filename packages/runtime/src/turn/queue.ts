// Who may run now (chapter 40 §9): first come first served, a fixed width, and never two turns of one context at once.
// Knows nothing of messages: it hands out tickets.

export interface Ticket {
  /** Resolves when the turn may begin. */
  readonly ready: Promise<void>;
  /** Gives the place back, whether the turn ran or was withdrawn while it waited. Once. */
  leave(): void;
}

export interface TurnQueue {
  /**
   * @param isPatient waits however many wait already: its sender is not told to come back.
   * @returns null when all places and the waiting room are taken.
   */
  enter(contextId: string, isPatient?: boolean): Ticket | null;
  running(): number;
  waiting(): number;
  /** A smaller width lets the running turns end. */
  setWidth(width: number): void;
  /** No more tickets from now on. */
  shut(): void;
}

interface Place {
  contextId: string;
  begin(): void;
}

/**
 * @param width turns at once.
 * @param depth places in the waiting room.
 */
export function createTurnQueue({ width: firstWidth, depth }: { width: number; depth: number }): TurnQueue {
  let width = firstWidth;
  const running = new Set<Place>();
  let waiting: Place[] = [];
  let open = true;

  const contextIsBusy = (contextId: string) => [...running].some((place) => place.contextId === contextId);

  function startNext(): void {
    while (running.size < width) {
      const next = waiting.find((place) => !contextIsBusy(place.contextId));
      if (!next) return;
      waiting = waiting.filter((place) => place !== next);
      running.add(next);
      next.begin();
    }
  }

  return {
    enter(contextId, isPatient = false) {
      if (!open) return null;
      const startsNow = running.size < width && !contextIsBusy(contextId);
      if (!startsNow && !isPatient && waiting.length >= depth) return null;
      const { promise: ready, resolve: begin } = Promise.withResolvers<void>();
      const place: Place = { contextId, begin };
      waiting.push(place);
      startNext();
      return {
        ready,
        leave() {
          running.delete(place);
          waiting = waiting.filter((other) => other !== place);
          startNext();
        },
      };
    },
    running: () => running.size,
    waiting: () => waiting.length,
    setWidth(next) {
      width = next;
      startNext();
    },
    shut() {
      open = false;
    },
  };
}
