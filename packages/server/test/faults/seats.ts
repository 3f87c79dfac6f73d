// What the fault suite asks for, and what it must find in the end: per seat the last thing the platform acknowledged.
// An action whose answer was lost may have happened or not; then only the row counts.

import type { Client } from '@molecule/contract';
import type { Random } from '@molecule/testkit';

export type Wish = 'runs' | 'paused' | 'removed';

export interface Seat {
  id: string;
  parentId: string | null;
  /** Null = the outcome of the last action is not known. */
  wish: Wish | null;
  /** Counts the actions on it: of two at the same time nobody can say which came last. */
  turn: number;
  /** How many of them are on their way. */
  pending: number;
}

export interface Actions {
  seats: Seat[];
  /** Creates a seat, or changes one; never rejects. @returns what was tried. */
  act(): Promise<string>;
  /** How many were acknowledged. */
  acknowledged(): number;
}

export interface ActionOptions {
  /** The client of the platform that runs at the moment. */
  admin(): Client;
  random: Random;
  wanted: number;
}

export function createActions({ admin, random, wanted }: ActionOptions): Actions {
  const seats: Seat[] = [];
  let acknowledged = 0;
  let named = 0;

  /** The outcome of a call whose answer was lost is unknown, as is that of one that was not alone; a refusal changed nothing. */
  async function change(seat: Seat, wish: Wish, call: () => Promise<unknown>): Promise<void> {
    const before = seat.wish;
    const isAlone = seat.pending === 0;
    seat.wish = null;
    seat.turn += 1;
    seat.pending += 1;
    const { turn } = seat;
    const settle = (settled: Wish | null) => {
      seat.wish = isAlone && seat.turn === turn ? settled : null;
    };
    try {
      await call();
      settle(wish);
      acknowledged += 1;
    } catch (error) {
      const status = (error as { status?: number }).status ?? 0;
      if (status >= 400 && status < 500) settle(before);
    } finally {
      seat.pending -= 1;
    }
  }

  async function create(): Promise<string> {
    const parents = seats.filter((seat) => seat.wish === 'runs');
    const parent = random.below(3) === 0 && parents.length > 0 ? random.pick(parents).id : null;
    named += 1;
    const { id } = await admin().createWorkspace({
      body: { name: `seat ${named}`, runtime: 'echo', parent_id: parent },
    });
    seats.push({ id, parentId: parent, wish: 'runs', turn: 0, pending: 0 });
    acknowledged += 1;
    return `create ${id}`;
  }

  function isBelow(seat: Seat, id: string): boolean {
    if (seat.parentId === null) return false;
    if (seat.parentId === id) return true;
    const parent = seats.find((one) => one.id === seat.parentId);
    return parent !== undefined && isBelow(parent, id);
  }

  /**
   * Everything under a seat follows it, also what was made or changed there while the change was on its way: its fate is not this
   * suite's to say.
   */
  async function changeAll(seat: Seat, wish: Wish, call: () => Promise<unknown>): Promise<void> {
    const forgetBelow = () => {
      for (const one of seats.filter((below) => isBelow(below, seat.id))) {
        one.wish = null;
        one.turn += 1;
      }
    };
    forgetBelow();
    await change(seat, wish, call);
    forgetBelow();
  }

  const params = (seat: Seat) => ({ params: { id: seat.id } });
  const kinds: Record<string, (seat: Seat) => Promise<void>> = {
    restart: (seat) => change(seat, 'runs', () => admin().restartWorkspace({ ...params(seat), body: {} })),
    pause: (seat) => changeAll(seat, 'paused', () => admin().pauseWorkspace(params(seat))),
    resume: (seat) => changeAll(seat, 'runs', () => admin().resumeWorkspace(params(seat))),
    delete: (seat) =>
      changeAll(seat, 'removed', () => admin().deleteWorkspace({ ...params(seat), query: { confirm: true } })),
  };

  return {
    seats,
    acknowledged: () => acknowledged,
    async act() {
      const living = seats.filter((seat) => seat.wish !== 'removed');
      try {
        if (living.length < wanted) return await create();
        const kind = random.pick(['restart', 'restart', 'pause', 'resume', 'resume', 'delete']);
        const seat = random.pick(living.filter((one) => kind !== 'resume' || one.wish !== 'runs').concat(living));
        await kinds[kind]?.(seat);
        return `${kind} ${seat.id}`;
      } catch (error) {
        return `unanswered: ${error instanceof Error ? error.message : String(error)}`;
      }
    },
  };
}
