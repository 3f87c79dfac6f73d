// `molecule send` with scripted agents: every outcome a message can have, as a person and as a program see it.

import {
  type FakeAgent,
  openTestDatabase,
  replyBusy,
  replyWith,
  startFakeAgent,
  startPlatform,
  streamResults,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findFreePort } from '../../server/test/platform-process.ts';
import { accessTo, begin, endCommands, makeFolder, run } from './cli.ts';

afterAll(endCommands);

let test: TestPlatform;
let env: Record<string, string>;

beforeAll(async () => {
  test = await startPlatform();
  env = accessTo(test);
});
afterAll(() => test?.stop());

const chunk = (text: string, append: boolean) => ({
  kind: 'artifact-update',
  taskId: 't',
  contextId: 'c',
  append,
  artifact: { artifactId: 'a', parts: [{ kind: 'text', text }] },
});
const end = (state: string, text?: string) => ({
  kind: 'status-update',
  taskId: 't',
  contextId: 'c',
  final: true,
  status: { state, ...(text ? { message: { role: 'agent', parts: [{ kind: 'text', text }] } } : {}) },
});

const frame = (result: unknown) => `data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result })}\n\n`;

/** What the agent was sent, message by message. */
const messagesOf = ({ calls }: FakeAgent) =>
  calls.map(
    ({ body }) => (body as { params: { message: { messageId: string; parts: { text: string }[] } } }).params.message,
  );

describe('an answer', () => {
  it('is streamed to the terminal as it comes, without control sequences', async () => {
    const rest = Promise.withResolvers<void>();
    const agent = await startFakeAgent(test, {
      name: 'Streamer',
      async respond(_call, response) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(frame(chunk('First \u001b[2Jwords', false)));
        await rest.promise;
        response.end(frame(chunk(', then more', true)) + frame(end('completed')));
      },
    });
    const sending = begin(['send', 'streamer', 'Tell me'], env);
    expect(await sending.until('words')).toBe('First words');
    rest.resolve();
    expect(await sending.ended).toMatchObject({ code: 0, out: 'First words, then more\n', err: '' });
    expect(messagesOf(agent)).toMatchObject([{ parts: [{ text: 'Tell me' }] }]);
    await agent.stop();
  });

  it('with --json is lines: the pieces, and at last the whole with its files', async () => {
    const file = { kind: 'file', file: { name: 'plan.md', uri: 'workspace:plan.md' } };
    const whole = await startFakeAgent(test, { name: 'Whole', respond: replyWith('All of it') });
    const pieces = await startFakeAgent(test, {
      name: 'Pieces',
      respond: streamResults([
        chunk('One', false),
        { ...chunk('', false), artifact: { artifactId: 'b', parts: [file, { kind: 'text', text: 'Two' }] } },
        end('completed'),
      ]),
    });
    const [one, other] = await Promise.all([
      run(['send', 'Whole', 'hi', '--json'], env),
      run(['send', pieces.id, 'hi', '--json'], env),
    ]);
    expect(one.lines()).toMatchObject([
      { type: 'answer', ok: true, text: 'All of it', files: [], workspace: { id: whole.id } },
    ]);
    expect(other.lines()).toMatchObject([
      { type: 'text', text: 'One' },
      { type: 'text', text: '\n\nTwo' },
      { type: 'answer', ok: true, text: 'One\n\nTwo', files: [{ name: 'plan.md', uri: 'workspace:plan.md' }] },
    ]);
    await Promise.all([whole.stop(), pieces.stop()]);
  });

  it('that is a failure is exit code 1 with the words of the agent and the way to its log', async () => {
    const agent = await startFakeAgent(test, {
      name: 'Failing',
      respond: streamResults([chunk('Well', false), end('failed', 'the model refused')]),
    });
    const sent = await run(['send', 'failing', 'hi'], env);
    expect(sent).toMatchObject({
      code: 1,
      out: 'Well\n',
      err: 'molecule: Failing failed on this message: the model refused\n          molecule logs Failing\n',
    });
    await agent.stop();
  });
});

