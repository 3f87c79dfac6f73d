// The tool loop over a scripted provider on a real socket, on all three wires.

import {
  type ModelRequest,
  type ModelScript,
  type ModelServer,
  startModelServer,
} from '@molecule/testkit/model-server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConformance } from '../../../test/conformance.ts';
import { collect, messageOf, SELF, startTestAgent, type TestAgent } from '../../../test/test-agent.ts';
import { createAiSdkAdapter } from './index.ts';

const DELAYS = [20, 20, 20];

/** Every wire by the configuration that leads to it. */
const WIRES = {
  chat: (server: ModelServer) => ({
    config: { model: 'groq:scripted' },
    env: { GROQ_API_KEY: 'gsk_scripted_key', GROQ_BASE_URL: server.baseUrl },
  }),
  messages: (server: ModelServer) => ({
    config: { model: 'anthropic:scripted' },
    env: { ANTHROPIC_API_KEY: 'sk-ant-scripted-key', ANTHROPIC_BASE_URL: server.url },
  }),
  responses: (server: ModelServer) => ({
    config: { model: 'openai:scripted', runtime_config: { api: 'responses' } },
    env: { OPENAI_API_KEY: 'sk-scripted-key', OPENAI_BASE_URL: server.baseUrl },
  }),
};
const NAMES = Object.keys(WIRES) as (keyof typeof WIRES)[];

async function openServer(script?: ModelScript): Promise<ModelServer> {
  const server = await startModelServer(script);
  onTestFinished(() => server.stop());
  return server;
}

async function start(
  wire: keyof typeof WIRES,
  script: ModelScript,
  extra: Parameters<typeof startTestAgent>[0] = {},
): Promise<{ test: TestAgent; server: ModelServer }> {
  const server = await openServer(script);
  const { config, env } = WIRES[wire](server);
  const test = await startTestAgent({
    adapter: createAiSdkAdapter(),
    retryDelaysMs: DELAYS,
    ...extra,
    config: { ...config, ...extra.config },
    env: { ...env, ...extra.env },
  });
  return { test, server };
}

async function ask(test: TestAgent, text: string, params: Record<string, unknown> = {}) {
  const { body } = await test.call('message/send', { ...messageOf(text), ...params });
  return body.result;
}

const textOf = (result: { parts: { text: string }[] }) => result.parts[0]?.text;
const failureOf = (result: { status: { message: { parts: { text: string }[] } } }) => textOf(result.status.message);

/** Does what the newest words of the user say, so that one script serves the whole conformance suite. */
function obey({ userText, toolResults }: ModelRequest) {
  const [, command = '', rest = ''] = /^(\w+) ?([\s\S]*)$/.exec(userText) ?? [];
  switch (command) {
    case 'SAY':
      return { text: rest.split(/(?<= )/) };
    case 'HANG':
      return {
        async *text() {
          yield 'thinking';
          await new Promise(() => {});
        },
      };
    case 'CALL': {
      if (toolResults.length > 0) return { text: toolResults.join('\n') };
      const [name = '', input = '{}'] = rest.split(/ (.*)/s);
      return { toolCalls: [{ name, input: JSON.parse(input) as unknown }] };
    }
    case 'FAIL':
      return { status: 429 };
    default:
      return { text: userText };
  }
}

const obeyScript: ModelScript = (request) => {
  const said = obey(request);
  return 'text' in said && typeof said.text === 'function' ? { text: said.text() } : (said as never);
};

