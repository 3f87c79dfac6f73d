// What the fault suite asks for, and what it must find in the end: per seat the last thing the platform acknowledged.
// An action whose answer was lost may have happened or not; then only the row counts.

import type { Client } from '@molecule/contract';
import type { Random } from '@molecule/testkit';

export type Wish = 'runs' | 'paused' | 'removed';

export interface Seat {
  id: string;
  /** Null = the outcome of the last action is not known. */
  wish: Wish | null;
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

  /** The outcome of a call whose answer was lost is unknown; a refusal changed nothing. */
  async function change(seat: Seat, wish: Wish, call: () => Promise<unknown>): Promise<void> {
    const before = seat.wish;
    seat.wish = null;
    try {
      await call();
      seat.wish = wish;
      acknowledged += 1;
    } catch (error) {
      const status = (error as { status?: number }).status ?? 0;
      if (status >= 400 && status < 500) seat.wish = before;
    }
  }

  async function create(): Promise<string> {
    const parents = seats.filter((seat) => seat.wish === 'runs');
    const parent = random.below(3) === 0 && parents.length > 0 ? random.pick(parents).id : null;
    named += 1;
    const { id } = await admin().createWorkspace({
      body: { name: `seat ${named}`, runtime: 'echo', parent_id: parent },
    });
    seats.push({ id, wish: 'runs' });
    acknowledged += 1;
    return `create ${id}`;
  }

  /** Everything under a seat that is paused or deleted follows it, so its fate is not this suite's to say. */
  async function forgetBelow(id: string): Promise<void> {
    const rows = await admin().listWorkspaces();
    const below = new Set([id]);
    for (let grew = true; grew; ) {
      const more = rows.filter((row) => row.parent_id !== null && below.has(row.parent_id) && !below.has(row.id));
      for (const row of more) below.add(row.id);
      grew = more.length > 0;
    }
    for (const seat of seats) if (seat.id !== id && below.has(seat.id)) seat.wish = null;
  }

  const params = (seat: Seat) => ({ params: { id: seat.id } });
  const kinds: Record<string, (seat: Seat) => Promise<void>> = {
    restart: (seat) => change(seat, 'runs', () => admin().restartWorkspace({ ...params(seat), body: {} })),
    async pause(seat) {
      await forgetBelow(seat.id);
      await change(seat, 'paused', () => admin().pauseWorkspace(params(seat)));
    },
    async resume(seat) {
      await forgetBelow(seat.id);
      await change(seat, 'runs', () => admin().resumeWorkspace(params(seat)));
    },
    async delete(seat) {
      await forgetBelow(seat.id);
      await change(seat, 'removed', () => admin().deleteWorkspace({ ...params(seat), query: { confirm: true } }));
    },
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
