import { ApiError, WORKSPACE_STATUSES } from '@molecule/contract';
import { beforeEach, describe, expect, it } from 'vitest';
import { modelOf, view } from '../live/fixtures.ts';
import { getWorkspace, useLive, type WorkspaceNode } from '../live/index.ts';
import { describeRefusal, listPausedWith, listRunActions, runWord } from './lifecycle.ts';

const nodeOf = (id: string) => getWorkspace(id) as WorkspaceNode;

beforeEach(() => {
  useLive.setState({
    model: modelOf(
      view('lead', { name: 'Lead', runtime: 'echo', status: 'paused' }),
      view('inside', { name: 'Inside', runtime: 'echo', status: 'paused', parent_id: 'lead' }),
      view('deep', { name: 'Deep', runtime: 'echo', status: 'online', parent_id: 'inside' }),
    ),
  });
});

describe('what a status allows', () => {
  const wordsOf = (status: string, runtime: string) =>
    listRunActions({ status, runtime }).map((action) => runWord(action, status));

  it('every status of an own agent', () => {
    expect(Object.fromEntries(WORKSPACE_STATUSES.map((status) => [status, wordsOf(status, 'echo')]))).toEqual({
      provisioning: ['Restart', 'Pause'],
      online: ['Restart', 'Pause', 'Hibernate'],
      degraded: ['Restart', 'Pause', 'Hibernate'],
      offline: ['Restart', 'Pause'],
      failed: ['Retry', 'Pause'],
      awaiting_agent: ['Pause'],
      paused: ['Resume'],
      hibernating: [],
      hibernated: ['Wake', 'Pause'],
      removed: [],
    });
  });

  it('an external agent is started and put to sleep by its owner only', () => {
    for (const status of WORKSPACE_STATUSES)
      expect(wordsOf(status, 'external')).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/Restart|Retry|Wake|Hibernate/)]),
      );
    expect(wordsOf('online', 'external')).toEqual(['Pause']);
  });

  it('a status of a later version allows nothing', () => {
    expect(listRunActions({ status: 'draining', runtime: 'echo' })).toEqual([]);
  });
});

describe('whom a pause reaches', () => {
  it('is everyone below who is not paused already', () => {
    expect(listPausedWith('lead').map((node) => node.id)).toEqual(['deep']);
    expect(listPausedWith('deep')).toEqual([]);
  });
});

describe('a refusal', () => {
  const conflict = new ApiError(409, 'conflict', 'Lead above it is paused; resume that first', { paused: 'Lead' });

  it('for a paused workspace above leads to that workspace', () => {
    const refusal = describeRefusal(nodeOf('deep'), 'restart', conflict);
    expect(refusal.text).toBe('Deep could not be restarted: Lead above it is paused; resume that first');
    expect(refusal.link?.label).toBe('Open Lead');
    refusal.link?.run();
    expect(useLive.getState().selection).toMatchObject({ id: 'lead', tab: 'details' });
  });

  it('has no link where it is about the workspace itself or about nothing of this picture', () => {
    expect(describeRefusal(nodeOf('lead'), 'restart', conflict).link).toBeNull();
    expect(describeRefusal(nodeOf('deep'), 'restart', new Error('no answer')).link).toBeNull();
    const unknown = new ApiError(409, 'conflict', 'Gone is paused', { paused: 'Gone' });
    expect(describeRefusal(nodeOf('deep'), 'resume', unknown).link).toBeNull();
  });
});
