import { randomUUID } from 'node:crypto';
import {
  type FakeAgent,
  type Peer,
  type Responder,
  replyStatus,
  replyWith,
  rpcIdOf,
  sendA2a,
  startFakeAgent,
  startPlatform,
  streamResults,
  type TestPlatform,
  textRequest,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createV03Agent, createV10Agent, V03_CARD, V10_CARD } from '../../test/a2a-agents.ts';

let test: TestPlatform;
let v03: FakeAgent;
let v10: FakeAgent;
beforeAll(async () => {
  test = await startPlatform();
  v03 = await startFakeAgent(test, { respond: createV03Agent(), card: V03_CARD });
  v10 = await startFakeAgent(test, { respond: createV10Agent(), card: V10_CARD });
});
afterAll(async () => {
  await Promise.all([v03?.stop(), v10?.stop()]);
  await test?.stop();
});

/** What the agent was asked last. */
const askedOf = (agent: Peer): { method: string; params: { message: { parts: unknown[] } } } =>
  JSON.parse(agent.calls.at(-1)?.raw ?? '{}');
const methodOf = (agent: Peer) => askedOf(agent).method;
const joined = (artifacts: { parts: { text?: string }[] }[]) =>
  artifacts.flatMap(({ parts }) => parts.map(({ text }) => text)).join('');
const framesOf = (raw: string) => [...raw.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''));
const pascal = (parts: unknown) => ({
  jsonrpc: '2.0',
  id: 2,
  method: 'SendMessage',
  params: { message: { role: 'ROLE_USER', messageId: randomUUID(), ...(parts ? { parts } : {}) } },
});

