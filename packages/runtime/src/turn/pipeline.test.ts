// Turns of a whole agent: what is repeated, what is told, what ends them.

import { describe, expect, it } from 'vitest';
import { createScriptedAdapter } from '../../test/scripted-adapter.ts';
import { collect, messageOf, startTestAgent } from '../../test/test-agent.ts';
import { AgentError } from './failure.ts';

const DELAYS = [1, 1, 1];

/** Counts attempts; the text of the answer, or what it throws, is by attempt from 0. */
function createAttempts(answer: (attempt: number, emit: { text(chunk: string): void }) => string) {
  const state = { attempts: 0 };
  const adapter = createScriptedAdapter((_turn, emit) => ({ text: answer(state.attempts++, emit) }));
  return { adapter, state };
}

const overloaded = () => new AgentError('rate_limited', 'no room', { retryable: true });

async function ask(adapter: Parameters<typeof startTestAgent>[0], text = 'go') {
  const test = await startTestAgent({ retryDelaysMs: DELAYS, ...adapter });
  const { body } = await test.call('message/send', messageOf(text));
  return { test, result: body.result };
}

describe('repeats', () => {
  it('asks an overloaded model three times more', async () => {
    const { adapter, state } = createAttempts((attempt) => {
      if (attempt < 3) throw overloaded();
      return 'at last';
    });
    expect((await ask({ adapter })).result.parts[0].text).toBe('at last');
    expect(state.attempts).toBe(4);
  });

  it('gives up after the third time with the tag', async () => {
    const { adapter, state } = createAttempts(() => {
      throw overloaded();
    });
    const { result } = await ask({ adapter });
    expect(result.status.message.parts[0].text).toBe('Agent error (rate_limited) — see workspace logs');
    expect(state.attempts).toBe(4);
  });

  it('asks again for an empty reply, then says that there is none', async () => {
    const { adapter, state } = createAttempts(() => ' ');
    expect((await ask({ adapter })).result.parts[0].text).toContain('(no response generated)');
    expect(state.attempts).toBe(4);
  });

  it('repeats nothing that was said, nothing that is no overload, and nothing an adapter repeats itself', async () => {
    const said = createAttempts((_attempt, emit) => {
      emit.text('half a ');
      throw overloaded();
    });
    await ask({ adapter: said.adapter });
    expect(said.state.attempts).toBe(1);

    const broken = createAttempts(() => {
      throw new RangeError('ours');
    });
    await ask({ adapter: broken.adapter });
    expect(broken.state.attempts).toBe(1);

    const native = createAttempts(() => {
      throw overloaded();
    });
    await ask({ adapter: { ...native.adapter, capabilities: () => ({ retry: true }) } });
    expect(native.state.attempts).toBe(1);
  });
});

describe('ends', () => {
  it('a turn beyond runtime_config.timeout fails, once', async () => {
    const adapter = createScriptedAdapter(
      (_turn, _emit, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const { result } = await ask({ adapter, config: { runtime_config: { timeout: 0.05 } } });
    expect(result.status.state).toBe('failed');
    expect(result.status.message.parts[0].text).toBe('Agent error (TurnTimeout) — see workspace logs');
  });

  it('tells a failure also to readers of what was streamed before', async () => {
    const adapter = createScriptedAdapter((_turn, emit) => {
      emit.text('half a sentence');
      throw new AgentError('subprocess_error', 'gone');
    });
    const test = await startTestAgent({ adapter });
    const frames = await collect(await test.stream('message/stream', messageOf('go')));
    const chunks = frames.flatMap(({ result }) =>
      result.kind === 'artifact-update' ? [result.artifact.parts[0].text] : [],
    );
    expect(chunks.join('')).toBe('half a sentence\n\nAgent error (subprocess_error) — see workspace logs');
    expect(frames.at(-1).result.status.state).toBe('failed');
  });

  it('counts failures for the next beat and clears a wedge with a turn that succeeds', async () => {
    const adapter = createScriptedAdapter((turn, _emit, _signal, context) => {
      if (turn.text !== 'break') return { text: 'fine' };
      context.markWedged('restart me');
      throw new AgentError('session_error', 'broken');
    });
    const test = await startTestAgent({ adapter });
    const last = () => test.platform.callsTo('POST /registry/heartbeat').at(-1)?.body;
    await test.platform.waitFor('POST /registry/heartbeat');
    await test.call('message/send', messageOf('break'));
    await expect.poll(last).toMatchObject({ runtime_state: 'wedged', sample_error: 'restart me', error_rate: 1 });
    await test.call('message/send', messageOf('go'));
    await expect.poll(last).not.toHaveProperty('runtime_state');
  });
});

describe('what goes with the answer', () => {
  it('has the tool trace, cut and without secrets, and the usage', async () => {
    const adapter = createScriptedAdapter((_turn, emit) => {
      for (let call = 0; call < 201; call += 1)
        emit.tool({
          tool: 'look',
          input: { path: 'x'.repeat(600) },
          output: 'Bearer abcdefghijkl',
          ms: 1.4,
          ok: true,
        });
      return { text: 'seen', usage: { input_tokens: 3, output_tokens: 4 } };
    });
    const { result } = await ask({ adapter });
    expect(result.metadata.usage).toEqual({ input_tokens: 3, output_tokens: 4 });
    const trace = result.metadata.tool_trace;
    expect(trace).toHaveLength(200);
    expect(trace[0]).toEqual({
      tool: 'look',
      input: expect.stringMatching(/^.{500}$/),
      output_preview: '[REDACTED]',
      ms: 1,
      ok: true,
    });
  });

  it('adds what the adapter says at the end to what it streamed, and repeats nothing of it', async () => {
    const answers: [string[], string, string][] = [
      [['a', 'b'], '', 'ab'],
      [['a', 'b'], 'abc', 'abc'],
      [['a ', 'b '], 'a b', 'a b '],
      [['thinking'], 'the answer', 'thinking\n\nthe answer'],
    ];
    for (const [chunks, text, whole] of answers) {
      const adapter = createScriptedAdapter((_turn, emit) => {
        for (const chunk of chunks) emit.text(chunk);
        return { text };
      });
      expect((await ask({ adapter })).result.parts[0].text).toBe(whole);
    }
  });
});
