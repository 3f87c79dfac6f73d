// The scripted agent: conformance, its script, and a lead at work with its reports.

import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeConformance } from '../../../test/conformance.ts';
import { collect, createFolder, messageOf, SELF, startTestAgent, type TestAgent } from '../../../test/test-agent.ts';
import { readScript } from './directives.ts';
import { createEchoAdapter } from './index.ts';
import { NOTICE, pickViews } from './voice.ts';

describeConformance(
  'echo',
  async () => ({
    options: { adapter: createEchoAdapter() },
    say: (text) => `[[echo: stream 4 chunks]][[echo: reply ${JSON.stringify(text)}]]`,
    hang: () => '[[echo: delay 3600s]]',
    callTool: (tool, input) => `[[echo: tool ${tool} ${JSON.stringify(input)}]]`,
    fail: () => '[[echo: fail rate_limited]]',
    nameFiles: () => 'What is attached?',
  }),
  () => ({ ...createEchoAdapter(), setup: () => Promise.reject(new Error('cannot be set up')) }),
);

async function ask(test: TestAgent, text: string) {
  const { body } = await test.call('message/send', messageOf(text));
  return body.result;
}

describe('the script', () => {
  it('reads every directive, in its order, and leaves the rest of the text', () => {
    const { directives, text, topic } = readScript(
      'Plan [[echo: delay 2s]] the [[echo: stream 3 chunks every 20ms]]launch.[[echo: fail rate_limited 2 times]]' +
        '[[echo: attach a.txt "one\\n]] \\"two\\""]][[echo: tool list_peers]][[echo: tool x {"list":[[1],[2]]}]]' +
        '[[echo: ask "Which?"]][[echo: wedge]][[echo: crash]][[echo: reply "fine"]]',
      'Ada',
    );
    expect([text, topic]).toEqual(['Plan  the launch.', 'Plan  the launch.']);
    expect(directives).toEqual([
      { kind: 'delay', ms: 2_000 },
      { kind: 'stream', chunks: 3, everyMs: 20 },
      { kind: 'fail', tag: 'rate_limited', times: 2 },
      { kind: 'attach', name: 'a.txt', content: 'one\n]] "two"' },
      { kind: 'tool', tool: 'list_peers', input: {} },
      { kind: 'tool', tool: 'x', input: { list: [[1], [2]] } },
      { kind: 'ask', text: 'Which?' },
      { kind: 'wedge' },
      { kind: 'crash' },
      { kind: 'reply', text: 'fine' },
    ]);
  });

  it('follows what is addressed to it and leaves what is addressed to others', () => {
    const message = '[[echo@Grace: fail Error]] go [[echo@Ada: reply "me"]][[echo: delay 1ms]]';
    expect(readScript(message, 'Ada')).toEqual({
      directives: [
        { kind: 'reply', text: 'me' },
        { kind: 'delay', ms: 1 },
      ],
      text: '[[echo@Grace: fail Error]] go',
      topic: 'go',
    });
  });

  it('names what it cannot read', async () => {
    for (const source of ['dance', 'reply fine', 'attach "x"', 'tool x {"a":}'])
      expect(readScript(`[[echo: ${source}]]`, 'Ada').directives).toEqual([{ kind: 'unreadable', source }]);
    expect(readScript('[[echo: reply "open', 'Ada').directives).toEqual([
      { kind: 'unreadable', source: 'reply "open' },
    ]);
    const test = await startTestAgent();
    expect((await ask(test, '[[echo: dance]]')).parts[0].text).toBe('This directive cannot be read: `dance`');
  });

  it('attaches a real file, which the platform can read', async () => {
    const test = await startTestAgent({ env: { MOLECULE_INBOUND_SECRET: 'inbound-secret' } });
    const result = await ask(test, '[[echo: attach my plan.txt "x"]][[echo: attach plan.txt "step one"]]here');
    const file = result.parts.find((part: { kind: string }) => part.kind === 'file')?.file;
    expect(file).toMatchObject({ uri: 'workspace:/workspace/echo/plan.txt', name: 'plan.txt', mimeType: 'text/plain' });
    expect(readFileSync(join(test.workspaceRoot, 'echo/plan.txt'), 'utf8')).toBe('step one');
    const read = await fetch(`${test.agent.url}/internal/file/read?path=/workspace/echo/plan.txt`, {
      headers: { authorization: 'Bearer inbound-secret' },
    });
    expect(await read.text()).toBe('step one');
  });

  it('writes through no link', async () => {
    const outside = join(createFolder(), 'outside.txt');
    writeFileSync(outside, 'untouched');
    const test = await startTestAgent();
    await ask(test, '[[echo: attach a.txt "first"]]');
    symlinkSync(outside, join(test.workspaceRoot, 'echo/link.txt'));
    const result = await ask(test, '[[echo: attach link.txt "second"]]');
    expect(result.status.state).toBe('failed');
    expect(readFileSync(outside, 'utf8')).toBe('untouched');
  });

  it('fails as an overloaded model does, so often, and is repeated', async () => {
    const test = await startTestAgent({ retryDelaysMs: [1, 1, 1] });
    const result = await ask(test, '[[echo: fail rate_limited 2 times]][[echo: reply "third time"]]');
    expect(result.parts[0].text).toBe('third time');
  });

  it('streams so many pieces, and counts them without a text', async () => {
    const test = await startTestAgent();
    const frames = await collect(await test.stream('message/stream', messageOf('[[echo: stream 20 chunks]]')));
    const pieces = frames.filter(({ result }) => result.kind === 'artifact-update');
    expect(pieces).toHaveLength(20);
    expect(pieces.at(-1).result.artifact.parts[0].text).toBe('20 of 20\n');
  });

  it('reports a wedge, and the next success clears it', async () => {
    const test = await startTestAgent();
    const last = () => test.platform.callsTo('POST /registry/heartbeat').at(-1)?.body;
    expect((await ask(test, '[[echo: wedge]]')).status.message.parts[0].text).toContain('session_error');
    await expect.poll(last).toMatchObject({ runtime_state: 'wedged' });
    await ask(test, '[[echo: reply "well again"]]');
    await expect.poll(last).not.toHaveProperty('runtime_state');
  });

  it('refuses to crash a process it shares', async () => {
    const test = await startTestAgent();
    expect((await ask(test, '[[echo: crash]]')).status.message.parts[0].text).toContain('crash_refused');
  });
});

