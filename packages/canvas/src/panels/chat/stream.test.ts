import { expect, it } from 'vitest';
import { applyFrame } from './stream.ts';
import { answerTurn, beginTurn, EMPTY_CONVERSATION, findTurn, NO_RESPONSE } from './turns.ts';

const AT = '2026-01-01T00:00:00Z';
const artifact = (text: string, append: boolean) => ({
  result: {
    kind: 'artifact-update',
    taskId: 't',
    append,
    artifact: { artifactId: 'a', parts: [{ kind: 'text', text }] },
  },
});
const task = (text: string | null) => ({
  result: {
    kind: 'task',
    id: 't',
    status: { state: 'working' },
    ...(text === null ? {} : { artifacts: [{ artifactId: 'a', parts: [{ kind: 'text', text }] }] }),
  },
});

function play(...frames: unknown[]) {
  const begun = beginTurn(EMPTY_CONVERSATION, { key: 'm', text: 'go', at: AT });
  return findTurn(
    frames.reduce<typeof begun>((now, frame) => applyFrame(now, 'm', frame, AT), begun),
    'm',
  )?.state;
}

it('a stream that is taken up again goes on from the whole task; a task without words takes nothing away', () => {
  expect(play(task(null), artifact('One, ', false), task('One, two, '), artifact('three', true))).toEqual({
    is: 'streaming',
    text: 'One, two, three',
    taskId: 't',
  });
  expect(play(artifact('One', false), task(null))).toEqual({ is: 'streaming', text: 'One', taskId: 't' });
});

it('a last frame after the answer has come another way does not take its words', () => {
  const begun = beginTurn(EMPTY_CONVERSATION, { key: 'm', text: 'go', at: AT });
  const said = (text: string) => ({ text, files: [], at: AT, durationMs: null, trace: [] });
  const last = { result: { kind: 'status-update', taskId: 't', final: true, status: { state: 'completed' } } };
  const answered = answerTurn(begun, 'm', said('Yes.'));
  expect(findTurn(applyFrame(answered, 'm', last, AT), 'm')?.reply?.text).toBe('Yes.');
  const silent = applyFrame(begun, 'm', last, AT);
  expect(findTurn(silent, 'm')?.reply?.text).toBe(NO_RESPONSE);
  expect(findTurn(answerTurn(silent, 'm', said('Yes.')), 'm')?.reply?.text).toBe('Yes.');
});
