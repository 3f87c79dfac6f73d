import { describe, expect, it } from 'vitest';
import { outcomeOf } from './model-switch.ts';

const seat = (runtime: string, status: string, last_sample_error: string | null = null) => ({
  runtime,
  status,
  last_sample_error,
});

describe('the outcome of giving a seat a model', () => {
  it('is open until the platform says that the new runtime starts, whatever the scripted agent was', () => {
    expect(outcomeOf({ at: 'started' }, seat('echo', 'online')).state).toBe('working');
    expect(outcomeOf({ at: 'started' }, seat('echo', 'failed', 'old')).state).toBe('working');
    expect(outcomeOf({ at: 'started' }, seat('ai-sdk', 'provisioning')).state).toBe('working');
  });

  it('is done when it comes up, and names why it did not', () => {
    expect(outcomeOf({ at: 'started' }, seat('ai-sdk', 'online'))).toEqual({ state: 'done' });
    expect(outcomeOf({ at: 'started' }, seat('ai-sdk', 'failed', 'no such model'))).toEqual({
      state: 'failed',
      error: 'no such model',
    });
    expect(outcomeOf({ at: 'started' }, seat('ai-sdk', 'offline', ' '))).toEqual({
      state: 'failed',
      error: 'No details reported',
    });
  });

  it('of a refused change is the refusal; of a seat at rest it comes with its next start', () => {
    expect(outcomeOf({ at: 'refused', error: 'no' }, seat('echo', 'online'))).toEqual({ state: 'failed', error: 'no' });
    expect(outcomeOf({ at: 'later' }, seat('ai-sdk', 'paused'))).toEqual({ state: 'later' });
  });
});
