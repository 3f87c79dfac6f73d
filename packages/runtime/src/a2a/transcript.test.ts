// The session log over a real socket: who may read it, page by page, and what the adapters that ship have to tell.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startModelServer } from '@molecule/testkit/model-server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createScriptedAdapter } from '../../test/scripted-adapter.ts';
import { messageOf, startTestAgent, type TestAgent } from '../../test/test-agent.ts';
import { createAiSdkAdapter } from '../adapters/ai-sdk/index.ts';
import { createSessionLog } from '../adapters/session-log.ts';

const SECRET = 'inbound-secret';
const TOKEN = 'own-token';

async function read(test: TestAgent, query = '', bearer: string | null = SECRET) {
  const response = await fetch(`${test.agent.url}/transcript${query}`, {
    headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` },
  });
  // biome-ignore lint/suspicious/noExplicitAny: a test reads of a reply what it expects there
  return { status: response.status, body: (await response.json()) as any };
}

const withSecret = ({ configDir }: { configDir: string }) =>
  writeFileSync(join(configDir, '.platform_inbound_secret'), SECRET, { mode: 0o600 });

const say = (test: TestAgent, text: string) => test.call('message/send', messageOf(text));

describe('GET /transcript', () => {
  it('R33 no token file → 401; since=x → 400; limit 5 → 5 lines, more, and a cursor without gaps', async () => {
    const without = await startTestAgent();
    expect((await read(without)).status).toBe(401);
    expect((await read(without, '', null)).status).toBe(401);

    const test = await startTestAgent({ prepare: withSecret });
    for (let turn = 1; turn <= 6; turn += 1) await say(test, `[[echo: reply "answer ${turn}"]] question ${turn}`);
    for (const query of ['?since=x', '?since=-1', '?since=1.5', '?limit=0', '?limit=1001', '?limit=', '?since=1e3'])
      expect([query, (await read(test, query)).status]).toEqual([query, 400]);

    const pages = [];
    for (let cursor = 0, more = true; more; ) {
      const { body } = await read(test, `?since=${cursor}&limit=5`);
      pages.push(body);
      ({ cursor, more } = body);
    }
    expect(pages.map(({ lines, cursor, more }) => [lines.length, cursor, more])).toEqual([
      [5, 5, true],
      [5, 10, true],
      [2, 12, false],
    ]);
    const lines = pages.flatMap((page) => page.lines);
    expect(lines.map(({ type }) => type)).toEqual(Array.from({ length: 6 }, () => ['user', 'agent']).flat());
    expect(lines.filter(({ type }) => type === 'agent').map(({ content }) => content)).toEqual(
      [1, 2, 3, 4, 5, 6].map((turn) => `answer ${turn}`),
    );
    expect((await read(test)).body).toMatchObject({ runtime: 'echo', supported: true, cursor: 12, source: 'session' });
    expect((await read(test, '?since=99')).body).toMatchObject({ lines: [], cursor: 12, more: false });
  });

  it('R63 with the inbound secret or the own token → 200; with another secret → 401', async () => {
    const test = await startTestAgent({
      prepare: (given) => {
        withSecret(given);
        writeFileSync(join(given.configDir, '.auth_token'), TOKEN, { mode: 0o600 });
      },
    });
    const statuses = [];
    for (const bearer of [SECRET, TOKEN, 'another', `${SECRET}x`, null])
      statuses.push((await read(test, '', bearer)).status);
    expect(statuses).toEqual([200, 200, 401, 401, 401]);
  });

  it('an adapter without a log says so', async () => {
    const test = await startTestAgent({
      prepare: withSecret,
      adapter: createScriptedAdapter(() => ({ text: 'done' })),
    });
    expect(await read(test)).toEqual({
      status: 200,
      body: { runtime: 'scripted', supported: false, lines: [], cursor: 0, more: false, source: 'none' },
    });
  });

  it('tools, failures and secrets of a scripted session', async () => {
    const test = await startTestAgent({ prepare: withSecret, env: { OPENAI_API_KEY: 'a-very-secret-key' } });
    await say(test, 'my key is a-very-secret-key [[echo: tool get_workspace_info {}]]');
    await say(test, '[[echo: fail rate_limited]]');
    const { lines } = (await read(test)).body;
    expect(lines.map(({ type, tool }: { type: string; tool?: string }) => [type, tool])).toEqual([
      ['user', undefined],
      ['tool_call', 'get_workspace_info'],
      ['tool_result', 'get_workspace_info'],
      ['agent', undefined],
      ['user', undefined],
      ['system', undefined],
    ]);
    expect(JSON.stringify(lines)).not.toContain('a-very-secret-key');
    expect(lines[0].content).toContain('[REDACTED]');
  });

  it('a reply carries a megabyte at most and goes on where it ended', async () => {
    const session = createSessionLog();
    for (let number = 0; number < 60; number += 1) session.add('agent', `${number} ${'x'.repeat(30_000)}`);
    const adapter = {
      ...createScriptedAdapter(() => ({ text: 'done' })),
      transcript: async (since: number, limit: number) => session.read(since, limit),
    };
    const test = await startTestAgent({ prepare: withSecret, adapter });
    const first = (await read(test)).body;
    const rest = (await read(test, `?since=${first.cursor}`)).body;
    expect(first.more).toBe(true);
    expect(JSON.stringify(first).length).toBeLessThan(1_001_000);
    expect([...first.lines, ...rest.lines].map(({ content }) => Number.parseInt(content, 10))).toEqual(
      Array.from({ length: 60 }, (_, number) => number),
    );
  });

  it('the oldest lines are forgotten, their numbers are not given again', () => {
    const session = createSessionLog(1_000);
    for (let number = 0; number < 20; number += 1) session.add('user', `line ${number}`);
    const page = session.read(0, 100);
    expect(page.cursor).toBe(20);
    expect(page.lines.at(-1)?.content).toBe('line 19');
    expect(page.lines.length).toBeLessThan(20);
    expect(session.read(20, 5)).toEqual({ lines: [], cursor: 20, more: false });
  });

  it('the ai-sdk adapter tells what was asked, called and answered', async () => {
    const model = await startModelServer(({ toolResults }) =>
      toolResults.length > 0 ? { text: 'You are Ada.' } : { toolCalls: [{ name: 'get_workspace_info', input: {} }] },
    );
    onTestFinished(() => model.stop());
    const test = await startTestAgent({
      prepare: withSecret,
      adapter: createAiSdkAdapter(),
      config: { model: 'groq:scripted' },
      env: { GROQ_API_KEY: 'gsk_scripted_key', GROQ_BASE_URL: model.baseUrl },
    });
    await say(test, 'Who am I?');
    const { lines, supported } = (await read(test)).body;
    expect(supported).toBe(true);
    expect(lines.map(({ type }: { type: string }) => type)).toEqual(['user', 'tool_call', 'tool_result', 'agent']);
    expect([lines[0].content, lines[3].content]).toEqual(['Who am I?', 'You are Ada.']);
  });
});
