// What nesting and extracting mean for the agents, in words: both sides by name, and what changes.

import { getWorkspace } from '../live/index.ts';
import { plural } from '../ui/format.ts';
import type { Drop } from './drop.ts';

const nameOf = (id: string) => getWorkspace(id)?.name ?? 'a removed workspace';

export function describeDrop(
  drop: Exclude<Drop, { kind: 'move' }>,
  ids: readonly string[],
): { title: string; lead: string; action: string } {
  const what = ids.length === 1 ? nameOf(ids[0] ?? '') : plural(ids.length, 'workspace');
  const its = ids.length === 1 ? 'Its' : 'Their';
  const shares = ids.length === 1 ? 'it shares' : 'they share';
  if (drop.kind === 'nest')
    return {
      title: `Nest ${what} in ${nameOf(drop.into)}?`,
      lead: `${its} peers become the members of ${nameOf(drop.into)}, and ${shares} that team's memory.`,
      action: 'Nest',
    };
  if (drop.into === null)
    return {
      title: `Extract ${what} from ${nameOf(drop.from)}?`,
      lead: `The peers and the team memory of ${nameOf(drop.from)} are out of reach afterwards.`,
      action: 'Extract',
    };
  return {
    title: `Extract ${what} from ${nameOf(drop.from)} into ${nameOf(drop.into)}?`,
    lead: `${its} peers become the members of ${nameOf(drop.into)}; those of ${nameOf(drop.from)} are out of reach.`,
    action: 'Extract',
  };
}
