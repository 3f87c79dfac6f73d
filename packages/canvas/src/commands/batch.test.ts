import { beforeEach, describe, expect, it } from 'vitest';
import { modelOf, view } from '../live/fixtures.ts';
import { useLive } from '../live/index.ts';
import { describeFailures, listAlsoPaused, listReached, listTargets, listTopmost, runEach } from './batch.ts';

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

  it('that moves or removes reaches everyone below once, and is sent to the topmost', () => {
    expect(idsOf(listTopmost(['inside', 'lead', 'away', 'gone']))).toEqual(['lead', 'away']);
    expect(idsOf(listReached(['inside', 'lead', 'away']))).toEqual(['lead', 'inside', 'beside', 'away']);
    expect(idsOf(listReached(['inside']))).toEqual(['inside']);
  });

  it('runs at most four at once, and tells who failed and why', async () => {
    let running = 0;
    let most = 0;
    const targets = Array.from({ length: 3 }, () => listTopmost(all)).flat();
    expect(targets).toHaveLength(9);
    const failures = await runEach(targets, async (node) => {
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
      if (node.id === 'away') throw new Error('no backend');
    });
    expect(most).toBe(4);
    expect(idsOf(failures.map(({ node }) => node))).toEqual(['away', 'away', 'away']);
    expect(describeFailures([...failures, ...failures], 'removed')).toMatch(
      /^Not removed: (\w+ \(no backend\), ){2}\w+ \(no backend\) and 3 more$/,
    );
  });
});
