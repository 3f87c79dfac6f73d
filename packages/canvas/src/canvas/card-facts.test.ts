import { describe, expect, it } from 'vitest';
import { at, ms, view } from '../live/fixtures.ts';
import { toNode } from '../live/model.ts';
import { findMissingKey, fitSkills, NO_DETAILS, readMessage } from './card-facts.ts';

const node = (fields: Parameters<typeof view>[1]) => toNode(view('a', { runtime: 'echo', ...fields }));

describe('readMessage', () => {
  it('an error is never blank and is cut at 120 characters with the whole text kept', () => {
    expect(readMessage(node({ status: 'failed' }), ms(1))?.text).toBe(NO_DETAILS);
    const long = readMessage(node({ status: 'degraded', last_sample_error: 'x'.repeat(500) }), ms(1));
    expect(long?.text).toHaveLength(120);
    expect(long?.full).toHaveLength(500);
  });

  it('a failure that names a missing key offers to add it', () => {
    expect(
      readMessage(node({ status: 'failed', last_sample_error: 'ANTHROPIC_API_KEY is not set' }), ms(1))?.action,
    ).toEqual({
      id: 'add-key',
      label: 'Add key',
    });
    expect(findMissingKey('401 from OPENAI_API_KEY provider')).toBeNull();
  });

  it('an error goes before a restart badge, which goes before the task', () => {
    const all = { needs_restart: true, current_task: 'Working', last_sample_error: 'boom' };
    expect(readMessage(node({ ...all, status: 'degraded' }), ms(1))?.text).toBe('boom');
    expect(readMessage(node({ ...all, status: 'online' }), ms(1))?.text).toBe('Restart to apply changes');
    expect(readMessage(node({ current_task: 'Working' }), ms(1))).toMatchObject({ tone: 'task', text: 'Working' });
  });

  it('a reached limit goes before a restart badge and leads to the budget', () => {
    const over = readMessage(node({ budget_limit: 1000, monthly_spend: 1000, needs_restart: true }), ms(1));
    expect(over).toMatchObject({ tone: 'need', action: { id: 'raise-limit' } });
    expect(readMessage(node({ budget_limit: 0, monthly_spend: 0 }), ms(1))?.tone).toBe('need');
    expect(readMessage(node({ budget_limit: 1000, monthly_spend: 999 }), ms(1))).toBeNull();
  });

  it('an agent that went says why when it is known, else since when it is silent', () => {
    const gone = { status: 'offline', last_heartbeat_at: at(0) };
    expect(readMessage(node({ ...gone, last_sample_error: 'killed' }), ms(300))).toMatchObject({ text: 'killed' });
    expect(readMessage(node(gone), ms(300))?.text).toBe('No heartbeat for 5 m');
    expect(readMessage(node(gone), ms(5))?.text).toBe('Stopped answering');
  });

  it('an external workspace has no restart', () => {
    expect(
      readMessage(node({ status: 'offline', runtime: 'external', last_heartbeat_at: at(0) }), ms(180)),
    ).toMatchObject({
      text: 'No heartbeat for 3 m',
      action: null,
    });
  });

  it('shows as many skills as fit, at most four', () => {
    expect(fitSkills(['api', 'sql', 'queues', 'go', 'perf', 'ops'], 400)).toEqual({
      shown: ['api', 'sql', 'queues', 'go'],
      more: 2,
    });
    expect(
      fitSkills(
        Array.from({ length: 40 }, () => 'a-rather-long-skill-name'),
        120,
      ).shown,
    ).toHaveLength(0);
  });
});
