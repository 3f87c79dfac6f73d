// What every adapter must do (chapter 40 §11), told once. An adapter's own test says how its turns are made to do it.

import { describe, expect, it } from 'vitest';
import type { Adapter } from '../src/adapters/adapter.ts';
import { collect, messageOf, SELF, startTestAgent, type TestAgent, type TestAgentOptions } from './test-agent.ts';

/** Each function prepares one kind of turn and returns the message that starts it. */
export interface Stage {
  options: Pick<TestAgentOptions, 'adapter' | 'config' | 'env' | 'retryDelaysMs'>;
  /** Answers exactly this, in at least three pieces. */
  say(text: string): string;
  /** Does not end by itself. */
  hang(): string;
  /** Calls the tool and answers with what it returned. */
  callTool(tool: string, input: object): string;
  /** Fails because the provider has no room. */
  fail(): string;
  /** Answers with something that names the attached files. */
  nameFiles(): string;
  /** Where it can be seen from outside: the hanging turn hangs, and it has been told to end. */
  hanging?(): Promise<unknown>;
  canceled?(): Promise<unknown>;
}

const textOf = (result: { parts: { text: string }[] }) => result.parts[0]?.text ?? '';

export function describeConformance(name: string, open: () => Promise<Stage>, createBroken: () => Adapter): void {
  async function start(): Promise<{ test: TestAgent; stage: Stage }> {
    const stage = await open();
    return { stage, test: await startTestAgent(stage.options) };
  }

  async function ask(test: TestAgent, text: string, extra: Record<string, unknown> = {}) {
    const { body } = await test.call('message/send', messageOf(text, extra));
    return body.result;
  }

  describe(`${name}: conformance`, () => {
    it('says its name and what it can do before it is set up', async () => {
      const { adapter } = (await open()).options;
      expect(adapter?.name()).toBe(name);
      expect(adapter?.capabilities()).toBeTypeOf('object');
      expect(adapter?.configSchema()).toMatchObject({ type: 'object' });
    });

    it('a setup that fails starts no agent and registers nothing', async () => {
      const calls: string[] = [];
      const start = startTestAgent({
        adapter: createBroken(),
        prepare: ({ platform }) =>
          platform.on('POST /registry/register', () => {
            calls.push('register');
            return {};
          }),
      });
      await expect(start).rejects.toThrow();
      expect(calls).toEqual([]);
    });

    it('answers a turn', async () => {
      const { test, stage } = await start();
      const result = await ask(test, stage.say('The answer is forty-two.'));
      expect(textOf(result)).toBe('The answer is forty-two.');
      expect(result.role).toBe('agent');
    });

    it('streams its answer in pieces that are the answer', async () => {
      const { test, stage } = await start();
      const frames = await collect(await test.stream('message/stream', messageOf(stage.say('one two three four'))));
      const pieces = frames.flatMap(({ result }) =>
        result.kind === 'artifact-update' ? [result.artifact.parts[0].text] : [],
      );
      expect(pieces.length).toBeGreaterThanOrEqual(3);
      expect(pieces.join('')).toBe('one two three four');
      expect(textOf(frames.at(-1).result.status.message)).toBe('one two three four');
    });

    it('ends a canceled turn at once and takes the next', async () => {
      const { test, stage } = await start();
      const frames = await test.stream('message/stream', messageOf(stage.hang()));
      const taskId = (await frames.next()).value.result.id;
      await frames.next();
      await stage.hanging?.();
      const startedAt = performance.now();
      const { body } = await test.call('tasks/cancel', { id: taskId });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      expect(body.result.status.state).toBe('canceled');
      await stage.canceled?.();
      expect(textOf(await ask(test, stage.say('still here')))).toBe('still here');
    });

    it('calls a tool and goes on with its result', async () => {
      const { test, stage } = await start();
      const result = await ask(test, stage.callTool('get_workspace_info', {}));
      expect(textOf(result)).toContain(SELF);
      expect(result.metadata.tool_trace).toEqual([
        expect.objectContaining({
          tool: 'get_workspace_info',
          ok: true,
          output_preview: expect.stringContaining(SELF),
        }),
      ]);
    });

    it('survives a tool that is not there', async () => {
      const { test, stage } = await start();
      expect(textOf(await ask(test, stage.callTool('no_such_tool', {})))).not.toBe('');
    });

    it('is told of attached files', async () => {
      const { test, stage } = await start();
      const file = { uri: 'workspace:/workspace/plan.md', name: 'plan.md', mimeType: 'text/markdown' };
      const parts = [
        { kind: 'text', text: stage.nameFiles() },
        { kind: 'file', file },
      ];
      const { body } = await test.call('message/send', { message: { role: 'user', parts } });
      expect(textOf(body.result)).toContain('plan.md');
    });

    it('keeps contexts apart', async () => {
      const { test, stage } = await start();
      await ask(test, stage.say('the secret is 1729'), { contextId: 'one' });
      const result = await ask(test, stage.say('nothing known'), { contextId: 'two' });
      expect(result.contextId).toBe('two');
      expect(textOf(result)).toBe('nothing known');
    });

    it('is busy while a turn runs', async () => {
      const { test, stage } = await start();
      const frames = await test.stream('message/stream', messageOf(stage.hang()));
      const taskId = (await frames.next()).value.result.id;
      await frames.next();
      const second = await test.call('message/send', messageOf('me too'));
      expect(second.status).toBe(503);
      await test.call('tasks/cancel', { id: taskId });
    });

    it('fails with a tag and no words of the provider, and recovers', async () => {
      const { test, stage } = await start();
      const result = await ask(test, stage.fail());
      expect(result.status.state).toBe('failed');
      expect(textOf(result.status.message)).toBe('Agent error (rate_limited) — see workspace logs');
      expect(textOf(await ask(test, stage.say('back again')))).toBe('back again');
    });
  });
}
