import { describe, expect, it } from 'vitest';
import { request, row } from '../chat/fixtures.ts';
import { readSpan } from './time-span.ts';
import { mergeTrace } from './trace.ts';

const [LEAD, WORKER, OTHER] = ['lead', 'worker', 'other'];
const asked = row({ id: 'ask', seconds: 0, workspace_id: LEAD, target_id: LEAD, request_body: request('Ship?', 'm1') });
const handed = row({
  id: 'hand',
  seconds: 1,
  workspace_id: LEAD,
  activity_type: 'delegation',
  method: 'delegate',
  source_id: LEAD,
  target_id: WORKER,
  request_body: { task: 'Check', delegation_id: 'd1' },
});
const heard = row({
  id: 'heard',
  seconds: 2,
  workspace_id: WORKER,
  source_id: LEAD,
  target_id: WORKER,
  request_body: request('Check', 'd1', { delegation_id: 'd1' }),
});
const aside = row({ id: 'aside', seconds: 3, workspace_id: OTHER, source_id: OTHER, target_id: WORKER });

describe('the whole trace', () => {
  it('each row once, in the order of time, the conversation marked', () => {
    const logs = new Map([
      [OTHER, [aside, heard]],
      [WORKER, [aside, heard]],
      [LEAD, [handed, asked]],
    ]);
    const lines = mergeTrace(logs, handed);
    expect(lines.map(({ entry, isPart }) => [entry.row.id, isPart])).toEqual([
      ['ask', false],
      ['hand', true],
      ['heard', true],
      ['aside', false],
    ]);
  });

  it('a message of a person is a conversation of its own', () => {
    const lines = mergeTrace(new Map([[LEAD, [handed, asked]]]), asked);
    expect(lines.filter((line) => line.isPart).map((line) => line.entry.row.id)).toEqual(['ask']);
  });
});

describe('a typed span', () => {
  it.each([
    ['36', 3_600, 129_600],
    ['1,5', 3_600, 5_400],
    ['30', 86_400, 2_592_000],
    ['31', 86_400, null],
    ['0', 86_400, null],
    ['-1', 86_400, null],
    ['', 86_400, null],
    ['soon', 86_400, null],
  ])('%j of %i s is %j', (text, unit, seconds) => {
    expect(readSpan(text, unit)).toBe(seconds);
  });
});
