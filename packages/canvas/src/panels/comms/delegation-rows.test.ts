import { describe, expect, it } from 'vitest';
import { type Delegation, listDelegationLines } from './delegation-rows.ts';

const at = (seconds: number) => new Date(Date.parse('2026-01-01T10:00:00.000Z') + seconds * 1000).toISOString();
const row = (seconds: number, fields: Partial<Delegation>): Delegation => ({
  id: `00000000-0000-4000-8000-00000000000${seconds % 10}`,
  type: 'delegation',
  method: 'delegate',
  source_id: 'lead',
  target_id: 'worker',
  summary: 'Delegated: Check the ledger',
  status: 'dispatched',
  created_at: at(seconds),
  accepted_at: at(seconds),
  delegation_id: 'd1',
  ...fields,
});
const queued = row(1, { method: 'delegate_result', status: 'queued', summary: 'Delegation queued' });
const done = row(9, {
  method: 'delegate_result',
  status: 'completed',
  summary: 'Delegation completed',
  response_preview: '62 %',
});

describe('delegations as lines', () => {
  it('task, queue notice and end of one delegation are one line, in any order of rows', () => {
    for (const rows of [
      [done, queued, row(0, {})],
      [row(0, {}), queued, done],
    ])
      expect(listDelegationLines(rows)).toMatchObject([
        { id: 'd1', task: 'Check the ledger', answer: '62 %', word: 'answered', answered: true, endedAt: at(9) },
      ]);
  });

  it('waiting, picked up and failed say so', () => {
    expect(listDelegationLines([queued, row(0, {})])).toMatchObject([
      { word: 'queued at target', pickedUp: false, endedAt: null },
    ]);
    expect(listDelegationLines([queued, row(0, { injected_at: at(3) })])).toMatchObject([
      { word: 'picked up', pickedUp: true, endedAt: null },
    ]);
    const failed = row(9, { method: 'delegate_result', status: 'failed', error: 'unreachable' });
    expect(listDelegationLines([failed, row(0, {})])).toMatchObject([
      { word: 'failed', failed: true, error: 'unreachable', task: 'Check the ledger' },
    ]);
  });

  it('newest first; a result alone has no task of its own', () => {
    const other = row(20, { delegation_id: 'd2' });
    expect(listDelegationLines([done, other]).map(({ id, task }) => [id, task])).toEqual([
      ['d2', 'Check the ledger'],
      ['d1', ''],
    ]);
  });
});
