import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readReply, readText } from './a2a-shapes.ts';
import { delegationsOf } from './delegations.ts';
import { explainFailure } from './failures.ts';
import { asked, at, frame, logged, reply, request, row } from './fixtures.ts';
import { applyEvent } from './live.ts';
import { applyRows } from './rows.ts';
import { applyFrame } from './stream.ts';
import {
  answerTurn,
  beginTurn,
  breakOff,
  type Conversation,
  EMPTY_CONVERSATION,
  setTurnState,
  type TurnState,
  toHistory,
} from './turns.ts';

const answer = (text: string, seconds: number) => ({ text, files: [], at: at(seconds), durationMs: null, trace: [] });
const answeredRow = (seconds = 4) =>
  row({
    id: 'r1',
    seconds,
    duration_ms: 4000,
    request_body: request('Can we ship?', 'm1'),
    response_body: reply('Yes'),
  });
const a2aResponse = (seconds = 4.1) =>
  frame(
    'A2A_RESPONSE',
    { response_body: reply('Yes'), method: 'message/send', duration_ms: 4000, message_id: 'm1', activity_id: 'r1' },
    seconds,
  );
const stateOf = (conversation: Conversation): TurnState | undefined => conversation.turns[0]?.state;

describe('a line', () => {
  const queued = (queueId: string, place: number): TurnState => ({ is: 'queued', queueId, place, injectedAt: null });
  const line = setTurnState(
    setTurnState(beginTurn(asked(), { key: 'm2', text: 'And?', at: at(1) }), 'm1', queued('q1', 1)),
    'm2',
    queued('q2', 2),
  );

  it('moves up when the one before it is answered or given up, by call or by row, and only then', () => {
    const answered = answerTurn(line, 'm1', answer('Yes', 3));
    const byRow = applyRows(line, [answeredRow()]);
    const givenUp = setTurnState(line, 'm1', explainFailure('gave up'));
    for (const next of [answered, byRow, givenUp])
      expect(next.turns.find((turn) => turn.key === 'm2')?.state).toMatchObject({ is: 'queued', place: 1 });
    expect(answerTurn(line, 'm2', answer('Yes', 3)).turns[0]?.state).toMatchObject({ is: 'queued', place: 1 });
  });
});

describe('receipts', () => {
  it('mark a queued message and a known delegation as picked up, and add nothing else', () => {
    const queued = setTurnState(asked(), 'm1', { is: 'queued', queueId: 'q1', place: 1, injectedAt: null });
    const picked = applyEvent(queued, frame('RECEIPT_UPDATED', { queue_id: 'q1', injected_at: at(3) }));
    expect(picked.turns[0]?.state).toMatchObject({ is: 'queued', injectedAt: at(3) });
    const sent = frame('DELEGATION_SENT', { delegation_id: 'd1', target_id: 'w', task_preview: 'Check' });
    const box = applyEvent(
      applyEvent(asked(), sent),
      frame('RECEIPT_UPDATED', { delegation_id: 'd1', injected_at: at(4) }),
    );
    expect(box.delegations).toMatchObject([{ id: 'd1', task: 'Check', pickedUpAt: at(4) }]);
    const unknown = applyEvent(asked(), frame('RECEIPT_UPDATED', { delegation_id: 'd9', injected_at: at(4) }));
    expect(unknown.delegations).toEqual([]);
  });

  it('a full queue says when to try again, whatever its row says after it', () => {
    const full = explainFailure('too many wait', { status: 429, code: 'queue_full', retryAt: 12_000 });
    expect(full).toMatchObject({ title: 'Too many of your messages wait', retryAt: 12_000 });
    const failed = setTurnState(asked(), 'm1', full);
    const stored = row({ request_body: request('Can we ship?', 'm1'), status: 'error', error_detail: 'too many wait' });
    expect(applyRows(failed, [stored]).turns[0]?.state).toEqual(full);
  });
});