describe('a message that waits', () => {
  it('in the queue of a busy agent has its number, and its answer is printed when it comes', async () => {
    const agent = await startFakeAgent(test, { name: 'Busy', respond: replyBusy });
    const first = begin(['send', 'Busy', 'one', '--json'], env);
    await first.until('"place":1');
    const second = begin(['send', 'Busy', 'two'], env);
    await second.until('stored as number 2');
    agent.respond(replyWith('at last'));
    await agent.heartbeat();
    const [one, two] = await Promise.all([first.ended, second.ended]);
    expect(one.code).toBe(0);
    expect(one.lines()).toMatchObject([
      { type: 'queued', place: 1, queue_id: expect.any(String) },
      { type: 'answer', text: 'at last' },
    ]);
    expect(two).toMatchObject({ code: 0, out: 'at last\n' });
    await agent.stop();
  });

  it('longer than --timeout is exit code 4: it stays queued, and that is what is said', async () => {
    const agent = await startFakeAgent(test, { name: 'Slow', respond: replyBusy });
    const sent = await run(['send', 'Slow', 'hi', '--timeout', '1', '--json'], env);
    expect(sent.code).toBe(4);
    const [queued, failure] = sent.lines();
    expect(failure).toMatchObject({ ok: false, code: 'unanswered', exit_code: 4 });
    expect(failure?.error).toBe('no answer in time; the message stays in the queue of Slow');
    const params = { id: agent.id, queueId: String(queued?.queue_id) };
    expect((await test.admin.getQueueItem({ params })).status).toBe('queued');
    await agent.stop();
  });

  it('and is dropped with its workspace is exit code 1', async () => {
    const agent = await startFakeAgent(test, { name: 'Doomed', respond: replyBusy });
    const sending = begin(['send', 'Doomed', 'hi', '--json'], env);
    await sending.until('"place":1');
    await test.admin.deleteWorkspace({ params: { id: agent.id } });
    const sent = await sending.ended;
    expect(sent.code).toBe(1);
    expect(sent.lines().at(-1)).toMatchObject({ ok: false, code: 'queue_dropped' });
    await agent.stop();
  });

  it('is waited for through a restart of the platform', async () => {
    const shared = { db: await openTestDatabase(), dataDir: makeFolder(), env: { PORT: String(await findFreePort()) } };
    const before = await startPlatform(shared);
    const agent = await startFakeAgent(before, { name: 'Patient', respond: replyBusy });
    const sending = begin(['send', 'Patient', 'hi'], accessTo(before));
    await sending.until('stored as number 1');
    await before.stop();
    const after = await startPlatform(shared);
    agent.respond(replyWith('still here'));
    await agent.heartbeat();
    expect(await sending.ended).toMatchObject({ code: 0, out: 'still here\n' });
    await Promise.all([agent.stop(), after.stop()]);
    await shared.db.close();
  });

  it('in the inbox of an agent that polls is answered by what the agent says next', async () => {
    const agent = await startFakeAgent(test, { name: 'Poller', deliveryMode: 'poll' });
    const sending = begin(['send', 'Poller', 'hi'], env);
    await sending.until('inbox');
    await test.client(agent.token).notify({ params: { id: agent.id }, body: { message: 'I read it' } });
    expect(await sending.ended).toMatchObject({ code: 0, out: 'I read it\n' });
    await agent.stop();
  });
});

describe('a message that is not delivered', () => {
  it('over budget, to nobody’s seat, or to an unclear name says why and what mends it', async () => {
    const rich = await startFakeAgent(test, { name: 'Twin One' });
    const { id } = await test.admin.createWorkspace({ body: { name: 'Twin Two', external: true } });
    await test.admin.patchBudget({ params: { id: rich.id }, body: { budget_limit: 0 } });
    const [budget, seat, unclear, unknown, empty] = await Promise.all([
      run(['send', 'Twin One', 'hi'], env),
      run(['send', id, 'hi', '--json'], env),
      run(['send', 'twin', 'hi'], env),
      run(['send', 'Nobody', 'hi', '--json'], env),
      run(['send', 'Twin One', '  '], env),
    ]);
    expect(budget).toMatchObject({ code: 1, err: expect.stringContaining('Twin One has spent its budget') });
    expect(budget.err).toContain(`curl -X PATCH ${test.url}/workspaces/${rich.id}/budget`);
    expect(seat.code).toBe(1);
    expect(seat.json()).toMatchObject({
      ok: false,
      code: 'agent_no_url',
      error: expect.stringContaining('(it is awaiting_agent)'),
    });
    expect(unclear).toMatchObject({ code: 2, out: '' });
    expect(unclear.err).toContain(
      `"twin" could be 2 workspaces: Twin One (${rich.id.slice(0, 8)}), Twin Two (${id.slice(0, 8)})`,
    );
    expect(unknown.json()).toMatchObject({ ok: false, code: 'usage', hint: expect.stringContaining('Twin One') });
    expect(empty).toMatchObject({ code: 2, err: expect.stringContaining('the message is empty') });
    expect(rich.calls).toEqual([]);
    await rich.stop();
  });
});