for (const wire of NAMES) {
  describe(`over the ${wire} wire`, () => {
    describeConformance(
      'ai-sdk',
      async () => {
        const server = await openServer(obeyScript);
        return {
          options: { adapter: createAiSdkAdapter(), retryDelaysMs: DELAYS, ...WIRES[wire](server) },
          say: (text) => `SAY ${text}`,
          hang: () => 'HANG',
          callTool: (tool, input) => `CALL ${tool} ${JSON.stringify(input)}`,
          fail: () => 'FAIL',
          nameFiles: () => 'FILES',
          hanging: () => server.waitForRequests(1),
          canceled: () => server.waitForHangUp(),
        };
      },
      () => ({ ...createAiSdkAdapter(), preflight: () => [] }),
    );

    it('goes round with tools: offers them, calls two at once, hands the results back, answers', async () => {
      const { test, server } = await start(wire, ({ toolResults }) =>
        toolResults.length === 0
          ? {
              text: ['Let me ', 'look.'],
              toolCalls: [
                { name: 'get_workspace_info', input: {} },
                { name: 'list_peers', input: {} },
              ],
              usage: { input: 10, output: 5 },
            }
          : { text: ['There is ', 'nobody.'], usage: { input: 20, output: 3 } },
      );
      const frames = await collect(await test.stream('message/stream', messageOf('Who is there?')));
      const results = frames.map(({ result }) => result);
      const chunks = results.filter(({ kind }) => kind === 'artifact-update');
      expect(new Set(chunks.map(({ artifact }) => artifact.artifactId)).size).toBe(2);
      const { message } = results.at(-1).status;
      expect(textOf(message)).toBe('Let me look.\n\nThere is nobody.');
      expect(message.metadata.usage).toEqual({ input_tokens: 30, output_tokens: 8 });
      expect(message.metadata.tool_trace.map(({ tool, ok }: Record<string, unknown>) => [tool, ok]).sort()).toEqual([
        ['get_workspace_info', true],
        ['list_peers', true],
      ]);

      const [first, second] = server.requests;
      expect(server.requests).toHaveLength(2);
      expect(first).toMatchObject({ wire, model: 'scripted', stream: true, userText: 'Who is there?' });
      expect(first?.tools).toEqual(expect.arrayContaining(['delegate_task', 'list_peers', 'send_message_to_user']));
      expect(first?.system).toContain('You are Ada');
      expect(second?.toolResults).toHaveLength(2);
      expect(second?.toolResults.join()).toContain(SELF);
    });

    it('streams as the model speaks', async () => {
      const gate = Promise.withResolvers<void>();
      const { test } = await start(wire, () => ({
        text: (async function* () {
          yield 'first ';
          await gate.promise;
          yield 'second';
        })(),
      }));
      const frames = await test.stream('message/stream', messageOf('go'));
      let frame = (await frames.next()).value;
      while (frame.result.kind !== 'artifact-update') frame = (await frames.next()).value;
      expect(frame.result.artifact.parts[0].text).toBe('first ');
      gate.resolve();
      expect((await collect(frames)).at(-1).result.status.message.parts[0].text).toBe('first second');
    });

    it('waits out an overloaded provider, even in the middle of the loop, without doing anything twice', async () => {
      let calls = 0;
      const { test, server } = await start(wire, ({ toolResults }) => {
        calls += 1;
        if (calls === 1 || calls === 3 || calls === 4) return { status: calls === 1 ? 529 : 429 };
        return toolResults.length === 0 ? { toolCalls: [{ name: 'get_workspace_info', input: {} }] } : { text: 'done' };
      });
      const result = await ask(test, 'go');
      expect(textOf(result)).toBe('done');
      expect(result.metadata.tool_trace).toHaveLength(1);
      expect(server.requests).toHaveLength(5);
    });

    it('gives up after three repeats, with the tag alone', async () => {
      const { test, server } = await start(wire, () => ({ status: 429, message: 'quota of org-1234 is used up' }));
      const startedAt = performance.now();
      const result = await ask(test, 'go');
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(55);
      expect(failureOf(result)).toBe('Agent error (rate_limited) — see workspace logs');
      expect(JSON.stringify(result)).not.toContain('org-1234');
      expect(server.requests).toHaveLength(4);
    });

    it('says auth_failed for a refused key, and logs no key', async () => {
      const { test, server } = await start(wire, () => ({ status: 401, message: 'invalid key' }));
      expect(failureOf(await ask(test, 'go'))).toBe('Agent error (auth_failed) — see workspace logs');
      expect(server.requests).toHaveLength(1);
      expect(JSON.stringify(test.log)).not.toMatch(/scripted[-_]key/);
    });

    it('asks again when the stream breaks off before a word, and fails after one', async () => {
      const broken = { type: 'overloaded_error', message: 'Overloaded' };
      let calls = 0;
      const silent = await start(wire, () => {
        calls += 1;
        return calls === 1 ? { brokenBy: broken } : { text: 'second try' };
      });
      const answer = await ask(silent.test, 'go');
      const spoken = await start(wire, () => ({ text: 'half a ', brokenBy: broken }));
      const failure = await ask(spoken.test, 'go');
      expect(failure.status.state).toBe('failed');
      expect(failureOf(failure)).toBe('Agent error (rate_limited) — see workspace logs');
      expect(spoken.server.requests).toHaveLength(1);
      expect(textOf(answer)).toBe('second try');
    });

    it('tells the model what was said before and what delegations brought', async () => {
      const { test, server } = await start(wire, () => ({ text: 'ok' }));
      const history = [
        { role: 'user', parts: [{ kind: 'text', text: 'My name is Ada.' }] },
        { role: 'agent', parts: [{ kind: 'text', text: 'Hello Ada.' }] },
      ];
      await ask(test, 'What is my name?', { metadata: { history } });
      expect(server.requests[0]?.messages.map(({ role, text }) => [role, text])).toEqual([
        ['user', 'My name is Ada.'],
        ['assistant', 'Hello Ada.'],
        ['user', 'What is my name?'],
      ]);
    });

    it('says when an answer is cut off, and when it went round too often', async () => {
      const cut = await start(wire, () => ({ text: 'half', finish: 'length' }), { env: { MAX_TOKENS: '64' } });
      expect(textOf(await ask(cut.test, 'go'))).toBe('half\n\n_(cut off at 64 tokens)_');

      const endless = await start(wire, () => ({ toolCalls: [{ name: 'list_peers', input: {} }] }), {
        config: { runtime_config: { max_steps: 3, api: wire === 'responses' ? 'responses' : undefined } },
      });
      expect(textOf(await ask(endless.test, 'go'))).toBe('_(stopped after 3 steps)_');
      expect(endless.server.requests).toHaveLength(3);
    });
  });
}
