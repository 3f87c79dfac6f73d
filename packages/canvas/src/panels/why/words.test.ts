import type { WhyHop, WhyReply } from '@molecule/contract';
import { describe, expect, it } from 'vitest';
import { drawAxis, listFacts, toReport } from './words.ts';

const NOW = Date.parse('2026-01-01T10:42:00.000Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

const hop = (fields: Partial<WhyHop>): WhyHop => ({
  workspace_id: '00000000-0000-4000-8000-000000000001',
  name: 'Lead',
  status: 'online',
  waits_for: null,
  kind: 'delegation',
  text: '',
  queue_id: null,
  delegation_id: null,
  message_id: null,
  activity_id: null,
  since: null,
  marks: { accepted_at: null, injected_at: null, answered_at: null },
  cause: 'waits',
  says: 'waits for Worker',
  figures: {},
  ...fields,
});

describe('figures in words', () => {
  it('only what is given, with units, times as what is left', () => {
    expect(listFacts({}, NOW)).toEqual([]);
    expect(
      listFacts(
        {
          error_rate: 0.7,
          monthly_spend: 4_000,
          budget_limit: 4_000,
          attempts: 3,
          most_attempts: 5,
          next_attempt_at: ago(-48),
          active_tasks: 1,
          max_concurrent_tasks: 1,
          queue_depth: 0,
          heartbeat_age_seconds: 75,
          path: [
            { workspace_id: 'a', name: 'Lead' },
            { workspace_id: 'b', name: 'Worker' },
            { workspace_id: 'a', name: 'Lead' },
          ],
        },
        NOW,
      ),
    ).toEqual([
      '70 % of its calls fail',
      '$40.00 of $40.00',
      'attempt 3 of 5',
      'next attempt in 48 s',
      '1/1 tasks',
      'heartbeat 1 m 15 s ago',
      'Lead → Worker → Lead',
    ]);
  });
});

describe('the axis', () => {
  it('begins with who waits longest and ends now', () => {
    const axis = drawAxis([hop({ since: ago(840) }), hop({ since: ago(420) }), hop({ since: null })], NOW);
    expect(axis?.toMs).toBe(NOW);
    expect(axis?.lanes).toHaveLength(2);
    expect(axis?.lanes[0]?.left).toBeCloseTo(2.9, 1);
    expect(axis?.lanes[1]?.left).toBeCloseTo(51.5, 1);
  });

  it('is not drawn for one bar', () => {
    expect(drawAxis([hop({ since: ago(840) }), hop({})], NOW)).toBeNull();
  });
});

describe('the report', () => {
  it('tells the chain, what waits, what was checked and what comes, in order', () => {
    const why: WhyReply = {
      stuck: true,
      summary: 'Worker gets no answer from its model. Lead is waiting.',
      as_of: ago(0),
      subject: { ...hop({}), kind: 'delegation' },
      chain: [
        hop({ text: 'Is it ready?', since: ago(60) }),
        hop({ name: 'Worker', says: 'cannot finish a model call', cause: 'model_errors', figures: { error: '529' } }),
      ],
      behind: { total: 0, items: [] },
      checked: [{ check: 'budget', says: 'Budget $9.80 of $40.00', figures: {} }],
      next: { what: 'next_attempt', at: ago(-48), says: 'tries again' },
      gives_up: null,
      actions: [],
    };
    expect(toReport(why, NOW).split('\n')).toEqual([
      'Worker gets no answer from its model. Lead is waiting.',
      expect.stringMatching(/^As of 2026-01-01T10:42:00.000Z/),
      '',
      '1. Lead waits for Worker',
      '   “Is it ready?”',
      `   since ${ago(60)}`,
      '2. Worker cannot finish a model call',
      '   529',
      '',
      'Checked, not the cause',
      '- Budget $9.80 of $40.00',
      '',
      'What comes by itself',
      `- tries again (${ago(-48)})`,
    ]);
  });
});
