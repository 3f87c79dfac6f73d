// The A2A server over a real socket: what callers send, what streams, what is canceled, who is refused.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createScriptedAdapter } from '../../test/scripted-adapter.ts';
import { collect, type Frame, messageOf, startTestAgent, type TestAgent } from '../../test/test-agent.ts';
import type { Turn } from '../adapters/adapter.ts';

/** An adapter that notes its turns and answers with their text. */
function createNotingAdapter() {
  const turns: Turn[] = [];
  const adapter = createScriptedAdapter((turn) => {
    turns.push(turn);
    return { text: turn.text };
  });
  return { adapter, turns };
}

/** An adapter whose turns end when the test says so. */
function createHeldAdapter(overrides = {}) {
  const started: string[] = [];
  const held: (() => void)[] = [];
  const watchers: (() => void)[] = [];
  const adapter = createScriptedAdapter(async (turn, _emit, signal) => {
    started.push(turn.text);
    for (const watcher of watchers) watcher();
    await new Promise<void>((resolve, reject) => {
      held.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
    return { text: `done ${turn.text}` };
  }, overrides);
  return {
    adapter,
    started,
    release: () => held.shift()?.(),
    async waitForTurns(count: number) {
      while (started.length < count) await new Promise<void>((resolve) => watchers.push(resolve));
    },
  };
}

const textOf = (result: Frame) => result.parts[0].text;
const diagnose = async (test: TestAgent) => {
  writeFileSync(join(test.configDir, '.platform_inbound_secret'), 'inbound-secret');
  const response = await fetch(`${test.agent.url}/internal/diagnostics`, {
    headers: { authorization: 'Bearer inbound-secret' },
  });
  return (await response.json()) as { queue: { running: number; waiting: number } };
};

describe('what callers send', () => {
  it('R22 parts by kind, type, root and string content are the same input; neither is -32602 and no turn', async () => {
    const { adapter, turns } = createNotingAdapter();
    const test = await startTestAgent({ adapter });
    const spellings = [
      { parts: [{ kind: 'text', text: 'hello' }] },
      { parts: [{ type: 'text', text: 'hello' }] },
      { parts: [{ root: { kind: 'text', text: 'hello' } }] },
      { content: 'hello' },
      { content: [{ type: 'text', text: 'hello' }] },
    ];
    for (const spelling of spellings) {
      const { body } = await test.call('message/send', { message: { role: 'user', ...spelling } });
      expect(textOf(body.result)).toBe('hello');
    }
    expect(turns.map((turn) => turn.text)).toEqual(spellings.map(() => 'hello'));

    const { body } = await test.call('message/send', { message: { role: 'user' } });
    expect(body.error).toMatchObject({ code: -32602, data: { field: 'params.message.parts' } });
    expect(turns).toHaveLength(spellings.length);
  });

  it('speaks both versions of the protocol', async () => {
    const { adapter } = createNotingAdapter();
    const test = await startTestAgent({ adapter });
    const message = { role: 'ROLE_USER', messageId: 'm1', parts: [{ text: 'hello' }] };
    const { body } = await test.call('SendMessage', { message }, { 'a2a-version': '1.0' });
    expect(body.result.message).toMatchObject({ role: 'ROLE_AGENT', parts: [{ text: 'hello' }] });
  });

  it('answers nonsense with the codes of JSON-RPC', async () => {
    const test = await startTestAgent();
    const post = async (body: string) => {
      const response = await fetch(test.agent.url, { method: 'POST', body });
      return (await response.json()) as { error: { code: number } };
    };
    expect((await post('{')).error.code).toBe(-32700);
    expect((await post('[]')).error.code).toBe(-32600);
    expect((await test.call('no/such', {})).body.error.code).toBe(-32601);
    expect((await test.call('message/send', {})).body.error.code).toBe(-32602);
    expect((await test.call('tasks/get', { id: 'nobody' })).body.error.code).toBe(-32001);
  });

  it('answers an empty message without a turn', async () => {
    const { adapter, turns } = createNotingAdapter();
    const test = await startTestAgent({ adapter });
    const { body } = await test.call('message/send', messageOf('  '));
    expect(textOf(body.result)).toContain('Your message is empty');
    expect(turns).toHaveLength(0);
  });

  it('hands history, files, caller and metadata on', async () => {
    const { adapter, turns } = createNotingAdapter();
    const test = await startTestAgent({ adapter });
    const history = Array.from({ length: 25 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'agent',
      parts: [{ kind: 'text', text: `line ${index}` }],
    }));
    const file = { uri: 'workspace:/workspace/plan.md', name: 'plan.md', mimeType: 'text/markdown' };
    const parts = [
      { kind: 'text', text: 'look' },
      { kind: 'file', file },
    ];
    await test.call(
      'message/send',
      { message: { role: 'user', parts, contextId: 'c1', metadata: { delegation_id: 'd1' } }, metadata: { history } },
      { 'x-workspace-id': 'peer-1' },
    );
    expect(turns[0]).toMatchObject({
      text: 'look',
      contextId: 'c1',
      callerId: 'peer-1',
      files: [file],
      metadata: { delegation_id: 'd1' },
    });
    expect(turns[0]?.history).toHaveLength(20);
    expect(turns[0]?.history.at(-1)).toEqual({ role: 'user', text: 'line 24' });
  });

  it('R59 the ids of a delegated message are in the start beat of its turn, and gone after its end', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({ adapter: held.adapter });
    const last = () => test.platform.callsTo('POST /registry/heartbeat').at(-1)?.body;
    await expect.poll(last).toMatchObject({ active_tasks: 0, active_messages: [], active_delegations: [] });
    const params = messageOf('**Plan** the launch', { messageId: 'd1', metadata: { delegation_id: 'd1' } });
    const answer = test.call('message/send', params);
    await expect.poll(last).toMatchObject({
      active_tasks: 1,
      current_task: 'Plan the launch',
      active_messages: ['d1'],
      active_delegations: ['d1'],
    });
    held.release();
    await answer;
    await expect.poll(last).toMatchObject({ active_tasks: 0, active_messages: [], active_delegations: [] });
  });

  it('R58 the same message id, while it runs and after its end, is one turn with one answer', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({ adapter: held.adapter });
    const params = messageOf('once', { contextId: 'c1', messageId: 'm1' });
    const first = test.call('message/send', params);
    await held.waitForTurns(1);
    const second = test.call('message/send', params);
    held.release();
    const [one, two] = await Promise.all([first, second]);
    const third = await test.call('message/send', params);
    expect([one, two, third].map(({ body }) => textOf(body.result))).toEqual(['done once', 'done once', 'done once']);
    expect(held.started).toEqual(['once']);
    // Another caller's message of the same id is another message.
    const other = test.call('message/send', params, { 'x-workspace-id': 'peer-1' });
    await held.waitForTurns(2);
    held.release();
    expect((await other).status).toBe(200);
  });
});

