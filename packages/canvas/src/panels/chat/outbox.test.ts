import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asked, at } from './fixtures.ts';
import { keepUnsettled, restoreUnsettled } from './outbox.ts';
import { answerTurn, EMPTY_CONVERSATION, setTurnState } from './turns.ts';

const stored = new Map<string, string>();
beforeEach(() => {
  stored.clear();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe('outbox', () => {
  it('brings back what was not answered: a request that died with the page as open, a queued one as it was', () => {
    keepUnsettled('w', asked('m1', 'Half way'));
    expect(restoreUnsettled('w', EMPTY_CONVERSATION).turns).toMatchObject([
      { key: 'm1', user: { text: 'Half way', at: at(0) }, state: { is: 'open' } },
    ]);
    const queued = setTurnState(asked(), 'm1', { is: 'queued', queueId: 'q1', place: 3, injectedAt: null });
    keepUnsettled('w', queued);
    expect(restoreUnsettled('w', EMPTY_CONVERSATION).turns[0]?.state).toEqual({
      is: 'queued',
      queueId: 'q1',
      injectedAt: null,
      place: 3,
    });
  });

  it('adds nothing that the history already has, and forgets what was answered', () => {
    keepUnsettled('w', asked());
    expect(restoreUnsettled('w', asked())).toEqual(asked());
    keepUnsettled('w', answerTurn(asked(), 'm1', { text: 'Yes', files: [], at: at(1), durationMs: null, trace: [] }));
    expect(stored.size).toBe(0);
  });

  it('reads nothing from what is not its own', () => {
    stored.set('molecule.outbox.w', '{"not": "a list"');
    expect(restoreUnsettled('w', EMPTY_CONVERSATION)).toBe(EMPTY_CONVERSATION);
  });
});