describe('one reply, however it arrives', () => {
  const byHttp = (now: Conversation) => answerTurn(now, 'm1', answer('Yes', 3.9));
  const byEvent = (now: Conversation) => applyEvent(now, a2aResponse());
  const byLog = (now: Conversation) => applyEvent(now, logged(answeredRow()));
  const byHistory = (now: Conversation) => applyRows(now, [answeredRow()]);

  it('HTTP, event, log and history in any order and number give one turn with one reply', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([byHttp, byEvent, byLog, byHistory, byEvent, byLog], { minLength: 1 }),
        (deliveries) => {
          const conversation = deliveries.reduce((now, deliver) => deliver(now), asked());
          expect(conversation.turns).toHaveLength(1);
          expect(conversation.turns[0]).toMatchObject({ reply: { text: 'Yes' }, state: { is: 'answered' } });
        },
      ),
    );
  });

  it('once the row is known, live and after a reload are the same, times included', () => {
    const reloaded = byHistory(EMPTY_CONVERSATION);
    const shown = ({ turns }: Conversation) =>
      turns.map(({ key, user, reply: said, state }) => ({ key, user, said, state }));
    for (const order of [
      [byHttp, byEvent, byLog],
      [byLog, byEvent, byHttp],
      [byEvent, byLog, byHttp],
    ])
      expect(shown(order.reduce((now, deliver) => deliver(now), asked()))).toEqual(shown(reloaded));
  });

  it('what an agent both answered and said by itself within five seconds is shown once', () => {
    const said = frame('AGENT_MESSAGE', { message: 'Yes', workspace_id: 'w', name: 'Lead', activity_id: 'n1' }, 3);
    const notified = row({ id: 'n1', seconds: 3, method: 'notify', response_body: { result: 'Yes' } });
    expect(applyEvent(byHttp(asked()), said).turns).toHaveLength(1);
    expect(byHttp(applyEvent(asked(), said)).turns).toHaveLength(1);
    expect(applyRows(EMPTY_CONVERSATION, [notified, answeredRow()]).turns).toHaveLength(1);
    const later = frame('AGENT_MESSAGE', { message: 'Yes', workspace_id: 'w', name: 'Lead', activity_id: 'n2' }, 30);
    expect(applyEvent(byHttp(asked()), later).turns).toHaveLength(2);
  });
});

describe('where a message stands', () => {
  it('a queued message is filled once by its event, matched by queue id or message id', () => {
    const queued = setTurnState(asked(), 'm1', { is: 'queued', queueId: 'q1', place: 2, injectedAt: null });
    const event = (payload: Record<string, unknown>) =>
      frame('A2A_RESPONSE', { response_body: reply('Later'), method: 'message/send', duration_ms: 1, ...payload }, 60);
    const filled = applyEvent(queued, event({ message_id: null, queue_id: 'q1' }));
    expect(filled.turns[0]).toMatchObject({ reply: { text: 'Later' }, state: { is: 'answered' } });
    expect(applyEvent(filled, event({ message_id: 'm1', queue_id: 'q1' }))).toEqual(filled);
  });

  it('an inbox message moves through its marks and never back', () => {
    const inbox = setTurnState(asked(), 'm1', { is: 'inbox', injectedAt: null, answeredAt: null });
    const seen = applyEvent(inbox, frame('RECEIPT_UPDATED', { message_id: 'm1', injected_at: at(5) }));
    expect(stateOf(seen)).toEqual({ is: 'inbox', injectedAt: at(5), answeredAt: null });
    const answered = applyEvent(seen, frame('RECEIPT_UPDATED', { message_id: 'm1', answered_at: at(9) }));
    expect(stateOf(answered)).toEqual({ is: 'inbox', injectedAt: at(5), answeredAt: at(9) });
    const other = applyEvent(answered, frame('RECEIPT_UPDATED', { message_id: 'm2', injected_at: at(99) }));
    expect(other).toEqual(answered);
  });

  it('a row of the inbox is accepted, not answered', () => {
    const accepted = row({ request_body: request('Hi', 'm1'), accepted_at: at(0) });
    expect(stateOf(applyRows(EMPTY_CONVERSATION, [accepted]))).toEqual({
      is: 'inbox',
      injectedAt: null,
      answeredAt: null,
    });
  });

  it('the logged failure of a first attempt does not end a turn that is about to be repeated', () => {
    const failed = row({
      id: 'e1',
      seconds: 1,
      status: 'error',
      error_detail: 'unreachable',
      request_body: request('Can we ship?', 'm1'),
    });
    const retrying = setTurnState(asked(), 'm1', { is: 'retrying', at: 1, why: 'Restarting' });
    expect(stateOf(applyEvent(retrying, logged(failed)))?.is).toBe('retrying');
    const reloaded = applyRows(EMPTY_CONVERSATION, [failed]);
    expect(stateOf(reloaded)?.is).toBe('failed');
    expect(stateOf(applyRows(reloaded, [answeredRow(20)]))?.is).toBe('answered');
  });

  it('what is answered stays answered whatever comes late', () => {
    const done = answerTurn(asked(), 'm1', answer('Yes', 2));
    expect(setTurnState(done, 'm1', { is: 'open', why: 'timeout' })).toEqual(done);
    const failed = row({
      id: 'e1',
      seconds: 3,
      status: 'error',
      error_detail: 'x',
      request_body: request('Can we ship?', 'm1'),
    });
    expect(stateOf(applyRows(done, [failed]))?.is).toBe('answered');
  });

  it('sending again keeps the place and the words', () => {
    const two = beginTurn(asked(), { key: 'm2', text: 'And?', at: at(5) });
    const failed = setTurnState(two, 'm1', explainFailure('unreachable'));
    const again = beginTurn(failed, { key: 'm1', text: 'Can we ship?', at: at(9) });
    expect(again.turns.map((turn) => [turn.key, turn.user?.text, turn.state.is])).toEqual([
      ['m1', 'Can we ship?', 'sending'],
      ['m2', 'And?', 'sending'],
    ]);
  });

  it.each([
    ['402', 402, 'budget exceeded', 'budget'],
    ['a missing key', 0, 'ANTHROPIC_API_KEY is not set', 'add-key'],
    ['a refused key', 0, 'Agent error (auth_failed) — see workspace logs', 'add-key'],
    ['no connection', 502, 'failed to reach workspace agent', 'restart'],
    ['an overloaded model', 0, 'Agent error (rate_limited) — see workspace logs', null],
    ['its own session', 503, 'the agent is busy', null],
  ])('explains %s with one fix', (_name, status, detail, fix) => {
    expect(explainFailure(detail, { status })).toMatchObject({ is: 'failed', fix });
    expect(explainFailure('').title).toBe('No details reported');
  });
});