describe('an agent alone', () => {
  it('answers in the voice of its role, the same every time, and says that it is scripted', async () => {
    const test = await startTestAgent({ config: { role: 'Services, data and migrations.' } });
    const [first, second] = [
      await ask(test, 'Plan the launch\nof the shop.'),
      await ask(test, 'Plan the launch\nof the shop.'),
    ];
    const text: string = first.parts[0].text;
    expect(second.parts[0].text).toBe(text);
    expect(text).toContain('Scripted echo agent: no model is connected');
    expect(text).toContain('**Ada** on “Plan the launch”');
    expect(text).toContain('My part: services, data and migrations.');
    expect(text).toMatch(/\*\*In short:\*\* I would report .+, .+ and .+\.$/);
  });

  it('looks at a task from the side of its name', () => {
    expect(pickViews('Backend Engineer')).toEqual(pickViews('Backend Engineer'));
    expect(pickViews('Backend Engineer')).not.toEqual(pickViews('QA Engineer'));
    for (const [title] of pickViews('')) expect(title).not.toBe('');
  });
});

describe('a lead', () => {
  const REPORTS = [
    { id: '22222222-2222-4222-8222-222222222222', name: 'Engineering Lead' },
    { id: '33333333-3333-4333-8333-333333333333', name: 'Growth Lead' },
  ];

  /** A platform whose delegations end at once with these answers; null = they fail. */
  async function startLead(answers: Record<string, string | null>, statuses: Record<string, string> = {}) {
    const rows: unknown[] = [];
    const tasks: { target_id: string; task: string }[] = [];
    const test = await startTestAgent({
      config: { name: 'Chief of Staff', role: 'Turns a goal into work.' },
      prepare({ platform }) {
        platform.on(`GET /registry/${SELF}/peers`, () => ({
          body: REPORTS.map((report) => ({
            ...report,
            role: null,
            status: statuses[report.name] ?? 'online',
            parent_id: SELF,
          })),
        }));
        platform.on(`GET /workspaces/${SELF}/delegations`, () => ({ body: rows.toReversed() }));
        platform.on(`POST /workspaces/${SELF}/delegate`, ({ body }) => {
          tasks.push(body);
          const report = REPORTS.find(({ id }) => id === body.target_id);
          const answer = answers[report?.name ?? ''];
          const id = `d${tasks.length}`;
          rows.push({
            delegation_id: id,
            method: 'delegate_result',
            source_id: SELF,
            target_id: body.target_id,
            status: answer === null ? 'failed' : 'completed',
            error: answer === null ? 'connect ECONNREFUSED 127.0.0.1:1' : undefined,
            response_preview: answer ?? '',
          });
          return { status: 202, body: { delegation_id: id, status: 'delegated' } };
        });
      },
    });
    return { test, tasks };
  }

  const engineering = `${NOTICE}\n\n## Engineering Lead\n\nTwo weeks.\n\n**In short:** it takes two weeks.`;

  it('hands the task to every report at once and puts the answers together', async () => {
    const { test, tasks } = await startLead({
      'Engineering Lead': engineering,
      'Growth Lead': 'We should charge more.',
    });
    const script = 'Plan the launch. [[echo@Backend Engineer: delay 1s]]';
    const frames = await collect(await test.stream('message/stream', messageOf(script)));
    const { message } = frames.at(-1).result.status;
    const text: string = message.parts[0].text;
    expect(tasks.map(({ target_id, task }) => [target_id, task])).toEqual(REPORTS.map(({ id }) => [id, script]));
    expect(text).toBe(
      [
        NOTICE,
        '## Chief of Staff',
        'I asked Engineering Lead and Growth Lead: “Plan the launch.”',
        '### Engineering Lead',
        'Two weeks.',
        '### Growth Lead',
        'We should charge more.',
        '### Together',
        '- **Engineering Lead**: it takes two weeks.',
        '**In short:** 2 of 2 reports answered: Engineering Lead and Growth Lead.',
      ].join('\n\n'),
    );
    const trace = message.metadata.tool_trace.map(({ tool }: { tool: string }) => tool);
    expect(trace).toEqual(['list_peers', 'delegate_task', 'delegate_task']);
  });

  it('names who could not answer and who is not there, and passes no raw error on', async () => {
    const { test, tasks } = await startLead({ 'Engineering Lead': null }, { 'Growth Lead': 'paused' });
    const text: string = (await ask(test, 'Plan the launch.')).parts[0].text;
    expect(tasks).toHaveLength(1);
    expect(text).toContain('### Growth Lead\n\nNot available: Growth Lead is paused.');
    expect(text).toContain('### Engineering Lead\n\nEngineering Lead could not answer.');
    expect(text).toContain('**In short:** 0 of 2 reports answered; without Engineering Lead and Growth Lead.');
    expect(text).not.toContain('ECONNREFUSED');
  });

  it('waits for reports that are starting', async () => {
    const statuses: Record<string, string> = { 'Growth Lead': 'provisioning' };
    const { test, tasks } = await startLead({ 'Engineering Lead': 'a', 'Growth Lead': 'b' }, statuses);
    const answer = ask(test, 'Plan the launch.');
    await test.platform.waitFor(`GET /registry/${SELF}/peers`, 1);
    statuses['Growth Lead'] = 'online';
    expect((await answer).parts[0].text).toContain('2 of 2 reports answered');
    expect(tasks).toHaveLength(2);
  });

  it('answers a wake-up with the results and delegates nothing', async () => {
    const { test, tasks } = await startLead({});
    const message = messageOf('[completed] "Delegation completed: [[echo: fail]]"', {
      metadata: { internal: 'delegation_results' },
    });
    const { body } = await test.call('message/send', message);
    expect(body.result.parts[0].text).toContain('Scripted echo agent');
    expect(tasks).toEqual([]);
  });
});