it('20.99 a v0.3 caller streams from an agent whose card declares 1.0; a PascalCase method is answered in v1.0', async () => {
  const request = textRequest('across', { method: 'message/stream' });
  const streamed = await sendA2a(test, v10.id, request, { headers: { accept: 'text/event-stream' } });
  expect(methodOf(v10)).toBe('SendStreamingMessage');
  expect(streamed.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const frames = framesOf(streamed.raw);
  expect(frames.map(({ id, result }) => [id, result.kind])).toEqual([
    [1, 'task'],
    [1, 'status-update'],
    [1, 'artifact-update'],
    [1, 'artifact-update'],
    [1, 'status-update'],
  ]);
  expect(frames.at(-1).result).toMatchObject({ status: { state: 'completed' }, final: true });
  expect(streamed.raw).not.toMatch(/TASK_STATE|ROLE_/);

  // What was streamed is logged as the task it amounts to.
  const row = await waitForActivity(
    test,
    v10.id,
    ({ method, response_body: body }) => method === 'message/stream' && JSON.stringify(body).includes('across'),
  );
  expect(row.response_body).toMatchObject({
    result: {
      kind: 'task',
      status: { state: 'completed', message: { role: 'agent', parts: [{ kind: 'text', text: 'done' }] } },
      artifacts: [{ parts: [{ kind: 'text', text: 'across' }] }],
    },
  });

  // Without an event stream on its side the caller gets the result, in its own version.
  const folded = await sendA2a(test, v10.id, request);
  expect(folded.body).toMatchObject({
    id: 1,
    result: { kind: 'task', artifacts: [{ parts: [{ kind: 'text', text: 'across' }] }] },
  });

  for (const agent of [v03, v10]) {
    const reply = await sendA2a(test, agent.id, pascal([{ text: 'hi' }]));
    const { id, result } = JSON.parse(reply.raw);
    expect([id, joined(result.task.artifacts), result.task.status.state]).toEqual([2, 'hi', 'TASK_STATE_COMPLETED']);
    expect(reply.raw).not.toContain('"kind"');
  }
  const message = await startFakeAgent(test, { respond: replyWith('a message') });
  expect((await sendA2a(test, message.id, pascal([{ text: 'hi' }]))).body).toMatchObject({
    result: { message: { role: 'ROLE_AGENT', parts: [{ text: 'a message' }] } },
  });
  await message.stop();
});

it('a v0.2 body is understood by agents of both versions', async () => {
  const body = {
    jsonrpc: '2.0',
    id: 3,
    method: 'message/send',
    params: { message: { role: 'user', messageId: 'old', content: 'from the past' } },
  };
  for (const agent of [v03, v10]) {
    const reply = await sendA2a(test, agent.id, body);
    const { id, result } = JSON.parse(reply.raw);
    expect([id, result.kind, joined(result.artifacts)]).toEqual([3, 'task', 'from the past']);
  }
});

it('files and data cross versions without loss', async () => {
  const parts = [
    { kind: 'text', text: 'look' },
    { kind: 'file', file: { uri: 'workspace:/a.png', name: 'a.png', mimeType: 'image/png' } },
    { kind: 'file', file: { bytes: 'aGk=', name: 'hi.txt', mimeType: 'text/plain' } },
    { kind: 'data', data: { answer: 42 }, metadata: { unit: 'none' } },
    { kind: 'data', data: { value: [1, 2] }, metadata: { data_part_compat: true } },
  ];
  await sendA2a(test, v10.id, textRequest('', { message: { parts } }));
  const { message } = askedOf(v10).params;
  expect(message.parts).toEqual([
    { text: 'look' },
    { url: 'workspace:/a.png', filename: 'a.png', mediaType: 'image/png' },
    { raw: 'aGk=', filename: 'hi.txt', mediaType: 'text/plain' },
    { data: { answer: 42 }, metadata: { unit: 'none' } },
    { data: [1, 2] },
  ]);
  const back = {
    jsonrpc: '2.0',
    id: 1,
    method: 'SendMessage',
    params: { message: { ...message, role: 'ROLE_USER', messageId: 'm' } },
  };
  await sendA2a(test, v03.id, back);
  expect(askedOf(v03).params.message.parts).toEqual(parts);
});

describe('callers from before v0.3', () => {
  const begin = (method: string) => ({
    jsonrpc: '2.0',
    id: 4,
    method,
    params: {
      id: 'their-own',
      sessionId: 'session-1',
      message: { role: 'user', parts: [{ type: 'text', text: 'to and fro' }] },
      historyLength: 3,
    },
  });
  const spoken = ['to an', 'd fro'].map((text) => ({ type: 'text', kind: 'text', text }));

  it('begin a task in a session, and read it by the names of their time beside those of v0.3', async () => {
    const reply = await sendA2a(test, v03.id, begin('tasks/send'));
    expect(askedOf(v03)).toMatchObject({
      method: 'message/send',
      params: { message: { contextId: 'session-1' }, configuration: { blocking: true, historyLength: 3 } },
    });
    const { result } = JSON.parse(reply.raw);
    expect(result).toMatchObject({
      kind: 'task',
      sessionId: 'session-1',
      status: { state: 'completed', message: { parts: [{ type: 'text', kind: 'text', text: 'done' }] } },
      artifacts: [{ index: 0, artifactId: 'a-1', parts: spoken }],
    });
    // The name is the agent's, and what it is asked for by later.
    expect(result.id).not.toBe('their-own');
    const read = { jsonrpc: '2.0', id: 5, method: 'tasks/get', params: { id: result.id } };
    const [old, plain] = await Promise.all([
      sendA2a(test, v03.id, read, { headers: { 'a2a-version': '0.2' } }),
      sendA2a(test, v03.id, read),
    ]);
    expect(old.body).toMatchObject({ result: { id: result.id, artifacts: [{ index: 0, parts: spoken }] } });
    expect(plain.raw).not.toMatch(/"type"|sessionId/);
  });

  it('stream a task: each frame names it by its id, each artifact by its place', async () => {
    const reply = await sendA2a(test, v10.id, begin('tasks/sendSubscribe'), {
      headers: { accept: 'text/event-stream' },
    });
    const results = framesOf(reply.raw).map(({ result }) => result);
    const [{ id }] = results;
    expect(results).toMatchObject([
      { id, sessionId: 'session-1', status: { state: 'submitted' } },
      { id, status: { state: 'working' }, final: false },
      { id, artifact: { index: 0, parts: [{ type: 'text', text: 'to an' }] } },
      { id, artifact: { index: 0, parts: [{ type: 'text', text: 'd fro' }], append: true, lastChunk: true } },
      { id, status: { state: 'completed', message: { parts: [{ type: 'text', text: 'done' }] } }, final: true },
    ]);
  });

  it('take a message for the task it completed', async () => {
    const agent = await startFakeAgent(test, { respond: replyWith('just this') });
    const reply = await sendA2a(test, agent.id, begin('tasks/send'));
    const said = { parts: [{ type: 'text', kind: 'text', text: 'just this' }] };
    expect(reply.body).toMatchObject({
      result: { kind: 'message', ...said, id: expect.any(String), status: { state: 'completed', message: said } },
    });
    await agent.stop();
  });
});

describe('errors', () => {
  const replyError =
    (error: Record<string, unknown>): Responder =>
    (call, response) =>
      replyStatus(200, { jsonrpc: '2.0', id: rpcIdOf(call), error })(call, response);
  const info = (reason: string) => ({
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason,
    domain: 'a2a-protocol.org',
  });
  const packed = (value: unknown, type = 'Struct') => ({
    '@type': `type.googleapis.com/google.protobuf.${type}`,
    value,
  });
  const other = { '@type': 'type.googleapis.com/google.rpc.Help', links: [] };

  /** The same error as an agent of one version says it and a caller of the other reads it. */
  const BOTH_WAYS: [what: string, v03: Record<string, unknown>, v10: Record<string, unknown>][] = [
    [
      'a code alone is named',
      { code: -32001, message: 'Task not found' },
      { code: -32001, message: 'Task not found', data: [info('TASK_NOT_FOUND')] },
    ],
    [
      'what v0.3 said in data is packed',
      { code: -32005, message: 'no', data: { accepted: ['text/plain'] } },
      { code: -32005, message: 'no', data: [info('CONTENT_TYPE_NOT_SUPPORTED'), packed({ accepted: ['text/plain'] })] },
    ],
    [
      'also what is no object',
      { code: -32603, message: 'oh', data: 'a trace' },
      { code: -32603, message: 'oh', data: [packed('a trace', 'Value')] },
    ],
    ['a code of neither version', { code: -32050, message: 'mine' }, { code: -32050, message: 'mine' }],
    [
      'details v0.3 has no words for are kept',
      { code: -32009, message: 'no', data: [info('VERSION_NOT_SUPPORTED'), other] },
      { code: -32009, message: 'no', data: [info('VERSION_NOT_SUPPORTED'), other] },
    ],
  ];

  it('20.120 cross versions both ways without loss; those of the platform are in the version of the caller', async () => {
    const said = await startFakeAgent(test, { card: V03_CARD });
    const spoken = await startFakeAgent(test, { card: V10_CARD });
    for (const [what, v03Error, v10Error] of BOTH_WAYS) {
      said.respond(replyError(v03Error));
      const read = await sendA2a(test, said.id, pascal([{ text: 'hi' }]));
      expect([what, read.status, read.body?.error]).toEqual([what, 200, v10Error]);
      spoken.respond(replyError(v10Error));
      const heard = await sendA2a(test, spoken.id, textRequest('hi'));
      expect([what, heard.status, heard.body?.error]).toEqual([what, 200, v03Error]);
    }

    const refused = await sendA2a(test, said.id, pascal(null));
    const message = 'params.message.parts is required';
    const violation = {
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field: 'params.message.parts', description: message }],
    };
    expect([refused.status, refused.body]).toEqual([
      400,
      { jsonrpc: '2.0', id: 2, error: { code: -32602, message, data: [info('INVALID_PARAMS'), violation] } },
    ]);
    const plain = await sendA2a(test, said.id, textRequest('', { message: { parts: undefined } }));
    expect(plain.body?.error).toEqual({ code: -32602, message, data: { field: 'params.message.parts' } });

    // The refusal of an agent over HTTP is no JSON-RPC, whoever asks.
    spoken.respond(replyStatus(400, { jsonrpc: '2.0', id: 2, error: { code: -32602, message: 'not so' } }));
    const overHttp = await sendA2a(test, spoken.id, pascal([{ text: 'hi' }]));
    expect([overHttp.status, overHttp.body?.error]).toEqual([400, 'not so']);

    // A stream that breaks ends in the same words in every version: its code is of none.
    const first = { task: { id: 't', contextId: 'c', status: { state: 'TASK_STATE_WORKING' } } };
    for (const [agent, frame] of [
      [said, { kind: 'task', id: 't', contextId: 'c', status: { state: 'working' } }],
      [spoken, first],
    ] as const) {
      agent.respond(streamResults([frame], { broken: true }));
      const headers = { accept: 'text/event-stream', 'a2a-version': '1.0' };
      const asked = { ...pascal([{ text: 'hi' }]), method: 'SendStreamingMessage' };
      const frames = framesOf((await sendA2a(test, agent.id, asked, { headers })).raw);
      expect(frames).toMatchObject([
        { id: 2, result: first },
        { id: 2, error: { code: -32000, message: 'stream interrupted' } },
      ]);
    }
    await Promise.all([said.stop(), spoken.stop()]);
  });
});