describe('history', () => {
  it('hides self-prompts and uploads, and shows a schedule as an event', () => {
    const rows = [
      row({
        id: 'a',
        seconds: 1,
        request_body: request('tick', 'm1', { internal: 'wake' }),
        response_body: reply('ok'),
      }),
      row({ id: 'b', seconds: 2, method: 'chat_upload_receive', response_body: { result: 'file' } }),
      row({
        id: 'c',
        seconds: 3,
        origin: 'system:cron',
        request_body: request('Stand-up', 'm3'),
        response_body: reply('ok'),
      }),
      row({
        id: 'd',
        seconds: 4,
        source_id: '00000000-0000-4000-8000-000000000002',
        request_body: request('peer', 'm4'),
      }),
    ];
    const { turns } = applyRows(EMPTY_CONVERSATION, rows);
    expect(turns.map((turn) => [turn.key, turn.origin])).toEqual([['m3', { kind: 'Schedule', name: 'Schedule' }]]);
  });

  it('an agent message without text and without a usable attachment is ignored', () => {
    const message = (attachments: unknown[], text = '') =>
      applyEvent(
        EMPTY_CONVERSATION,
        frame('AGENT_MESSAGE', { message: text, workspace_id: 'w', name: 'x', attachments }),
      );
    expect(message([{ uri: '', name: 'a' }, { uri: 'workspace:/workspace/a' }]).turns).toHaveLength(0);
    expect(
      message(
        [
          { uri: 'workspace:/workspace/a.md', name: 'a.md' },
          { uri: '', name: 'b' },
        ],
        'Here',
      ).turns[0]?.reply,
    ).toMatchObject({
      text: 'Here',
      files: [{ uri: 'workspace:/workspace/a.md', name: 'a.md' }],
    });
  });

  it('reads every part and artifact, and the tool trace from where an agent leaves it', () => {
    const task = {
      kind: 'task',
      artifacts: [
        {
          parts: [
            { kind: 'text', text: 'One' },
            { kind: 'text', text: 'more' },
          ],
        },
        { parts: [{ kind: 'text', text: 'Two' }] },
        { parts: [{ kind: 'file', file: { uri: 'workspace:/workspace/x', name: 'x' } }] },
      ],
      status: {
        message: { parts: [{ kind: 'text', text: 'unused' }], metadata: { tool_trace: [{ tool: 't', ms: 3 }] } },
      },
    };
    expect(readReply({ result: task }, at(0), 5)).toMatchObject({
      text: 'One\nmore\n\nTwo',
      files: [{ name: 'x' }],
      trace: [{ tool: 't', ms: 3, ok: true }],
    });
    expect(readText({ status: { message: { parts: [{ kind: 'text', text: 'only here' }] } } })).toBe('only here');
  });

  it('gives an agent without memory the last twenty things said, without the message itself', () => {
    let conversation = EMPTY_CONVERSATION;
    for (let n = 0; n < 15; n += 1) {
      conversation = beginTurn(conversation, { key: `k${n}`, text: `q${n}`, at: at(n) });
      conversation = answerTurn(conversation, `k${n}`, answer(`a${n}`, n));
    }
    conversation = beginTurn(conversation, { key: 'now', text: 'now', at: at(20) });
    const history = toHistory(conversation, 'now');
    expect(history).toHaveLength(20);
    expect(history.at(-1)).toEqual({ role: 'agent', parts: [{ kind: 'text', text: 'a14' }] });
  });
});

