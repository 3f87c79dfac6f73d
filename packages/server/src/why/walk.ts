// From what is asked about down to what blocks it: follows what each workspace waits for, prefers what is blocked, and cuts a
// circle where it closes. Owns the choice of the way; what blocks is causes.ts' business.

import type { WorkspaceRow } from '../workspaces/index.ts';
import { type Finding, isBlocking, judge, type Surroundings } from './causes.ts';
import { MOST_HOPS, type Wait } from './waits.ts';

/** Ways looked at in one explanation; beyond it the oldest way is taken. */
const MOST_LOOKED_AT = 100;

/** A hop: a workspace and what it waits for; of the last one `wait` is null and `finding` the cause. */
export interface Step {
  seat: WorkspaceRow;
  wait: Wait | null;
  finding: Finding | null;
}

export interface WalkDeps {
  waits: ReadonlyMap<string, readonly Wait[]>;
  seats: ReadonlyMap<string, WorkspaceRow>;
  surroundingsOf(seat: WorkspaceRow, via: Wait | null): Promise<Surroundings>;
}

/** Blocked by nothing but what it waits for, if it waits. */
const MAY_WAIT = ['working', 'busy_target', 'nothing'];

/** A turn that works on a delegation waits for what it handed out for that one; agents that do not say may wait for any. */
function relevant(all: readonly Wait[], via: Wait | null): readonly Wait[] {
  const id = via?.marks.injected_at ? via.delegation?.delegation_id : undefined;
  if (id === undefined) return all;
  const own = all.filter(({ delegation }) => delegation?.parent_delegation_id === id);
  return own.length > 0 ? own : all.filter(({ delegation }) => delegation?.parent_delegation_id === null);
}

export function createWalk({ waits, seats, surroundingsOf }: WalkDeps) {
  let looks = 0;

  /** The circle from where it was entered. */
  function closeCircle(seat: WorkspaceRow, trail: readonly Step[]): Step {
    const circle = trail.slice(trail.findIndex((step) => step.seat.id === seat.id));
    const path = [...circle.map((step) => step.seat), seat].map(({ id, name }) => ({ workspace_id: id, name }));
    const delegations = circle.flatMap(({ wait }) => (wait?.delegation ? [wait.delegation.delegation_id] : []));
    return { seat, wait: null, finding: { cause: 'cycle', figures: { path, delegation_ids: delegations } } };
  }

  async function follow(seat: WorkspaceRow, wait: Wait, trail: readonly Step[]): Promise<Step[] | null> {
    const step: Step = { seat, wait, finding: null };
    const next = seats.get(wait.to);
    if (!next) return null;
    const soFar = [...trail, step];
    if (soFar.some((one) => one.seat.id === next.id)) return [step, closeCircle(next, soFar)];
    return [step, ...(await walk(next, wait, soFar))];
  }

  /** @param via by which the workspace is waited for. */
  async function walk(seat: WorkspaceRow, via: Wait | null, trail: readonly Step[] = []): Promise<Step[]> {
    looks += 1;
    const finding = judge(seat, via, await surroundingsOf(seat, via));
    const own: Step[] = [{ seat, wait: null, finding }];
    if (!MAY_WAIT.includes(finding.cause) || trail.length >= MOST_HOPS) return own;
    let oldest: Step[] | null = null;
    for (const wait of relevant(waits.get(seat.id) ?? [], via)) {
      if (oldest && looks >= MOST_LOOKED_AT) break;
      const way = await follow(seat, wait, trail);
      const cause = way?.at(-1)?.finding?.cause;
      if (way && cause && isBlocking(cause)) return way;
      oldest ??= way;
    }
    return oldest ?? own;
  }

  return { walk, follow };
}