describe('streams', () => {
  it('R23 message/stream: working, two or more appended chunks, final; their concatenation is the final text', async () => {
    const test = await startTestAgent();
    const text = 'one two three four five six seven eight nine ten';
    const script = `[[echo: stream 5 chunks]][[echo: reply "${text}"]]`;
    const frames = await collect(await test.stream('message/stream', messageOf(script)));
    const results = frames.map(({ result }) => result);
    expect(results[0].kind).toBe('task');
    expect(results[1]).toMatchObject({ kind: 'status-update', status: { state: 'working' } });
    const chunks = results.filter(({ kind }) => kind === 'artifact-update');
    expect(chunks.slice(1).length).toBeGreaterThanOrEqual(2);
    expect(chunks.map(({ append }) => append)).toEqual(chunks.map((_, index) => index > 0));
    const last = results.at(-1);
    expect(last).toMatchObject({ kind: 'status-update', final: true, status: { state: 'completed' } });
    expect(chunks.map(({ artifact }) => artifact.parts[0].text).join('')).toBe(text);
    expect(last.status.message.parts[0].text).toBe(text);
  });

  it('opens a new artifact for each model call and keeps one text', async () => {
    const adapter = createScriptedAdapter((_turn, emit) => {
      for (const [first, second] of [
        ['Let me ', 'ask.'],
        ['All is ', 'well.'],
      ]) {
        emit.segment();
        emit.text(first ?? '');
        emit.text(second ?? '');
      }
      return { text: '' };
    });
    const test = await startTestAgent({ adapter });
    const frames = await collect(await test.stream('message/stream', messageOf('how?')));
    const chunks = frames.map(({ result }) => result).filter(({ kind }) => kind === 'artifact-update');
    expect(new Set(chunks.map(({ artifact }) => artifact.artifactId)).size).toBe(2);
    expect(chunks.map(({ append }) => append)).toEqual([false, true, false, true]);
    expect(frames.at(-1).result.status.message.parts[0].text).toBe('Let me ask.\n\nAll is well.');
  });

  it('is resumed by another reader and told a repeat in full', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({ adapter: held.adapter });
    const params = messageOf('slow', { messageId: 'm1', contextId: 'c1' });
    const first = await test.stream('message/stream', params);
    const taskId = (await first.next()).value.result.id;
    const resumed = await test.stream('tasks/resubscribe', { id: taskId });
    held.release();
    const frames = await collect(resumed);
    expect(frames.at(-1).result.status.message.parts[0].text).toBe('done slow');
    const repeated = await collect(await test.stream('message/stream', params));
    expect(repeated.at(-1).result.status.state).toBe('completed');
    expect(held.started).toHaveLength(1);
  });

  it('surfaces a question as input-required', async () => {
    const test = await startTestAgent();
    const script = messageOf('[[echo: ask "Which one?"]][[echo: reply "fine"]]');
    const frames = await collect(await test.stream('message/stream', script));
    const states = frames.flatMap(({ result }) => (result.kind === 'status-update' ? [result.status.state] : []));
    expect(states).toEqual(['working', 'input-required', 'working', 'completed']);
  });
});