describe('stream', () => {
  const artifact = (text: string, append: boolean) => ({
    result: { kind: 'artifact-update', taskId: 't1', append, artifact: { parts: [{ kind: 'text', text }] } },
  });
  const status = (state: string, message?: string) => ({
    result: {
      kind: 'status-update',
      taskId: 't1',
      final: state !== 'working',
      status: { state, ...(message ? { message: { parts: [{ kind: 'text', text: message }] } } : {}) },
    },
  });
  const play = (...frames: unknown[]) =>
    frames.reduce<Conversation>((now, each) => applyFrame(now, 'm1', each, at(3)), asked());

  it('grows before it completes and ends with the text that was shown', () => {
    const half = play(status('working'), artifact('Thurs', false), artifact('day', true));
    expect(stateOf(half)).toEqual({ is: 'streaming', text: 'Thursday', taskId: 't1' });
    const full = play(artifact('Thursday', false), artifact('Second call', false), status('completed', 'ignored'));
    expect(full.turns[0]).toMatchObject({ reply: { text: 'Thursday\n\nSecond call' }, state: { is: 'answered' } });
  });

  it('stopped keeps what was said; failed says why; an error frame is a refusal', () => {
    expect(play(artifact('Half', false), status('canceled')).turns[0]?.reply?.text).toBe('Half\n\n*Stopped.*');
    expect(stateOf(play(status('failed', 'Agent error (auth_failed)')))).toMatchObject({
      is: 'failed',
      fix: 'add-key',
    });
    expect(stateOf(play({ error: { message: 'Method not found' } }))).toMatchObject({
      is: 'failed',
      title: 'Method not found',
    });
    expect(play({ result: 'nonsense' }, null, 7)).toEqual(asked());
    expect(play({ error: { code: -32000, message: 'stream interrupted' } })).toEqual(asked());
  });
});

describe('a stream that breaks', () => {
  it('keeps what was said and stays open; the stored row then says how it ended', () => {
    const streaming = setTurnState(asked(), 'm1', { is: 'streaming', text: 'Thursday is', taskId: 't1' });
    const broken = breakOff(streaming, 'm1', 'ended early', at(3));
    expect(broken.turns[0]).toMatchObject({ reply: { text: 'Thursday is' }, state: { is: 'open' } });
    const stored = row({
      id: 'e1',
      seconds: 3,
      status: 'error',
      error_detail: 'stream interrupted',
      request_body: request('Can we ship?', 'm1'),
      response_body: reply('Thursday is'),
    });
    expect(applyRows(broken, [stored]).turns).toMatchObject([
      { reply: { text: 'Thursday is' }, state: { is: 'failed', fix: 'restart' } },
    ]);
    expect(breakOff(asked(), 'm1', 'ended early', at(3)).turns[0]?.reply).toBeNull();
  });
});

describe('delegations', () => {
  const peer = '00000000-0000-4000-8000-000000000009';
  const sent = frame('DELEGATION_SENT', { delegation_id: 'd1', target_id: peer, task_preview: 'Check it' }, 1);
  const picked = frame('DELEGATION_STATUS', { delegation_id: 'd1', target_id: peer, status: 'in_progress' }, 3);
  const done = frame('DELEGATION_COMPLETE', { delegation_id: 'd1', target_id: peer, response_preview: 'Fine' }, 21);
  const task = row({
    id: 'x1',
    seconds: 1,
    activity_type: 'delegation',
    method: 'delegate',
    source_id: 'w',
    target_id: peer,
    status: 'completed',
    request_body: { task: 'Check it thoroughly', delegation_id: 'd1' },
  });
  const result = row({
    id: 'x2',
    seconds: 21,
    activity_type: 'delegation',
    method: 'delegate_result',
    source_id: 'w',
    target_id: peer,
    status: 'completed',
    response_body: { text: 'Fine', delegation_id: 'd1' },
  });

  it('events and both rows of one delegation are one box, in any order', () => {
    const news = [
      ...[sent, picked, done].map((event) => (now: Conversation) => applyEvent(now, event)),
      ...[task, result].map((stored) => (now: Conversation) => applyRows(now, [stored])),
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(news, { minLength: news.length }), (shuffled) => {
        const { delegations } = shuffled.reduce((now, apply) => apply(now), EMPTY_CONVERSATION);
        expect(delegations).toHaveLength(1);
        expect(delegations[0]).toMatchObject({ status: 'completed', response: 'Fine', at: at(1), endedAt: at(21) });
        expect(delegations[0]?.task).toMatch(/^Check it/);
      }),
    );
  });

  it('belongs to the turn during which it was handed out', () => {
    const two = beginTurn(asked(), { key: 'm2', text: 'Next', at: at(10) });
    const conversation = applyEvent(applyEvent(two, sent), done);
    const [first, second] = conversation.turns;
    if (!first || !second) throw new Error('two turns');
    expect(delegationsOf(conversation, first, second).map((box) => box.id)).toEqual(['d1']);
    expect(delegationsOf(conversation, second, undefined)).toEqual([]);
  });
});
