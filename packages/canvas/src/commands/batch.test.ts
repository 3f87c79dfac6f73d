import { beforeEach, describe, expect, it } from 'vitest';
import { modelOf, view } from '../live/fixtures.ts';
import { useLive } from '../live/index.ts';
import { listAlsoPaused, listTargets } from './batch.ts';

const idsOf = (nodes: readonly { id: string }[]) => nodes.map((node) => node.id);

beforeEach(() => {
  useLive.setState({
    model: modelOf(
      view('lead', { runtime: 'echo' }),
      view('inside', { runtime: 'echo', parent_id: 'lead' }),
      view('beside', { runtime: 'echo', parent_id: 'lead' }),
      view('laptop', { runtime: 'external' }),
      view('away', { runtime: 'echo', status: 'paused' }),
    ),
  });
});

describe('an action for several', () => {
  const all = ['lead', 'inside', 'laptop', 'away'];

  it('is for those whose status allows it', () => {
    expect(idsOf(listTargets(all, 'restart'))).toEqual(['lead', 'inside']);
    expect(idsOf(listTargets(all, 'resume'))).toEqual(['away']);
  });

  it('that reaches down is not sent to one below another chosen one', () => {
    expect(idsOf(listTargets(all, 'pause'))).toEqual(['lead', 'laptop']);
    expect(idsOf(listTargets(['inside', 'laptop'], 'pause'))).toEqual(['inside', 'laptop']);
  });

  it('tells who goes with them though nobody chose them', () => {
    expect(idsOf(listAlsoPaused(all))).toEqual(['beside']);
    expect(listAlsoPaused(['inside', 'laptop'])).toEqual([]);
  });
});
