import { describe, expect, it } from 'vitest';
import { at, request, row, WORKSPACE } from '../chat/fixtures.ts';
import { listEntries } from './activity-rows.ts';
import { whyTargetOf } from './slow.ts';

const PEER = '00000000-0000-4000-8000-000000000009';
const after = (seconds: number) => Date.parse(at(seconds));
const targetOf = (fields: Parameters<typeof row>[0], seconds: number) => {
  const [entry] = listEntries([row(fields)], WORKSPACE);
  return entry ? whyTargetOf(entry, WORKSPACE, after(seconds)) : undefined;
};

describe('what waits for an answer', () => {
  const waiting = { request_body: request('Look', 'm1'), accepted_at: at(0) };
  const handed = {
    activity_type: 'delegation',
    method: 'delegate',
    source_id: WORKSPACE,
    target_id: PEER,
    status: 'queued',
    request_body: { task: 'Check', delegation_id: 'd1' },
  };

  it('is asked about after a minute, as the message or the delegation it is', () => {
    expect(targetOf(waiting, 59)).toBeNull();
    expect(targetOf(waiting, 60)).toEqual({ workspaceId: WORKSPACE, messageId: 'm1' });
    expect(targetOf(handed, 60)).toEqual({ workspaceId: WORKSPACE, delegationId: 'd1' });
  });

  it('is nothing once it is answered, has failed, or was never waited for', () => {
    expect(targetOf({ ...waiting, answered_at: at(5) }, 600)).toBeNull();
    expect(targetOf({ ...handed, status: 'failed' }, 600)).toBeNull();
    expect(targetOf({ activity_type: 'agent_log', source_id: WORKSPACE, target_id: null }, 600)).toBeNull();
  });
});