describe('cancel', () => {
  it('R24 tasks/cancel in the middle of a turn: canceled within 2 s, counter 0; again is -32002', async () => {
    // Does not heed its signal, which is the worst case.
    const started = Promise.withResolvers<void>();
    const adapter = createScriptedAdapter(() => {
      started.resolve();
      return new Promise(() => {});
    });
    const test = await startTestAgent({ adapter });
    const frames = await test.stream('message/stream', messageOf('for ever'));
    const taskId = (await frames.next()).value.result.id;
    await started.promise;
    expect((await diagnose(test)).queue.running).toBe(1);
    const startedAt = performance.now();
    const { body } = await test.call('tasks/cancel', { id: taskId });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(body.result.status.state).toBe('canceled');
    expect((await collect(frames)).at(-1).result.status.state).toBe('canceled');
    expect((await diagnose(test)).queue.running).toBe(0);
    const counts = () => test.platform.callsTo('POST /registry/heartbeat').map((beat) => beat.body.active_tasks);
    await expect.poll(counts).toContain(1);
    await expect.poll(() => counts().at(-1)).toBe(0);
    expect((await test.call('tasks/cancel', { id: taskId })).body.error.code).toBe(-32002);
    expect((await test.call('tasks/cancel', { id: 'nobody' })).body.error.code).toBe(-32001);
  });

  it('withdraws a turn that waits', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({ adapter: held.adapter, env: { A2A_QUEUE_DEPTH: '1' } });
    const first = test.call('message/send', messageOf('first'));
    await held.waitForTurns(1);
    const waiting = await test.call('message/send', { ...messageOf('second'), configuration: { blocking: false } });
    expect(waiting.body.result.status.state).toBe('submitted');
    const canceled = await test.call('tasks/cancel', { id: waiting.body.result.id });
    expect(canceled.body.result.status.state).toBe('canceled');
    held.release();
    await first;
    expect(held.started).toEqual(['first']);
  });
});

describe('busy', () => {
  it('R26 two sends at width 1 and depth 0: the second is 503 with busy and Retry-After', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({ adapter: held.adapter });
    const first = test.call('message/send', messageOf('first'));
    await held.waitForTurns(1);
    const second = await test.call('message/send', messageOf('second'));
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('30');
    expect(second.body.error).toMatchObject({
      code: -32000,
      data: { busy: true, retry_after: 30, active_tasks: 1, queue_depth: 0, native_session: false },
    });
    const streamed = await fetch(test.agent.url, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'message/stream', params: messageOf('third') }),
    });
    expect(streamed.status).toBe(503);
    held.release();
    expect((await first).body.result.parts[0].text).toBe('done first');
    expect(held.started).toEqual(['first']);
  });

  it('R27 a native session lets the next eight wait and complete; the ninth waiting is 503 native_session', async () => {
    const held = createHeldAdapter({ capabilities: () => ({ session: true }) });
    const test = await startTestAgent({ adapter: held.adapter });
    const accepted = [test.call('message/send', messageOf('0'))];
    await held.waitForTurns(1);
    for (let number = 1; number <= 8; number += 1) {
      const { body } = await test.call('message/send', {
        ...messageOf(String(number)),
        configuration: { blocking: false },
      });
      accepted.push(waitForEnd(test, body.result.id));
    }
    const ninth = await test.call('message/send', messageOf('9'));
    expect(ninth.status).toBe(503);
    expect(ninth.body.error.data).toMatchObject({ busy: true, native_session: true, queue_depth: 8 });
    for (let number = 0; number <= 8; number += 1) {
      await held.waitForTurns(number + 1);
      held.release();
    }
    await Promise.all(accepted);
    expect(held.started).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8']);
  });

  it('takes as many turns at once as the platform counts on', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({
      adapter: held.adapter,
      prepare: ({ platform }) =>
        platform.on('GET /workspaces/11111111-1111-4111-8111-111111111111', () => ({
          body: { id: 'x', name: 'Ada', parent_id: null, max_concurrent_tasks: 2 },
        })),
    });
    await expect.poll(async () => (await diagnose(test)).queue).toMatchObject({ width: 2 });
    const both = [test.call('message/send', messageOf('a')), test.call('message/send', messageOf('b'))];
    await held.waitForTurns(2);
    held.release();
    held.release();
    for (const { status } of await Promise.all(both)) expect(status).toBe(200);
  });

  it('lets a running turn end when it stops, and refuses new ones meanwhile', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({
      adapter: held.adapter,
      config: { max_concurrent_tasks: 2 },
      env: { SHUTDOWN_GRACE_S: '30' },
    });
    const running = test.call('message/send', messageOf('long'));
    await held.waitForTurns(1);
    const stopped = test.agent.stop();
    const late = await test.call('message/send', messageOf('late'));
    expect(late.status).toBe(503);
    expect(late.headers.get('retry-after')).toBe('30');
    held.release();
    expect((await running).body.result.parts[0].text).toBe('done long');
    await stopped;
    expect(held.started).toEqual(['long']);
  });

  it('tells the senders of turns that are cut off to send again', async () => {
    const held = createHeldAdapter();
    const test = await startTestAgent({ adapter: held.adapter });
    const running = test.call('message/send', messageOf('long'));
    await held.waitForTurns(1);
    const stopped = test.agent.stop();
    const cut = await running;
    expect(cut.status).toBe(503);
    expect(cut.body.error.data.busy).toBe(true);
    await stopped;
    const beats = test.platform.callsTo('POST /registry/heartbeat');
    expect(beats.at(-1)?.body.active_tasks).toBe(0);
  });
});

