import { describe, expect, it } from 'vitest';
import { at, reply, request, row, WORKSPACE } from '../chat/fixtures.ts';
import { bucketEntries, listEntries } from './activity-rows.ts';

const PEER = '00000000-0000-4000-8000-000000000009';
const delegate = (fields: Parameters<typeof row>[0]) =>
  row({ activity_type: 'delegation', source_id: WORKSPACE, target_id: PEER, ...fields });

describe('activity entries', () => {
  it('both rows of a delegation are one entry with the result, its status and how long it took', () => {
    const rows = [
      delegate({
        seconds: 21,
        method: 'delegate_result',
        status: 'completed',
        response_body: { text: 'Fine', delegation_id: 'd1' },
      }),
      delegate({
        seconds: 0,
        method: 'delegate',
        status: 'dispatched',
        request_body: { task: 'Check it', delegation_id: 'd1' },
      }),
    ];
    const entries = listEntries(rows, WORKSPACE);
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      kind: 'delegation',
      peerId: PEER,
      summary: 'Check it',
      standing: { is: 'receipt', answered: true },
      tookMs: 21_000,
    });
    expect(listEntries(rows.slice(0, 1), WORKSPACE)[0]).toMatchObject({ summary: 'Fine' });
  });

  it('says what was said, by whom, and where it stands', () => {
    const [chat, inbox, failed] = listEntries(
      [
        row({ seconds: 3, request_body: request('Ship?', 'm1'), response_body: reply('Yes') }),
        row({ seconds: 2, source_id: PEER, request_body: request('Names?', 'm2'), accepted_at: at(2) }),
        row({
          seconds: 1,
          activity_type: 'a2a_send',
          source_id: WORKSPACE,
          target_id: PEER,
          status: 'timeout',
          summary: 'No answer',
        }),
      ],
      WORKSPACE,
    );
    expect(chat).toMatchObject({ kind: 'chat', isPerson: true, summary: 'Ship?', standing: { word: 'answered' } });
    expect(inbox).toMatchObject({ kind: 'in', peerId: PEER, summary: 'Names?', standing: { word: 'accepted' } });
    expect(failed).toMatchObject({ kind: 'out', peerId: PEER, standing: { is: 'error', word: 'timeout' } });
  });

  it('an unknown type reads as other and keeps its own words', () => {
    expect(listEntries([row({ activity_type: 'moon_phase', summary: 'Full' })], WORKSPACE)[0]).toMatchObject({
      kind: 'other',
      summary: 'Full',
    });
  });

  it('counts into slices of the time, the oldest first and nothing beyond it', () => {
    const entries = listEntries(
      [row({ seconds: 59 }), row({ seconds: 58, status: 'error' }), row({ seconds: 1 }), row({ seconds: -600 })],
      WORKSPACE,
    );
    expect(bucketEntries(entries, 60_000, Date.parse(at(60)), 4)).toEqual([
      { count: 1, failed: 0 },
      { count: 0, failed: 0 },
      { count: 0, failed: 0 },
      { count: 2, failed: 1 },
    ]);
  });
});
