import { describe, expect, it } from 'vitest';
import { reply, request, row, WORKSPACE } from '../chat/fixtures.ts';
import { explainPeerError, listTalkPeers, listTalks } from './talks.ts';

const PEER = '00000000-0000-4000-8000-000000000009';
const OTHER = '00000000-0000-4000-8000-000000000008';

const task = row({
  id: 'task',
  seconds: 0,
  activity_type: 'delegation',
  method: 'delegate',
  source_id: WORKSPACE,
  target_id: PEER,
  status: 'dispatched',
  summary: 'Delegated: Check the ledger',
  request_body: { task: 'Check the ledger', delegation_id: 'd1' },
});
const queued = row({
  id: 'queued',
  seconds: 1,
  activity_type: 'delegation',
  method: 'delegate_result',
  source_id: WORKSPACE,
  target_id: PEER,
  status: 'queued',
  summary: 'Delegation queued — target at capacity',
  response_body: { delegation_id: 'd1', queued: true },
});
const result = row({
  ...queued,
  id: 'result',
  seconds: 20,
  status: 'completed',
  response_body: { text: '62 %', delegation_id: 'd1' },
});
const inboxCopy = row({
  id: 'copy',
  seconds: 21,
  method: 'delegate_result',
  source_id: PEER,
  target_id: WORKSPACE,
  response_body: { text: '62 %', delegation_id: 'd1' },
});

describe('talks', () => {
  it('task, result and inbox copy of one delegation are one box with the real task and the answer', () => {
    for (const rows of [
      [inboxCopy, result, task],
      [result, task],
      [inboxCopy, task],
    ]) {
      const talks = listTalks(rows, WORKSPACE);
      expect(talks).toHaveLength(1);
      expect(talks[0]).toMatchObject({
        id: 'task',
        peerId: PEER,
        isOutgoing: true,
        text: 'Check the ledger',
        reply: '62 %',
      });
      expect(talks[0]?.entry.standing).toMatchObject({ answered: true });
    }
  });

  it('queued at the target, then answered, stays the same box', () => {
    const before = listTalks([queued, task], WORKSPACE)[0];
    expect(before).toMatchObject({ id: 'task', reply: '', entry: { standing: { word: 'queued' } } });
    expect(listTalks([result, queued, task], WORKSPACE)[0]).toMatchObject({ id: 'task', reply: '62 %' });
  });

  it('calls read from this seat, oldest first, and name their peers by recency', () => {
    const heard = row({
      id: 'in',
      seconds: 5,
      source_id: OTHER,
      request_body: request('Names?', 'm1'),
      response_body: reply('Starter'),
    });
    const sent = row({
      id: 'out',
      seconds: 3,
      activity_type: 'a2a_send',
      source_id: WORKSPACE,
      target_id: PEER,
      status: 'error',
      summary: 'Ready?',
      error_detail: '[A2A_ERROR] connection reset by peer',
    });
    const talks = listTalks([heard, sent], WORKSPACE);
    expect(talks).toMatchObject([
      { id: 'out', isOutgoing: true, text: 'Ready?', error: 'connection reset by peer' },
      { id: 'in', isOutgoing: false, text: 'Names?', reply: 'Starter', error: '' },
    ]);
    expect(listTalkPeers(talks)).toEqual([
      { id: OTHER, count: 1 },
      { id: PEER, count: 1 },
    ]);
    expect(listTalks([row({ activity_type: 'agent_log', source_id: WORKSPACE })], WORKSPACE)).toEqual([]);
  });

  it.each([
    ['control request timeout', 'Its session is wedged'],
    ['context deadline exceeded', 'No answer in time'],
    ['unexpected EOF', 'Connection dropped mid-answer'],
    ['workspace is offline', 'Not reachable'],
    ['Agent error (exit_1)', 'It failed on this message'],
    ['', 'No details reported'],
    ['something else', 'It did not answer'],
  ])('explains %j', (error, title) => {
    expect(explainPeerError(error).title).toBe(title);
  });
});