describe('failures', () => {
  it('R28 an adapter that throws with a path and a key: the reply has the tag only, the log no key', async () => {
    const key = 'sk-ant-0123456789abcdef';
    const adapter = createScriptedAdapter(() => {
      throw new TypeError(`cannot read /root/secrets with ${key}`);
    });
    const test = await startTestAgent({ adapter, env: { OTHER_API_KEY: 'plain-value-of-a-key' } });
    const { body } = await test.call('message/send', messageOf('go'));
    expect(body.result.status.state).toBe('failed');
    expect(body.result.status.message.parts).toEqual([
      expect.objectContaining({ text: 'Agent error (TypeError) — see workspace logs' }),
    ]);
    const reply = JSON.stringify(body);
    expect(reply).not.toContain('/root/secrets');
    expect(reply).not.toContain(key);
    const logged = JSON.stringify(test.log);
    expect(logged).toContain('a turn failed');
    expect(logged).toContain('/root/secrets');
    expect(logged).toContain('[REDACTED]');
    expect(logged).not.toContain(key);
  });
});

describe('doors', () => {
  it('shows the card, health and readiness to everybody', async () => {
    const test = await startTestAgent();
    for (const path of ['/.well-known/agent-card.json', '/.well-known/agent.json']) {
      const card = await (await fetch(test.agent.url + path)).json();
      expect(card).toMatchObject({ name: 'Ada', url: test.agent.url, protocolVersion: '0.3.0', runtime: 'echo' });
    }
    expect((await fetch(`${test.agent.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${test.agent.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${test.agent.url}/nowhere`)).status).toBe(404);
  });

  it('keeps the platform doors closed without the secret, and while there is none', async () => {
    const test = await startTestAgent();
    const get = (headers: Record<string, string>) => fetch(`${test.agent.url}/internal/diagnostics`, { headers });
    expect((await get({ authorization: 'Bearer ' })).status).toBe(401);
    expect((await get({ authorization: 'Bearer anything' })).status).toBe(401);
  });

  it('asks for the secret on A2A calls when told to', async () => {
    const test = await startTestAgent({
      env: { A2A_REQUIRE_AUTH: '1', MOLECULE_INBOUND_SECRET: 'inbound-secret' },
    });
    expect((await test.call('message/send', messageOf('hi'))).status).toBe(401);
    const authorized = { authorization: 'Bearer inbound-secret' };
    expect((await test.call('message/send', messageOf('hi'), authorized)).status).toBe(200);
  });

  it('refuses a body beyond 10 MB', async () => {
    const test = await startTestAgent();
    const body = 'x'.repeat(10 * 1024 * 1024 + 1);
    const response = await fetch(test.agent.url, { method: 'POST', body });
    expect(response.status).toBe(413);
  });
});

async function waitForEnd(test: TestAgent, id: string): Promise<never> {
  const frames = await collect(await test.stream('tasks/resubscribe', { id }));
  return frames.at(-1) as never;
}
